// Following flows once they are open: what each packet and the passing of time do to them.
#include <algorithm>

#include "engine/tracking.h"
#include "wire/headers.h"

namespace penstock::engine {

namespace {

using flow::DropReason;
using flow::Flow;
using flow::Verdict;

flow::TcpSegment segment_of(const Packet& p) {
  const uint8_t* tcp = p.data + p.headers.l4_offset;
  flow::TcpSegment s;
  s.flags = p.headers.tcp_flags;
  s.sequence = base::load_be32(tcp + wire::kTcpSeqAt);
  s.acknowledgment = base::load_be32(tcp + wire::kTcpAckAt);
  s.length = static_cast<uint32_t>(p.headers.end - p.headers.payload_offset);
  return s;
}

bool has_tcp_header(const Packet& p) {
  return p.headers.protocol == wire::kProtocolTcp && !p.headers.is(wire::kIsLaterFragment);
}

// An ICMP error is about the flow, not of it: it moves no state and is not counted there.
void attach_related(Packet& p) {
  p.state = flow::FlowState::kRelated;
  p.stale = true;  // rules and routes look at the error itself
}

void remove_notice(WorkerState& w, const flow::FlowKey& key) {
  const unsigned arrival = flow::owner_of(flow::owner_hash(key), w.workers);
  (void)w.mesh.notices(w.id, arrival).push({key, static_cast<uint8_t>(w.id), true});
}

// Both notices may go to the same worker.
bool room_for_notices(WorkerState& w, const Flow& f) {
  for (const auto& [flag, key] : {std::pair{flow::kSteeredOriginal, &f.original}, {flow::kSteeredReply, &f.reply}})
    if (f.is(flag) && w.mesh.notices(w.id, flow::owner_of(flow::owner_hash(*key), w.workers)).room() < 2) return false;
  return true;
}

}  // namespace

FirstPacket first_packet(const Packet& p, bool both_sides) {
  FirstPacket first;
  if (has_tcp_header(p)) {
    first.state =
        flow::open_tcp(segment_of(p), flow::PickUp::kLoose,
                       both_sides ? flow::Sides::kBoth : flow::Sides::kOriginalOnly, first.seen, first.window);
  } else if (p.headers.protocol != wire::kProtocolTcp) {
    first.state = flow::open_other(p.headers.protocol);
  }
  return first;
}

void attach(Packet& p, WorkerState& w, const flow::FlowMatch& match) {
  if (match.kind == flow::MatchKind::kSteer) {
    p.verdict = Verdict::kHandOff;
    p.owner = match.owner;
    return;
  }
  Flow& f = *match.flow;
  p.flow = &f;
  p.flow_index = match.index;
  p.direction = match.direction;
  const auto number = static_cast<uint32_t>(w.generation->number);
  if (p.related) return attach_related(p);
  const bool replied = f.is(flow::kReplied);
  if (p.headers.protocol != wire::kProtocolTcp || has_tcp_header(p)) {
    flow::TcpSegment segment;
    if (has_tcp_header(p)) segment = segment_of(p);
    switch (w.flows.follow(f, p.direction, has_tcp_header(p) ? &segment : nullptr)) {
      case flow::FollowResult::kAccept:
        break;
      case flow::FollowResult::kInvalid:
        p.flow = nullptr;
        return drop(p, DropReason::flow_invalid);
      case flow::FollowResult::kReopen:
        forget_flow(w, f);
        w.flows.close(f);
        p.flow = nullptr;
        return;
    }
  }
  f.count(p.direction, p.length, w.now_ms);
  if (!replied && f.is(flow::kReplied)) f.way[0].judged = 0;  // rules may see an established flow otherwise
  p.state = f.is(flow::kReplied) ? flow::FlowState::kEstablished : flow::FlowState::kNew;
  p.stale = f.way[p.direction].judged != number;
  if (p.from_peer != flow::kNoPeer && p.direction == 0 &&
      f.from_peer != p.from_peer) {  // the other side sends by another
    f.from_peer = p.from_peer;
    p.stale = true;
  }
  if (!p.stale) {
    p.rule = f.rule[p.direction];
    p.next_hop = f.way[p.direction].next_hop;
    // An untranslated packet is judged by its own route: local, blackhole, prohibited.
    if (p.next_hop == kNone32 && f.mode != flow::FlowMode::kPlain)
      return reject(p, DropReason::no_route, Answer::kHostUnreachable);
  }
  count_flow(p, w);
}

void count_flow(const Packet& p, WorkerState& w) {
  const Flow& f = *p.flow;
  if (f.service != kNone32) {
    flow::ServiceCounters& service = w.counters->services[f.service];
    flow::EndpointCounters& endpoint = w.counters->endpoints[f.endpoint];
    (p.direction == 0 ? service.forward : service.reply).add(p.length);
    (p.direction == 0 ? endpoint.forward : endpoint.reply).add(p.length);
  } else if (f.egress != flow::kNoEgress) {
    flow::EgressCounters& egress = w.counters->egresses[f.egress];
    (p.direction == 0 ? egress.out : egress.in).add(p.length);
  }
}

void forget_flow(WorkerState& w, Flow& f) {
  if (f.is(flow::kSteeredOriginal)) remove_notice(w, f.original);
  if (f.is(flow::kSteeredReply)) remove_notice(w, f.reply);
  if (f.is(flow::kCountedAtEndpoint)) {
    base::Counter& active = w.counters->endpoints[f.endpoint].active_flows;
    active.set(active.read() - std::min<uint64_t>(1, active.read()));
  }
  if (f.is(flow::kHoldsMapping)) {
    flow::Mapping* mapping = w.mappings.find_outside(f.reply.dst, f.reply.dst_port, f.reply.protocol);
    if (mapping != nullptr) flow::MappingTable::release(*mapping, f.last_seen);
  }
}

bool still_has_flow(const Packet& p) {
  const Flow& f = *p.flow;
  if (f.state == flow::FlowStateId::kNone) return false;
  flow::FlowKey key = p.key;
  if (p.related && !quoted_key(p, key)) return false;
  return key == (p.direction == 0 ? f.original : f.reply);
}

bool quoted_key(const Packet& p, flow::FlowKey& key) {
  const size_t at = p.headers.l4_offset + wire::kIcmpLength;
  if (at >= p.headers.end) return false;
  wire::Headers inner;
  const base::Bytes quote{p.data + at, static_cast<size_t>(p.headers.end - at)};
  if (wire::parse_ip(quote, wire::Whole::kQuoted, wire::Ipv4Checksum::kVerifiedByDevice, inner) !=
      wire::ParseError::kNone)
    return false;
  if (inner.family != p.headers.family || inner.is(wire::kIsLaterFragment)) return false;
  key = key_of(quote.data(), inner).reversed();
  return true;
}

void apply_notice(WorkerState& w, const SteerNotice& notice) {
  if (notice.remove) {
    // Another worker may have taken the flow over meanwhile: notices of two workers have no order.
    const flow::FlowMatch match = w.flows.find(notice.key, w.flows.hash(notice.key), w.now_ms);
    if (match.kind == flow::MatchKind::kSteer && match.owner == notice.owner) (void)w.flows.unsteer(notice.key);
  } else {
    (void)w.flows.steer(notice.key, notice.owner, w.now_ms);
  }
}

void age(WorkerState& w) {
  if (w.aged_at == w.now_ms || w.generation == nullptr) return;
  const base::Millis gap = std::min<base::Millis>(base::since(w.aged_at, w.now_ms), 16);
  w.aged_at = w.now_ms;
  // Every table is gone through in about four seconds, a slice a millisecond.
  constexpr uint32_t kSlices = 4096;
  const auto slice = [&](size_t capacity) { return static_cast<uint32_t>((capacity / kSlices + 1) * gap); };
  w.flows.sweep(slice(w.flows.capacity()), w.now_ms, w.timeouts, [&w](Flow& f, uint32_t) {
    if (!room_for_notices(w, f)) return false;
    forget_flow(w, f);
    return true;
  });
  if (w.exact.size() != 0) w.exact.sweep(slice(w.exact.capacity()), w.now_ms);
  w.mappings.sweep(slice(w.mappings.capacity()), w.now_ms);
  if (w.id == 0) w.limiter.count_sources(w.now);
  w.neighbours.sweep(w.now_ms);
  w.affinities.sweep(slice(w.affinities.capacity()), [&](const AffinityKey& key, const Affinity& a) {
    const flow::ServiceEntry* s = w.generation->services->by_slot(static_cast<uint32_t>(key.service));
    return s != nullptr && base::since(a.last_used, w.now_ms) < s->affinity_seconds * 1000ull;
  });
  w.fragments.sweep(slice(w.fragments.capacity()), w.now_ms, w.generation->settings.fragment_timeout_ms,
                    [&w](void* handle) {
                      count_drop(w, DropReason::fragment_timeout);
                      rte_pktmbuf_free(static_cast<rte_mbuf*>(handle));
                    });
  publish_gauges(w);
}

void publish_gauges(WorkerState& w) {
  flow::WorkerCounters& c = *w.counters;
  const flow::FlowTableStats& stats = w.flows.stats();
  c.flows.set(w.flows.size());
  c.flows_created.set(stats.created);
  c.flows_expired.set(stats.expired);
  c.flows_evicted.set(stats.evicted);
  for (size_t i = 0; i < flow::kFlowStateIds; ++i) c.flows_by_state[i].set(stats.by_state[i]);
  c.exact_flows.set(w.exact.size());
  c.fragments_held.set(w.fragments.held());
  for (const flow::EgressRule& rule : w.generation->egresses)
    c.egresses[rule.slot].mappings.set(w.mappings.count_of_egress(rule.slot));
  const crypto::EspLane* lane = w.associations->lane();
  c.held.set(w.neighbours.held() + w.fragments.held() + w.key_queue.held() + (lane == nullptr ? 0 : lane->in_flight()));
}

bool import_flow(WorkerState& w, const flow::TrackedFlowView& view) {
  const auto mode = static_cast<flow::FlowMode>(view.mode);
  const bool one_way = mode == flow::FlowMode::kDsr || mode == flow::FlowMode::kIpip;
  const flow::OpenResult opened = w.flows.open(view.original, view.reply, static_cast<flow::FlowStateId>(view.state),
                                               one_way, w.now_ms, [](Flow&, uint32_t) {});
  if (opened.status != flow::OpenStatus::kOk) return false;
  Flow& f = *opened.flow;
  f.mode = mode;
  w.origins[opened.index] = {flow::kNoInterface, {}, 0, 0, 0};
  if (view.replied) f.flags |= flow::kReplied;
  f.service = view.service;
  f.endpoint = view.endpoint;
  f.egress = static_cast<uint16_t>(view.egress);  // kNone32 is kNoEgress
  f.from_peer = view.from_peer;
  if (f.translates()) set_deltas(f);
  return true;
}

bool find_flow_view(WorkerState& w, const flow::FlowKey& key, flow::TrackedFlowView& out) {
  const flow::FlowMatch match = w.flows.find(key, w.flows.hash(key), w.now_ms);
  if (match.kind == flow::MatchKind::kFlow) fill_view(w, *match.flow, out);
  return match.kind == flow::MatchKind::kFlow;
}

void fill_view(const WorkerState& w, const Flow& f, flow::TrackedFlowView& out) {
  out.original = f.original;
  out.reply = f.reply;
  out.state = static_cast<uint8_t>(f.state);
  out.mode = static_cast<uint8_t>(f.mode);
  out.replied = f.is(flow::kReplied);
  out.service = f.service;
  out.endpoint = f.endpoint;
  out.egress = f.egress == flow::kNoEgress ? kNone32 : f.egress;
  out.from_peer = f.from_peer;
  for (unsigned d = 0; d < 2; ++d) {
    out.packets[d] = f.way[d].packets;
    out.bytes[d] = f.way[d].bytes;
  }
  const base::Millis idle = base::since(f.last_seen, w.now_ms), limit = w.timeouts.of(f.state);
  out.age_seconds = w.flows.seconds() - f.created;
  out.idle_seconds = idle / 1000;
  out.timeout_seconds = limit > idle ? (limit - idle) / 1000 : 0;
}

void drop_held_fragments(WorkerState& w, DropReason reason) {
  w.fragments.drain([&](void* handle) {
    count_drop(w, reason);
    rte_pktmbuf_free(static_cast<rte_mbuf*>(handle));
  });
}

}  // namespace penstock::engine
