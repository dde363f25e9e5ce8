#include "engine/admission.h"

#include "engine/tracking.h"
#include "wire/build.h"
#include "wire/headers.h"

namespace penstock::engine {

namespace {

// To the other end of the flow, in the name of the packet's sender, where the connection stands for that end: what it
// has not seen yet of the sender begins with this packet.
void reset_far_end(const Packet& p, WorkerState& w) {
  const flow::Flow& f = *p.flow;
  const bool readdressed = f.mode != flow::FlowMode::kDsr && f.mode != flow::FlowMode::kIpip;
  if (!readdressed || p.headers.is(wire::kIsLaterFragment) || (p.headers.tcp_flags & wire::kTcpRst) != 0) return;
  if (w.generation->settings.icmp_errors_per_second == 0 || !w.icmp_bucket.take(w.icmp_rate, 1, w.now))
    return w.counters->icmp_suppressed.add(1);
  rte_mbuf* m = rte_pktmbuf_alloc(w.pool);
  if (m == nullptr) return w.counters->icmp_suppressed.add(1);
  const flow::FlowKey key = (p.direction == 0 ? f.reply : f.original).reversed();
  const uint8_t* tcp = p.data + p.headers.l4_offset;
  wire::TcpPacket reset;
  reset.link = wire::Link{};
  reset.ip = {.src = key.src, .dst = key.dst};
  reset.src_port = key.src_port;
  reset.dst_port = key.dst_port;
  reset.seq = base::load_be32(tcp + wire::kTcpSeqAt);
  reset.ack = base::load_be32(tcp + wire::kTcpAckAt);
  reset.flags = static_cast<uint8_t>(wire::kTcpRst | (p.headers.tcp_flags & wire::kTcpAck));
  const size_t length = wire::build_tcp({rte_pktmbuf_mtod(m, uint8_t*), rte_pktmbuf_tailroom(m)}, reset);
  rte_pktmbuf_append(m, static_cast<uint16_t>(length));
  carry_of(m) = Carry{};
  carry_of(m).identity = p.identity;
  w.counters->generated.add(1);
  w.counters->icmp_sent.add(1);
  add_own(w, m);
}

}  // namespace

bool is_due(const Packet& p, const WorkerState& w) {
  if (p.flow == nullptr || p.related || !p.stale) return false;
  const FlowOrigin& origin = w.origins[p.flow_index];
  return origin.admitted != static_cast<uint32_t>(w.generation->number) ||
         (w.by_identity && p.direction == 0 && origin.identity[0] != p.identity);
}

bool first_input(const Packet& p, const WorkerState& w, flow::FilterInput& input) {
  const FlowOrigin& origin = w.origins[p.flow_index];
  const flow::FlowKey& key = p.flow->original;
  if (origin.in >= w.generation->interfaces->by_id.size()) return false;
  input = {};
  input.src = key.src;
  input.dst = key.dst;
  input.src_port = key.src_port;
  input.dst_port = key.dst_port;
  input.interface = origin.in;
  input.protocol = key.protocol;
  input.tcp_flags = origin.tcp_flags;
  input.icmp_type = origin.icmp_type;
  input.state = flow::FlowState::kNew;
  if (!w.by_identity) return true;
  const flow::IdentityTable& identities = *w.generation->identities;
  input.from_class = identities.class_of(p.direction == 0 ? p.identity : origin.identity[0]);
  input.to_class = identities.class_of(identities.sources.at(key.dst));
  return true;
}

void readmit(const Packet& p, WorkerState& w) {
  FlowOrigin& origin = w.origins[p.flow_index];
  origin.admitted = static_cast<uint32_t>(w.generation->number);
  if (p.direction == 0) origin.identity[0] = p.identity;
}

void refuse_flow(Packet& p, WorkerState& w, flow::DropReason reason, Answer answer) {
  flow::Flow& f = *p.flow;
  p.to_identity = identity_behind(p, w);
  f.way[0].judged = f.way[1].judged = 0;
  w.origins[p.flow_index].admitted = 0;
  if (answer == Answer::kNone) return drop(p, reason);
  if (f.original.protocol == wire::kProtocolTcp && f.state != flow::FlowStateId::kTcpClose) {
    reset_far_end(p, w);
    w.flows.set_state(f, flow::FlowStateId::kTcpClose);
  }
  reject(p, reason, answer);
}

flow::Identity identity_behind(const Packet& p, const WorkerState& w) {
  if (p.to_identity != flow::kNobody) return p.to_identity;
  if (p.flow != nullptr && p.flow_index != kNone32) {
    const flow::Identity known = w.origins[p.flow_index].identity[1 - p.direction];
    if (known != flow::kNobody) return known;
  }
  return w.generation->identities->sources.at(p.key.dst);
}

}  // namespace penstock::engine
