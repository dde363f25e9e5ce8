// The best of a few that were picked at random by weight (Mitzenmacher: two are nearly as good as all, and do not
// herd): least request and peak EWMA.
//
// Peak EWMA as in Finagle: an endpoint's latency is a moving average that believes a peak at once and forgets it with
// time, and its cost is that latency times the requests it would have under way. One that was never measured costs
// nothing while it has no request, and more than any measured one while it has.
#pragma once

#include <cmath>

#include "l7/proxy/balance/ground.h"

namespace penstock::proxy {

template <typename Cost>
const Member& least_of(const Ground& ground, uint32_t choices, Random& random, uint32_t avoid, const Cost& cost) {
  const Member* best = &by_weight(ground, random);
  for (uint32_t i = 1; i < choices; ++i) {
    const Member& other = by_weight(ground, random);
    const bool better = best->slot == avoid || cost(ground.state(other)) < cost(ground.state(*best));
    if (other.slot != avoid && better) best = &other;
  }
  return *best;
}

inline uint32_t request_cost(const EndpointState& state) { return state.requests; }

inline double latency_after(const EndpointState& state, base::Nanos decay, base::Nanos now) {
  const base::Nanos age = now > state.latency_at ? now - state.latency_at : 0;
  return state.latency * std::exp(-static_cast<double>(age) / static_cast<double>(decay));
}

inline double ewma_cost(const EndpointState& state, base::Nanos decay, base::Nanos now) {
  constexpr double kUnknown = 1e18;  // longer than anybody waits
  if (state.latency_at == 0) return state.requests == 0 ? 0 : kUnknown + state.requests;
  return latency_after(state, decay, now) * (state.requests + 1.0);
}

inline void note_latency(EndpointState& state, base::Nanos latency, base::Nanos decay, base::Nanos now) {
  const double measured = static_cast<double>(std::max<base::Nanos>(latency, 1));
  const double before = state.latency_at == 0 ? 0 : state.latency;
  if (measured >= before) {
    state.latency = measured;
  } else {
    const base::Nanos age = now > state.latency_at ? now - state.latency_at : 0;
    const double kept = std::exp(-static_cast<double>(age) / static_cast<double>(decay));
    state.latency = before * kept + measured * (1 - kept);
  }
  state.latency_at = std::max<base::Nanos>(now, 1);
}

}  // namespace penstock::proxy
