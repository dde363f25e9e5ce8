// How requests to a cluster survive endpoints that fail: who is left out for a while, what is tried again and how
// often, what is opened ahead. Names and meanings are those of Envoy; the budget is Gateway API's retryConstraint.
//
// Immutable; owned by the generation, built by control. Failures are counted over all workers; requests and
// retries of budgets are those of each worker. 0 switches off what it is the number of.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"

namespace penstock::config {

constexpr size_t kMaxRetriableHeaders = 16;
constexpr uint32_t kMaxPreconnectPercent = 300;

// Statuses from 400 to 599, any of them.
struct StatusSet {
  static constexpr uint16_t kFirst = 400, kCodes = 200;
  std::array<uint64_t, 4> bits{};

  void add(uint16_t code) {
    if (code >= kFirst && code < kFirst + kCodes) bits[(code - kFirst) / 64] |= uint64_t{1} << (code - kFirst) % 64;
  }
  void add(const StatusSet& others) {
    for (size_t i = 0; i < bits.size(); ++i) bits[i] |= others.bits[i];
  }
  bool has(uint16_t code) const {
    if (code < kFirst || code >= kFirst + kCodes) return false;
    return bits[(code - kFirst) / 64] >> (code - kFirst) % 64 & 1;
  }
  bool operator==(const StatusSet&) const = default;
};

struct SuccessRateEjection {
  uint32_t stdev_factor = 1900;  // thousandths of a standard deviation below the mean
  uint32_t minimum_hosts = 5;    // with enough requests, else nobody is judged
  uint32_t request_volume = 100;
  bool operator==(const SuccessRateEjection&) const = default;
};

struct FailurePercentageEjection {
  uint32_t threshold = 85;  // percent
  uint32_t minimum_hosts = 5;
  uint32_t request_volume = 50;
  bool operator==(const FailurePercentageEjection&) const = default;
};

struct OutlierDetection {
  uint32_t consecutive_5xx = 5;             // answers of 500 to 599
  uint32_t consecutive_gateway_errors = 0;  // of 502, 503 and 504
  uint32_t consecutive_local_origin = 5;    // only with split_local_origin
  // No connection, a reset or no answer in time counts for itself; else it counts as an answer of 503.
  bool split_local_origin = false;
  base::Nanos interval = 10 * base::kNanosPerSecond;
  base::Nanos base_ejection = 30 * base::kNanosPerSecond;  // times how often the endpoint was ejected
  base::Nanos max_ejection = 300 * base::kNanosPerSecond;  // or base_ejection, if that is more
  uint32_t max_ejection_percent = 10;                      // while fewer are ejected, another one may be
  std::optional<SuccessRateEjection> success_rate;
  std::optional<FailurePercentageEjection> failure_percentage;
  bool operator==(const OutlierDetection&) const = default;
};

// Retries may be `percent` of the requests of the last `interval`, and always `least` in `least_interval`.
struct RetryBudget {
  uint32_t percent = 20;
  base::Nanos interval = 10 * base::kNanosPerSecond;
  uint32_t least = 10;
  base::Nanos least_interval = base::kNanosPerSecond;
  bool operator==(const RetryBudget&) const = default;
};

enum RetryOn : uint8_t {
  kOn5xx = 1 << 0,           // answers of 500 to 599, and whatever fails without an answer
  kOnGatewayError = 1 << 1,  // 502, 503, 504, and whatever fails without an answer
  kOnConnectFailure = 1 << 2,
  kOnReset = 1 << 3,
  kOnRetriable4xx = 1 << 4,  // 409
};

struct RetryRules {
  uint8_t attempts = 1;  // besides the first try; a route's own number counts instead
  base::Nanos backoff = 25'000'000;
  uint8_t on = kOnConnectFailure;    // RetryOn
  std::vector<uint16_t> codes;       // besides those of `on`; 400 to 599
  std::vector<std::string> headers;  // lower case: answers that carry one of them
  base::Nanos try_timeout = 0;       // of one try, where the route has no time-out of its own
  base::Nanos max_retry_after = 0;   // a Retry-After up to this is waited for; a longer one ends the tries
  bool non_idempotent = false;       // POST and PATCH, too, after they were sent
  bool hedge = false;                // a try that takes longer than `try_timeout` goes on beside the next
  StatusSet statuses;                // all that `on` and `codes` mean: seal()
  bool operator==(const RetryRules&) const = default;

  void seal() {
    statuses = {};
    for (const uint16_t code : codes) statuses.add(code);
    for (uint16_t code = 500; on & kOn5xx && code < 600; ++code) statuses.add(code);
    for (uint16_t code = 502; on & kOnGatewayError && code < 505; ++code) statuses.add(code);
    if (on & kOnRetriable4xx) statuses.add(409);
  }
};

struct Resilience {
  std::optional<OutlierDetection> outliers;
  std::optional<RetryBudget> budget;
  std::optional<RetryRules> retry;
  uint32_t preconnect_percent = 100;  // connections for 100 requests under way; above 100, some are opened ahead
  base::Nanos max_stream = 0;         // a request, an upgraded or TCP connection ends then, whatever moves
  bool operator==(const Resilience&) const = default;
};

}  // namespace penstock::config
