// Which endpoints are left out for a while because of what became of requests to them: one worker's part.
//
// report() takes each result; a run of failures, over all workers, ejects at once. At the end of each interval in which
// there were results, sweep() of one worker compares the endpoints of a cluster (success rate, failure percentage) by
// the results of all workers, and takes back those whose time is over. What others decided, learn() finds out. An
// ejected endpoint has `ejected` set in its EndpointState, and Clusters passes it over. As Envoy: an ejection lasts
// base_ejection times how often it happened, once less for each interval that the endpoint was not ejected.
//
// Memory: what workers share is the table's (outlier_table.h); its own is made once. Thread: the worker's; the counters
// are for any. What it does not do: close connections; clocks and timers (next() says when to call sweep()).
#pragma once

#include <array>
#include <memory>

#include "base/counter.h"
#include "l7/proxy/clusters.h"
#include "l7/proxy/outlier_table.h"

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
  std::array<base::Counter, kEjections> by_reason;  // decided by this worker
};

class Outliers {
 public:
  // `table`: what the workers share; null: one of its own.
  Outliers(const Limits& limits, Clusters& clusters, std::shared_ptr<OutlierTable> table);

  // Before Clusters takes the same configuration.
  void adopt(const route::L7Config& config);

  // Of a cluster with outlier detection. True: the endpoint is ejected from now on.
  bool report(const config::Cluster& cluster, uint32_t endpoint, Outcome outcome, base::Nanos now);
  // Ends ejections and intervals that are due. True: other endpoints are left out than before.
  bool sweep(const config::Cluster& cluster, base::Nanos now) noexcept;
  // Before an endpoint of the cluster is chosen: what other workers decided. True as of sweep().
  bool learn(const config::Cluster& cluster);
  // When to call sweep(); 0: not before the next report.
  base::Nanos next(uint32_t cluster) const;

  // Ejections that were not made, because as many endpoints as may be were ejected already.
  uint64_t overflows() const { return overflows_.read(); }
  const EjectionCounters* counters(uint32_t endpoint) const {
    return endpoint < table_->endpoint_slots() ? &counters_[endpoint] : nullptr;
  }
  bool is_ejected(uint32_t endpoint) const {  // for all workers
    return endpoint < table_->endpoint_slots() && table_->is_ejected(endpoint);
  }

 private:
  using Endpoint = OutlierTable::Endpoint;
  using Turn = OutlierTable::Turn;

  bool eject_after_run(std::atomic<uint32_t>& run, const config::Cluster& cluster, uint32_t slot, Ejection why,
                       base::Nanos now) noexcept;
  // With the cluster's turn:
  bool eject(const config::Cluster& cluster, uint32_t slot, Ejection why, base::Nanos now);
  void take_back(uint32_t slot);
  void end_interval(const config::Cluster& cluster, base::Nanos now);
  void judge_success_rate(const config::Cluster& cluster, base::Nanos now);
  void judge_failure_percentage(const config::Cluster& cluster, base::Nanos now);
  void set_first_until(const config::Cluster& cluster, base::Nanos now);
  bool is_judged(const config::Endpoint& endpoint, size_t number, uint32_t volume) const;
  double rate_of(size_t number) const;

  Clusters& states_;
  const bool alone_;  // and so nobody else prepares the table
  const std::shared_ptr<OutlierTable> table_;
  OutlierResults* const results_;                 // null: there are more workers than the table has room for
  std::unique_ptr<uint32_t[]> seen_;              // by cluster: the table's version that its endpoints' states follow
  std::unique_ptr<EjectionCounters[]> counters_;  // by endpoint
  std::unique_ptr<OutlierSums[]> interval_;       // of the cluster that is judged, by number of the endpoint
  const route::L7Config* config_ = nullptr;
  base::Counter overflows_;
};

}  // namespace penstock::proxy
