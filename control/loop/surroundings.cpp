#include "control/loop/surroundings.h"

#include <set>
#include <unordered_map>

#include "control/compile/backends.h"
#include "flow/own_address.h"

namespace penstock::loop {
namespace {

constexpr base::Nanos kMilli = 1'000'000;

// "namespace/name:port", as control/compile names virtual ports; neither part may hold '/' or ':'.
std::optional<model::Name> service_of(const std::string& entry) {
  const size_t slash = entry.find('/'), colon = entry.rfind(':');
  if (slash == std::string::npos || colon == std::string::npos || colon < slash) return std::nullopt;
  return model::Name{entry.substr(0, slash), entry.substr(slash + 1, colon - slash - 1)};
}

struct Subnet {
  base::Prefix prefix;
  size_t interface;  // index into the result
};

void own(const base::IpAddress& address, const std::vector<Subnet>& subnets, std::vector<neighbour::Interface>& out) {
  for (const Subnet& subnet : subnets) {
    if (subnet.prefix.contains(address)) out[subnet.interface].owned.push_back(address);
  }
}

}  // namespace

std::vector<neighbour::Interface> neighbour_interfaces(const flow::Generation& generation) {
  std::vector<neighbour::Interface> out;
  std::vector<Subnet> subnets;
  if (!generation.interfaces) return out;
  for (const auto& interface : generation.interfaces->by_id) {
    if (interface.id == flow::kNoInterface || interface.is_twin) continue;
    for (const auto& prefix : interface.addresses) subnets.push_back({prefix, out.size()});
    out.push_back({interface.id, interface.name, interface.mac, interface.addresses, {}});
  }
  if (generation.services) {
    for (const auto& service : generation.services->entries()) {
      own(service->address, subnets, out);
      for (const auto& address : service->source_pool) own(address, subnets, out);
    }
  }
  for (const auto& egress : generation.egresses) {
    for (const auto& address : egress.pool.v4) own(address, subnets, out);
    for (const auto& address : egress.pool.v6) own(address, subnets, out);
  }
  return out;
}

neighbour::Settings neighbour_settings(const model::Node& node) {
  neighbour::Settings out;
  out.reachable = node.neighbours.reachable_seconds * base::kNanosPerSecond;
  out.retry = node.neighbours.retry_milliseconds * kMilli;
  out.retries = node.neighbours.retries;
  out.capacity = node.workers.neighbours;
  return out;
}

std::vector<health::Target> health_targets(const flow::Generation& generation, const model::State& state) {
  std::vector<health::Target> out;
  std::map<model::Name, const model::ServicePolicy*> checks;
  for (const auto& [name, policy] : state.service_policies) {
    if (policy->health_check.kind != model::HealthCheckKind::kNone) checks[policy->service] = policy.get();
  }
  if (checks.empty()) return out;
  std::set<health::TargetKey> seen;
  const auto add = [&](const model::Name& service, const base::IpAddress& address, uint16_t port) {
    const auto found = checks.find(service);
    if (found == checks.end()) return;
    const model::ServicePolicy& policy = *found->second;
    health::TargetKey key{service, address, policy.all_ports ? uint16_t{0} : port};
    if (seen.insert(key).second) out.push_back({std::move(key), policy.health_check});
  };
  if (generation.services)
    for (const auto& entry : generation.services->entries())
      if (const auto service = service_of(entry->name))
        for (const auto& endpoint : entry->endpoints) add(*service, endpoint.address, endpoint.port);
  // Backends of routes need no virtual address.
  for (const compile::BackendEndpoint& each : compile::backends_of(generation))
    add(each.service, each.address, each.port);
  return out;
}

std::optional<base::IpAddress> source_for(const flow::Generation& generation, const base::IpAddress& destination) {
  if (!generation.routes || !generation.interfaces) return std::nullopt;
  const auto& result = generation.routes->at(generation.routes->find(destination));
  if (result.kind != flow::RouteKind::kConnected && result.kind != flow::RouteKind::kGateway) return std::nullopt;
  const auto& hop = generation.routes->next_hop(generation.routes->next_hop_of(result, 0));
  if (hop.interface >= generation.interfaces->by_id.size()) return std::nullopt;
  const base::IpAddress own = flow::address_on(generation.interfaces->by_id[hop.interface], hop, destination);
  return own.is_unspecified() ? std::nullopt : std::optional(own);
}

}  // namespace penstock::loop
