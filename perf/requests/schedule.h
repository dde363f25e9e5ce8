// When the requests of an open loop are due: all of it is known before the first one is sent, so that nothing the
// subject does can change it (no coordinated omission). Nanoseconds from the beginning of the trial, never falling.
//
// Constant: the k-th at k / rate, without drift. Poisson: gaps are exponential with that mean, from the seed.
// Memory: 8 bytes for each arrival, at most kMostArrivals.
#pragma once

#include <cmath>
#include <vector>

#include "base/time.h"
#include "l7/proxy/random.h"

namespace penstock::requests {

enum class Spacing : uint8_t { kConstant, kPoisson };

constexpr uint64_t kMostArrivals = uint64_t{1} << 26;  // 512 MiB; a minute at a million a second

// `rate` a second, for `length` nanoseconds; their product is at most kMostArrivals (see fits()).
inline std::vector<base::Nanos> schedule(Spacing spacing, double rate, base::Nanos length, uint64_t seed) {
  std::vector<base::Nanos> arrivals;
  arrivals.reserve(static_cast<size_t>(rate * static_cast<double>(length) / 1e9 * 1.1) + 64);
  proxy::Random random(seed);
  const long double gap = 1e9L / static_cast<long double>(rate);
  long double at = 0;
  for (uint64_t k = 1;; ++k) {
    const auto due = static_cast<base::Nanos>(at);
    if (due >= length) return arrivals;
    arrivals.push_back(due);
    if (spacing == Spacing::kConstant) {
      at = gap * static_cast<long double>(k);
    } else {
      const double share = static_cast<double>((random.next() >> 11) + 1) * 0x1p-53;  // (0, 1]
      at -= gap * static_cast<long double>(std::log(share));
    }
  }
}

inline bool fits(double rate, base::Nanos length) {
  return rate * static_cast<double>(length) / 1e9 <= static_cast<double>(kMostArrivals);
}

}  // namespace penstock::requests
