// The token by which a client's next request finds the endpoint of the last one: config::SessionPersistence.
//
// Opaque and authentic. It is sealed with a key that only this process knows: from outside it tells neither addresses
// nor which clients share an endpoint's number, and one that was made up or altered is no token. Inside are the stable
// slots of cluster and endpoint with a tag of the endpoint's address (a slot may be another's one day), and two times
// in seconds of the worker's clock. As in SIV (RFC 5297), the sum that authenticates the content is what encrypts it.
//
// Pure, without memory. Failure: nothing, for what is no token of this process. A restart of the gateway ends sessions.
#pragma once

#include <array>
#include <optional>
#include <string_view>

#include "base/address.h"
#include "l7/config/session.h"

namespace penstock::proxy {

constexpr size_t kTokenBytes = 48;

struct SessionToken {
  uint32_t cluster = 0, endpoint = 0;  // slots
  uint32_t tag = 0;                    // endpoint_tag() of the endpoint
  uint32_t born = 0, seen = 0;         // seconds
  bool operator==(const SessionToken&) const = default;
};

uint32_t endpoint_tag(const base::IpAddress& address, uint16_t port, const config::SessionKey& key);
std::array<char, kTokenBytes> seal(const SessionToken& token, const config::SessionKey& key);
std::optional<SessionToken> open_token(std::string_view text, const config::SessionKey& key);

// Whether a token of this rule still counts.
bool is_alive(const SessionToken& token, const config::SessionPersistence& how, uint32_t now);

}  // namespace penstock::proxy
