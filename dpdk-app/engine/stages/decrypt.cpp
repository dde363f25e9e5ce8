#include "engine/stages/decrypt.h"

#include <cstring>

#include "engine/clear_text.h"
#include "engine/crypto/esp_in.h"
#include "engine/inline_crypto.h"
#include "engine/probe.h"
#include "engine/stages/parse.h"
#include "engine/tracking.h"
#include "wire/headers.h"

namespace penstock::engine {

namespace {

using crypto::EspVerdict;
using flow::DropReason;
using flow::Verdict;

bool ends_here(const Packet& p, const flow::PeerTable& peers) {
  const uint8_t* ip = p.data + p.headers.l2_length;
  return peers.ends_here(p.headers.family == 4 ? base::IpAddress::v4_from(ip + wire::kIpv4DstAt)
                                               : base::IpAddress::v6_from(ip + wire::kIpv6DstAt));
}

bool is_esp(const Packet& p, const flow::PeerTable& peers) {
  const wire::Headers& h = p.headers;
  const bool in_udp = peers.esp_in_udp && h.protocol == wire::kProtocolUdp && h.dst_port == wire::kPortEspInUdp;
  return (h.protocol == wire::kProtocolEsp || in_udp) && ends_here(p, peers);
}

// 0: none is there, or it is not ESP.
uint32_t spi_of(const Packet& p) {
  const unsigned at = p.headers.l4_offset + (p.headers.protocol == wire::kProtocolUdp ? wire::kUdpLength : 0u);
  return at + 4 > p.headers.end || p.headers.is(wire::kIsFragment) ? 0 : base::load_be32(p.data + at);
}

// True: the packet is ESP with an association of this worker, and `out` is ready. False: it has a verdict, or is no
// ESP after all and goes on.
bool prepare(Packet& p, WorkerState& w, crypto::EspPacket& out) {
  const uint32_t named = spi_of(p);
  if (const unsigned owner = flow::owner_of(named, w.workers); named != 0 && owner != w.id) {
    p.verdict = Verdict::kHandOff;
    p.owner = static_cast<uint8_t>(owner);
    return false;
  }
  uint32_t spi = 0;
  const EspVerdict verdict = crypto::find_esp(p.data, p.headers, spi, out.place);
  if (verdict == EspVerdict::non_esp_marker) return false;  // key exchange: the host's own
  if (verdict != EspVerdict::done) {
    drop(p, drop_reason_of(verdict));
    return false;
  }
  const WorkerAssociations::Inbound* inbound = w.associations->inbound(spi);
  if (inbound == nullptr) {
    drop(p, DropReason::esp_unknown_spi);
    return false;
  }
  rte_pktmbuf_adj(p.mbuf, p.headers.l2_length);
  out.packet = p.mbuf;
  out.sa = inbound->sa;
  out.cookie = static_cast<uint64_t>(crypto::Direction::kInbound);
  carry_of(p.mbuf).in = p.in;
  carry_of(p.mbuf).from_peer = inbound->peer;
  return true;
}

// The inner packet takes the place of the outer one.
void surface(Packet& p, const crypto::EspPacket& esp, Burst& burst, WorkerState& w) {
  const flow::Interface& in = w.generation->interfaces->by_id[p.in];
  p.headers = esp.inner;
  if (!frame_inner(p.mbuf, in, p.headers)) return drop(p, DropReason::no_buffers);
  p.data = rte_pktmbuf_mtod(p.mbuf, uint8_t*);
  p.length = rte_pktmbuf_pkt_len(p.mbuf);
  p.has_hash = p.to_group_frame = false;
  if (const DropReason reason = forbidden(p); reason != DropReason::kNone) return drop(p, reason);
  Carry& carry = carry_of(p.mbuf);
  if (const DropReason reason = refused_inside(*w.generation, carry.from_peer, p.data, p.headers);
      reason != DropReason::kNone) {
    if (const DropReason left = reconsider(reason, w, p.mbuf, p.headers); left != DropReason::kNone)
      return drop(p, left);
    p.verdict = Verdict::kHeld;
    return;
  }
  if (const DropReason reason = identify_inside(*w.generation, carry.from_peer, esp.identity, carry.identity);
      reason != DropReason::kNone)
    return drop(p, reason);
  p.identity = carry.identity;
  carry.hops = 0;
  p.from_peer = carry.from_peer;
  burst.has_fragments |= p.headers.is(wire::kIsFragment);
  if (const unsigned owner = flow::owner_of(owner_hash(p), w.workers); owner != w.id) {
    p.verdict = Verdict::kHandOff;
    p.owner = static_cast<uint8_t>(owner);
  }
}

void settle(Packet& p, const crypto::EspPacket& esp, Burst& burst, WorkerState& w) {
  switch (esp.verdict) {
    case EspVerdict::done:
      return surface(p, esp, burst, w);
    case EspVerdict::in_flight:
      p.verdict = Verdict::kHeld;
      return;
    default:
      return drop(p, drop_reason_of(esp.verdict));
  }
}

void decrypt(Burst& burst, WorkerState& w) {
  const flow::PeerTable& peers = *w.generation->peers;
  crypto::EspPacket found[kBurst];
  uint8_t who[kBurst];
  unsigned count = 0;
  for (unsigned i = 0; i < burst.count; ++i) {
    Packet& p = burst.packets[i];
    if (p.verdict != Verdict::kContinue || p.headers.family == 0 || p.from_peer != flow::kNoPeer) continue;
    if (!is_esp(p, peers) || !prepare(p, w, found[count])) continue;
    who[count++] = static_cast<uint8_t>(i);
  }
  unsigned in_cipher = count;
  if (w.inline_ports.load(std::memory_order_relaxed)) [[unlikely]]
    in_cipher = unseal_inline(burst, w, found, who, count);
  if (count == 0) return;
  w.associations->lane()->decrypt({found, in_cipher}, w.now_ns);
  for (unsigned k = 0; k < count; ++k) settle(burst.packets[who[k]], found[k], burst, w);
}

}  // namespace

flow::DropReason drop_reason_of(crypto::EspVerdict verdict) {
  // The two lists go side by side; the packet path's has the prefix.
  constexpr auto kShift =
      static_cast<unsigned>(DropReason::esp_shared_buffer) - static_cast<unsigned>(EspVerdict::shared_buffer);
  static_assert(static_cast<unsigned>(DropReason::esp_inline_unknown) ==
                static_cast<unsigned>(EspVerdict::inline_unknown) + kShift);
  static_assert(static_cast<unsigned>(EspVerdict::inline_unknown) + 1 == crypto::kEspVerdicts);
  return static_cast<DropReason>(static_cast<unsigned>(verdict) + kShift);
}

// RFC 4301 §5.2 step 4. The association may be older than the generation, or younger. What is nearer by a longer prefix
// is not behind the peer. And a tunnel is no link: what only a neighbour may say does not come out of it.
flow::DropReason refused_inside(const flow::Generation& g, uint16_t peer, const uint8_t* frame,
                                const wire::Headers& h) {
  const uint8_t* ip = frame + h.l2_length;
  const auto source =
      h.family == 4 ? base::IpAddress::v4_from(ip + wire::kIpv4SrcAt) : base::IpAddress::v6_from(ip + wire::kIpv6SrcAt);
  const bool known = peer < g.peers->by_slot.size() && g.peers->by_slot[peer].reaches(source) &&
                     peer_of(g, g.routes->find(source)) != flow::kNoPeer;
  return known && !is_neighbour_discovery(h) ? DropReason::kNone : DropReason::esp_selector_mismatch;
}

DropReason reconsider(DropReason reason, WorkerState& w, rte_mbuf* m, const wire::Headers& h) {
  if (!is_probe(*w.generation->peers, rte_pktmbuf_mtod(m, const uint8_t*), h)) return reason;
  return take_probe(w, m, h, carry_of(m).from_peer);
}

flow::DropReason identify_inside(const flow::Generation& g, uint16_t peer, uint32_t number, flow::Identity& identity) {
  return g.identities->translate(peer, number, identity) ? DropReason::kNone : DropReason::identity_unknown;
}

bool frame_inner(rte_mbuf* m, const flow::Interface& in, wire::Headers& h) {
  const uint8_t length = in.vlan != 0 ? 18 : 14;
  auto* frame = reinterpret_cast<uint8_t*>(rte_pktmbuf_prepend(m, length));
  if (frame == nullptr) return false;
  std::memcpy(frame, in.mac.bytes.data(), 6);
  std::memset(frame + 6, 0, 6);  // nobody's: it was never on a wire
  if (in.vlan != 0) {
    base::store_be16(frame + 12, wire::kEtherTypeVlan);
    base::store_be16(frame + 14, in.vlan);
    h.vlan = in.vlan;
    h.flags |= wire::kIsTagged;
  }
  base::store_be16(frame + length - 2, h.ether_type);
  h.l2_length = length;
  h.l4_offset = static_cast<uint16_t>(h.l4_offset + length);
  h.payload_offset = static_cast<uint16_t>(h.payload_offset + length);
  h.end = static_cast<uint16_t>(h.end + length);
  m->port = in.port;
  return true;
}

void Decrypt::run(Burst& burst, WorkerState& w) {
  decrypt(burst, w);
  // What another worker sent has been looked at there.
  if (burst.origin == Origin::kDevice && w.refuses_clear) refuse_clear(burst, w);
}

}  // namespace penstock::engine
