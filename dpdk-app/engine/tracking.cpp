#include "engine/tracking.h"

#include "engine/egress.h"
#include "engine/opening.h"
#include "engine/services.h"
#include "wire/headers.h"

namespace penstock::engine {

using flow::DropReason;
using flow::Flow;
using flow::FlowMode;

void open_flow(Packet& p, WorkerState& w) {
  fill_key(p, w.secret);
  const flow::Generation& g = *w.generation;
  const flow::RouteResult& route = g.routes->at(p.route);
  const bool leaves = route.kind == flow::RouteKind::kConnected || route.kind == flow::RouteKind::kGateway;
  const uint32_t hop = leaves ? g.routes->next_hop_of(route, owner_hash(p)) : kNone32;
  // What goes to a peer stays in the mesh, with its own source.
  const bool outside = leaves && g.routes->next_hop(hop).peer == flow::kNoPeer;
  const flow::EgressRule* egress = outside ? egress_for(p, w, g.routes->next_hop(hop).interface) : nullptr;
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
  const bool to_nat =
      route.kind == flow::RouteKind::kLocal ? is_hairpin_to_own_address(p, w) : is_nat_address(w, p.key.dst);
  if (to_nat) return open_towards_nat(p, w);
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
  const bool outdated = f.service != kNone32 ? is_service_outdated(f, *w.generation->services)
                                             : f.egress != flow::kNoEgress && is_egress_outdated(f, w);
  if (outdated) {
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
  w.origins[p.flow_index].identity[p.direction] = p.identity;
  take_hop(p);
}

}  // namespace penstock::engine
