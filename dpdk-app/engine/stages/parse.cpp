#include "engine/stages/parse.h"

#include <rte_prefetch.h>

#include <cstring>

#include "wire/headers.h"

namespace penstock::engine {

namespace {

using flow::DropReason;
using flow::Verdict;

// Our own headers are right; what a device is to cut has none yet.
wire::Ipv4Checksum checksum_known(const rte_mbuf& m, bool own) {
  return own || (m.ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK) == RTE_MBUF_F_RX_IP_CKSUM_GOOD
             ? wire::Ipv4Checksum::kVerifiedByDevice
             : wire::Ipv4Checksum::kVerify;
}

flow::InterfaceId interface_of(const flow::InterfaceTable& table, const Packet& p) {
  const uint16_t port = p.mbuf->port;
  uint16_t vlan = p.headers.is(wire::kIsTagged) ? p.headers.vlan : 0;
  if (p.mbuf->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) vlan = p.mbuf->vlan_tci & 0xfff;
  if (vlan == 0) return table.untagged[port];  // no tag, or a priority tag (802.1Q §6.9.1)
  return table.tagged[port].empty() ? flow::kNoInterface : table.tagged[port][vlan];
}

// Source and destination that RFC 1812 §5.3.7 and RFC 6890 forbid on the wire.
DropReason martian_v4(uint32_t src, uint32_t dst) {
  const uint8_t s = src >> 24, d = dst >> 24;
  if (s == 0 || s == 127 || s >= 224) return DropReason::martian_source;  // this network, loopback, multicast, class E
  if (d == 0 || d == 127 || (d >= 240 && dst != 0xffffffff)) return DropReason::martian_destination;
  return src == dst ? DropReason::land : DropReason::kNone;
}

// RFC 4291 §2.5.2, §2.5.3, §2.7; mapped addresses (§2.5.5.2) must not appear on the wire: inside they mean IPv4.
DropReason martian_v6(const uint8_t* src, const uint8_t* dst) {
  const auto s = base::IpAddress::v6_from(src), d = base::IpAddress::v6_from(dst);
  if (s.is_unspecified() || s.is_loopback() || s.is_multicast() || s.is_v4()) return DropReason::martian_source;
  if (d.is_unspecified() || d.is_loopback() || d.is_v4()) return DropReason::martian_destination;
  return s == d ? DropReason::land : DropReason::kNone;
}

bool same_mac(const uint8_t* at, const base::MacAddress& mac) {
  return ((base::load_raw<uint32_t>(at) ^ base::load_raw<uint32_t>(&mac.bytes[0])) |
          (base::load_raw<uint16_t>(at + 4) ^ base::load_raw<uint16_t>(&mac.bytes[4]))) == 0;
}

// What the frame's addresses and type decide before anything looks at a table.
void classify(Packet& p, const flow::Interface& in) {
  const wire::Headers& h = p.headers;
  if (in.is_twin) {
    p.verdict = Verdict::kTwin;
    return;
  }
  const bool to_group = p.data[0] & 1;
  if (!to_group && !same_mac(p.data, in.mac)) return drop(p, DropReason::not_for_us);
  if (h.family == 0) {
    if (h.ether_type == wire::kEtherTypeArp) {
      p.verdict = Verdict::kPunt;
    } else {
      drop(p, DropReason::unknown_ether_type);
    }
    return;
  }
  if (is_neighbour_discovery(h) && !h.is(wire::kHasSourceRoute)) {
    p.verdict = Verdict::kPunt;
    return;
  }
  if (const DropReason reason = forbidden(p); reason != DropReason::kNone) return drop(p, reason);
  const uint8_t* ip = p.data + h.l2_length;
  // Unicast IP in a group frame is a host's mistake or a trick (RFC 1122 §3.3.6).
  if (to_group && h.family == 4 && ip[16] < 224 && base::load_be32(ip + 16) != 0xffffffff) p.to_group_frame = true;
}

void reset(Packet& p) {
  static_cast<Findings&>(p) = {};
  p.data = rte_pktmbuf_mtod(p.mbuf, uint8_t*);
  p.length = rte_pktmbuf_pkt_len(p.mbuf);
  p.from_peer = carry_of(p.mbuf).from_peer;
  p.identity = carry_of(p.mbuf).identity;
  p.for_us = carry_of(p.mbuf).for_us;
}

}  // namespace

// wire::ParseError and the first drop reasons are the same list.
DropReason reason_of(wire::ParseError error) {
  static_assert(static_cast<int>(DropReason::truncated_ethernet) ==
                static_cast<int>(wire::ParseError::kTruncatedEthernet));
  static_assert(static_cast<int>(DropReason::bad_fragment) == static_cast<int>(wire::ParseError::kBadFragment));
  return static_cast<DropReason>(error);
}

flow::DropReason forbidden(const Packet& p) {
  if (p.headers.is(wire::kHasSourceRoute)) return DropReason::source_route;
  const uint8_t* ip = p.data + p.headers.l2_length;
  return p.headers.family == 4 ? martian_v4(base::load_be32(ip + 12), base::load_be32(ip + 16))
                               : martian_v6(ip + 8, ip + 24);
}

void Parse::run(Burst& burst, WorkerState& w) {
  const flow::InterfaceTable& table = *w.generation->interfaces;
  const bool from_device = burst.origin == Origin::kDevice;
  const bool own = burst.origin == Origin::kOwn;
  for (unsigned i = 0; i < burst.count; ++i) {
    constexpr unsigned kAhead = 4;
    if (i + kAhead < burst.count) rte_prefetch0(rte_pktmbuf_mtod(burst.packets[i + kAhead].mbuf, void*));
    Packet& p = burst.packets[i];
    reset(p);
    if (p.mbuf->nb_segs > 1 && !(own && is_unfinished(p.mbuf)) && rte_pktmbuf_linearize(p.mbuf) != 0) [[unlikely]] {
      drop(p, DropReason::no_buffers);
      continue;
    }
    const wire::ParseError error = wire::parse(frame_of(p), p.length, checksum_known(*p.mbuf, own), p.headers);
    if (own) {
      if (error != wire::ParseError::kNone) drop(p, reason_of(error));
      continue;
    }
    p.in = interface_of(table, p);
    if (p.in == flow::kNoInterface) [[unlikely]] {
      drop(p, p.mbuf->port < flow::kMaxPorts && table.untagged[p.mbuf->port] != flow::kNoInterface
                  ? DropReason::unknown_vlan
                  : DropReason::interface_down);
      continue;
    }
    if (from_device) w.counters->interfaces[p.in].rx.add(p.length);
    if (error != wire::ParseError::kNone) [[unlikely]] {
      drop(p, reason_of(error));
      continue;
    }
    classify(p, table.by_id[p.in]);
    burst.has_fragments |= p.headers.is(wire::kIsFragment);
  }
  if (w.watch.tracing()) [[unlikely]]
    w.watch.mark_traced(burst);
}

}  // namespace penstock::engine
