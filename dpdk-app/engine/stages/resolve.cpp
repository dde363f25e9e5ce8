#include "engine/stages/resolve.h"

#include <cstring>

#include "engine/fragment.h"
#include "wire/headers.h"

namespace penstock::engine {

namespace {

using flow::DropReason;
using flow::Verdict;

// The next hop's own address, or on a connected route the packet's destination as it leaves.
base::IpAddress hop_address(const Packet& p, const WorkerState& w, const flow::NextHop& hop) {
  if (p.redirected) {
    const base::IpAddress& named = p.exact->action.redirect_via;
    if (!named.is_unspecified()) return named;
  }
  if (!hop.via.is_unspecified()) return hop.via;
  if (p.in_clear) return w.generation->peers->by_slot[p.to_peer].remote;
  // Direct server return: the frame goes to the server, the packet stays addressed to the service.
  if (p.flow != nullptr && p.flow->mode == flow::FlowMode::kDsr && p.direction == 0) return p.flow->reply.src;
  const uint8_t* ip = p.data + p.headers.l2_length;
  return p.headers.family == 4 ? base::IpAddress::v4_from(ip + 16) : base::IpAddress::v6_from(ip + 24);
}

// Moves the start of the frame so that exactly the egress L2 header fits before IP, and writes all of it but the
// destination MAC. Headroom is the driver's 128 bytes plus what was stripped.
bool write_l2(Packet& p, const flow::Interface& out) {
  const unsigned needed = out.vlan != 0 ? 18 : 14;
  const unsigned has = p.headers.l2_length;
  if (needed > has) {
    if (rte_pktmbuf_prepend(p.mbuf, static_cast<uint16_t>(needed - has)) == nullptr) return false;
  } else if (needed < has) {
    rte_pktmbuf_adj(p.mbuf, static_cast<uint16_t>(has - needed));
  }
  p.data = rte_pktmbuf_mtod(p.mbuf, uint8_t*);
  const int shift = static_cast<int>(needed) - static_cast<int>(has);
  p.headers.l2_length = static_cast<uint8_t>(needed);
  p.headers.l4_offset = static_cast<uint16_t>(p.headers.l4_offset + shift);
  p.headers.payload_offset = static_cast<uint16_t>(p.headers.payload_offset + shift);
  p.headers.end = static_cast<uint16_t>(p.headers.end + shift);
  std::memcpy(p.data + 6, out.mac.bytes.data(), 6);
  uint8_t* type = p.data + 12;
  if (out.vlan != 0) {
    base::store_be16(type, wire::kEtherTypeVlan);
    base::store_be16(type + 2, out.vlan);
    type += 4;
  }
  base::store_be16(type, p.headers.family == 4 ? wire::kEtherTypeIpv4 : wire::kEtherTypeIpv6);
  return true;
}

// Ethernet padding of short frames is not ours to carry on, and IP never counts it.
void trim_padding(Packet& p) {
  const uint32_t length = rte_pktmbuf_pkt_len(p.mbuf);
  if (length > p.headers.end) rte_pktmbuf_trim(p.mbuf, static_cast<uint16_t>(length - p.headers.end));
}

void send_fragments(Packet& p, WorkerState& w, const flow::Interface& out, Neighbour& neighbour) {
  Fragments pieces;
  if (!cut_ipv4(p, out.mtu, pieces)) return drop(p, DropReason::no_buffers);
  w.counters->generated.add(pieces.count);
  w.counters->merged.add(1);
  for (unsigned i = 0; i < pieces.count; ++i) {
    rte_mbuf* piece = pieces.mbufs[i];
    if (neighbour.reachable) {
      w.counters->interfaces[p.out].tx.add(rte_pktmbuf_pkt_len(piece));
      w.transmit.send(out.port, piece);
    } else if (!w.neighbours.wait(neighbour, piece, p.out, out.port, w.generation->settings.neighbour_queue)) {
      count_drop(w, DropReason::neighbour_queue_full);
      rte_pktmbuf_free(piece);
    }
  }
  rte_pktmbuf_free(p.mbuf);
  p.verdict = Verdict::kHeld;
}

void resolve(Packet& p, WorkerState& w) {
  static const flow::NextHop kOnLink;
  const flow::NextHop& hop = p.redirected ? kOnLink : w.generation->routes->next_hop(p.next_hop);
  const flow::Interface& out = w.generation->interfaces->by_id[p.out];
  Neighbour* neighbour = w.neighbours.find(p.out, hop_address(p, w, hop), w.now_ms);
  if (neighbour == nullptr) return drop(p, DropReason::neighbour_table_full);
  trim_padding(p);
  if (!write_l2(p, out)) return drop(p, DropReason::no_buffers);
  if (is_unfinished(p.mbuf)) p.mbuf->l2_len = p.headers.l2_length;
  if (neighbour->reachable) std::memcpy(p.data, neighbour->mac.bytes.data(), 6);
  if (p.fragment_out) [[unlikely]]
    return send_fragments(p, w, out, *neighbour);
  if (neighbour->reachable) [[likely]]
    return;
  // The NIC may have forgotten its key by then (Encrypt looks first, so none comes here).
  if ((p.mbuf->ol_flags & RTE_MBUF_F_TX_SEC_OFFLOAD) != 0) return drop(p, DropReason::esp_inline_strayed);
  carry_of(p.mbuf).in = p.in;
  if (w.neighbours.wait(*neighbour, p.mbuf, p.out, out.port, w.generation->settings.neighbour_queue)) {
    p.verdict = Verdict::kHeld;
  } else {
    drop(p, DropReason::neighbour_queue_full);
  }
}

}  // namespace

void Resolve::run(Burst& burst, WorkerState& w) {
  for (Packet& p : burst)
    if (p.verdict == Verdict::kForward) resolve(p, w);
}

}  // namespace penstock::engine
