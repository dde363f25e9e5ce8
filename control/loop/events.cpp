// One turn of the control thread: what others asked for, what the workers said, what the machines want, housekeeping.
#include <chrono>

#include "control/loop/core.h"
#include "control/loop/log.h"
#include "control/loop/surroundings.h"
#include "wire/headers.h"
#include "wire/print.h"

namespace penstock::loop {
namespace {

std::string host_and_port(const base::IpAddress& address, uint16_t port) {
  return port == 0 ? address.to_string() : address.to_string() + " port " + std::to_string(port);
}

const flow::Interface* interface_of(const flow::Generation* generation, flow::InterfaceId id) {
  if (generation == nullptr || !generation->interfaces || id >= generation->interfaces->by_id.size()) return nullptr;
  return &generation->interfaces->by_id[id];
}

std::string name_of(const flow::Generation* generation, flow::InterfaceId id) {
  const auto* interface = interface_of(generation, id);
  return interface ? interface->name : std::to_string(id);
}

std::string rule_name(const flow::Generation* generation, uint32_t slot) {
  if (generation != nullptr && generation->filter) {
    for (const auto& rule : generation->filter->rules()) {
      if (rule.slot == slot) return rule.name;
    }
  }
  return "";
}

// Which worker's queue a packet of ours should leave by: the one that owns its answers.
flow::FlowKey key_of(base::Bytes frame) {
  flow::FlowKey key;
  wire::Headers h;
  const auto length = static_cast<uint32_t>(frame.size());
  if (wire::parse(frame, length, wire::Ipv4Checksum::kVerifiedByDevice, h) != wire::ParseError::kNone) return key;
  const uint8_t* at = frame.data() + h.l2_length;
  const bool v4 = h.family == 4;
  key.src = v4 ? base::IpAddress::v4_from(at + wire::kIpv4SrcAt) : base::IpAddress::v6_from(at + wire::kIpv6SrcAt);
  key.dst = v4 ? base::IpAddress::v4_from(at + wire::kIpv4DstAt) : base::IpAddress::v6_from(at + wire::kIpv6DstAt);
  key.src_port = h.src_port;
  key.dst_port = h.dst_port;
  key.protocol = h.protocol;
  return key;
}

}  // namespace

void ControlLoop::Core::run() {
  for (;;) {
    {
      const std::lock_guard lock(jobs_mutex_);
      if (stopping_) break;
    }
    turned_at.store(base::monotonic_now(), std::memory_order_relaxed);
    run_jobs();
    const bool busy = serve_events();
    const base::Nanos now = base::monotonic_now();
    publish_health(now);
    publish_peers(now);
    publish_keys(now);
    watch_links(now);
    watch_crypto(now);
    watch_sessions(now);
    housekeeping(now);
    if (!busy) wait();
  }
}

void ControlLoop::Core::enqueue(Job job) {
  std::string why;
  {
    const std::lock_guard lock(jobs_mutex_);
    if (stopping_ || !running_) {
      why = "the gateway is not running";
    } else if (!job.urgent && jobs_.size() >= kMaxQueuedChanges) {
      why = "too many changes wait already: try again";
    } else {
      jobs_.push_back(std::move(job));
    }
  }
  if (why.empty()) {
    wake_.notify_one();
  } else {
    job.refuse(why);
  }
}

void ControlLoop::Core::run_jobs() {
  for (;;) {
    Job job;
    {
      const std::lock_guard lock(jobs_mutex_);
      if (jobs_.empty() || stopping_) return;
      job = std::move(jobs_.front());
      jobs_.pop_front();
    }
    if (job.deadline != 0 && base::monotonic_now() > job.deadline) {
      job.refuse("its deadline passed before its turn: nothing was changed");
    } else {
      job.run();
    }
    serve_events();  // a row of changes does not keep neighbours waiting
  }
}

// Returns whether there may be more at once.
bool ControlLoop::Core::serve_events() {
  size_t taken = 0;
  for (size_t part = kEventsPerTurn; part == kEventsPerTurn && taken < kMostEventsPerTurn; taken += part)
    part = dataplane_.poll_events(kEventsPerTurn, [this](const flow::Event& event) { on_event(event); });
  if (taken != 0) {
    const std::lock_guard lock(shared_mutex_);
    shared_.control.events += taken;
  }
  run_machines(base::monotonic_now());
  return taken >= kMostEventsPerTurn;
}

void ControlLoop::Core::on_event(const flow::Event& event) {
  const base::Nanos now = base::monotonic_now();
  const base::Bytes frame(event.frame.data(), std::min<size_t>(event.length, event.frame.size()));
  const auto live = publisher_.live();
  switch (event.kind) {
    case flow::EventKind::kWantNeighbour:
      neighbours_.on_want(event.interface, event.address, now);
      return;
    case flow::EventKind::kPunt:
      if (take_too_big(frame, now)) return;
      if (!checker_.on_packet(frame, now)) neighbours_.on_frame(event.interface, frame, now);
      return;
    case flow::EventKind::kProbeAnswer:
      on_probe_answer(event, now);
      return;
    case flow::EventKind::kLog:
      log::info("packet matched a logging rule", {{"rule", rule_name(live.get(), event.rule)},
                                                  {"interface", name_of(live.get(), event.interface)},
                                                  {"reason", flow::info(event.reason).name},
                                                  {"packet", wire::describe(frame)}});
      return;
  }
}

void ControlLoop::Core::run_machines(base::Nanos now) {
  neighbours_.on_deadline(now);
  checker_.on_deadline(now);
  run_liveness(now);
  const auto live = publisher_.live();
  while (auto frame = neighbours_.next_frame()) {
    outbox_.inject(frame->interface, frame->interface, flow::InjectAs::kFrame, std::move(frame->bytes));
  }
  while (auto update = neighbours_.next_update()) {
    flow::NeighbourCommand command;
    command.interface = update->interface;
    command.address = update->address;
    command.mac = update->mac;
    command.state = update->reachable ? flow::NeighbourState::kReachable : flow::NeighbourState::kFailed;
    command.refresh_ms = static_cast<uint32_t>(update->refresh / 1'000'000);
    outbox_.neighbour(command);
  }
  while (auto notice = neighbours_.next_notice()) {
    log::warn("another machine uses an address of this gateway", {{"address", notice->address.to_string()},
                                                                  {"interface", name_of(live.get(), notice->interface)},
                                                                  {"mac", notice->other.to_string()}});
  }
  while (auto packet = checker_.next_packet()) {
    const unsigned owner = outbox_.workers() > 1 ? dataplane_.owner_of(key_of(packet->frame)) : 0;
    outbox_.inject(owner, flow::kNoInterface, flow::InjectAs::kPacket, std::move(packet->frame));
  }
  take_health_changes();
  outbox_.pump();
}

void ControlLoop::Core::take_health_changes() {
  while (auto change = checker_.next_change()) {
    const auto& target = change->target;
    const bool up = change->health != health::Health::kDown;
    const auto at = health_view_.down().find(target.service);
    const bool was_up = at == health_view_.down().end() || !at->second->contains({target.address, target.port});
    log::info(up ? "endpoint is up" : "endpoint is down",
              {{"service", target.service.to_string()}, {"endpoint", host_and_port(target.address, target.port)}});
    if (up == was_up) continue;  // the first result of an endpoint that counted as up
    health_view_.set(target.service, target.address, target.port, up);
    health_dirty_ = true;
  }
}

void ControlLoop::Core::publish_health(base::Nanos now) {
  if (!health_dirty_ || now < health_published_ + kHealthBatch) return;
  health_dirty_ = false;
  health_published_ = now;
  ApplyResult result;
  if (!republish(result)) {
    log::error("cannot compile new health results",
               {{"reason", result.errors.empty() ? result.failure : result.errors[0].to_string()}});
  }
}

void ControlLoop::Core::watch_links(base::Nanos now) {
  if (now < links_seen_ + kLinkPoll) return;
  links_seen_ = now;
  const auto live = publisher_.live();
  if (live == nullptr || !live->interfaces) return;
  for (const PortInfo& port : dataplane_.ports()) {
    bool& up = links_.try_emplace(port.interface, true).first->second;  // a link that is down at first sight is news
    if (up == port.link_up) continue;
    up = port.link_up;
    log::warn(port.link_up ? "link up" : "link down",
              {{"interface", port.interface}, {"speed_mbps", std::to_string(port.speed_mbps)}});
    if (!port.link_up) continue;
    for (const auto& interface : live->interfaces->by_id) {  // the port itself and its VLANs
      if (interface.id != flow::kNoInterface && interface.port == port.port) neighbours_.on_link_up(interface.id, now);
    }
  }
}

void ControlLoop::Core::refresh_neighbours() {
  const auto settings = state_->node ? neighbour_settings(*state_->node) : neighbour::Settings{};
  neighbours_.configure(neighbour_interfaces(*publisher_.live()), settings, base::monotonic_now());
}

void ControlLoop::Core::refresh_checks() {
  const base::Nanos now = base::monotonic_now();
  const auto live = publisher_.live();
  std::set<health::TargetKey> wanted;
  for (const auto& target : health_targets(*live, *state_)) {
    if (checker_.set(target, now)) {
      wanted.insert(target.key);
    } else {
      log::warn("too many endpoints with health checks: some are not checked",
                {{"bound", std::to_string(health::kMaxTargets)}});
    }
  }
  for (const auto& key : checked_) {
    if (wanted.contains(key)) continue;
    health_dirty_ |= checker_.health(key) == health::Health::kDown;
    checker_.remove(key);
    health_view_.set(key.service, key.address, key.port, true);
  }
  checked_ = std::move(wanted);
}

// What fails is left at once, by the workers; this is for people.
void ControlLoop::Core::watch_crypto(base::Nanos now) {
  if (now < crypto_seen_ + kLinkPoll) return;
  crypto_seen_ = now;
  dataplane_.tidy_peers();
  for (const CryptoDeviceInfo& device : dataplane_.crypto_devices())
    if (!device.failure.empty() && failed_crypto_.insert(device.failure).second)
      log::error("crypto device failed: its associations go on without it until the gateway is restarted",
                 {{"device", device.name}, {"reason", device.failure}});
}

void ControlLoop::Core::housekeeping(base::Nanos now) {
  if (publisher_.held() > 1) compiler_.retired(publisher_.retire());
  if (close_ports_after_ != 0 && publisher_.held() <= 1) {
    close_ports_after_ = 0;
    dataplane_.close_ports_not_in(state_->node ? *state_->node : model::Node{});
    if (!state_->node) ports_.clear();
    prepared_ = state_->node;
  }
  if (now >= tidied_ + kTidyEvery) {
    tidied_ = now;
    store_->tidy();
  }
}

// Until a job comes or the next look at the workers' rings is due. Deadlines of the machines are no finer than that.
void ControlLoop::Core::wait() {
  std::unique_lock lock(jobs_mutex_);
  wake_.wait_for(lock, std::chrono::nanoseconds(kTurn), [this] { return stopping_ || !jobs_.empty(); });
}

}  // namespace penstock::loop
