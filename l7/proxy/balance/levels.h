// How requests are shared between the levels of a cluster, as between Envoy's priorities: each takes what its usable
// endpoints can carry, the first as much as it can. A level can carry overprovision percent of the part that is usable,
// so that the loss of a few endpoints is borne by their neighbours before it is by another level (or zone).
//
// Slow start: the weight of an endpoint that has just become usable grows from least_percent to all of it within the
// window, by (age / window)^(1 / aggression).
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>

#include "l7/config/balance.h"

namespace penstock::proxy {

struct LevelHealth {
  uint32_t all = 0;     // endpoints that would serve in panic
  uint32_t usable = 0;  // of them: healthy and not ejected
};

struct LevelShare {
  uint32_t percent = 0;  // of the cluster's requests; all levels together 100, or 0 when nobody serves
  bool panic = false;
};

using LevelHealths = std::array<LevelHealth, config::kMaxLevels>;
using LevelShares = std::array<LevelShare, config::kMaxLevels>;

inline LevelShares share_out(const LevelHealths& levels, const config::Balance& how) {
  LevelShares shares;
  std::array<uint32_t, config::kMaxLevels> health{};
  uint32_t sum = 0;
  for (size_t i = 0; i < levels.size(); ++i) {
    if (levels[i].all != 0)
      health[i] = std::min<uint32_t>(
          100, static_cast<uint32_t>(uint64_t{how.overprovision_percent} * levels[i].usable / levels[i].all));
    // A level of a thousand with one usable endpoint still carries something.
    if (health[i] == 0 && levels[i].usable != 0) health[i] = 1;
    sum += health[i];
  }
  // While levels can carry everything together, none of them is in panic.
  for (size_t i = 0; i < levels.size() && sum < 100; ++i)
    shares[i].panic = levels[i].all != 0 && levels[i].usable * 100 < how.panic_percent * levels[i].all;
  uint32_t left = 100, last = config::kMaxLevels;
  for (size_t i = 0; i < levels.size() && left != 0; ++i) {
    if (health[i] == 0) continue;
    shares[i].percent = std::min(left, sum < 100 ? health[i] * 100 / sum : health[i]);
    left -= shares[i].percent;
    last = static_cast<uint32_t>(i);
  }
  if (last != config::kMaxLevels) {
    shares[last].percent += left;  // of rounding
    return shares;
  }
  for (LevelShare& each : shares) {
    if (!each.panic) continue;
    each.percent = 100;
    break;
  }
  return shares;
}

// Of 1, for an endpoint that is usable for `age`.
inline double warmth(const config::Balance& how, base::Nanos age) {
  if (age >= how.warmup) return 1;
  const double part = static_cast<double>(age) / static_cast<double>(how.warmup);
  return std::max(how.least_percent / 100.0, how.aggression == 1 ? part : std::pow(part, 1 / how.aggression));
}

}  // namespace penstock::proxy
