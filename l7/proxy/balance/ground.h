// What every policy of balancing sees: the endpoints of one level that may serve now, and what the worker knows of
// each.
//
// Who may serve is one question with one answer, EndpointState::serving: healthy and not ejected, or everybody who has
// a chance while the level is in panic. Clusters answers it for all policies whenever one of these changes. A policy is
// a function of this ground; it keeps nothing but what is in EndpointState.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>

#include "l7/config/cluster.h"
#include "l7/proxy/net.h"
#include "l7/proxy/random.h"

namespace penstock::proxy {

struct EndpointState {
  uint32_t requests = 0;     // under way
  uint32_t connections = 0;  // connecting, idle and busy ones; not those of mirrors
  uint32_t newest_idle = kNone;
  int64_t credit = 0;          // of smooth weighted round robin
  bool serving = false;        // may get requests; see Clusters::refresh
  bool ejected = false;        // by outlier detection, through Clusters::set_ejected
  bool fresh = false;          // usable since this configuration: `since` is not known yet
  base::Nanos since = 0;       // usable since then; 0: since the cluster is known
  double latency = 0;          // nanoseconds at `latency_at`, of peakEwma
  base::Nanos latency_at = 0;  // 0: never measured
};

constexpr uint64_t kWeightScale = 1024;  // of weights in Member::upto, so that slow start has fractions of them

struct Member {
  uint64_t upto;    // sum of the scaled weights up to and with this one
  uint32_t number;  // in the cluster
  uint32_t slot;
};

struct Ground {
  const config::Cluster& cluster;
  std::span<const Member> members;  // at least one
  EndpointState* states;            // by slot
  bool uneven;                      // weights differ

  EndpointState& state(const Member& member) const { return states[member.slot]; }
  uint64_t weight(const Member& member) const {
    return member.upto - (&member == members.data() ? 0 : (&member - 1)->upto);
  }
};

// An even point between 0 and the sum of all weights belongs to one of the members.
inline const Member& by_weight(const Ground& ground, Random& random) {
  const uint64_t point = random.below(ground.members.back().upto);
  return *std::upper_bound(ground.members.begin(), ground.members.end(), point,
                           [](uint64_t p, const Member& each) { return p < each.upto; });
}

}  // namespace penstock::proxy
