#include <prometheus/collectable.h>
#include <prometheus/exposer.h>
#include <prometheus/metric_family.h>

#include <exception>

#include "control/telemetry/metrics.h"

namespace penstock::telemetry {
namespace {

class SnapshotCollectable : public prometheus::Collectable {
 public:
  SnapshotCollectable(std::string version, std::function<Snapshot()> snapshot, std::function<L7Stats()> l7)
      : version_(std::move(version)), snapshot_(std::move(snapshot)), l7_(std::move(l7)) {}
  std::vector<prometheus::MetricFamily> Collect() const override { return to_metrics(snapshot_(), version_, l7_()); }

 private:
  const std::string version_;
  const std::function<Snapshot()> snapshot_;
  const std::function<L7Stats()> l7_;
};

}  // namespace

MetricsServer::MetricsServer() = default;
MetricsServer::~MetricsServer() = default;

base::Result<std::unique_ptr<MetricsServer>> MetricsServer::start(const std::string& address, std::string version,
                                                                  std::function<Snapshot()> snapshot,
                                                                  std::function<L7Stats()> l7) {
  std::unique_ptr<MetricsServer> server(new MetricsServer());
  server->collectable_ = std::make_shared<SnapshotCollectable>(std::move(version), std::move(snapshot), std::move(l7));
  try {  // the only exception of prometheus-cpp that is ours to meet: the address cannot be bound
    server->exposer_ = std::make_unique<prometheus::Exposer>(address);
    server->exposer_->RegisterCollectable(server->collectable_);
  } catch (const std::exception& e) {
    return base::Error{"metrics: cannot listen on " + address + " (" + e.what() +
                       "): choose another address, or stop what listens there"};
  }
  return server;
}

}  // namespace penstock::telemetry
