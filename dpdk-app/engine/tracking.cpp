#include "engine/tracking.h"

#include <algorithm>
#include <span>

#include "wire/headers.h"
#include "wire/rewrite.h"

namespace penstock::engine {

namespace {

using flow::DropReason;
using flow::Flow;
using flow::FlowKey;
using flow::FlowMode;

// Mid-stream pickup: a segment without SYN may open a flow only where the same choice comes out as before (Maglev
// without source NAT), so that connections survive a restart of the gateway.
bool begins_connection(const Packet& p) {
  return p.headers.protocol != wire::kProtocolTcp ||
         (p.headers.tcp_flags & (wire::kTcpSyn | wire::kTcpAck | wire::kTcpRst)) == wire::kTcpSyn;
}

uint32_t hop_towards(const WorkerState& w, const base::IpAddress& destination, uint32_t hash) {
  const flow::RouteTable& routes = *w.generation->routes;
  const flow::RouteResult& result = routes.at(routes.find(destination));
  if (result.kind != flow::RouteKind::kConnected && result.kind != flow::RouteKind::kGateway) return kNone32;
  return routes.next_hop_of(result, hash);
}

// Where packets of this direction go: the destination after translation, or the server behind a rewritten frame or
// tunnel.
const base::IpAddress& target_of(const Flow& f, unsigned direction) {
  return direction == 0 ? f.reply.src : f.original.src;
}

void set_hops(Flow& f, const WorkerState& w, uint32_t hash) {
  for (unsigned d = 0; d < 2; ++d) f.way[d].next_hop = hop_towards(w, target_of(f, d), hash);
}

bool replies_pass(FlowMode mode) { return mode != FlowMode::kDsr && mode != FlowMode::kIpip; }

// Tells the worker at which packets with this key arrive that they belong here. True also when that is this worker.
bool announce(WorkerState& w, const FlowKey& key, bool remove) {
  if (w.workers == 1) return true;
  const unsigned arrival = flow::owner_of(flow::owner_hash(key), w.workers);
  return arrival == w.id || w.mesh.notices(w.id, arrival).push({key, static_cast<uint8_t>(w.id), remove});
}

// Room for all that opening a flow may have to say to one worker: both its keys, and both of a flow that makes room.
bool room_to_announce(WorkerState& w, const FlowKey& key) {
  constexpr size_t kMost = 4;
  if (w.workers == 1) return true;
  const unsigned arrival = flow::owner_of(flow::owner_hash(key), w.workers);
  return arrival == w.id || w.mesh.notices(w.id, arrival).room() >= kMost;
}

DropReason reason_of(flow::OpenStatus status) {
  switch (status) {
    case flow::OpenStatus::kRefused:
      return DropReason::flow_table_full;
    case flow::OpenStatus::kOriginalTaken:
    case flow::OpenStatus::kReplyTaken:
      return DropReason::flow_admission;  // two flows would get the same answers
    case flow::OpenStatus::kOk:
      break;
  }
  return DropReason::kNone;
}

// Enters the flow in the table. Null: dropped by name.
Flow* insert(Packet& p, WorkerState& w, const FlowKey& reply, FlowMode mode) {
  const bool both = replies_pass(mode);
  if (!room_to_announce(w, p.key) || (both && !room_to_announce(w, reply))) {
    drop(p, DropReason::flow_admission);
    return nullptr;
  }
  FirstPacket first = first_packet(p, both);
  if (first.state == flow::FlowStateId::kNone) {
    reject(p, DropReason::flow_invalid, Answer::kReset);
    return nullptr;
  }
  const flow::OpenResult opened =
      w.flows.open(p.key, reply, first.state, !both, w.now_ms, [&w](Flow& old, uint32_t) { forget_flow(w, old); });
  if (opened.status != flow::OpenStatus::kOk) {
    if (opened.status == flow::OpenStatus::kRefused) w.counters->flows_refused.add(1);
    drop(p, reason_of(opened.status));
    return nullptr;
  }
  Flow& f = *opened.flow;
  f.mode = mode;
  if (!both) f.flags |= flow::kOneWay;
  f.tcp_seen = first.seen;
  f.window[0] = first.window[0];
  f.window[1] = first.window[1];
  if (announce(w, p.key, false) && flow::owner_of(flow::owner_hash(p.key), w.workers) != w.id)
    f.flags |= flow::kSteeredOriginal;
  if (both && announce(w, reply, false) && flow::owner_of(flow::owner_hash(reply), w.workers) != w.id)
    f.flags |= flow::kSteeredReply;
  if (f.translates()) set_deltas(f);
  set_hops(f, w, owner_hash(p));
  f.way[0].judged = static_cast<uint32_t>(w.generation->number);
  f.rule[0] = p.rule;
  p.flow = &f;
  p.flow_index = opened.index;
  p.opened = true;
  p.direction = 0;
  f.count(0, p.length, w.now_ms);
  return &f;
}

// The packet goes where its flow goes; without a route there it is lost by name. What is not translated is judged by
// its own route: local, blackhole, prohibited.
void take_hop(Packet& p) {
  p.next_hop = p.flow->way[p.direction].next_hop;
  if (p.next_hop == kNone32 && p.flow->mode != FlowMode::kPlain)
    reject(p, DropReason::no_route, Answer::kHostUnreachable);
}

bool admit_connection(Packet& p, WorkerState& w, std::span<const uint32_t> slots) {
  for (const uint32_t slot : slots) {
    const flow::Limit& limit = w.generation->limits->by_slot[slot];
    if (limit.per_second == 0 || limit.unit != flow::LimitUnit::kConnections) continue;
    const Admission admission = w.limiter.admit(limit, p.key, 1, p.length, w.now);
    if (admission == Admission::kPass) continue;
    if (admission == Admission::kOver && limit.mark) {
      p.dscp = limit.dscp;
      continue;
    }
    drop(p, admission == Admission::kOver ? DropReason::limit_exceeded : DropReason::limit_table_full);
    return false;
  }
  return true;
}

// Everything that may refuse a new flow before tables are touched.
bool admit_flow(Packet& p, WorkerState& w) {
  if (w.generation->settings.draining) {
    drop(p, DropReason::draining);
    return false;
  }
  const flow::LimitTable& limits = *w.generation->limits;
  if (!limits.any) return true;
  if (!admit_connection(p, w, w.generation->interfaces->by_id[p.in].limits)) return false;
  if (p.rule != flow::kNoRule && !admit_connection(p, w, w.generation->filter->rules()[p.rule].limits)) return false;
  return for_each_destination_limit(limits, p.key.dst, [&](uint32_t slot) {
    return admit_connection(p, w, {&slot, 1});
  });
}

// ---- services -------------------------------------------------------------------------------------------------------

const flow::Endpoint* by_slot(const flow::ServiceEntry& s, uint32_t slot) {
  for (const flow::Endpoint& e : s.endpoints)
    if (e.slot == slot) return &e;
  return nullptr;
}

const flow::Endpoint* least_connected(const flow::ServiceEntry& s, const WorkerState& w) {
  const flow::Endpoint* best = nullptr;
  double best_load = 0;
  for (const flow::Endpoint& e : s.endpoints) {
    if (e.state != flow::EndpointState::kReady || e.weight == 0) continue;
    const double load = static_cast<double>(w.counters->endpoints[e.slot].active_flows.read() + 1) / e.weight;
    if (best == nullptr || load < best_load) {
      best = &e;
      best_load = load;
    }
  }
  return best;
}

const flow::Endpoint* balance(const flow::ServiceEntry& s, const Packet& p, WorkerState& w) {
  switch (s.balancing) {
    case flow::Balancing::kLeastConnections:
      return least_connected(s, w);
    case flow::Balancing::kRoundRobin:
      return s.table.empty() ? nullptr : &s.endpoints[s.table[w.round_robin[s.slot]++ % s.table.size()]];
    case flow::Balancing::kMaglev:
      // A hash that every gateway computes alike: no secret, no state.
      return s.table.empty() ? nullptr : &s.endpoints[s.table[flow::hash_of(p.key, {}) % s.table.size()]];
  }
  return nullptr;
}

const flow::Endpoint* choose(const flow::ServiceEntry& s, const Packet& p, WorkerState& w) {
  if (s.affinity_seconds == 0) return balance(s, p, w);
  const AffinityKey key{p.key.src, s.slot};
  const uint64_t hash = flow::hash_of(key.client, key.service, w.secret);
  Affinity* known = w.affinities.find(key, hash);
  if (known != nullptr && base::since(known->last_used, w.now_ms) < s.affinity_seconds * 1000ull) {
    const flow::Endpoint* e = by_slot(s, known->endpoint);
    if (e != nullptr && e->state == flow::EndpointState::kReady) {
      known->last_used = w.now_ms;
      return e;
    }
  }
  // The first choice depends on the client alone, so that every worker makes the same one.
  const flow::Endpoint* e =
      s.table.empty() ? balance(s, p, w) : &s.endpoints[s.table[flow::hash_of(p.key.src, 0, {}) % s.table.size()]];
  if (e == nullptr) return nullptr;
  if (known == nullptr) known = w.affinities.insert(key, hash);
  if (known != nullptr) *known = {e->slot, w.now_ms};  // a full table costs stickiness, not service
  return e;
}

// The first address of the interface through which `destination` is reached.
base::IpAddress masquerade_address(const WorkerState& w, const base::IpAddress& destination, uint32_t hash) {
  const uint32_t hop = hop_towards(w, destination, hash);
  if (hop == kNone32) return {};
  const flow::InterfaceId out = w.generation->routes->next_hop(hop).interface;
  for (const base::Prefix& each : w.generation->interfaces->by_id[out].addresses)
    if (each.is_v4() == destination.is_v4() && !each.address.is_link_local()) return each.address;
  return {};
}

// Leaves the ports from 61000 on to the gateway's own conversations (health checks).
constexpr flow::PortRange kNatPorts{1024, 60999};

bool choose_source(Packet& p, WorkerState& w, const flow::ServiceEntry& s, FlowKey& reply) {
  const std::vector<base::IpAddress>& pool = s.source_pool;
  const uint32_t hash = owner_hash(p);
  reply.dst = {};
  for (size_t i = 0; i < pool.size() && reply.dst.is_unspecified(); ++i) {
    const base::IpAddress& each = pool[(hash + i) % pool.size()];
    if (each.is_v4() == reply.src.is_v4()) reply.dst = each;
  }
  if (pool.empty()) reply.dst = masquerade_address(w, reply.src, hash);
  if (reply.dst.is_unspecified()) {
    drop(p, DropReason::nat_no_address);
    return false;
  }
  const uint16_t port = flow::find_reply_port(w.flows, reply, kNatPorts, w.random(), w.id, w.workers);
  if (port == 0) {
    drop(p, DropReason::nat_ports_exhausted);
    return false;
  }
  reply.dst_port = port;
  return true;
}

void open_service(Packet& p, WorkerState& w, const flow::ServiceEntry& s) {
  const bool steady = s.balancing == flow::Balancing::kMaglev && s.mode != flow::ServiceMode::kFullNat;
  if (!begins_connection(p) && !steady) return reject(p, DropReason::flow_invalid, Answer::kReset);
  if (!admit_flow(p, w) || !admit_connection(p, w, s.limits)) return;
  flow::ServiceCounters& counters = w.counters->services[s.slot];
  const flow::Endpoint* e = choose(s, p, w);
  if (e == nullptr) {
    counters.no_endpoint.add(1);
    p.from_us = true;
    if (s.reject_without_endpoint) return reject(p, DropReason::service_no_endpoint, Answer::kReset);
    return drop(p, DropReason::service_no_endpoint);
  }
  FlowKey reply{e->address, p.key.src, e->port == 0 ? p.key.dst_port : e->port, p.key.src_port, p.key.protocol};
  FlowMode mode = FlowMode::kNat;
  switch (s.mode) {
    case flow::ServiceMode::kNat:
      break;
    case flow::ServiceMode::kFullNat:
      mode = FlowMode::kFullNat;
      if (!choose_source(p, w, s, reply)) return;
      break;
    case flow::ServiceMode::kDsr:
      mode = FlowMode::kDsr;
      break;
    case flow::ServiceMode::kIpip:
      mode = FlowMode::kIpip;
      break;
  }
  Flow* f = insert(p, w, reply, mode);
  if (f == nullptr) return;
  f->service = s.slot;
  f->endpoint = e->slot;
  counters.new_flows.add(1);
  flow::EndpointCounters& at_endpoint = w.counters->endpoints[e->slot];
  at_endpoint.new_flows.add(1);
  at_endpoint.active_flows.set(at_endpoint.active_flows.read() + 1);
  f->flags |= flow::kCountedAtEndpoint;
  count_flow(p, w);
  take_hop(p);
}

// A virtual address without a service on this port: answers echo like a host, refuses the rest like one.
void refuse_virtual(Packet& p, WorkerState& w) {
  p.from_us = true;
  if (p.headers.protocol == wire::kProtocolIcmp || p.headers.protocol == wire::kProtocolIcmpv6) {
    p.verdict = flow::Verdict::kLocal;
    w.has_replies = true;
    return;
  }
  reject(p, DropReason::service_no_port, Answer::kReset);
}

// ---- egress ---------------------------------------------------------------------------------------------------------

bool holds(const std::vector<base::Prefix>& prefixes, const base::IpAddress& address) {
  return std::any_of(prefixes.begin(), prefixes.end(),
                     [&](const base::Prefix& each) { return each.contains(address); });
}

bool leaves_by(const flow::EgressRule& rule, flow::InterfaceId out, flow::InterfaceId in) {
  if (rule.interfaces.empty()) return out != in;
  return std::find(rule.interfaces.begin(), rule.interfaces.end(), out) != rule.interfaces.end();
}

const flow::EgressRule* egress_for(const Packet& p, const WorkerState& w, flow::InterfaceId out) {
  for (const flow::EgressRule& rule : w.generation->egresses)
    if (holds(rule.from, p.key.src) && leaves_by(rule, out, p.in)) return &rule;
  return nullptr;
}

bool is_nat_address(const WorkerState& w, const base::IpAddress& address) {
  for (const flow::EgressRule& rule : w.generation->egresses) {
    const auto& pool = address.is_v4() ? rule.pool.v4 : rule.pool.v6;
    if (std::find(pool.begin(), pool.end(), address) != pool.end()) return true;
  }
  return false;
}

// The mapping of one inside endpoint belongs to one worker, whatever its destinations hash to.
bool go_to_mapping_owner(Packet& p, const WorkerState& w) {
  if (w.workers == 1 || carry_of(p.mbuf).open_here != 0) return false;
  const unsigned owner = flow::mapping_owner(p.key.src, w.secret, w.workers);
  if (owner == w.id) return false;
  carry_of(p.mbuf).open_here = 1;
  p.verdict = flow::Verdict::kHandOff;
  p.owner = static_cast<uint8_t>(owner);
  return true;
}

flow::MappingResult mapping_for(const Packet& p, WorkerState& w, const flow::EgressRule& rule,
                                const base::IpAddress& destination, uint16_t destination_port) {
  const flow::MappingKey key{p.key.src, p.key.src_port, p.key.protocol, 0, rule.slot};
  if (flow::Mapping* known = w.mappings.find_inside(key); known != nullptr) return {flow::MappingStatus::kOk, known};
  const bool masquerades = rule.pool.v4.empty() && rule.pool.v6.empty();
  const base::IpAddress own = masquerades ? masquerade_address(w, destination, 0) : base::IpAddress{};
  // Our own address: not the ports of the gateway's own conversations.
  const uint16_t last = masquerades ? std::min(rule.pool.port_last, kNatPorts.last) : rule.pool.port_last;
  std::span<const base::IpAddress> pool = p.key.src.is_v4() ? rule.pool.v4 : rule.pool.v6;
  if (masquerades && !own.is_unspecified()) pool = {&own, 1};
  return w.mappings.open(key, pool, {rule.pool.port_first, last}, destination, destination_port,
                         rule.max_ports_per_source, w.now_ms);
}

DropReason reason_of(flow::MappingStatus status) {
  switch (status) {
    case flow::MappingStatus::kExhausted:
    case flow::MappingStatus::kTableFull:
      return DropReason::nat_ports_exhausted;
    case flow::MappingStatus::kSourceLimit:
      return DropReason::nat_source_limit;
    case flow::MappingStatus::kNoAddress:
      return DropReason::nat_no_address;
    case flow::MappingStatus::kUnsupported:
      return DropReason::flow_invalid;
    case flow::MappingStatus::kOk:
      break;
  }
  return DropReason::kNone;
}

// Source NAT of `p` to `destination`: its own, or for a hairpin the inside host behind the NAT address it was sent to.
void open_source_nat(Packet& p, WorkerState& w, const flow::EgressRule& rule, const base::IpAddress& destination,
                     uint16_t destination_port, FlowMode mode) {
  flow::EgressCounters& counters = w.counters->egresses[rule.slot];
  const flow::MappingResult granted = mapping_for(p, w, rule, destination, destination_port);
  if (granted.status != flow::MappingStatus::kOk) {
    counters.exhausted.add(1);
    return drop(p, reason_of(granted.status));
  }
  flow::Mapping& mapping = *granted.mapping;
  const bool icmp = p.key.protocol == wire::kProtocolIcmp || p.key.protocol == wire::kProtocolIcmpv6;
  const FlowKey reply{destination, mapping.outside, icmp ? mapping.port : destination_port, mapping.port,
                      p.key.protocol};
  Flow* f = insert(p, w, reply, mode);
  if (f == nullptr) return;
  flow::MappingTable::hold(mapping, w.now_ms);
  f->flags |= flow::kHoldsMapping;
  f->egress = rule.slot;
  counters.mappings.set(w.mappings.count_of_egress(rule.slot));
  count_flow(p, w);
  take_hop(p);
}

void open_egress(Packet& p, WorkerState& w, const flow::EgressRule& rule) {
  if (!rule.allow.empty() && !holds(rule.allow, p.key.dst))
    return reject(p, DropReason::egress_not_allowed, Answer::kProhibited);
  if (!begins_connection(p)) return reject(p, DropReason::flow_invalid, Answer::kReset);
  if (go_to_mapping_owner(p, w) || !admit_flow(p, w)) return;
  open_source_nat(p, w, rule, p.key.dst, p.key.dst_port, FlowMode::kSnat);
}

// A packet to one of our NAT addresses that no flow knows. From inside it is a hairpin (RFC 4787 REQ-9): both sides are
// translated. From outside it is refused: only answers come in (address- and port-dependent filtering, RFC 4787 §5).
void open_towards_nat(Packet& p, WorkerState& w) {
  const flow::Mapping* inside = w.mappings.find_outside(p.key.dst, p.key.dst_port, p.key.protocol);
  if (inside == nullptr && w.workers > 1 && carry_of(p.mbuf).open_here == 0) {
    const unsigned owner = flow::port_owner(p.key.dst_port, w.workers);
    if (owner != w.id) {
      carry_of(p.mbuf).open_here = 1;
      p.verdict = flow::Verdict::kHandOff;
      p.owner = static_cast<uint8_t>(owner);
      return;
    }
  }
  const flow::EgressRule* rule = nullptr;
  for (const flow::EgressRule& each : w.generation->egresses)
    if (rule == nullptr && holds(each.from, p.key.src)) rule = &each;
  if (inside == nullptr || rule == nullptr) return drop(p, DropReason::nat_no_mapping);
  if (!begins_connection(p)) return reject(p, DropReason::flow_invalid, Answer::kReset);
  if (!admit_flow(p, w)) return;
  open_source_nat(p, w, *rule, inside->key.inside, inside->key.port, FlowMode::kHairpin);
}

}  // namespace

void set_deltas(Flow& f) {
  for (unsigned d = 0; d < 2; ++d) {
    const FlowKey& from = d == 0 ? f.original : f.reply;
    const FlowKey to = (d == 0 ? f.reply : f.original).reversed();
    const wire::Translation t = wire::make_translation({from.src, from.dst, from.src_port, from.dst_port},
                                                       {to.src, to.dst, to.src_port, to.dst_port}, from.protocol);
    f.way[d].l3 = t.l3;
    f.way[d].l4 = t.l4;
  }
}

void open_flow(Packet& p, WorkerState& w) {
  fill_key(p, w.secret);
  const flow::Generation& g = *w.generation;
  const flow::RouteResult& route = g.routes->at(p.route);
  const bool leaves = route.kind == flow::RouteKind::kConnected || route.kind == flow::RouteKind::kGateway;
  const uint32_t hop = leaves ? g.routes->next_hop_of(route, owner_hash(p)) : kNone32;
  const flow::EgressRule* egress = leaves ? egress_for(p, w, g.routes->next_hop(hop).interface) : nullptr;
  if (p.related) {
    // About no flow: untranslated it would show inside addresses, or loop between us and the router.
    if (egress != nullptr || is_nat_address(w, p.key.dst) || g.services->is_virtual(p.key.dst))
      drop(p, DropReason::icmp_unmatched);
    return;
  }
  // Opened a moment ago, by a packet of this burst; unless this packet ends it and begins anew.
  if (const flow::FlowMatch match = w.flows.find(p.key, p.key_hash, w.now_ms); match.kind != flow::MatchKind::kNone) {
    attach(p, w, match);
    if (p.verdict != flow::Verdict::kContinue) return;
    if (p.flow != nullptr) return p.stale ? judge_again(p, w) : void();
  }
  const bool echo_like = p.headers.protocol == wire::kProtocolIcmp || p.headers.protocol == wire::kProtocolIcmpv6;
  if (!echo_like)
    if (const flow::ServiceEntry* s = g.services->find(p.key.dst, p.headers.protocol, p.headers.dst_port); s != nullptr)
      return open_service(p, w, *s);
  if (g.services->is_virtual(p.key.dst)) return refuse_virtual(p, w);
  if (is_nat_address(w, p.key.dst)) return open_towards_nat(p, w);
  if (!leaves) return;
  if (egress != nullptr) return open_egress(p, w, *egress);
  if (!w.tracks_plain) return;
  if (!admit_flow(p, w)) return;
  if (insert(p, w, p.key.reversed(), FlowMode::kPlain) != nullptr) {
    count_flow(p, w);
    take_hop(p);
  }
}

namespace {

// A slot may have gone to another service since the flow was last looked at.
bool is_of(const flow::ServiceEntry& s, const Flow& f) {
  return s.address == f.original.dst && (s.protocol == 0 || s.protocol == f.original.protocol) &&
         (s.port == 0 || s.port == f.original.dst_port);
}

// Why the flow may not go on as it is: its service or egress rule is another or gone, its endpoint is down, its outside
// address left the pool, its destination the allow-list.
bool is_outdated(const Flow& f, const WorkerState& w) {
  const flow::Generation& g = *w.generation;
  if (f.service != kNone32) {
    const flow::ServiceEntry* s = g.services->by_slot(f.service);
    return s == nullptr || !is_of(*s, f) || g.services->endpoint_state(f.endpoint) == flow::EndpointState::kDown;
  }
  if (f.egress == kNone32) return false;
  const auto rule = std::find_if(g.egresses.begin(), g.egresses.end(),
                                 [&](const flow::EgressRule& each) { return each.slot == f.egress; });
  if (rule == g.egresses.end() || !holds(rule->from, f.original.src)) return true;
  if (f.mode == FlowMode::kSnat && !rule->allow.empty() && !holds(rule->allow, f.original.dst)) return true;
  const base::IpAddress& outside = f.reply.dst;
  const auto& pool = outside.is_v4() ? rule->pool.v4 : rule->pool.v6;
  if (!rule->pool.v4.empty() || !rule->pool.v6.empty())
    return std::find(pool.begin(), pool.end(), outside) == pool.end();
  return g.routes->at(g.routes->find(outside)).kind != flow::RouteKind::kLocal;
}

void end_flow(WorkerState& w, Flow& f) {
  if (f.is(flow::kHoldsMapping))
    if (flow::Mapping* mapping = w.mappings.find_outside(f.reply.dst, f.reply.dst_port, f.reply.protocol);
        mapping != nullptr)
      w.mappings.retire(*mapping);  // the source gets a new one at once
  forget_flow(w, f);
  w.flows.close(f);
}

}  // namespace

void judge_again(Packet& p, WorkerState& w) {
  Flow& f = *p.flow;
  if (p.related) {  // decides nothing about the flow's own packets
    p.next_hop = hop_towards(w, target_of(f, p.direction), owner_hash(p));
    if (p.next_hop == kNone32) reject(p, DropReason::no_route, Answer::kHostUnreachable);
    return;
  }
  if (is_outdated(f, w)) {
    const flow::ServiceEntry* s = w.generation->services->by_slot(f.service);
    const bool reset = s != nullptr && is_of(*s, f) && s->reset_on_down;
    const bool serves = f.service != kNone32, answers = p.direction == 1;
    end_flow(w, f);
    p.flow = nullptr;
    p.next_hop = kNone32;
    p.direction = 0;
    p.stale = false;
    // An answer cannot begin the flow anew, and nobody waits for it untranslated.
    if (answers) return drop(p, serves ? DropReason::flow_endpoint_down : DropReason::nat_no_mapping);
    if (!reset) return open_flow(p, w);
    p.from_us = true;
    return reject(p, DropReason::flow_endpoint_down, Answer::kReset);
  }
  set_hops(f, w, owner_hash(p));
  f.way[p.direction].judged = static_cast<uint32_t>(w.generation->number);
  f.rule[p.direction] = p.rule;
  take_hop(p);
}

}  // namespace penstock::engine
