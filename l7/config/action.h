// What serves the requests of a rule: backends by weight, and filters. Rules name actions by number, so that rules with
// the same action share it and filters can be added without a word in the matching.
//
// Immutable; owned by the generation. Thread: built by control, read by workers. A backend names a cluster by its
// number in the generation; a backend that is not to be had (a missing Service, a reference without a grant) stays in
// the list with cluster kNoCluster, because its share of the requests is answered 500 (Gateway API, backendRefs).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "l7/config/limits.h"

namespace penstock::config {

constexpr uint32_t kNoCluster = UINT32_MAX;
constexpr uint32_t kNoFilters = UINT32_MAX;
constexpr uint32_t kNoGuards = UINT32_MAX;

struct Backend {
  uint32_t cluster = kNoCluster;
  uint32_t weight = 1;            // 0: gets nothing
  uint32_t filters = kNoFilters;  // of this backend alone
};

// 0: none (Gateway API, HTTPRouteTimeouts).
struct Timeouts {
  base::Nanos request = 0;  // from the request's first byte to the response's last
  base::Nanos backend = 0;  // of one try
  bool operator==(const Timeouts&) const = default;
};

// Gateway API's HTTPRouteRetry; the conditions are Envoy's.
struct Retry {
  uint8_t attempts = 0;  // besides the first try
  base::Nanos backoff = 25'000'000;
  std::vector<uint16_t> codes;  // answers that are tried again
  bool connect_failure = true;  // no connection came about: nothing was sent, so any request is tried again
  bool reset = true;            // the connection broke before an answer; idempotent requests only
  bool given = false;           // by the route: else its cluster's count
  bool operator==(const Retry&) const = default;
};

struct Action {
  std::vector<Backend> backends;  // none: only what the filters answer
  uint32_t filters = kNoFilters;  // a list of filters in the generation
  uint32_t guards = kNoGuards;    // what its requests must pass: a list of guard::Set
  Timeouts timeouts;
  Retry retry;
};

base::Result<void> check(const Action& action, const std::string& what);

// The backend for one request, by a random number that is even over 32 bits: shares follow the weights to 1 in 2^32 /
// the sum of weights. Null when no backend has a weight. At most kMaxBackendsPerAction steps.
const Backend* pick_backend(const Action& action, uint32_t random);

}  // namespace penstock::config
