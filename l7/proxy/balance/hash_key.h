// What a request hashes to by the keys of a cluster's policy (config::HashKey). The same on every worker, after a
// restart and on another gateway: sessions stay where they are as long as the endpoints do.
//
// Pure. Not for secrets: whoever knows the endpoints can compute which of them a key names, and could as well send the
// same key again and again. Failure: nothing, when the request has none of the keys.
#pragma once

#include <optional>

#include "base/address.h"
#include "l7/config/balance.h"
#include "l7/http/message.h"

namespace penstock::proxy {

constexpr size_t kMaxHashedBytes = 1024;  // of a value; what is behind does not count

// `head` null: a TCP connection, which has nothing but a source.
std::optional<uint64_t> hash_request(const std::vector<config::HashKey>& keys, const http::RequestHead* head,
                                     const base::IpAddress& source);

uint64_t hash_text(std::string_view text);

}  // namespace penstock::proxy
