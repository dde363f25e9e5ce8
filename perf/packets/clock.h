// The generator's clock: the processor's cycle counter, and nanoseconds made of it. The counter must be invariant (the
// same rate in every state of the processor); programs check that once with trustworthy().
#pragma once

#include <cpuid.h>
#include <time.h>

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

// How fast the counter really goes: what the processor says of it may be rounded. Counts against the kernel's
// CLOCK_MONOTONIC_RAW from its making on; one part in a million is seen in the least time it takes.
class Calibration {
 public:
  static constexpr uint64_t kLeastNanos = 200'000'000;

  struct Instant {
    Cycles cycles;
    uint64_t nanos;
  };

  // Of some readings of both clocks the one that took the least time: nobody came in between.
  static Instant read() {
    Instant best{};
    Cycles shortest = UINT64_MAX;
    for (int tries = 0; tries < 20; ++tries) {
      timespec time{};
      const Cycles before = Clock::now();
      clock_gettime(CLOCK_MONOTONIC_RAW, &time);
      const Cycles took = Clock::now() - before;
      if (took >= shortest) continue;
      shortest = took;
      best = {before + took / 2,
              static_cast<uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(time.tv_nsec)};
    }
    return best;
  }
  static Cycles hz(const Instant& from, const Instant& to) {
    const auto cycles = static_cast<unsigned __int128>(to.cycles - from.cycles);
    return static_cast<Cycles>((cycles * 1'000'000'000 + (to.nanos - from.nanos) / 2) / (to.nanos - from.nanos));
  }

  // Until now; waits when it is too early to say.
  Cycles hz() const {
    Instant now = read();
    for (; now.nanos - begin_.nanos < kLeastNanos; now = read()) {
      const timespec rest{.tv_sec = 0, .tv_nsec = static_cast<long>(kLeastNanos - (now.nanos - begin_.nanos))};
      nanosleep(&rest, nullptr);
    }
    return hz(begin_, now);
  }

 private:
  const Instant begin_ = read();
};

}  // namespace penstock::load
