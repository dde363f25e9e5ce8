// From the workers' counters of requests and the names of the live configuration to L7Stats.
//
// Bounded by the configuration: a slot that it does not name is not shown. Threads and baselines as in collect.h.
#pragma once

#include <array>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "control/telemetry/l7_stats.h"
#include "l7/route/l7_config.h"

namespace penstock::telemetry {

// What a slot had counted when its present owner appeared.
class L7Baselines {
 public:
  enum Table : uint8_t { kListeners, kRoutes, kClusters, kEndpoints, kGuards, kTables };
  // Answers by class, bytes received and sent; of endpoints, ejections; of clusters, what their pools count, durations
  // by bucket and their sum.
  static constexpr size_t kBytes = proxy::kResponseClasses, kEjections = kBytes + 2;
  static constexpr size_t kPool = kEjections, kDurations = kPool + proxy::kClusterCounts;
  static constexpr size_t kDurationSum = kDurations + proxy::kDurationBuckets;
  using Numbers = std::array<uint64_t, kDurationSum + 1>;
  static_assert(kEjections + proxy::kEjections <= kDurationSum);
  using Marks = std::array<std::unordered_map<uint32_t, Numbers>, kTables>;

  // Null: nothing was, or is, configured.
  void on_publish(const route::L7Config* before, const route::L7Config* next, const std::vector<L7Worker>& workers);
  Marks marks() const;

 private:
  mutable std::mutex mutex_;
  Marks marks_;
};

L7Stats collect_l7(const route::L7Config* config, const std::vector<L7Worker>& workers, const L7Baselines& baselines,
                   const AccessLogStats& access_log);

}  // namespace penstock::telemetry
