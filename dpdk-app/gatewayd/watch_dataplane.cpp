// Captures, traces and Explain: how what the workers recorded becomes packets and words.
#include <rte_mbuf.h>

#include <algorithm>
#include <thread>

#include "engine/pipeline.h"
#include "engine/tracking.h"
#include "flow/tcp_state.h"
#include "gatewayd/engine_dataplane.h"
#include "wire/print.h"

namespace penstock::gatewayd {

namespace {

const char* stage_name(size_t index) {
  using engine::OwnPipeline;
  using engine::Pipeline;
  if (index < Pipeline::kCount) return Pipeline::kNames[index];
  index -= Pipeline::kCount;
  return index < OwnPipeline::kCount ? OwnPipeline::kNames[index] : "?";
}

std::string interface_name(const flow::Generation& g, flow::InterfaceId id) {
  return id < g.interfaces->by_id.size() ? g.interfaces->by_id[id].name : "";
}

// Whose wish it was that the packet be encrypted, if it was refused for that.
std::string demander_of(const engine::TraceRecord& r, const flow::Generation& g) {
  const flow::PeerTable& peers = *g.peers;
  switch (r.reason) {
    case flow::DropReason::link_clear_refused:
      return "interface " + interface_name(g, r.in);
    case flow::DropReason::link_clear_not_sent:
      return "interface " + interface_name(g, r.out);
    case flow::DropReason::clear_refused:
    case flow::DropReason::clear_not_sent:
      break;
    default:
      return "";
  }
  if (r.demand >= flow::kDemandOfPeer) {
    const unsigned slot = r.demand - flow::kDemandOfPeer;
    return slot < peers.by_slot.size() ? "Peer " + peers.by_slot[slot].name : "";
  }
  if (r.demand == 0 || r.demand > peers.required.size()) return "";
  return "prefix " + peers.required[r.demand - 1].to_string() + " of spec.mesh.encrypt";
}

// What the tables of the generation say about the numbers in the record.
std::string detail_of(const engine::TraceRecord& r, const flow::Generation& g) {
  std::string text;
  const auto add = [&](const std::string& part) { text += (text.empty() ? "" : ", ") + part; };
  if (r.in != flow::kNoInterface) add("in " + interface_name(g, r.in));
  if (r.rule != flow::kNoRule && r.rule < g.filter->rules().size()) add("rule " + g.filter->rules()[r.rule].name);
  if (r.shadow_rule < g.filter->rules().size()) add("in shadow: rule " + g.filter->rules()[r.shadow_rule].name);
  if (r.from_identity != flow::kNobody || r.to_identity != flow::kNobody)
    add("identity " + g.identities->name_of(r.from_identity) + " -> " + g.identities->name_of(r.to_identity));
  if (r.has_flow)
    add(std::string("flow ") + flow::to_string(static_cast<flow::FlowStateId>(r.flow_state)) +
        (r.direction == 0 ? " original" : " reply"));
  if (const flow::ServiceEntry* service = g.services->by_slot(r.service); service != nullptr) {
    std::string part = "service " + service->name;
    for (const flow::Endpoint& e : service->endpoints)
      if (e.slot == r.endpoint) part += " -> " + e.address.to_string() + ":" + std::to_string(e.port);
    add(part);
  }
  const auto peer = [&g](uint16_t slot) { return slot < g.peers->by_slot.size() ? g.peers->by_slot[slot].name : "?"; };
  if (r.from_peer != flow::kNoPeer) add("from peer " + peer(r.from_peer));
  if (r.to_peer != flow::kNoPeer) add("to peer " + peer(r.to_peer));
  if (r.next_hop < g.routes->next_hops().size()) {
    const flow::NextHop& hop = g.routes->next_hop(r.next_hop);
    add((hop.via.is_unspecified() ? std::string("on link") : "via " + hop.via.to_string()) + " dev " +
        interface_name(g, hop.interface));
  }
  if (r.reason != flow::DropReason::kNone)
    add(std::string(flow::info(r.reason).name) + ": " + flow::info(r.reason).sentence);
  if (const std::string who = demander_of(r, g); !who.empty()) add("demanded by " + who);
  return text;
}

loop::TraceStep step_of(const engine::TraceRecord& r, unsigned worker, const flow::Generation& g) {
  loop::TraceStep step;
  step.packet = r.packet;
  step.worker = static_cast<uint8_t>(worker);
  step.stage = stage_name(r.stage);
  step.verdict = r.verdict;
  step.reason = r.reason;
  if (r.generation == g.number) step.detail = detail_of(r, g);
  if (r.frame_length != 0) step.packet_line = wire::describe({r.frame.data(), r.frame_length});
  return step;
}

}  // namespace

class CaptureWatch : public loop::Dataplane::Watch {
 public:
  CaptureWatch(EngineDataplane& owner, unsigned id, std::unique_ptr<flow::WatchFilter> filter)
      : owner_(owner), id_(id), filter_(std::move(filter)), lost_before_(lost_now()) {
    const base::Nanos wall = base::wall_now();
    offset_ = wall - nanos(base::read_cycles());
  }

