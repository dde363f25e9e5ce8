// Round robin: in turn while weights are the same, else the smooth form, which never gives the heavy one its share in
// one piece. At most kMaxEndpointsPerCluster steps.
#pragma once

#include "l7/proxy/balance/ground.h"

namespace penstock::proxy {

inline const Member& next_in_turn(const Ground& ground, uint32_t& turn) {
  if (!ground.uneven) return ground.members[turn++ % ground.members.size()];
  const Member* best = &ground.members.front();
  for (const Member& each : ground.members) {
    EndpointState& state = ground.state(each);
    state.credit += static_cast<int64_t>(ground.weight(each));
    if (state.credit > ground.state(*best).credit) best = &each;
  }
  ground.state(*best).credit -= static_cast<int64_t>(ground.members.back().upto);
  return *best;
}

}  // namespace penstock::proxy
