// Which endpoints one worker leaves out for a while, because of what became of its own requests to them.
//
// report() takes each result; a run of failures ejects at once. At the end of each interval in which there were
// results, sweep() compares the endpoints of a cluster (success rate, failure percentage), and takes back those whose
// time is over. An ejected endpoint has `ejected` set in its EndpointState, and Clusters passes it over. As Envoy: an
// ejection lasts base_ejection times how often it happened, once less for each interval that the endpoint was not
// ejected.
//
// Memory: tables by the stable slots of clusters and endpoints, made once; nothing else allocates. adopt() keeps what
// is known of endpoints that are still there and whose cluster still ejects. Thread: the worker's; the counters are for
// any. What it does not do: look at other workers; close connections; clocks and timers (next() says when to call
// sweep()).
#pragma once

#include <array>
#include <memory>

#include "base/counter.h"
#include "l7/proxy/clusters.h"

namespace penstock::proxy {

enum class Outcome : uint8_t {
  kSuccess,       // an answer below 500
  kServerError,   // 500 to 599 but for the next
  kGatewayError,  // 502, 503, 504; an answer that is not HTTP
  kLocalFailure,  // no connection, a reset, no answer in time
  kConnected,     // a connection came about
};
constexpr Outcome outcome_of(uint16_t status) {
  if (status < 500) return Outcome::kSuccess;
  return status >= 502 && status <= 504 ? Outcome::kGatewayError : Outcome::kServerError;
}

enum class Ejection : uint8_t { kConsecutive5xx, kGatewayErrors, kLocalOrigin, kSuccessRate, kFailurePercentage };
constexpr size_t kEjections = 5;
inline constexpr std::array<const char*, kEjections> kEjectionNames = {"consecutive_5xx", "consecutive_gateway_errors",
                                                                       "consecutive_local_origin_failures",
                                                                       "success_rate", "failure_percentage"};

struct EjectionCounters {
  std::array<base::Counter, kEjections> by_reason;
  base::Counter ejected;  // now: 0 or 1
};

class Outliers {
 public:
  Outliers(const Limits& limits, Clusters& clusters);

  // Before Clusters takes the same configuration.
  void adopt(const route::L7Config& config);

  // Of a cluster with outlier detection. True: the endpoint is ejected from now on.
  bool report(const config::Cluster& cluster, uint32_t endpoint, Outcome outcome, base::Nanos now);
  // Ends ejections and intervals that are due. True: other endpoints are ejected than before.
  bool sweep(const config::Cluster& cluster, base::Nanos now);
  // When to call sweep(); 0: not before the next report.
  base::Nanos next(uint32_t cluster) const { return clusters_[cluster].due; }

  // Ejections that were not made, because as many endpoints as may be were ejected already.
  uint64_t overflows() const { return overflows_.read(); }
  const EjectionCounters* counters(uint32_t endpoint) const {
    return endpoint < endpoint_slots_ ? &endpoints_[endpoint].counters : nullptr;
  }

 private:
  struct Endpoint {
    uint32_t failures = 0, gateway_errors = 0, local_failures = 0;  // in a row
    uint32_t good = 0, bad = 0;                                     // in this interval
    uint32_t times = 0;
    base::Nanos until = 0;  // of an ejected one
    uint64_t adoption = 0;  // the last one that knew it
    base::IpAddress address;
    uint16_t port = 0;
    EjectionCounters counters;
  };
  struct Cluster {
    base::Nanos due = 0, interval_until = 0;
    uint32_t ejected = 0;
  };

  void forget(uint32_t slot);
  bool eject(const config::Cluster& cluster, uint32_t slot, Ejection why, base::Nanos now);
  void take_back(Cluster& cluster, uint32_t slot);
  bool end_interval(const config::Cluster& cluster, base::Nanos now);
  bool judge_success_rate(const config::Cluster& cluster, base::Nanos now);
  bool judge_failure_percentage(const config::Cluster& cluster, base::Nanos now);
  void set_due(const config::Cluster& cluster);
  bool is_judged(uint32_t slot, uint32_t volume) const;

  Clusters& states_;
  const uint32_t cluster_slots_, endpoint_slots_;
  std::unique_ptr<Cluster[]> clusters_;
  std::unique_ptr<Endpoint[]> endpoints_;
  uint64_t adoptions_ = 0;
  base::Counter overflows_;
};

}  // namespace penstock::proxy
