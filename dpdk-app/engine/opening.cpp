#include "engine/opening.h"

#include <algorithm>

#include "engine/tracking.h"
#include "wire/headers.h"
#include "wire/rewrite.h"

namespace penstock::engine {

using flow::DropReason;
using flow::Flow;
using flow::FlowKey;
using flow::FlowMode;

namespace {

// Into the tunnel that the flow came out of, though routes may prefer another: the gateway there may keep its state,
// and expects the answers. While it is up, and has that prefix.
uint32_t hop_back(const WorkerState& w, const Flow& f) {
  const auto& peers = w.generation->peers->by_slot;
  const uint32_t by_route = f.way[1].next_hop;
  if (f.from_peer >= peers.size() || by_route == kNone32) return kNone32;
  const flow::RouteTable& routes = *w.generation->routes;
  const flow::Peer& peer = peers[f.from_peer];
  if (!peer.up || routes.next_hop(by_route).peer == flow::kNoPeer || !peer.reaches(target_of(f, 1))) return kNone32;
  return routes.next_hop(by_route).demand == 0 ? routes.hop_to(f.from_peer) : routes.demanded_hop_to(f.from_peer);
}

bool replies_pass(FlowMode mode) { return mode != FlowMode::kDsr && mode != FlowMode::kIpip; }

// Tells the worker at which packets with this key arrive that they belong here. False: that is this worker.
bool announce(WorkerState& w, const FlowKey& key) {
  const unsigned arrival = flow::owner_of(flow::owner_hash(key), w.workers);
  return arrival != w.id && w.mesh.notices(w.id, arrival).push({key, static_cast<uint8_t>(w.id), false});
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

}  // namespace

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

const base::IpAddress& target_of(const Flow& f, unsigned direction) {
  return direction == 0 ? f.reply.src : f.original.src;
}

void set_hops(Flow& f, const WorkerState& w, uint32_t hash) {
  for (unsigned d = 0; d < 2; ++d) f.way[d].next_hop = hop_towards(w, target_of(f, d), hash);
  if (const uint32_t back = hop_back(w, f); back != kNone32) f.way[1].next_hop = back;
}

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
  f.from_peer = p.from_peer;
  if (!both) f.flags |= flow::kOneWay;
  f.tcp_seen = first.seen;
  f.window[0] = first.window[0];
  f.window[1] = first.window[1];
  if (announce(w, p.key)) f.flags |= flow::kSteeredOriginal;
  if (both && announce(w, reply)) f.flags |= flow::kSteeredReply;
  if (f.translates()) set_deltas(f);
  set_hops(f, w, owner_hash(p));
  f.way[0].judged = static_cast<uint32_t>(w.generation->number);
  f.rule[0] = p.rule;
  w.origins[opened.index] = {p.in,
                             {p.identity, flow::kNobody},
                             p.headers.tcp_flags,
                             p.headers.icmp_type,
                             static_cast<uint32_t>(w.generation->number)};
  p.flow = &f;
  p.flow_index = opened.index;
  p.opened = true;
  p.direction = 0;
  f.count(0, p.length, w.now_ms);
  return &f;
}

void take_hop(Packet& p) {
  p.next_hop = p.flow->way[p.direction].next_hop;
  if (p.next_hop == kNone32 && p.flow->mode != FlowMode::kPlain)
    reject(p, DropReason::no_route, Answer::kHostUnreachable);
}

bool admit_connection(Packet& p, WorkerState& w, std::span<const uint32_t> slots) {
  for (const uint32_t slot : slots) {
    const flow::Limit& limit = w.generation->limits->by_slot[slot];
    if (limit.per_second == 0 || limit.unit != flow::LimitUnit::kConnections) continue;
    const Admission admission = w.limiter.admit(limit, w.limiter.bucket_of(limit, p.key), 1, p.length, w.now);
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

base::IpAddress masquerade_address(const WorkerState& w, const base::IpAddress& destination, uint32_t hash) {
  const uint32_t hop = hop_towards(w, destination, hash);
  if (hop == kNone32) return {};
  const flow::InterfaceId out = w.generation->routes->next_hop(hop).interface;
  if (out >= w.generation->interfaces->by_id.size()) return {};  // a tunnel has no address of its own
  for (const base::Prefix& each : w.generation->interfaces->by_id[out].addresses)
    if (each.is_v4() == destination.is_v4() && !each.address.is_link_local()) return each.address;
  return {};
}

bool holds(const std::vector<base::Prefix>& prefixes, const base::IpAddress& address) {
  return std::any_of(prefixes.begin(), prefixes.end(),
                     [&](const base::Prefix& each) { return each.contains(address); });
}

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

}  // namespace penstock::engine
