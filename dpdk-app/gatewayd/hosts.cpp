#include "gatewayd/hosts.h"

#include <sys/random.h>

namespace penstock::gatewayd {

bool Hosts::plan(const host::Sizes& sizes) {
  const std::lock_guard lock(lock_);
  if (!all_.empty()) return sizes == sizes_;
  sizes_ = sizes;
  return true;
}

// The stack of each worker has secrets of its own: nothing about one tells of another.
std::unique_ptr<engine::LocalHost> Hosts::make(engine::WorkerState& worker) {
  struct {
    tcp::HashKey key, limits;
    uint32_t seed;
  } secret{};
  if (getrandom(&secret, sizeof secret, 0) != sizeof secret) return nullptr;
  const std::lock_guard lock(lock_);
  if (limits_ == nullptr) {
    limits_ = std::make_shared<limit::Tables>(secret.limits);
    outliers_ = std::make_shared<proxy::OutlierTable>(proxy::Limits{});
  }
  auto made = std::make_unique<host::WorkerStack>(sizes_, worker, secret.key, secret.seed, base::monotonic_now(),
                                                  limits_, outliers_);
  all_.push_back(made.get());
  return made;
}

void Hosts::on_publish(const route::L7Config* before, const route::L7Config* next) {
  const std::lock_guard lock(lock_);
  if (outliers_ != nullptr && next != nullptr) outliers_->prepare(before, *next);
}

std::vector<host::WorkerStack*> Hosts::all() const {
  const std::lock_guard lock(lock_);
  return all_;
}

std::vector<telemetry::L7Worker> Hosts::counters() const {
  std::vector<telemetry::L7Worker> read;
  for (host::WorkerStack* each : all()) {
    const host::TcpCounters& tcp = each->tcp_counters();
    telemetry::L7Worker& out = read.emplace_back();
    out.counters = &each->proxy().counters();
    out.outliers = &each->proxy().outliers();
    out.clusters = &each->proxy().clusters();
    for (size_t i = 0; i < tcp.counts.size(); ++i)
      out.tcp.emplace_back(tcp::to_string(static_cast<tcp::Count>(i)), tcp.counts[i].read());
    for (size_t i = 0; i < tcp.listeners.size(); ++i)
      out.tcp_listeners.emplace_back(host::kListenerCountNames[i], tcp.listeners[i].read());
    out.gauges = {.worker = static_cast<unsigned>(read.size() - 1),
                  .connections = tcp.connections.read(),
                  .chunks = tcp.chunks.read(),
                  .chunks_capacity = tcp.chunks_capacity.read()};
  }
  return read;
}

uint64_t Hosts::clients() const {
  uint64_t sum = 0;
  for (host::WorkerStack* each : all()) sum += each->tcp_counters().clients.read();
  return sum;
}

}  // namespace penstock::gatewayd
