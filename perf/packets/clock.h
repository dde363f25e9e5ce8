// The generator's clock: the processor's cycle counter, and nanoseconds made of it. The counter must be invariant (the
// same rate in every state of the processor); programs check that once with trustworthy().
#pragma once

#include <cpuid.h>

#include <cstdint>

#include "base/time.h"

namespace penstock::load {

using base::Cycles;

class Clock {
 public:
  explicit Clock(Cycles cycles_per_second)
      : hz_(cycles_per_second),
        factor_(static_cast<uint64_t>(0x1p64L * 1e9L / static_cast<long double>(cycles_per_second))) {}

  // "Invariant TSC", Intel SDM vol. 3B §18.17.
  static bool trustworthy() {
    unsigned a = 0, b = 0, c = 0, d = 0;
    return __get_cpuid(0x80000007, &a, &b, &c, &d) != 0 && (d & (1u << 8)) != 0;
  }

  static Cycles now() { return base::read_cycles(); }
  Cycles hz() const { return hz_; }
  // Right to 1 in 2^63; for counters above 1 GHz, as all that are invariant today.
  uint64_t nanos(Cycles cycles) const {
    return static_cast<uint64_t>((static_cast<unsigned __int128>(cycles) * factor_) >> 64);
  }
  Cycles cycles(uint64_t nanoseconds) const {
    return static_cast<Cycles>(static_cast<unsigned __int128>(nanoseconds) * hz_ / 1'000'000'000);
  }

 private:
  Cycles hz_;
  uint64_t factor_;
};

}  // namespace penstock::load
