#include "flow/source_buckets.h"

#include <algorithm>
#include <bit>

namespace penstock::flow {

// Twice the places that are asked for: with sets half full the chance that one of eight places overflows is below 1 %.
SourceBuckets::SourceBuckets(size_t capacity, Takers takers)
    : mask_(std::bit_ceil(std::max<size_t>(capacity * 2 / kWays, 1)) - 1),
      takers_(takers),
      sets_(mask_ + 1, base::RegionKind::kTable) {}

BucketResult SourceBuckets::take_new(Set& set, uint64_t id, const Rate& rate, uint32_t units, base::Cycles now) {
  for (unsigned way = 0; way < kWays; ++way) {
    uint64_t other = set.id[way].load(std::memory_order_relaxed);
    if (set.full_at[way].load(std::memory_order_relaxed) > now) continue;
    if (set.id[way].compare_exchange_strong(other, id, std::memory_order_relaxed) || other == id)
      return charge(set.full_at[way], rate, units, now);
  }
  return BucketResult::kTableFull;
}

size_t SourceBuckets::count_some(size_t count, base::Cycles now) {
  for (count = std::min(count, mask_ + 1); count != 0; --count) {
    for (const auto& each : sets_[at_].full_at) counted_ += each.load(std::memory_order_relaxed) > now;
    if (++at_ <= mask_) continue;
    total_ = counted_;
    at_ = counted_ = 0;
  }
  return total_;
}

}  // namespace penstock::flow
