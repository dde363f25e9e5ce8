// Token buckets as a single time (GCRA, ITU-T I.371): the bucket is the cycle at which it would be full again.
// 16 bytes, one multiplication a packet, exact to better than 1e-6 of the rate (rte_meter rounds its period to whole
// cycles, up to 1 % off at high rates: see DECISIONS.md).
//
// One thread per bucket. An aggregate limit shared by workers is a SharedBucket, from which each worker takes small
// chunks of about a millisecond of the rate: a shared write a chunk, never a packet, and no controller in the loop.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/time.h"

namespace penstock::flow {

// A rate in the form the bucket needs. Immutable.
struct Rate {
  uint64_t cost = 0;         // cycles per unit, 32.32 fixed point
  uint64_t burst = 0;        // cycles of credit an idle bucket holds
  // `per_second` > 0 units, `burst` >= 1 units, `hz` cycles per second.
  static Rate of(double per_second, double burst, base::Cycles hz);
};

class TokenBucket {
 public:
  // Takes `units` if the bucket holds them. A packet larger than the burst passes when the bucket is full.
  bool take(const Rate& rate, uint32_t units, base::Cycles now) {
    if (full_at_ < now) {
      full_at_ = now;
      fraction_ = 0;
    }
    const auto price = static_cast<unsigned __int128>(rate.cost) * units + fraction_;
    const auto cycles = static_cast<uint64_t>(price >> 32);
    const uint64_t debt = full_at_ - now;
    if (debt != 0 && debt + cycles > rate.burst) return false;
    full_at_ += cycles;
    fraction_ = static_cast<uint32_t>(price);
    return true;
  }

  bool is_full(base::Cycles now) const { return full_at_ <= now; }  // nothing is owed: the bucket may be forgotten
  base::Cycles full_at() const { return full_at_; }

 private:
  base::Cycles full_at_ = 0;
  uint32_t fraction_ = 0;
};

// One aggregate limit over several workers. Any worker may claim; one cache line, written about 1000 times a second.
class alignas(64) SharedBucket {
 public:
  // Claims up to `want` units at once and returns how many it got (0: none now).
  uint32_t claim(const Rate& rate, uint32_t want, base::Cycles now);
  // The cycle before which a claim is sure to fail (so that a worker over its rate need not ask again).
  base::Cycles next_at(const Rate& rate) const;

 private:
  std::atomic<base::Cycles> full_at_{0};
};

// A worker's side of an aggregate limit.
struct LocalShare {
  uint64_t units = 0;         // claimed and not yet used
  base::Cycles retry_at = 0;  // no claim before this
  bool take(SharedBucket& shared, const Rate& rate, uint32_t chunk, uint32_t units_wanted, base::Cycles now);
};

}  // namespace penstock::flow