  ~CaptureWatch() override {
    install(0, 0, nullptr);
    uint64_t ignored = 0;
    poll([](const loop::CapturedPacket&) {}, ignored);
    const std::lock_guard lock(owner_.capture_lock_);
    owner_.captures_in_use_ &= static_cast<uint8_t>(~(1u << id_));
  }

  void install(uint8_t points, uint16_t snap, const flow::WatchFilter* filter) {
    owner_.run_on_all([&]() -> std::unique_ptr<flow::Command> {
      auto command = std::make_unique<flow::CaptureCommand>();
      command->id = id_;
      command->filter = filter;
      command->points = points;
      command->snap_length = snap;
      return command;
    });
  }
  const flow::WatchFilter* filter() const { return filter_.get(); }

  bool poll(const std::function<void(const loop::CapturedPacket&)>& sink, uint64_t& lost) override {
    for (const auto& worker : owner_.engine_.workers()) {
      engine::CapturedFrame frame;
      while (worker->state().watch.captured(id_).pop(frame)) {
        loop::CapturedPacket packet;
        packet.wall_time = offset_ + nanos(frame.at);
        packet.interface = frame.port;
        if (const auto g = owner_.live(); g != nullptr && frame.port < flow::kMaxPorts)
          packet.interface = g->interfaces->untagged[frame.port];
        packet.point = frame.point;
        packet.reason = frame.reason;
        packet.worker = static_cast<uint8_t>(worker->state().id);
        packet.original_length = frame.length;
        for (const rte_mbuf* part = frame.copy; part != nullptr; part = part->next) {
          const auto* bytes = rte_pktmbuf_mtod(part, const uint8_t*);
          packet.bytes.insert(packet.bytes.end(), bytes, bytes + rte_pktmbuf_data_len(part));
        }
        rte_pktmbuf_free(frame.copy);
        sink(packet);
      }
    }
    lost = lost_now() - lost_before_;
    return true;
  }

 private:
  static base::Nanos nanos(base::Cycles cycles) {
    return static_cast<base::Nanos>(static_cast<__uint128_t>(cycles) * base::kNanosPerSecond /
                                    base::cycles_per_second());
  }
  uint64_t lost_now() const {
    uint64_t sum = 0;
    for (const auto& worker : owner_.engine_.workers()) sum += worker->state().counters->capture_lost.read();
    return sum;
  }

