// Token buckets that come and go with traffic (per source, prefix, destination, flow), shared by all workers: a source
// whose flows are spread over several workers still has one rate.
//
// A bucket is two words in a set of eight: what it is for (a 64-bit keyed hash; two of a million share one with
// probability 3e-8) and the cycle at which it is full again (GCRA, as flow/token_bucket.h). A full bucket owes nothing,
// so its place is free: ageing is built in, nothing is swept or erased. All eight places owing: kTableFull, and the
// packet must be refused, as a limit that cannot be enforced must not be passed.
//
// Any worker, no locks. A write per packet to a line that only packets of the same source share. Two workers that meet
// a new source in the same instant may make a bucket each; the one not found first is full after one burst.
#pragma once

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
  explicit SourceBuckets(size_t capacity);

  // Asks for the memory that take(id) will read.
  void prefetch(uint64_t id) const {
    const Set& set = sets_[(id >> 20) & mask_];
    __builtin_prefetch(&set.id, 1);
    __builtin_prefetch(&set.full_at, 1);
  }
  // `id`: hash of limit and subject; any value but 0.
  BucketResult take(uint64_t id, const Rate& rate, uint32_t units, base::Cycles now);

  // Counts buckets that owe something, `count` sets at a time; the total of the last whole pass. One thread.
  size_t count_some(size_t count, base::Cycles now);
  size_t capacity() const { return (mask_ + 1) * kWays; }

 private:
  static constexpr unsigned kWays = 8;
  struct alignas(64) Set {
    std::atomic<uint64_t> id[kWays];
    std::atomic<base::Cycles> full_at[kWays];
  };

  static BucketResult charge(std::atomic<base::Cycles>& full_at, const Rate& rate, uint32_t units, base::Cycles now);

  const size_t mask_;
  base::RegionArray<Set> sets_;
  size_t at_ = 0, counted_ = 0, total_ = 0;
};

}  // namespace penstock::flow
