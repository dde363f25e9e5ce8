#include "base/time.h"

namespace penstock::base {

namespace {
Cycles measure_cycles_per_second() {
  constexpr Nanos kWindow = 20'000'000;
  const Nanos start_time = monotonic_now();
  const Cycles start_cycles = read_cycles();
  Nanos now = start_time;
  while (now - start_time < kWindow) now = monotonic_now();
  const Cycles cycles = read_cycles() - start_cycles;
  return static_cast<Cycles>(static_cast<__uint128_t>(cycles) * kNanosPerSecond / (now - start_time));
}
}  // namespace

Cycles cycles_per_second() {
  static const Cycles rate = measure_cycles_per_second();
  return rate;
}

}  // namespace penstock::base
