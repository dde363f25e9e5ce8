// The token by which a client's next request finds the endpoint of the last one: config::SessionPersistence.
//
// It names the endpoint itself: the backend by a number made of its name, address and port, and two times in seconds
// since 1970. So it means the same after a restart and in every gateway that has the key. From outside it tells
// nothing: not an address, nor which clients share an endpoint; and one that was made up or altered is no token. As in
// SIV (RFC 5297), the sum that authenticates the content is what encrypts it.
//
// Pure, without memory. Failure: nothing, for what none of the keys sealed: that costs a sum for each key.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <string_view>

#include "base/address.h"
#include "l7/config/session.h"

namespace penstock::proxy {

constexpr size_t kTokenBytes = 80;
// The clocks of gateways that share a key may be so far apart, in seconds.
constexpr uint32_t kClockSkew = 300;

struct SessionToken {
  base::IpAddress address;  // of the endpoint
  uint16_t port = 0;
  uint32_t cluster = 0;         // config::Cluster::id
  uint32_t born = 0, seen = 0;  // seconds since 1970
  bool operator==(const SessionToken&) const = default;
};

struct OpenedToken {
  SessionToken token;
  bool of_old_key = false;  // to be sealed again
};

std::array<char, kTokenBytes> seal(const SessionToken& token, const config::SessionKey& key);
std::optional<OpenedToken> open_token(std::string_view text, std::span<const config::SessionKey> keys);

// Whether a token of this rule still counts.
bool is_alive(const SessionToken& token, const config::SessionPersistence& how, uint32_t now);

// Seconds from then to now; 0 while another gateway's clock is ahead.
constexpr uint32_t age(uint32_t then, uint32_t now) { return now > then ? now - then : 0; }

}  // namespace penstock::proxy
