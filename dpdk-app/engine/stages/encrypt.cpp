#include "engine/stages/encrypt.h"

#include <cstring>

#include "engine/crypto/sa.h"
#include "engine/fragment.h"
#include "engine/inline_crypto.h"
#include "engine/stages/decrypt.h"
#include "wire/headers.h"

namespace penstock::engine {

namespace {

using crypto::EspVerdict;
using flow::DropReason;
using flow::Verdict;

constexpr uint16_t kEthernetLength = 14;

// What the list must know when it meets the packet again.
Carry remembered(const Packet& p) {
  Carry carry{};
  carry.to_peer = p.to_peer;
  carry.path = p.path;
  carry.identity = p.identity;
  return carry;
}

// Who only explains has nobody to give a packet to.
bool only_explained(Packet& p, const WorkerState& w) {
  if (!w.explains) return false;
  rte_pktmbuf_free(p.mbuf);
  p.verdict = Verdict::kHeld;
  return true;
}

// To a worker that has an association of the peer, as a packet about which all else is decided.
void relay(Packet& p, WorkerState& w) {
  if (only_explained(p, w)) return;
  carry_of(p.mbuf) = remembered(p);
  carry_of(p.mbuf).hops = 1;  // once: an older table there may point back here
  if (!w.mesh.packets(w.id, p.owner).push({p.mbuf, Errand::kEncrypt})) return drop(p, DropReason::hand_off_full);
  w.counters->to_workers.add(1);
  p.verdict = Verdict::kHeld;
}

// Until there are keys; then it is decided anew how long a packet may be, and which worker encrypts it.
void wait_for_keys(Packet& p, WorkerState& w) {
  if (only_explained(p, w)) return;
  carry_of(p.mbuf) = remembered(p);
  if (!w.key_queue.wait(p.mbuf, p.to_peer, w.now_ms)) return drop(p, DropReason::key_queue_full);
  p.verdict = Verdict::kHeld;
}

// The pieces are packets of their own and go on as such: encrypted one by one, they find the underlay by themselves.
void relay_pieces(Packet& p, WorkerState& w) {
  Fragments pieces;
  if (!cut_ipv4(p, p.mtu, pieces)) return drop(p, DropReason::no_buffers);
  w.counters->generated.add(pieces.count);
  w.counters->merged.add(1);
  for (unsigned i = 0; i < pieces.count; ++i) {
    carry_of(pieces.mbufs[i]) = remembered(p);
    add_own(w, pieces.mbufs[i]);
  }
  rte_pktmbuf_free(p.mbuf);
  p.verdict = Verdict::kHeld;
}

// The outer packet takes the place of the inner one. Only Resolve and Emit come after this: what they look at is set.
void submerge(Packet& p) {
  if (!frame_own(p.mbuf)) return drop(p, DropReason::no_buffers);
  p.data = rte_pktmbuf_mtod(p.mbuf, uint8_t*);
  p.length = rte_pktmbuf_pkt_len(p.mbuf);
  const bool v6 = p.association->outer_policy().v6;
  wire::Headers& h = p.headers;
  h = {};
  h.family = v6 ? 6 : 4;
  h.protocol = p.association->udp_encapsulation() ? wire::kProtocolUdp : wire::kProtocolEsp;
  h.l2_length = kEthernetLength;
  h.l4_offset = static_cast<uint16_t>(kEthernetLength + (v6 ? wire::kIpv6Length : wire::kIpv4MinLength));
  h.payload_offset = h.l4_offset;
  h.end = static_cast<uint16_t>(p.length);
  p.flow = nullptr;
  p.in = flow::kNoInterface;  // the gateway's own now: nobody hears of its fate
}

void settle(Packet& p, EspVerdict verdict) {
  switch (verdict) {
    case EspVerdict::done:
      return submerge(p);
    case EspVerdict::in_flight:
      p.verdict = Verdict::kHeld;
      return;
    default:
      return drop(p, drop_reason_of(verdict));
  }
}

bool has_keys(const WorkerState& w, uint16_t peer) {
  const WorkerAssociations::Lanes lanes = w.associations->lanes_of(peer);
  return lanes.count != 0 || lanes.relay != WorkerAssociations::kNobody;
}

// By another way than the rest: the association wears it for this one packet.
void encrypt_probe(Packet& p, WorkerState& w) {
  const flow::Peer& peer = w.generation->peers->by_slot[p.to_peer];
  const flow::PeerPath& path = peer.paths[p.path];
  rte_pktmbuf_adj(p.mbuf, p.headers.l2_length);
  crypto::EspPacket leaving = {
      .packet = p.mbuf, .sa = p.association, .cookie = static_cast<uint64_t>(crypto::Direction::kOutbound)};
  p.association->set_way(path.local, path.remote, path.path_mtu);
  p.association->allow(p.mbuf->data_len);  // what it is to find out
  w.associations->lane()->encrypt({&leaving, 1}, w.now_ns);
  settle(p, leaving.verdict);
  p.association->set_way(peer.local, peer.remote, peer.path_mtu);
}

}  // namespace

void release_waiting(WorkerState& w) {
  w.key_queue.release(
      w.now_ms, [&](uint16_t peer) { return w.own_count < kOwnPackets && has_keys(w, peer); },
      [&](rte_mbuf* m) { add_own(w, m); },
      [&](rte_mbuf* m) {
        count_drop(w, DropReason::no_association);
        rte_pktmbuf_free(m);
      });
}

void drop_waiting(WorkerState& w, DropReason reason) {
  const auto nobody = [](uint16_t) { return false; };
  w.key_queue.release(
      w.now_ms + kKeyPatience, nobody, [](rte_mbuf*) {},
      [&](rte_mbuf* m) {
        count_drop(w, reason);
        rte_pktmbuf_free(m);
      });
}

bool frame_own(rte_mbuf* m) {
  const bool v4 = *rte_pktmbuf_mtod(m, uint8_t*) >> 4 == 4;
  auto* frame = reinterpret_cast<uint8_t*>(rte_pktmbuf_prepend(m, kEthernetLength));
  if (frame == nullptr) return false;
  std::memset(frame, 0, 12);
  base::store_be16(frame + 12, v4 ? wire::kEtherTypeIpv4 : wire::kEtherTypeIpv6);
  return true;
}

void Encrypt::run(Burst& burst, WorkerState& w) {
  crypto::EspPacket leaving[kBurst];
  uint8_t who[kBurst];
  unsigned count = 0;
  for (unsigned i = 0; i < burst.count; ++i) {
    Packet& p = burst.packets[i];
    if (p.verdict != Verdict::kForward || p.to_peer == flow::kNoPeer || p.in_clear) continue;
    if (p.fragment_out) {
      relay_pieces(p, w);
    } else if (p.association == nullptr) {
      if (has_keys(w, p.to_peer)) {
        relay(p, w);
      } else if (p.path != flow::kActivePath) {
        drop(p, DropReason::no_association);  // a probe is worth nothing later
      } else {
        wait_for_keys(p, w);
      }
    } else if (p.path != flow::kActivePath) {
      encrypt_probe(p, w);
    } else {
      rte_pktmbuf_adj(p.mbuf, p.headers.l2_length);
      leaving[count] = {.packet = p.mbuf,
                        .sa = p.association,
                        .cookie = static_cast<uint64_t>(crypto::Direction::kOutbound),
                        .identity = p.identity};
      who[count++] = static_cast<uint8_t>(i);
    }
  }
  if (count == 0) return;
  unsigned to_lane = count;
  if (w.inline_ports.load(std::memory_order_relaxed)) [[unlikely]]
    to_lane = seal_inline(burst, w, leaving, who, count);
  w.associations->lane()->encrypt({leaving, to_lane}, w.now_ns);
  for (unsigned k = 0; k < count; ++k) settle(burst.packets[who[k]], leaving[k].verdict);
}

}  // namespace penstock::engine
