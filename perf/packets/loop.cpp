#include "packets/loop.h"

#include "wire/parse.h"

namespace penstock::load {

namespace {

constexpr uint64_t kLongestHold = 10'000'000;  // ns

bool is_turn(uint64_t packet, uint64_t every) { return every != 0 && packet % every == 0; }

}  // namespace

Way::Way(const StageSpec& stage, const Clock& clock, rte_mempool* pool)
    : stage_(stage),
      delay_(clock.cycles(stage.delay_nanos)),
      longest_hold_(clock.cycles(kLongestHold)),
      pool_(pool),
      queue_(kRoom) {}

void Way::corrupt(rte_mbuf* packet) const {
  wire::Headers h;
  auto* frame = rte_pktmbuf_mtod(packet, uint8_t*);
  const base::Bytes bytes{frame, packet->data_len};
  if (wire::parse(bytes, packet->pkt_len, wire::Ipv4Checksum::kVerifiedByDevice, h) != wire::ParseError::kNone) return;
  // Another byte and another bit each time.
  if (h.payload_offset < h.end) frame[h.payload_offset + seen_ % (h.end - h.payload_offset)] ^= 1u << (seen_ / 7 % 8);
}

void Way::release_held(Cycles now) {
  put(held_, now + delay_);
  held_ = nullptr;
}

bool Way::take(rte_mbuf* packet, Cycles now) {
  if (used_ + 3 > kRoom) return false;  // itself, its double, and the one held
  if (clear_) {
    put(packet, now);
    return true;
  }
  ++seen_;
  if (stage_.freeze || is_turn(seen_, stage_.drop_every)) {
    rte_pktmbuf_free(packet);
    return true;
  }
  if (is_turn(seen_, stage_.corrupt_every)) corrupt(packet);
  if (held_ == nullptr && is_turn(seen_, stage_.reorder_every)) {
    held_ = packet;
    held_since_ = now;
    overtaken_ = 0;
    return true;
  }
  rte_mbuf* twin = is_turn(seen_, stage_.duplicate_every) ? rte_pktmbuf_copy(packet, pool_, 0, UINT32_MAX) : nullptr;
  put(packet, now + delay_);
  if (twin != nullptr) put(twin, now + delay_);
  if (held_ != nullptr && ++overtaken_ == stage_.reorder_by) release_held(now);
  return true;
}

rte_mbuf* Way::give(Cycles now) {
  if (held_ != nullptr && now - held_since_ > longest_hold_ && used_ < kRoom) release_held(now);
  if (used_ == 0 || queue_[first_].arrival > now) return nullptr;
  rte_mbuf* packet = queue_[first_].packet;
  first_ = (first_ + 1) % kRoom;
  --used_;
  return packet;
}

uint16_t LoopLink::send(rte_mbuf** packets, uint16_t count, Cycles now) {
  uint16_t taken = 0;
  while (taken < count && leaving_.take(packets[taken], now)) ++taken;
  return taken;
}

uint16_t LoopLink::receive(rte_mbuf** packets, Cycles now) {
  uint16_t count = 0;
  for (Way* way : arriving_)
    for (rte_mbuf* packet; count < kBurst && (packet = way->give(now)) != nullptr;) packets[count++] = packet;
  return count;
}

}  // namespace penstock::load
