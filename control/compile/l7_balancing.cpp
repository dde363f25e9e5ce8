#include "control/compile/l7_balancing.h"

#include <algorithm>
#include <bit>
#include <cstdio>
#include <map>

#include "flow/maglev.h"

namespace penstock::compile {

namespace {

config::Balancing policy_of(const model::ServicePolicy& policy) {
  if (policy.load_balancer) return policy.load_balancer->policy;
  switch (policy.balancing) {
    case model::Balancing::kMaglev:  // the default for packets; requests have no flow to hash
    case model::Balancing::kRoundRobin:
      return config::Balancing::kRoundRobin;
    case model::Balancing::kLeastConnections:
      return config::Balancing::kLeastRequest;
  }
  return config::Balancing::kRoundRobin;
}

// What slices say of an address, in all of them.
struct Place {
  bool ready = false, near = false;
};

std::map<base::IpAddress, Place> places_of(const ServiceInput& input, const std::string& zone) {
  std::map<base::IpAddress, Place> places;
  for (size_t i = 0; input.slices && i < input.slices->list.size(); ++i) {
    for (const model::Endpoint& endpoint : input.slices->list[i]->endpoints) {
      for (const base::IpAddress& address : endpoint.addresses) {
        Place& place = places[address];
        place.ready |= endpoint.ready;
        place.near |= endpoint.zone == zone;
      }
    }
  }
  return places;
}

bool counts(const config::Endpoint& endpoint) { return endpoint.weight != 0 && (endpoint.usable || endpoint.doubtful); }

// Whether tables of the one hold for the other.
bool same_for_tables(const config::Cluster& a, const config::Cluster& b) {
  return a.balancing == b.balancing &&
         std::equal(a.endpoints.begin(), a.endpoints.end(), b.endpoints.begin(), b.endpoints.end(),
                    [](const config::Endpoint& x, const config::Endpoint& y) {
                      return x.address == y.address && x.port == y.port && x.weight == y.weight && x.level == y.level &&
                             counts(x) == counts(y);
                    });
}

using Numbers = std::vector<uint16_t>;  // of endpoints in the cluster

config::HashTable make_maglev(const config::Cluster& cluster, const Numbers& numbers, uint32_t size) {
  std::vector<flow::MaglevEndpoint> endpoints;
  for (const uint16_t number : numbers) {
    const config::Endpoint& e = cluster.endpoints[number];
    endpoints.push_back({e.address, e.port, static_cast<uint16_t>(std::min<uint32_t>(e.weight, UINT16_MAX))});
  }
  config::HashTable table;
  table.places = flow::build_maglev(endpoints, size);
  for (uint16_t& place : table.places) place = numbers[place];
  return table;
}

// In powers of two for an endpoint of the default weight: another endpoint more or less must not move the points of the
// others, so their number follows that of endpoints in steps.
uint32_t points_of(const config::Endpoint& endpoint, uint64_t weights, uint32_t size) {
  constexpr uint64_t kDefaultWeight = 100;
  const uint64_t each = std::bit_ceil((size * kDefaultWeight + weights - 1) / weights);
  return static_cast<uint32_t>(std::max<uint64_t>(1, each * endpoint.weight / kDefaultWeight));
}

config::HashTable make_ring(const config::Cluster& cluster, const Numbers& numbers, uint32_t size) {
  constexpr flow::HashSecret kKey{
      {0x13198a2e03707344, 0xa4093822299f31d0}};  // digits of pi: any would do, but the same
  uint64_t weights = 0;
  for (const uint16_t number : numbers) weights += cluster.endpoints[number].weight;
  std::vector<std::pair<uint64_t, uint16_t>> points;
  for (const uint16_t number : numbers) {
    const config::Endpoint& e = cluster.endpoints[number];
    const uint64_t seed = flow::hash_of(e.address, e.port, kKey);
    for (uint32_t i = 0; i < points_of(e, weights, size); ++i)
      points.emplace_back(flow::mix(seed ^ i, flow::mix(seed + i, kKey.word[1])), number);
  }
  std::sort(points.begin(), points.end());
  config::HashTable table;
  for (const auto& [point, number] : points) {
    table.points.push_back(point);
    table.places.push_back(number);
  }
  return table;
}

}  // namespace

void set_balancing(const ServiceInput& input, const model::State& state, const std::vector<flow::Endpoint>& found,
                   config::Cluster& cluster) {
  if (!input.policy) return;
  cluster.balancing = policy_of(*input.policy);
  cluster.limits = input.policy->pool;
  bool by_zone = false;
  if (input.policy->load_balancer) {
    cluster.balance = input.policy->load_balancer->balance;
    by_zone = input.policy->load_balancer->by_zone && state.node && !state.node->zone.empty();
  }
  const std::map<base::IpAddress, Place> places = places_of(input, by_zone ? state.node->zone : "");
  for (size_t i = 0; i < found.size(); ++i) {
    config::Endpoint& endpoint = cluster.endpoints[i];
    const auto place = places.find(endpoint.address);
    const Place& at = place != places.end() ? place->second : Place{};
    endpoint.doubtful = found[i].state == flow::EndpointState::kDown && found[i].weight != 0 && at.ready;
    endpoint.level = by_zone && !at.near ? 1 : 0;
  }
}

bool make_hash_tables(const ServiceInput& input, const Round& round, const config::Cluster* old,
                      config::Cluster& cluster) {
  if (!model::is_hashed(cluster.balancing)) return true;
  const uint32_t wanted = input.policy->load_balancer->table_size;
  const bool ring = cluster.balancing == config::Balancing::kRingHash;
  const bool holds = old && same_for_tables(*old, cluster);
  for (uint32_t level = 0; level < config::kMaxLevels; ++level) {
    Numbers numbers;
    uint64_t weights = 0;
    for (size_t i = 0; i < cluster.endpoints.size(); ++i) {
      if (cluster.endpoints[i].level != level || !counts(cluster.endpoints[i])) continue;
      numbers.push_back(static_cast<uint16_t>(i));
      weights += cluster.endpoints[i].weight;
    }
    const std::shared_ptr<const config::HashTable> before =
        old && old->balancing == cluster.balancing && level < old->balance.tables.size() ? old->balance.tables[level]
                                                                                         : nullptr;
    const auto current = static_cast<uint32_t>(before && !ring ? before->places.size() : 0);
    uint32_t size = wanted;
    if (ring && size == 0) size = model::kDefaultRing;
    if (!ring && size == 0) size = flow::maglev_size(numbers.size(), current);
    if (!ring && numbers.size() >= size) {
      round.fault(model::Kind::kServicePolicy, input.policy->name, "spec.loadBalancer.consistentHash.maglev.tableSize",
                  std::to_string(size) + " is too small for the " + std::to_string(numbers.size()) +
                      " endpoints of Service/" + input.service.name.to_string());
      return false;
    }
    size_t places = numbers.empty() ? 0 : size;
    if (ring) {
      places = 0;
      for (const uint16_t number : numbers) places += points_of(cluster.endpoints[number], weights, size);
    }
    if (holds && before && before->places.size() == places) {
      cluster.balance.tables.push_back(before);
      continue;
    }
    cluster.balance.tables.push_back(
        std::make_shared<const config::HashTable>(numbers.empty() ? config::HashTable{}
                                                  : ring          ? make_ring(cluster, numbers, size)
                                                                  : make_maglev(cluster, numbers, size)));
  }
  return true;
}

uint64_t name_hash(std::string_view name) {
  uint64_t hash = 0xcbf29ce484222325;  // FNV-1a
  for (const char c : name) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3;
  return hash;
}

std::string session_name(const std::string& rule) {
  char digits[17];
  std::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(name_hash(rule)));
  return std::string("penstock-session-") + digits;
}

}  // namespace penstock::compile
