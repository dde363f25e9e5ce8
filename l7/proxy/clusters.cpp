#include "l7/proxy/clusters.h"

#include <algorithm>

namespace penstock::proxy {

Clusters::Clusters(const Limits& limits)
    : cluster_slots_(limits.cluster_slots),
      endpoint_slots_(limits.endpoint_slots),
      clusters_(std::make_unique<Cluster[]>(limits.cluster_slots)),
      endpoints_(std::make_unique<Endpoint[]>(limits.endpoint_slots)) {}

void Clusters::adopt(const route::L7Config& config) {
  if (config_ != nullptr) {
    for (const config::Cluster& cluster : config_->clusters) {
      if (cluster.slot < cluster_slots_) clusters_[cluster.slot].number = kNone;
      for (const config::Endpoint& endpoint : cluster.endpoints)
        if (endpoint.slot < endpoint_slots_) endpoints_[endpoint.slot].cluster = kNone;
    }
  }
  config_ = &config;
  usable_.clear();
  for (uint32_t number = 0; number < config.clusters.size(); ++number)
    if (const uint32_t slot = slot_of(number); slot != kNone) adopt(clusters_[slot], number, config.clusters[number]);
}

void Clusters::adopt(Cluster& cluster, uint32_t number, const config::Cluster& from) {
  cluster.number = number;
  cluster.first = static_cast<uint32_t>(usable_.size());
  cluster.uneven = false;
  uint64_t sum = 0;
  for (uint32_t i = 0; i < from.endpoints.size(); ++i) {
    const config::Endpoint& each = from.endpoints[i];
    if (each.slot >= endpoint_slots_) continue;
    endpoints_[each.slot].cluster = from.slot;
    endpoints_[each.slot].number = i;
    if (!each.usable || each.weight == 0) continue;
    cluster.uneven |= sum != 0 && each.weight != from.endpoints[usable_.back().number].weight;
    sum += each.weight;
    usable_.push_back({i, sum});
  }
  cluster.usable = static_cast<uint32_t>(usable_.size()) - cluster.first;
}

bool Clusters::has(uint32_t cluster, uint32_t endpoint, const base::IpAddress& address, uint16_t port) const {
  const Endpoint& known = endpoints_[endpoint];
  if (known.cluster != cluster || clusters_[cluster].number == kNone) return false;
  const config::Endpoint& now = config_->clusters[clusters_[cluster].number].endpoints[known.number];
  return now.port == port && now.address == address;
}

const config::Endpoint* Clusters::pick(uint32_t slot, uint32_t avoid, Random& random) {
  Cluster& cluster = clusters_[slot];
  if (cluster.number == kNone || cluster.usable == 0) return nullptr;
  const config::Cluster& from = config_->clusters[cluster.number];
  const config::Endpoint* picked = &from.endpoints[pick_once(cluster, from, random)];
  if (picked->slot != avoid || cluster.usable == 1) return picked;
  // Another draw; if chance insists, whoever stands next to it.
  picked = &from.endpoints[pick_once(cluster, from, random)];
  for (uint32_t i = 0; picked->slot == avoid && i < cluster.usable; ++i)
    picked = &from.endpoints[usable_[cluster.first + i].number];
  return picked;
}

uint32_t Clusters::pick_once(Cluster& cluster, const config::Cluster& from, Random& random) {
  if (cluster.usable == 1) return usable_[cluster.first].number;
  switch (from.balancing) {
    case config::Balancing::kRoundRobin:
      return next_in_turn(cluster, from);
    case config::Balancing::kRandom:
      return by_weight(cluster, random);
    case config::Balancing::kLeastRequest:
      break;
  }
  const uint32_t one = by_weight(cluster, random), other = by_weight(cluster, random);
  return endpoints_[from.endpoints[other].slot].state.requests < endpoints_[from.endpoints[one].slot].state.requests
             ? other
             : one;
}

// Weights that differ: the smooth form, which never gives the heavy one its share in one piece. At most
// kMaxEndpointsPerCluster steps.
uint32_t Clusters::next_in_turn(Cluster& cluster, const config::Cluster& from) {
  if (!cluster.uneven) return usable_[cluster.first + cluster.turn++ % cluster.usable].number;
  EndpointState* best = nullptr;
  uint32_t number = 0;
  for (uint32_t i = 0; i < cluster.usable; ++i) {
    const config::Endpoint& each = from.endpoints[usable_[cluster.first + i].number];
    EndpointState& state = endpoints_[each.slot].state;
    state.credit += each.weight;
    if (best != nullptr && state.credit <= best->credit) continue;
    best = &state;
    number = usable_[cluster.first + i].number;
  }
  best->credit -= static_cast<int64_t>(usable_[cluster.first + cluster.usable - 1].upto);
  return number;
}

uint32_t Clusters::by_weight(const Cluster& cluster, Random& random) const {
  const Usable* begin = &usable_[cluster.first];
  const Usable* end = begin + cluster.usable;
  const uint64_t point = random.below(end[-1].upto);
  return std::upper_bound(begin, end, point, [](uint64_t p, const Usable& each) { return p < each.upto; })->number;
}

}  // namespace penstock::proxy
