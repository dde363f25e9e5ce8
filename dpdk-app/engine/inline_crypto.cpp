#include "engine/inline_crypto.h"

#include <algorithm>

#include "engine/crypto/esp_inline.h"
#include "wire/headers.h"

namespace penstock::engine {

namespace {

using crypto::EspPacket;
using crypto::EspVerdict;
using flow::DropReason;

constexpr uint64_t kOpened = RTE_MBUF_F_RX_SEC_OFFLOAD | RTE_MBUF_F_RX_SEC_OFFLOAD_FAILED;

// Those that `take` takes go behind the others, both in their order.
template <typename Take>
unsigned set_apart(EspPacket* packets, uint8_t* who, unsigned count, Take&& take) {
  EspPacket taken[kBurst];
  uint8_t taken_who[kBurst];
  unsigned kept = 0, apart = 0;
  for (unsigned k = 0; k < count; ++k) {
    if (take(packets[k], who[k])) {
      taken[apart] = packets[k];
      taken_who[apart++] = who[k];
    } else {
      packets[kept] = packets[k];
      who[kept++] = who[k];
    }
  }
  std::copy_n(taken, apart, packets + kept);
  std::copy_n(taken_who, apart, who + kept);
  return kept;
}

// Resolve will ask the same, and must not have to keep a sealed packet.
bool is_neighbour_known(const Packet& p, WorkerState& w) {
  const flow::NextHop& hop = w.generation->routes->next_hop(p.next_hop);
  const base::IpAddress& to = hop.via.is_unspecified() ? w.generation->peers->by_slot[p.to_peer].remote : hop.via;
  const Neighbour* neighbour = p.redirected ? nullptr : w.neighbours.find(p.out, to, w.now_ms);
  return neighbour != nullptr && neighbour->reachable;
}

bool seal(const Packet& p, WorkerState& w, EspPacket& leaving) {
  const crypto::InlineKeys* keys = p.association->inline_keys();
  if (keys == nullptr) return false;
  const flow::Interface& out = w.generation->interfaces->by_id[p.out];
  const crypto::InlineSession* nic = keys->on(out.port);
  if (nic == nullptr || !is_neighbour_known(p, w)) return false;
  const uint8_t l2_length = out.vlan != 0 ? 18 : 14;  // as Resolve writes it
  if (!crypto::seal(*p.association, *nic, leaving, l2_length, w.now_ns)) return false;
  if (leaving.verdict != EspVerdict::done) return true;
  rte_mbuf* m = leaving.packet;
  const bool v6 = p.association->outer_policy().v6;
  m->ol_flags |= v6 ? RTE_MBUF_F_TX_IPV6 : RTE_MBUF_F_TX_IPV4;
  carry_of(m).sealed_for = out.port;
  return true;
}

bool unseal(WorkerState& w, EspPacket& p) {
  const uint64_t flags = p.packet->ol_flags & kOpened;
  if (flags == 0) return false;
  auto& sa = *static_cast<crypto::InboundSa*>(p.sa);
  const crypto::InlineKeys* keys = sa.inline_keys();
  if (keys == nullptr || (keys->opened_by & 1u << p.packet->port) == 0) {
    p.verdict = EspVerdict::inline_unknown;
    sa.count(p.verdict, p.packet->pkt_len);
    return true;
  }
  crypto::unseal(sa, p, (flags & RTE_MBUF_F_RX_SEC_OFFLOAD_FAILED) != 0, w.now_ns);
  return true;
}

}  // namespace

unsigned seal_inline(const Burst& burst, WorkerState& w, EspPacket* leaving, uint8_t* who, unsigned count) {
  return set_apart(leaving, who, count, [&](EspPacket& each, uint8_t at) { return seal(burst.packets[at], w, each); });
}

unsigned unseal_inline(Burst& burst, WorkerState& w, EspPacket* found, uint8_t* who, unsigned count) {
  bool ours[kBurst] = {};
  for (unsigned k = 0; k < count; ++k) ours[who[k]] = true;
  for (unsigned i = 0; i < burst.count; ++i) {
    Packet& p = burst.packets[i];
    if (p.verdict == flow::Verdict::kContinue && !ours[i] && (p.mbuf->ol_flags & kOpened) != 0)
      drop(p, DropReason::esp_inline_unknown);
  }
  return set_apart(found, who, count, [&](EspPacket& each, uint8_t) { return unseal(w, each); });
}

}  // namespace penstock::engine
