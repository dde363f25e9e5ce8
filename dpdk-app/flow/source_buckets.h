// Token buckets that come and go with traffic (per source, prefix, destination, flow), shared by all workers: a source
// whose flows are spread over several workers still has one rate.
//
// A bucket is two words in a set of eight: what it is for (a 64-bit keyed hash; two of a million share one with
// probability 3e-8) and the cycle at which it is full again (GCRA, as flow/token_bucket.h). A full bucket owes nothing,
// so its place is free: ageing is built in, nothing is swept or erased. All eight places owing: kTableFull, and the
// packet must be refused, as a limit that cannot be enforced must not be passed.
//
// Any worker, no locks; one worker alone needs no atomic exchange either, which costs as much as the rest. A write per
// packet to a line that only packets of the same source share. Two workers that meet a new source in the same instant
// may make a bucket each; the one not found first is full after one burst.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>

#include "base/region.h"
#include "base/time.h"
#include "flow/token_bucket.h"

namespace penstock::flow {

enum class BucketResult : uint8_t { kPass, kOver, kTableFull };

class SourceBuckets {
 public:
  enum class Takers : uint8_t { kOne, kMany };  // how many threads call take()
  explicit SourceBuckets(size_t capacity, Takers takers = Takers::kMany);

  // Asks for the memory that take(id) will read.
  void prefetch(uint64_t id) const {
    const Set& set = sets_[(id >> 20) & mask_];
    __builtin_prefetch(&set.id, 1);
    __builtin_prefetch(&set.full_at, 1);
  }
  // `id`: hash of limit and subject; any value but 0.
  BucketResult take(uint64_t id, const Rate& rate, uint32_t units, base::Cycles now) {
    Set& set = sets_[(id >> 20) & mask_];
    for (unsigned way = 0; way < kWays; ++way)
      if (set.id[way].load(std::memory_order_relaxed) == id) return charge(set.full_at[way], rate, units, now);
    return take_new(set, id, rate, units, now);
  }

  // Undoes a take() that passed, where what it was for does not happen after all.
  void give_back(uint64_t id, const Rate& rate, uint32_t units) {
    if (std::atomic<base::Cycles>* full_at = find(id))
      full_at->fetch_sub(cycles_of(rate, units), std::memory_order_relaxed);
  }
  // Until the bucket is full again; 0: it is, or it is not there.
  base::Cycles debt(uint64_t id, base::Cycles now) {
    const std::atomic<base::Cycles>* at = find(id);
    const base::Cycles full_at = at != nullptr ? at->load(std::memory_order_relaxed) : 0;
    return full_at > now ? full_at - now : 0;
  }

  // Counts buckets that owe something, `count` sets at a time; the total of the last whole pass. One thread.
  size_t count_some(size_t count, base::Cycles now);
  size_t capacity() const { return (mask_ + 1) * kWays; }

 private:
  static constexpr unsigned kWays = 8;
  struct alignas(64) Set {
    std::atomic<uint64_t> id[kWays];
    std::atomic<base::Cycles> full_at[kWays];
  };

  std::atomic<base::Cycles>* find(uint64_t id) {
    Set& set = sets_[(id >> 20) & mask_];
    for (unsigned way = 0; way < kWays; ++way)
      if (set.id[way].load(std::memory_order_relaxed) == id) return &set.full_at[way];
    return nullptr;
  }
  static base::Cycles cycles_of(const Rate& rate, uint32_t units) {
    return static_cast<base::Cycles>((static_cast<unsigned __int128>(rate.cost) * units) >> kCostFractionBits);
  }

  BucketResult charge(std::atomic<base::Cycles>& full_at, const Rate& rate, uint32_t units, base::Cycles now) const {
    const base::Cycles cost = cycles_of(rate, units);
    base::Cycles seen = full_at.load(std::memory_order_relaxed);
    while (true) {
      // Owing more than a burst means that the rate was changed: the new one holds at once.
      const base::Cycles debt = seen > now ? std::min(seen - now, std::max(rate.burst, cost)) : 0;
      if (debt != 0 && debt + cost > rate.burst) {
        if (now + debt < seen) (void)exchange(full_at, seen, now + debt);
        return BucketResult::kOver;
      }
      if (exchange(full_at, seen, now + debt + cost)) return BucketResult::kPass;
    }
  }
  bool exchange(std::atomic<base::Cycles>& full_at, base::Cycles& seen, base::Cycles next) const {
    if (takers_ == Takers::kMany) return full_at.compare_exchange_strong(seen, next, std::memory_order_relaxed);
    full_at.store(next, std::memory_order_relaxed);
    return true;
  }
  BucketResult take_new(Set& set, uint64_t id, const Rate& rate, uint32_t units, base::Cycles now);

  const size_t mask_;
  const Takers takers_;
  base::RegionArray<Set> sets_;
  size_t at_ = 0, counted_ = 0, total_ = 0;
};

}  // namespace penstock::flow
