// Consistent hashing: the place in the table at which a request's hash falls names its endpoint. One that may not serve
// now is passed over for the owner of the next place, so that its requests spread over all others and nobody else's
// move.
//
// Bounded load (Mirrokni, Thorup, Zadimoghaddam 2018): nobody gets a request while it has most_load percent of its
// share of those under way; the next one does. As most_load is at least 100, somebody always has room.
#pragma once

#include "l7/proxy/balance/ground.h"

namespace penstock::proxy {

constexpr size_t kMaxProbes = 256;  // places that are looked at, before all members are

struct LoadBound {
  uint64_t factor;  // percent; 0: none
  uint64_t total;   // requests under way to the cluster, this one included
  uint64_t weights;

  bool has_room(uint32_t requests, uint64_t weight) const {
    // requests < ceil(factor * total * weight / weights)
    if (factor == 0) return true;
    const auto share = static_cast<unsigned __int128>(factor) * total * weight;
    return static_cast<unsigned __int128>(requests) * 100 * weights < share;
  }
};

inline size_t place_of(const config::HashTable& table, uint64_t hash) {
  if (table.points.empty())
    return static_cast<size_t>(static_cast<unsigned __int128>(hash) * table.places.size() >> 64);
  const auto after = std::upper_bound(table.points.begin(), table.points.end(), hash);
  return static_cast<size_t>((after == table.points.begin() ? table.points.end() : after) - table.points.begin()) - 1;
}

// Null: all members are `avoid`. `passed` says that it is not the owner of the hash's own place.
inline const config::Endpoint* by_hash(const Ground& ground, const config::HashTable& table, uint64_t hash,
                                       uint32_t avoid, const LoadBound& bound, bool& passed) {
  const auto& endpoints = ground.cluster.endpoints;
  const auto may_serve = [&](const config::Endpoint& endpoint) {
    const EndpointState& state = ground.states[endpoint.slot];
    return state.serving && endpoint.slot != avoid && bound.has_room(state.requests, endpoint.weight);
  };
  size_t place = place_of(table, hash);
  passed = false;
  for (size_t probe = 0; probe < std::min(kMaxProbes, table.places.size()); ++probe) {
    const config::Endpoint& endpoint = endpoints[table.places[place]];
    if (may_serve(endpoint)) return &endpoint;
    passed = true;
    if (++place == table.places.size()) place = 0;
  }
  // Few may serve: from a member that the hash names, whoever may, and at last whoever is there.
  const size_t first = hash % ground.members.size();
  for (size_t i = 0; i < ground.members.size(); ++i) {
    const config::Endpoint& endpoint = endpoints[ground.members[(first + i) % ground.members.size()].number];
    if (may_serve(endpoint)) return &endpoint;
  }
  for (const Member& each : ground.members)
    if (each.slot != avoid) return &endpoints[each.number];
  return nullptr;
}

}  // namespace penstock::proxy
