// What other threads read, and the methods of ControlLoop: each is a job, a look at the shared words, or both.

#include "control/loop/core.h"
#include "control/loop/objects.h"

namespace penstock::loop {
namespace {

std::string check_name(model::HealthCheckKind kind) {
  switch (kind) {
    case model::HealthCheckKind::kNone:
      return "none";
    case model::HealthCheckKind::kTcp:
      return "tcp";
    case model::HealthCheckKind::kUdp:
      return "udp";
    case model::HealthCheckKind::kIcmp:
      return "icmp";
    case model::HealthCheckKind::kHttp:
      return "http";
  }
  return "?";
}

telemetry::HealthStats stats_of(const health::Status& status) {
  telemetry::HealthStats out;
  out.service = status.target.service.to_string();
  const bool v6 = status.target.address.is_v6() && status.target.port != 0;
  if (v6) out.endpoint += '[';
  out.endpoint += status.target.address.to_string();
  if (v6) out.endpoint += ']';
  if (status.target.port != 0) out.endpoint.append(":").append(std::to_string(status.target.port));
  out.check = check_name(status.kind);
  out.known = status.health != health::Health::kUnknown;
  out.up = status.health != health::Health::kDown;
  out.succeeded = status.succeeded;
  out.failed = status.failed;
  out.last_duration = status.last_duration;
  return out;
}

telemetry::PortStats stats_of(const PortInfo& port, const PortCounters& counters) {
  telemetry::PortStats out;
  out.name = port.interface;
  out.driver = port.driver;
  out.link_up = port.link_up;
  out.speed_mbps = port.speed_mbps;
  out.rx_queues = port.rx_queues;
  out.tx_queues = port.tx_queues;
  out.rx = {counters.rx_packets, counters.rx_bytes};
  out.tx = {counters.tx_packets, counters.tx_bytes};
  out.rx_missed = counters.rx_missed;
  out.rx_errors = counters.rx_errors;
  out.rx_no_buffer = counters.rx_no_buffer;
  out.tx_errors = counters.tx_errors;
  return out;
}

telemetry::AssociationStats stats_of(AssociationInfo&& info, const flow::PeerTable& peers) {
  telemetry::AssociationStats out;
  if (info.peer < peers.by_slot.size()) out.peer = peers.by_slot[info.peer].name;
  out.direction = info.outbound ? "out" : "in";
  out.spi = info.spi;
  out.worker = info.worker;
  out.cipher = std::move(info.cipher);
  out.path = std::move(info.path);
  out.device = std::move(info.device);
  out.done = {info.packets, info.bytes};
  out.refused = std::move(info.refused);
  return out;
}

telemetry::PeerStats stats_of(const PeerPaths& peer, const flow::Peer& tunnel) {
  telemetry::PeerStats out;
  out.name = tunnel.name;
  out.up = peer.up;
  out.probe_interval = peer.interval;
  for (const liveness::PathStatus& path : peer.paths) {
    telemetry::PathStats& to = out.paths.emplace_back();
    to.address = path.address.to_string();
    to.up = path.state != liveness::PathState::kDown;
    to.active = path.active;
    to.round_trip = path.round_trip;
    to.loss = path.loss;
    to.sent = path.sent;
    to.answered = path.answered;
    to.confirmed_mtu = path.confirmed_mtu;
    to.mtu_state = liveness::to_string(path.mtu_state);
    for (const flow::PeerPath& way : tunnel.paths)
      if (way.remote == path.address) to.path_mtu = way.path_mtu;
  }
  return out;
}

ApplyResult refusal(const std::string& why) {
  ApplyResult result;
  result.failure = why;
  return result;
}

}  // namespace

ControlLoop::Core::Shared ControlLoop::Core::shared() const {
  const std::lock_guard lock(shared_mutex_);
  return shared_;
}

std::shared_ptr<Watcher> ControlLoop::Core::watch() {
  const std::lock_guard lock(watchers_mutex_);
  if (watchers_.size() >= kMaxWatchers) return nullptr;
  return watchers_.emplace_back(std::make_shared<Watcher>());
}

std::vector<health::Status> ControlLoop::Core::health() {
  using Statuses = std::vector<health::Status>;
  const auto read = [this] {
    const std::lock_guard lock(shared_mutex_);
    shared_.control.neighbours = neighbours_.size();
    shared_.control.health_targets = checker_.size();
    shared_.control.health_down = checker_.down();
    return checker_.statuses();
  };
  return call<Statuses>(0, read, [](const std::string&) { return Statuses{}; });
}

std::vector<PeerPaths> ControlLoop::Core::peer_paths() {
  using All = std::vector<PeerPaths>;
  const auto read = [this] {
    All all;
    for (const uint16_t slot : liveness_.peers())
      all.push_back({slot, liveness_.is_up(slot), liveness_.paths(slot), liveness_.interval(slot)});
    return all;
  };
  return call<All>(0, read, [](const std::string&) { return All{}; });
}

base::Result<std::vector<RevisionInfo>> ControlLoop::Core::history(size_t limit) {
  auto revisions = store_->history(limit);
  if (!revisions) return base::Error{revisions.error()};
  std::vector<RevisionInfo> out;
  for (auto& r : *revisions) out.push_back({r.number, r.time, std::move(r.message), r.created, r.changed, r.removed});
  return out;
}

telemetry::Snapshot ControlLoop::Core::stats() {
  telemetry::Source source;
  for (const auto& status : health()) source.health.push_back(stats_of(status));
  Shared now = shared();
  source.generation = now.generation;
  source.control = now.control;
  source.baselines = &baselines_;
  source.stages = options_.stages;
  source.monotonic = base::monotonic_now();
  source.wall = base::wall_now();
  source.started = started_wall_;
  source.control.oldest_generation = now.control.generation;
  for (const auto& worker : dataplane_.workers()) {
    telemetry::WorkerStats stats;
    stats.id = worker.id;
    stats.core = worker.core;
    stats.running = worker.running;
    stats.generation = worker.generation;
    stats.adopted_at = worker.adopted_at;
    stats.queues = worker.queues;
    source.workers.push_back(std::move(stats));
    source.counters.push_back(&dataplane_.counters(worker.id));
    if (worker.running)
      source.control.oldest_generation = std::min(source.control.oldest_generation, worker.generation);
  }
  for (const auto& port : dataplane_.ports()) {
    source.ports.push_back(stats_of(port, dataplane_.port_counters(port.port)));
  }
  telemetry::Snapshot snapshot = telemetry::collect(std::move(source));
  if (now.generation != nullptr)
    for (auto& info : dataplane_.associations())
      snapshot.associations.push_back(stats_of(std::move(info), *now.generation->peers));
  for (auto& device : dataplane_.crypto_devices())
    snapshot.crypto_devices.push_back({std::move(device.name), device.failure.empty()});
  if (now.generation != nullptr)
    for (const PeerPaths& peer : peer_paths())
      if (peer.slot < now.generation->peers->by_slot.size())
        snapshot.peers.push_back(stats_of(peer, now.generation->peers->by_slot[peer.slot]));
  return snapshot;
}

ControlLoop::ControlLoop(Dataplane& dataplane, std::unique_ptr<store::Store> store, Options options)
    : dataplane_(dataplane), core_(std::make_unique<Core>(dataplane, std::move(store), std::move(options))) {}

ControlLoop::~ControlLoop() = default;

base::Result<void> ControlLoop::start() { return core_->start(); }
void ControlLoop::stop() { core_->stop(); }

ApplyResult ControlLoop::apply(model::Change change, ApplyOptions options) {
  const base::Nanos asked = base::monotonic_now();
  return core_->call<ApplyResult>(
      options.deadline,
      [&] {
        const base::Nanos began = base::monotonic_now();
        ApplyResult result = core_->change(std::move(change), options);
        result.times.queue = (began - asked) / 1000;
        return result;
      },
      refusal);
}

ApplyResult ControlLoop::set_limit(const model::Name& name, double rate, std::optional<model::LimitUnit> unit,
                                   double burst, base::Nanos deadline) {
  return core_->call<ApplyResult>(
      deadline, [&] { return core_->set_limit(name, rate, unit, burst); }, refusal);
}

ApplyResult ControlLoop::rollback(uint64_t revision, ApplyOptions options) {
  return core_->call<ApplyResult>(
      options.deadline, [&] { return core_->rollback(revision, options); }, refusal);
}

std::shared_ptr<const model::State> ControlLoop::state() const { return core_->shared().state; }
uint64_t ControlLoop::revision() const { return core_->shared().revision; }

DiffResult ControlLoop::diff(const model::Change& change, bool replace) const {
  DiffResult result;
  const auto now = core_->shared();
  static_cast<void>(model::with_change(*now.state, replace ? replacing(change, *now.state) : change, result.errors,
                                       &result.differences));
  return result;
}

base::Result<std::vector<RevisionInfo>> ControlLoop::history(size_t limit) {
  using History = base::Result<std::vector<RevisionInfo>>;
  return core_->call<History>(
      0, [&] { return core_->history(limit); }, [](const std::string& why) { return History(base::Error{why}); });
}

std::shared_ptr<Watcher> ControlLoop::watch() { return core_->watch(); }

base::Result<void> ControlLoop::drain(bool on) {
  return core_->call<base::Result<void>>(
      0, [&] { return core_->drain(on); }, [](const std::string& why) { return base::Result<void>(base::Error{why}); });
}

bool ControlLoop::is_alive() const {
  constexpr base::Nanos kPatience = 10 * base::kNanosPerSecond;  // a change of everything takes about one
  return base::monotonic_now() - core_->turned_at.load(std::memory_order_relaxed) < kPatience;
}

bool ControlLoop::draining() const { return core_->shared().control.draining; }

uint64_t ControlLoop::tracked_flows() const {
  uint64_t flows = 0;
  for (const auto& worker : dataplane_.workers()) flows += dataplane_.counters(worker.id).flows.read();
  return flows;
}

std::shared_ptr<const flow::Generation> ControlLoop::generation() const { return core_->shared().generation; }
std::vector<health::Status> ControlLoop::health() { return core_->health(); }
std::vector<PeerPaths> ControlLoop::peer_paths() { return core_->peer_paths(); }
telemetry::Snapshot ControlLoop::stats() { return core_->stats(); }

}  // namespace penstock::loop
