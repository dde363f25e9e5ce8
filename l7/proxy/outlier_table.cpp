#include "l7/proxy/outlier_table.h"

#include <optional>
#include <thread>
#include <unordered_map>

namespace penstock::proxy {

OutlierTable::OutlierTable(const Limits& limits)
    : cluster_slots_(limits.cluster_slots),
      endpoint_slots_(limits.endpoint_slots),
      clusters_(std::make_unique<Cluster[]>(limits.cluster_slots)),
      endpoints_(std::make_unique<Endpoint[]>(limits.endpoint_slots)) {}

OutlierResults* OutlierTable::join() {
  const uint32_t number = workers_.load(std::memory_order_relaxed);
  if (number == kMaxWorkers) return nullptr;
  results_[number] = std::make_unique<OutlierResults[]>(endpoint_slots_);
  workers_.store(number + 1, std::memory_order_release);
  return results_[number].get();
}

OutlierSums OutlierTable::sums(uint32_t endpoint) const {
  OutlierSums sums;
  const uint32_t workers = workers_.load(std::memory_order_acquire);
  for (uint32_t i = 0; i < workers; ++i) {
    sums.good += results_[i][endpoint].good.read();
    sums.bad += results_[i][endpoint].bad.read();
  }
  return sums;
}

void OutlierTable::forget(Endpoint& endpoint, uint32_t slot) const {
  for (std::atomic<uint32_t>* run : {&endpoint.failures, &endpoint.gateway_errors, &endpoint.local_failures})
    run->store(0, std::memory_order_relaxed);
  endpoint.until.store(0, std::memory_order_relaxed);
  endpoint.times = 0;
  endpoint.before = sums(slot);
}

void OutlierTable::prepare(const route::L7Config* before, const route::L7Config& next) {
  if (before == &next) return;
  std::unordered_map<uint32_t, const config::Cluster*> known;
  if (before != nullptr)
    for (const config::Cluster& cluster : before->clusters)
      if (cluster.resilience.outliers) known.emplace(cluster.slot, &cluster);
  for (const config::Cluster& cluster : next.clusters) {
    if (!cluster.resilience.outliers || cluster.slot >= cluster_slots_) continue;
    Cluster& state = clusters_[cluster.slot];
    std::optional<Turn> turn;
    for (turn.emplace(state); !*turn; turn.emplace(state)) std::this_thread::yield();
    const auto was = known.find(cluster.slot);
    for (const config::Endpoint& each : cluster.endpoints) {
      if (each.slot >= endpoint_slots_) continue;
      const config::Endpoint* same =
          was == known.end() ? nullptr : config::find_endpoint(*was->second, each.address, each.port);
      if (same == nullptr || same->slot != each.slot) forget(endpoints_[each.slot], each.slot);
    }
    if (was != known.end()) continue;
    state.interval_until.store(0, std::memory_order_relaxed);
    state.first_until.store(0, std::memory_order_relaxed);
  }
}

}  // namespace penstock::proxy
