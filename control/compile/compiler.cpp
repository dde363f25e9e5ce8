#include "control/compile/compiler.h"

#include <algorithm>

#include "control/compile/l7.h"
#include "control/compile/parts.h"

namespace penstock::compile {

// All that outlives a compilation. Copies share what is large.
struct Compiler::Memory {
  uint64_t number = 0;
  LimitPart limits;
  InterfacePart interfaces;
  PeerPart peers;
  RoutePart routes;
  IdentityPart identities;
  FilterPart filter;
  ServicePart services;
  EgressPart egresses;
  L7Part l7;
};

namespace {

flow::Settings settings_of(const model::State& state, const Drain& drain) {
  flow::Settings out;
  out.draining = drain.on;
  out.drain_until = drain.until;
  if (!state.node) return out;
  const model::Node& node = *state.node;
  const model::FlowTimeouts& t = node.flow_timeouts;
  out.timeouts = {.tcp_syn_sent = t.tcp_syn_sent,
                  .tcp_syn_received = t.tcp_syn_received,
                  .tcp_established = t.tcp_established,
                  .tcp_fin_wait = t.tcp_fin_wait,
                  .tcp_close_wait = t.tcp_close_wait,
                  .tcp_last_ack = t.tcp_last_ack,
                  .tcp_time_wait = t.tcp_time_wait,
                  .tcp_close = t.tcp_close,
                  .udp = t.udp,
                  .udp_stream = t.udp_stream,
                  .icmp = t.icmp,
                  .other = t.other};
  out.icmp_errors_per_second = node.icmp_errors_per_second;
  out.neighbour_queue = node.neighbours.queue_packets;
  out.fragment_timeout_ms = node.fragment_timeout_milliseconds;
  out.fragment_datagrams = node.fragment_datagrams;
  out.poll = node.workers.idle == model::IdlePolicy::kPoll;
  out.tcp_pacing = node.tcp_pacing;
  return out;
}

// Whether anything needs to know a packet's flow. New connections cannot be counted without flows either.
bool needs_tracking(const flow::Generation& g) {
  const auto per_flow = [](const flow::Limit& limit) {
    return limit.per_second > 0 &&
           (limit.bucket == flow::LimitBucket::kFlow || limit.unit == flow::LimitUnit::kConnections);
  };
  return !g.services->entries().empty() || !g.egresses.empty() || g.filter->uses_state() ||
         g.filter->uses_identities() || std::any_of(g.limits->by_slot.begin(), g.limits->by_slot.end(), per_flow);
}

// Mirrors with their default sources, which depend on the routes.
std::vector<flow::MirrorRule> mirrors_of(const Round& round, const FilterPart& filter, const RoutePart& routes,
                                         const InterfacePart& interfaces) {
  std::vector<flow::MirrorRule> mirrors = filter.mirror_rules;
  for (const auto& [name, mirror] : filter.mirror_objects) {
    if (!mirror->collector || mirror->source) continue;
    flow::MirrorRule& rule = mirrors[filter.mirrors.at(name.to_string())];
    rule.source = source_towards(rule.collector, *routes.table, *interfaces.table);
    if (rule.source == base::IpAddress{})
      round.fault(model::Kind::kMirror, name, "spec.to.erspan.source",
                  "required: no interface with an address of that family leads to the collector");
  }
  return mirrors;
}

}  // namespace

Compiler::Compiler(flow::HashSecret secret, base::Cycles hz)
    : secret_(secret), hz_(hz), accepted_(std::make_unique<Memory>()) {}

Compiler::~Compiler() = default;

Compiled Compiler::compile(const model::State& state, std::span<const PortFacts> ports, const HealthView& health,
                           uint64_t number, const Drain& drain, const PeerView& peers,
                           const config::SessionKeys& sessions) {
  last_ = std::make_unique<Memory>(*accepted_);
  Memory& memory = *last_;
  Compiled out;
  const Round round{state, ports, accepted_->number, retired_, hz_, secret_, sessions, out.errors};
  memory.number = number;
  memory.limits.update(round);
  memory.interfaces.update(round, memory.limits);
  // Without its interfaces nothing further can be named.
  if (!out.errors.empty()) return out;
  memory.peers.assign(round);
  if (!out.errors.empty()) return out;
  memory.routes.update(round, memory.interfaces, memory.peers, peers);
  if (!out.errors.empty()) return out;
  memory.peers.resolve(round, peers, *memory.routes.table, *memory.interfaces.table);
  memory.identities.update(round, memory.interfaces, memory.peers, learned_);
  if (!out.errors.empty()) return out;
  memory.filter.update(round, memory.interfaces, memory.limits, memory.identities);
  memory.services.update(round, health, memory.limits, memory.peers.reach(state, peers, memory.routes.table));
  memory.egresses.update(round, memory.interfaces);
  memory.l7.update(round, memory.services, memory.limits);
  std::vector<flow::MirrorRule> mirrors = mirrors_of(round, memory.filter, memory.routes, memory.interfaces);
  if (!out.errors.empty()) return out;

  auto generation = std::make_shared<flow::Generation>();
  generation->number = number;
  generation->interfaces = memory.interfaces.table;
  generation->routes = memory.routes.table;
  generation->services = memory.services.table;
  generation->filter = memory.filter.filter;
  generation->limits = memory.limits.table;
  generation->peers = memory.peers.peers;
  generation->identities = memory.identities.table;
  generation->egresses = memory.egresses.rules;
  generation->mirrors = std::move(mirrors);
  generation->listeners = memory.l7.places;
  generation->l7 = memory.l7.config;
  generation->settings = settings_of(state, drain);
  generation->tracks = needs_tracking(*generation);
  out.generation = std::move(generation);
  return out;
}

void Compiler::accept() {
  if (last_) accepted_ = std::move(last_);
}

void Compiler::retired(uint64_t generation) { retired_ = std::max(retired_, generation); }

}  // namespace penstock::compile
