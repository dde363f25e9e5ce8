#include "engine/stages/reply.h"

#include <algorithm>
#include <utility>

#include "engine/admission.h"
#include "flow/own_address.h"
#include "wire/build.h"
#include "wire/checksum.h"
#include "wire/headers.h"

namespace penstock::engine {

namespace {

using flow::DropReason;
using flow::Verdict;

// Ports whose packets to the gateway's own addresses are answers to its health checks (control/health).
constexpr uint16_t kControlPortFirst = 61000;
constexpr uint8_t kOurHopLimit = 64;

bool is_echo_request(const wire::Headers& h) {
  return !h.is(wire::kIsLaterFragment) &&
         ((h.family == 4 && h.protocol == wire::kProtocolIcmp && h.icmp_type == wire::kIcmpEchoRequest) ||
          (h.family == 6 && h.protocol == wire::kProtocolIcmpv6 && h.icmp_type == wire::kIcmpv6EchoRequest));
}

// The address the gateway speaks with towards this packet's sender: the one it was sent to, if that is ours; else the
// ingress interface's first of the family.
base::IpAddress own_address(const Packet& p, const WorkerState& w, bool to_us) {
  if (to_us) return p.key.dst;
  if (p.from_peer != flow::kNoPeer) return flow::address_inside(*w.generation, p.headers.family == 4);
  base::IpAddress best;
  for (const base::Prefix& each : w.generation->interfaces->by_id[p.in].addresses) {
    if (each.is_v4() != (p.headers.family == 4)) continue;
    if (!each.address.is_link_local()) return each.address;
    best = each.address;
  }
  return best;
}

struct ErrorCode {
  uint8_t type = 0, code = 0;
};

ErrorCode error_of(Answer answer, bool v4) {
  using namespace wire;
  switch (answer) {
    case Answer::kTtlExpired:
      return v4 ? ErrorCode{kIcmpTimeExceeded, 0} : ErrorCode{kIcmpv6TimeExceeded, 0};
    case Answer::kNetUnreachable:
      return v4 ? ErrorCode{kIcmpUnreachable, kIcmpNetUnreachable} : ErrorCode{kIcmpv6Unreachable, kIcmpv6NoRoute};
    case Answer::kHostUnreachable:
      return v4 ? ErrorCode{kIcmpUnreachable, kIcmpHostUnreachable}
                : ErrorCode{kIcmpv6Unreachable, kIcmpv6AddressUnreachable};
    case Answer::kProhibited:
      return v4 ? ErrorCode{kIcmpUnreachable, kIcmpProhibited} : ErrorCode{kIcmpv6Unreachable, kIcmpv6Prohibited};
    case Answer::kTooBig:
      return v4 ? ErrorCode{kIcmpUnreachable, kIcmpFragmentationNeeded} : ErrorCode{kIcmpv6PacketTooBig, 0};
    case Answer::kReset:
    case Answer::kPortUnreachable:
      return v4 ? ErrorCode{kIcmpUnreachable, kIcmpPortUnreachable}
                : ErrorCode{kIcmpv6Unreachable, kIcmpv6PortUnreachable};
    case Answer::kEcho:
    case Answer::kNone:
      break;
  }
  return {};
}

// Writes an answer with `build` into a fresh buffer and hands it to the own-packet list. An answer that cannot be made
// is no packet lost: it counts as suppressed.
template <typename Build>
void answer_with(WorkerState& w, flow::Identity identity, Build build) {
  rte_mbuf* m = rte_pktmbuf_alloc(w.pool);
  if (m == nullptr) return w.counters->icmp_suppressed.add(1);
  auto* at = rte_pktmbuf_mtod(m, uint8_t*);
  const size_t length = build(base::MutableBytes{at, rte_pktmbuf_tailroom(m)});
  if (length == 0) {
    rte_pktmbuf_free(m);
    return w.counters->icmp_suppressed.add(1);
  }
  rte_pktmbuf_append(m, static_cast<uint16_t>(length));
  carry_of(m) = Carry{};
  carry_of(m).identity = identity;
  w.counters->generated.add(1);
  add_own(w, m);
}

void answer_rejected(Packet& p, WorkerState& w) {
  fill_key(p, w.secret);
  if (!wire::may_answer_with_error(frame_of(p), p.headers)) return;
  if (w.generation->settings.icmp_errors_per_second == 0 || !w.icmp_bucket.take(w.icmp_rate, 1, w.now))
    return w.counters->icmp_suppressed.add(1);
  const bool reset = p.answer == Answer::kReset && p.headers.protocol == wire::kProtocolTcp;
  if (reset && (p.headers.tcp_flags & wire::kTcpRst)) return;  // RFC 9293 §3.10.7.1
  const base::IpAddress source = own_address(p, w, p.from_us);
  if (!reset && source.is_unspecified()) return;  // an interface without an address of this family
  // A reset speaks for who was asked.
  answer_with(w, reset ? identity_behind(p, w) : flow::kNobody, [&](base::MutableBytes out) {
    if (reset) return wire::build_reset(out, {.link = wire::Link{}, .frame = frame_of(p), .headers = p.headers});
    const ErrorCode error = error_of(p.answer, p.headers.family == 4);
    wire::IcmpErrorPacket packet;
    packet.link = wire::Link{};
    packet.src = source;
    packet.type = error.type;
    packet.code = error.code;
    packet.mtu = p.answer == Answer::kTooBig ? p.mtu : 0;
    packet.original = frame_of(p).subspan(
        p.headers.l2_length, std::min<size_t>(p.headers.end, rte_pktmbuf_data_len(p.mbuf)) - p.headers.l2_length);
    return wire::build_icmp_error(out, packet);
  });
  w.counters->icmp_sent.add(1);
}

// The request turned round in its own buffer: addresses swapped, type changed, checksums by difference (swapping
// addresses changes no sum). Works fragment by fragment: only the first carries the type.
void echo(Packet& p, WorkerState& w) {
  uint8_t* ip = p.data + p.headers.l2_length;
  uint8_t* icmp = p.data + p.headers.l4_offset;
  const unsigned at = p.headers.family == 4 ? wire::kIpv4SrcAt : wire::kIpv6SrcAt;
  const unsigned size = p.headers.family == 4 ? 4 : 16;
  for (unsigned i = 0; i < size; ++i) std::swap(ip[at + i], ip[at + size + i]);
  if (!p.headers.is(wire::kIsLaterFragment)) {
    const auto before = base::load_raw<uint16_t>(icmp);
    icmp[0] = p.headers.family == 4 ? wire::kIcmpEchoReply : wire::kIcmpv6EchoReply;
    wire::ChecksumDelta delta;
    delta.replace16(before, base::load_raw<uint16_t>(icmp));
    base::store_raw(icmp + 2, wire::apply(base::load_raw<uint16_t>(icmp + 2), delta));
  }
  if (p.headers.family == 4) {
    const auto before = base::load_raw<uint16_t>(ip + wire::kIpv4TtlAt);
    ip[wire::kIpv4TtlAt] = kOurHopLimit;
    wire::ChecksumDelta delta;
    delta.replace16(before, base::load_raw<uint16_t>(ip + wire::kIpv4TtlAt));
    base::store_raw(ip + 10, wire::apply(base::load_raw<uint16_t>(ip + 10), delta));
  } else {
    ip[wire::kIpv6HopLimitAt] = kOurHopLimit;
  }
  w.counters->generated.add(1);
  w.counters->merged.add(1);
  add_own(w, p.mbuf);
  p.verdict = Verdict::kHeld;
}

bool is_for_control(const wire::Headers& h) {
  if (wire::is_icmp(h) || wire::is_icmpv6(h)) return true;  // echo replies and errors about the gateway's own packets
  return (h.protocol == wire::kProtocolTcp || h.protocol == wire::kProtocolUdp) && h.dst_port >= kControlPortFirst;
}

void receive_local(Packet& p, WorkerState& w) {
  const wire::Headers& h = p.headers;
  if (is_echo_request(h) || (h.is(wire::kIsLaterFragment) && (wire::is_icmp(h) || wire::is_icmpv6(h)))) {
    if (!h.is(wire::kIsFragment) && wire::verify_l4(frame_of(p), h) == wire::ChecksumState::kBad)
      return drop(p, DropReason::bad_l4_checksum);
    if (!w.icmp_bucket.take(w.icmp_rate, 1, w.now)) {
      w.counters->icmp_suppressed.add(1);
      return drop(p, DropReason::local_unwanted);
    }
    return echo(p, w);
  }
  if (is_for_control(h)) {
    if (wire::verify_l4(frame_of(p), h) == wire::ChecksumState::kBad) return drop(p, DropReason::bad_l4_checksum);
    p.verdict = Verdict::kPunt;
    return;
  }
  reject(p, DropReason::local_unwanted, Answer::kReset);
  p.from_us = true;
  answer_rejected(p, w);
}

}  // namespace

void answer_unreachable(WorkerState& w, rte_mbuf* frame) {
  Packet p{};
  p.mbuf = frame;
  p.data = rte_pktmbuf_mtod(frame, uint8_t*);
  p.length = rte_pktmbuf_pkt_len(frame);
  p.in = carry_of(frame).in;
  p.from_peer = carry_of(frame).from_peer;
  p.answer = Answer::kHostUnreachable;
  const bool own =
      p.in == flow::kNoInterface || w.generation == nullptr || p.in >= w.generation->interfaces->by_id.size();
  if (!own &&
      wire::parse(frame_of(p), p.length, wire::Ipv4Checksum::kVerifiedByDevice, p.headers) == wire::ParseError::kNone)
    answer_rejected(p, w);
  rte_pktmbuf_free(frame);
}

void Reply::run(Burst& burst, WorkerState& w) {
  for (Packet& p : burst) {
    if (p.verdict == Verdict::kLocal) {
      receive_local(p, w);
    } else if (p.verdict == Verdict::kReject) {
      answer_rejected(p, w);
    }
  }
}

}  // namespace penstock::engine
