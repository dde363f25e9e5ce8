// Token buckets as a single time (GCRA, ITU-T I.371): the bucket is the cycle at which it would be full again.
// 16 bytes, one multiplication a packet, exact to better than 1e-6 of the rate (rte_meter rounds its period to whole
// cycles, up to 1 % off at high rates: see DECISIONS.md).
//
// One thread per bucket. An aggregate limit shared by workers is a SharedBucket, from which each worker takes small
// chunks of about a millisecond of the rate: a shared write a chunk, never a packet, and no controller in the loop.
//
// A bucket may be used with another Rate than before (the limit was changed): it then owes at most the new burst, so
// the new rate holds at once whatever the old one had run up. Times come from the caller and never go back.
// Not here: sizes of packets, slots, counters, what happens to a packet over its rate.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/time.h"

namespace penstock::flow {

// Cycles per unit are 33.31 fixed point: one unit a second of an 8.5 GHz counter still fits, and at 10^13 units a
// second of a 2 GHz counter the rounding is 1e-6.
constexpr unsigned kCostFractionBits = 31;

// A rate in the form the bucket needs. Immutable.
struct Rate {
  uint64_t cost = 0;   // cycles per unit, fixed point
  uint64_t burst = 0;  // cycles of credit an idle bucket holds
  bool operator==(const Rate&) const = default;

  // `per_second` >= 1 units, `burst` >= 1 units (less is raised to 1), `hz` cycles per second. What does not fit is
  // brought to the nearest value that does; NaN counts as 1.
  static Rate of(double per_second, double burst, base::Cycles hz);

  // How much a worker should claim from a SharedBucket at once: a millisecond of the rate, at most a quarter of the
  // burst (so that no worker keeps it from the others), at least 1 unit.
  uint32_t chunk(base::Cycles hz) const;

  // Tells rates apart: a bucket notices by it that its rate was changed. Never 0.
  uint32_t mark() const {
    const uint64_t x = cost + burst * 0x9e3779b97f4a7c15;
    return static_cast<uint32_t>(x ^ (x >> 32)) | 1;
  }
};

class TokenBucket {
 public:
  // Takes `units` (up to 2^24 of them) if the bucket holds them. A packet larger than the burst passes when the bucket
  // is full.
  bool take(const Rate& rate, uint32_t units, base::Cycles now) {
    if (full_at_ < now) {
      full_at_ = now;
      fraction_ = 0;
    }
    if (mark_ != rate.mark()) {
      mark_ = rate.mark();
      if (full_at_ - now > rate.burst) full_at_ = now + rate.burst;
    }
    const auto price = static_cast<unsigned __int128>(rate.cost) * units + fraction_;
    const auto cycles = static_cast<uint64_t>(price >> kCostFractionBits);
    const uint64_t debt = full_at_ - now;
    if (debt != 0 && debt + cycles > rate.burst) return false;
    full_at_ += cycles;
    fraction_ = static_cast<uint32_t>(price) & ((1u << kCostFractionBits) - 1);
    return true;
  }

  bool is_full(base::Cycles now) const { return full_at_ <= now; }  // nothing is owed: the bucket may be forgotten
  base::Cycles full_at() const { return full_at_; }

 private:
  base::Cycles full_at_ = 0;
  uint32_t fraction_ = 0;  // of a cycle, owed beyond full_at_
  uint32_t mark_ = 0;      // of the rate it was last used with
};
static_assert(sizeof(TokenBucket) == 16);

// One aggregate limit over several workers. Any worker may claim; one cache line, written about 1000 times a second.
class alignas(64) SharedBucket {
 public:
  // Claims up to `want` units at once and returns how many it got (0: none now). The clocks of two workers may differ.
  uint32_t claim(const Rate& rate, uint32_t want, base::Cycles now);
  // The cycle before which a claim is sure to fail (so that a worker over its rate need not ask again).
  base::Cycles next_at(const Rate& rate) const;
  // Owes nothing: the bucket of somebody else from now on.
  void reset() { full_at_.store(0, std::memory_order_relaxed); }
  // Undoes a claim of so many units that were not used.
  void give_back(const Rate& rate, uint32_t units);
  // Until the bucket is full again; 0: it is.
  base::Cycles debt(base::Cycles now) const {
    const base::Cycles full_at = full_at_.load(std::memory_order_relaxed);
    return full_at > now ? full_at - now : 0;
  }

 private:
  void adopt(const Rate& rate, base::Cycles now);

  std::atomic<base::Cycles> full_at_{0};
  std::atomic<uint32_t> mark_{0};  // of the rate it was last used with
};

// A worker's side of an aggregate limit. Holds at most a chunk and one packet's worth of units that it does not use.
struct LocalShare {
  uint64_t units = 0;         // claimed and not yet used
  base::Cycles retry_at = 0;  // no claim before this
  uint32_t mark = 0;          // of the rate they were claimed at
  // Takes `units_wanted`, claiming `chunk` (Rate::chunk) or what is missing, whichever is more. A packet larger than
  // the burst passes when as many units have been gathered over time.
  bool take(SharedBucket& shared, const Rate& rate, uint32_t chunk, uint32_t units_wanted, base::Cycles now);
};

}  // namespace penstock::flow
