#include "engine/stages/reassemble.h"

namespace penstock::engine {

namespace {

using flow::DropReason;
using flow::Verdict;

// The worker at which the unfragmented packets of the flow arrive; it knows where they go from there. It trusts the
// ports in Carry.
void go_to_owner(Packet& p, WorkerState& w) {
  Carry& carry = carry_of(p.mbuf);
  carry.fragment_ports = static_cast<uint32_t>(p.headers.src_port) << 16 | p.headers.dst_port;
  carry.protocol = p.headers.protocol;
  carry.ports_known = 1;
  if (w.workers == 1 || carry.at_owner != 0) return;
  carry.at_owner = 1;
  const unsigned owner = flow::owner_of(flow::owner_hash(p.key), w.workers);
  if (owner == w.id) return;
  p.verdict = Verdict::kHandOff;
  p.owner = static_cast<uint8_t>(owner);
}

void set_ports(Packet& p, const WorkerState& w, uint16_t src, uint16_t dst, uint8_t protocol) {
  p.headers.src_port = src;
  p.headers.dst_port = dst;
  p.headers.protocol = protocol;
  p.has_key = false;
  fill_key(p, w.secret);
}

// Fragments that waited for this first one take the own road of the next round: they come back as if handed over.
void take_back(WorkerState& w, std::span<void* const> released, const flow::FragmentResult& result) {
  for (void* handle : released) {
    auto* m = static_cast<rte_mbuf*>(handle);
    Carry& carry = carry_of(m);
    carry.fragment_ports = static_cast<uint32_t>(result.src_port) << 16 | result.dst_port;
    carry.protocol = result.protocol;
    carry.ports_known = 1;
    w.released[w.released_count++] = m;
  }
}

void drop_released(WorkerState& w, std::span<void* const> released) {
  for (void* handle : released) {
    count_drop(w, DropReason::fragment_overlap);
    rte_pktmbuf_free(static_cast<rte_mbuf*>(handle));
  }
}

void learn(Packet& p, WorkerState& w) {
  const Carry& carry = carry_of(p.mbuf);
  if (carry.ports_known != 0) {
    set_ports(p, w, static_cast<uint16_t>(carry.fragment_ports >> 16), static_cast<uint16_t>(carry.fragment_ports),
              carry.protocol);
    return go_to_owner(p, w);
  }
  fill_key(p, w.secret);
  flow::Fragment fragment;
  fragment.offset = p.headers.fragment_offset;
  fragment.length = static_cast<uint16_t>(p.headers.end - p.headers.l4_offset);
  fragment.more = p.headers.is(wire::kMoreFragments);
  fragment.src_port = p.headers.src_port;
  fragment.dst_port = p.headers.dst_port;
  fragment.protocol = p.headers.protocol;
  fragment.handle = p.mbuf;
  if (w.released_count + flow::kMaxHeldPieces > w.released.size()) return drop(p, DropReason::fragment_table_full);
  const flow::FragmentResult result =
      w.fragments.on_fragment(flow::fragment_key(p.key.src, p.key.dst, p.headers), fragment, w.now_ms);
  switch (result.status) {
    case flow::FragmentStatus::kReady:
      set_ports(p, w, result.src_port, result.dst_port, result.protocol);
      take_back(w, result.released, result);
      return go_to_owner(p, w);
    case flow::FragmentStatus::kHeld:
      p.verdict = Verdict::kHeld;
      return;
    case flow::FragmentStatus::kDuplicate:
      return drop(p, DropReason::fragment_overlap);
    case flow::FragmentStatus::kOverlap:
      drop_released(w, result.released);
      return drop(p, DropReason::fragment_overlap);
    case flow::FragmentStatus::kTableFull:
      return drop(p, DropReason::fragment_table_full);
  }
}

}  // namespace

void Reassemble::run(Burst& burst, WorkerState& w) {
  for (Packet& p : burst)
    if (p.verdict == Verdict::kContinue && p.headers.is(wire::kIsFragment)) learn(p, w);
}

}  // namespace penstock::engine
