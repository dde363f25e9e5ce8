// Time as numbers. The hot path reads the cycle counter once a round and passes the value down;
// nothing below the worker loop reads a clock.
#pragma once

#include <cstdint>
#include <ctime>

namespace penstock::base {

using Cycles = uint64_t;  // TSC ticks
using Nanos = uint64_t;   // monotonic nanoseconds
using Millis = uint32_t;  // milliseconds since the gateway started; wraps after 49 days, compare with since()

constexpr Nanos kNanosPerSecond = 1'000'000'000;

inline Cycles read_cycles() { return __builtin_ia32_rdtsc(); }

inline Nanos monotonic_now() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<Nanos>(t.tv_sec) * kNanosPerSecond + static_cast<Nanos>(t.tv_nsec);
}

inline Nanos wall_now() {
  timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  return static_cast<Nanos>(t.tv_sec) * kNanosPerSecond + static_cast<Nanos>(t.tv_nsec);
}

// Milliseconds from then to now, right across the wrap; 0 when `then` lies in the future (up to 24 days).
inline Millis since(Millis then, Millis now) {
  const auto gap = static_cast<int32_t>(now - then);
  return gap < 0 ? 0 : static_cast<Millis>(gap);
}

// The rate of the cycle counter, measured once against CLOCK_MONOTONIC (about 20 ms, first call only).
Cycles cycles_per_second();

}  // namespace penstock::base
