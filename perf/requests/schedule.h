// When the requests of an open loop are due: all of it is known before the first one is sent, so that nothing the
// subject does can change it (no coordinated omission). Nanoseconds from the beginning of the trial, never falling.
//
// Constant: the k-th at k / rate, without drift. Poisson: gaps are exponential with that mean, from the seed.
// Several cores share one schedule, arrival by arrival in turn, so that all together keep it exactly, however many they
// are. Memory: 8 bytes for each arrival, at most kMostArrivals.
#pragma once

#include <cmath>
#include <vector>

#include "base/time.h"
#include "l7/proxy/random.h"

namespace penstock::requests {

// What of a numbered whole is one core's: numbers index, index + of, index + 2 of, …
struct Share {
  uint32_t index = 0, of = 1;

  uint64_t nth(uint64_t own) const { return own * of + index; }
  uint32_t of_all(uint32_t all) const { return (all + of - 1 - index) / of; }
};

enum class Spacing : uint8_t { kConstant, kPoisson };

constexpr uint64_t kMostArrivals = uint64_t{1} << 26;  // 512 MiB; a minute at a million a second

// `rate` a second, for `length` nanoseconds; their product is at most kMostArrivals (see fits()). Only those of
// `share`.
inline std::vector<base::Nanos> schedule(Spacing spacing, double rate, base::Nanos length, uint64_t seed,
                                         Share share = {}) {
  std::vector<base::Nanos> arrivals;
  arrivals.reserve(static_cast<size_t>(rate * static_cast<double>(length) / 1e9 * 1.1 / share.of) + 64);
  proxy::Random random(seed);
  const long double gap = 1e9L / static_cast<long double>(rate);
  long double at = 0;
  for (uint64_t k = 1;; ++k) {
    const auto due = static_cast<base::Nanos>(at);
    if (due >= length) return arrivals;
    if ((k - 1) % share.of == share.index) arrivals.push_back(due);
    if (spacing == Spacing::kConstant) {
      at = gap * static_cast<long double>(k);
    } else {
      const double lot = static_cast<double>((random.next() >> 11) + 1) * 0x1p-53;  // (0, 1]
      at -= gap * static_cast<long double>(std::log(lot));
    }
  }
}

inline bool fits(double rate, base::Nanos length) {
  return rate * static_cast<double>(length) / 1e9 <= static_cast<double>(kMostArrivals);
}

}  // namespace penstock::requests
