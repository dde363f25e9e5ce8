// Which bucket of a limit a request belongs to: the components of the limit's key, hashed with a secret.
//
// Every text enters the hash with its length and kind before it, so that no two different lists of components are the
// same bytes; two different keys share a bucket with the chance of a 64-bit hash whose key nobody outside knows.
// Pure; nothing is allocated. The result is never 0. Nothing: the request lacks a component, and the limit is not about
// it (as Envoy's descriptors).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/address.h"
#include "l7/config/request_limit.h"
#include "l7/http/message.h"
#include "l7/route/match_set.h"
#include "l7/tcp/keyed_hash.h"

namespace penstock::limit {

// What a request is looked at with; views of the caller's.
struct Subject {
  const http::RequestHead& head;
  base::IpAddress source;
  const route::MatchSet& matches;
  route::Scratch& scratch;  // begun for this request
};

std::optional<uint64_t> key_of(const config::RequestLimit& limit, const Subject& request, const tcp::HashKey& secret);
// The same of a key that is nothing but the source.
uint64_t key_of(const config::RequestLimit& limit, const base::IpAddress& source, const tcp::HashKey& secret);

}  // namespace penstock::limit
