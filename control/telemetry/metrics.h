// The gateway's numbers in Prometheus' words: penstock_<what>_<unit>[_total], base units (bytes, seconds, ratio).
//
// Bounded cardinality: labels are names of the configuration and of lists in the code, never addresses or ports of
// traffic. The first kMax*Series objects of a kind (in the order of the generation, which is stable) have series of
// their own; the others are summed under the label value "_other". With everything at its bound one scrape is about
// 170,000 series and 20 MB; an ordinary gateway has a few hundred.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "control/telemetry/l7_stats.h"
#include "control/telemetry/snapshot.h"

namespace prometheus {
struct MetricFamily;
class Exposer;
class Collectable;
}  // namespace prometheus

namespace penstock::telemetry {

constexpr size_t kMaxServiceSeries = 1000;
constexpr size_t kMaxEndpointSeries = 10000;
constexpr size_t kMaxRuleSeries = 2000;
constexpr size_t kMaxLimitSeries = 2000;
constexpr size_t kMaxHealthSeries = 10000;
constexpr size_t kMaxAssociationSeries = 4000;
constexpr size_t kMaxL7Series = 1000;     // of listeners, routes, services and pools each
constexpr size_t kMaxL7Histograms = 200;  // of services: 30 lines each, the others together
constexpr size_t kMaxL7EndpointSeries = 2000;

// All families of a snapshot; without series where there is nothing.
std::vector<prometheus::MetricFamily> to_metrics(const Snapshot& snapshot, const std::string& version,
                                                 const L7Stats& l7 = {});

// Serves GET /metrics over HTTP on `address` ("127.0.0.1:9100"), a snapshot per scrape, on threads of its own.
class MetricsServer {
 public:
  static base::Result<std::unique_ptr<MetricsServer>> start(const std::string& address, std::string version,
                                                            std::function<Snapshot()> snapshot,
                                                            std::function<L7Stats()> l7);
  ~MetricsServer();

 private:
  MetricsServer();
  std::shared_ptr<prometheus::Collectable> collectable_;
  std::unique_ptr<prometheus::Exposer> exposer_;
};

}  // namespace penstock::telemetry