  EngineDataplane& owner_;
  const unsigned id_;
  std::unique_ptr<flow::WatchFilter> filter_;
  base::Nanos offset_ = 0;
  const uint64_t lost_before_;
};

base::Result<std::unique_ptr<loop::Dataplane::Watch>> EngineDataplane::capture(const std::string& expression,
                                                                               uint8_t points, uint16_t snap_length) {
  auto filter = engine::compile_filter(expression);
  if (!filter) return base::Error{filter.error()};
  unsigned id = 0;
  {
    const std::lock_guard lock(capture_lock_);
    while (id < engine::kMaxCaptures && (captures_in_use_ & (1u << id))) ++id;
    if (id == engine::kMaxCaptures)
      return base::Error{"capture: " + std::to_string(engine::kMaxCaptures) + " captures run already; end one"};
    captures_in_use_ |= static_cast<uint8_t>(1u << id);
  }
  auto watch = std::make_unique<CaptureWatch>(*this, id, std::move(filter).value());
  watch->install(points, snap_length, watch->filter());
  return std::unique_ptr<Watch>(std::move(watch));
}

base::Result<void> EngineDataplane::trace(const std::string& expression, unsigned packets, base::Nanos deadline,
                                          const std::function<bool(const loop::TraceStep&)>& sink) {
  const std::unique_lock lock(trace_lock_, std::try_to_lock);
  if (!lock.owns_lock()) return base::Error{"trace: another trace is running; try again when it ends"};
  auto filter = engine::compile_filter(expression);
  if (!filter) return base::Error{filter.error()};
  const auto install = [&](const flow::WatchFilter* f) {
    run_on_all([&]() -> std::unique_ptr<flow::Command> {
      auto command = std::make_unique<flow::TraceCommand>();
      command->filter = f;
      command->packets = packets;
      return command;
    });
  };
  for (const auto& worker : engine_.workers())
    for (engine::TraceRecord old; worker->state().watch.traced().pop(old);) {
    }
  install(filter->get());
  uint64_t seen = 0, last = ~0ull;
  bool go_on = true;
  while (go_on && base::monotonic_now() < deadline) {
    bool any = false;
    const auto g = live();
    for (const auto& worker : engine_.workers()) {
      engine::TraceRecord record;
      while (go_on && worker->state().watch.traced().pop(record)) {
        any = true;
        if (record.packet != last) ++seen;
        last = record.packet;
        go_on = seen <= packets && sink(step_of(record, worker->state().id, *g));
      }
    }
    if (!any) {
      if (seen >= packets) break;
      go_on = go_on && sink(loop::TraceStep{});  // a heartbeat: lets the caller notice that its client left
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
  install(nullptr);
  return {};
}

// The exact entry of the packet on this interface, or on any, as its worker has it.
void EngineDataplane::copy_exact(engine::Worker& shadow, flow::FlowKey key, flow::InterfaceId interface) {
  for (const uint32_t zone : {interface + 1u, 0u}) {
    flow::DumpExactCommand dump;
    dump.entries.resize(1);
    dump.one = true;
    dump.key = key;
    dump.key.zone = static_cast<decltype(key.zone)>(zone);
    if (!submit(owner_of(key), &dump)) return;
    while (!dump.done()) std::this_thread::sleep_for(std::chrono::microseconds(50));
    if (dump.count == 0) continue;
    const flow::ExactEntryView& entry = dump.entries[0];
    flow::ExactOp op{.key = entry.key, .action = entry.action, .cookie = entry.cookie};
    flow::ExactStatus status{};
    shadow.state().exact.apply({&op, 1}, {&status, 1}, shadow.state().now_ms);
  }
}

// The tracked flow of the packet, if a worker has one, is copied so that the shadow decides as the owner would.
bool EngineDataplane::copy_flow(engine::Worker& shadow, const flow::FlowKey& key) {
  flow::DumpTrackedCommand dump;
  dump.entries.resize(1);
  dump.one = true;
  dump.key = key;
  const unsigned owner = owner_of(key);
  if (!submit(owner, &dump)) return false;
  while (!dump.done()) std::this_thread::sleep_for(std::chrono::microseconds(50));
  return dump.count == 1 && engine::import_flow(shadow.state(), dump.entries[0]);
}

base::Result<loop::Explanation> EngineDataplane::explain(flow::InterfaceId interface, std::span<const uint8_t> frame) {
  const std::lock_guard lock(explain_lock_);
  const auto g = live();
  if (g == nullptr) return base::Error{"explain: nothing is configured yet; apply a Node first"};
  if (interface >= g->interfaces->by_id.size() || g->interfaces->by_id[interface].id != interface)
    return base::Error{"explain: no such interface"};
  if (frame.size() < 14 || frame.size() > engine::kStandardRoom - RTE_PKTMBUF_HEADROOM)
    return base::Error{"explain: a frame has 14 to " + std::to_string(engine::kStandardRoom - RTE_PKTMBUF_HEADROOM) +
                       " bytes"};
  engine_.shadow_slot().current.store(g.get(), std::memory_order_release);
  const auto shadow = engine_.make_shadow();
  engine::WorkerState& state = shadow->state();
  std::vector<engine::Transmit::SentFrame> sent;
  state.transmit.sink = &sent;
  state.neighbours.assume_resolved();  // whether a next hop answers is not the generation's matter
  shadow->run_round();

  rte_mbuf* m = rte_pktmbuf_alloc(engine_.pool());
  if (m == nullptr) return base::Error{"explain: no packet buffer is free; try again"};
  std::copy(frame.begin(), frame.end(),
            reinterpret_cast<uint8_t*>(rte_pktmbuf_append(m, static_cast<uint16_t>(frame.size()))));
  engine::carry_of(m) = {};
  m->port = g->interfaces->by_id[interface].port;
  wire::Headers headers;
  if (wire::parse(frame, static_cast<uint32_t>(frame.size()), wire::Ipv4Checksum::kVerify, headers) ==
          wire::ParseError::kNone &&
      headers.family != 0) {
    const flow::FlowKey key = engine::key_of(frame.data(), headers);
    copy_exact(*shadow, key, interface);
    copy_flow(*shadow, key);
  }
  flow::WatchFilter everything;
  everything.match_all = true;
  flow::TraceCommand trace;
  trace.filter = &everything;
  trace.packets = 64;  // the packet and what it makes
  state.watch.install(trace);
  shadow->inject_burst(&m, 1);

  loop::Explanation explanation;
  explanation.generation = g->number;
  for (engine::TraceRecord record; state.watch.traced().pop(record);)
    explanation.steps.push_back(step_of(record, 0, *g));
  state.transmit.flush_all();
  for (const auto& out : sent) {
    if (explanation.output.empty()) {
      const auto* bytes = rte_pktmbuf_mtod(out.mbuf, const uint8_t*);
      explanation.output.assign(bytes, bytes + rte_pktmbuf_data_len(out.mbuf));
      if (out.port < flow::kMaxPorts)
        explanation.egress_interface = interface_name(*g, g->interfaces->untagged[out.port]);
    }
    rte_pktmbuf_free(out.mbuf);
  }
  return explanation;
}

}  // namespace penstock::gatewayd
