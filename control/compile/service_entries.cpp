#include "control/compile/service_entries.h"

#include <algorithm>
#include <set>

#include "flow/maglev.h"
#include "flow/weighted_sequence.h"

namespace penstock::compile {

namespace {

constexpr uint16_t kDefaultWeight = 100;

flow::ServiceMode mode_of(model::ServiceMode mode) {
  switch (mode) {
    case model::ServiceMode::kNat:
      return flow::ServiceMode::kNat;
    case model::ServiceMode::kFullNat:
      return flow::ServiceMode::kFullNat;
    case model::ServiceMode::kDsr:
      return flow::ServiceMode::kDsr;
    case model::ServiceMode::kIpip:
      return flow::ServiceMode::kIpip;
  }
  return flow::ServiceMode::kNat;
}

flow::Balancing balancing_of(model::Balancing balancing) {
  switch (balancing) {
    case model::Balancing::kMaglev:
      return flow::Balancing::kMaglev;
    case model::Balancing::kRoundRobin:
      return flow::Balancing::kRoundRobin;
    case model::Balancing::kLeastConnections:
      return flow::Balancing::kLeastConnections;
  }
  return flow::Balancing::kMaglev;
}

flow::EndpointState state_of(const model::Endpoint& endpoint) {
  if (endpoint.ready) return flow::EndpointState::kReady;
  return endpoint.serving && endpoint.terminating ? flow::EndpointState::kDraining : flow::EndpointState::kDown;
}

bool same(const flow::Endpoint& a, const flow::Endpoint& b) {
  return a.slot == b.slot && a.address == b.address && a.port == b.port && a.weight == b.weight && a.state == b.state;
}

bool same_endpoints(const flow::ServiceEntry& a, const flow::ServiceEntry& b) {
  return std::equal(a.endpoints.begin(), a.endpoints.end(), b.endpoints.begin(), b.endpoints.end(), same);
}

// Everything but the table, which follows from it and from the size.
bool same(const flow::ServiceEntry& a, const flow::ServiceEntry& b) {
  return a.slot == b.slot && a.address == b.address && a.port == b.port && a.protocol == b.protocol &&
         a.mode == b.mode && a.balancing == b.balancing && a.reset_on_down == b.reset_on_down &&
         a.reject_without_endpoint == b.reject_without_endpoint && a.affinity_seconds == b.affinity_seconds &&
         a.source_pool == b.source_pool && a.limits == b.limits && a.name == b.name && same_endpoints(a, b);
}

// What the table is made of: an endpoint that takes no new flows has no weight.
uint16_t table_weight(const flow::Endpoint& e) { return e.state == flow::EndpointState::kReady ? e.weight : 0; }

// The endpoint port that a slice gives for a service port; nothing: the slice does not serve it. Kubernetes matches
// by the name of the service's port, whatever targetPort says; a slice port without a number means all.
std::optional<uint16_t> endpoint_port(const model::EndpointSlice& slice, const model::ServicePort* port,
                                      model::ServiceMode mode) {
  if (!port) return 0;
  for (const model::EndpointPort& p : slice.ports) {
    if (p.name != port->name || p.protocol != port->protocol) continue;
    if (mode == model::ServiceMode::kDsr || mode == model::ServiceMode::kIpip) return port->port;
    if (p.port != 0) return p.port;
    return port->target_port ? port->target_port : port->port;
  }
  return std::nullopt;
}

// New flows go to endpoints here; while none of them takes any, to those behind the peers of the lowest priority
// number that have one, by the peers' weights. The others have no weight: flows that they have go on, and so do those
// of an endpoint whose peer is down, which may come back.
void prefer_near(std::vector<flow::Endpoint>& all, const PeerReach& reach_of) {
  using Tier = std::pair<bool, int32_t>;
  std::optional<Tier> best;
  std::vector<Reach> where;
  for (flow::Endpoint& endpoint : all) {
    const Reach& reach = where.emplace_back(reach_of.of(endpoint.address));
    if (reach.remote)
      endpoint.weight = static_cast<uint16_t>(std::min<uint32_t>(UINT16_MAX, endpoint.weight * uint32_t{reach.weight}));
    const Tier tier{reach.remote, reach.remote ? reach.priority : 0};
    if (reach.up && table_weight(endpoint) != 0 && (!best || tier < *best)) best = tier;
  }
  if (!best) return;  // nobody takes any
  for (size_t i = 0; i < all.size(); ++i)
    if (!where[i].up || Tier{where[i].remote, where[i].remote ? where[i].priority : 0} != *best) all[i].weight = 0;
}

class EntryCompiler {
 public:
  EntryCompiler(const ServiceInput& input, const Entries& before, const Round& round, ServicePart& part)
      : input_(input), before_(before), round_(round), part_(part) {
    if (input.policy) policy_ = *input.policy;
  }

  Entries run() {
    const std::set<base::IpAddress> addresses(input_.service.addresses.begin(), input_.service.addresses.end());
    Entries out;
    for (const base::IpAddress& address : addresses) {
      std::set<uint8_t> protocols;  // with all ports, one entry a protocol
      for (const model::ServicePort& port : input_.service.ports)
        if (!policy_.all_ports || protocols.insert(port.protocol).second) add(address, &port, port.protocol, out);
      if (policy_.all_ports && input_.service.ports.empty()) add(address, nullptr, 0, out);
    }
    return out;
  }

 private:
  void add(const base::IpAddress& address, const model::ServicePort* port, uint8_t protocol, Entries& out) {
    flow::ServiceEntry entry;
    entry.address = address;
    entry.protocol = protocol;
    entry.port = policy_.all_ports ? 0 : port->port;
    const auto old = find_before(entry);
    const auto slot = old ? std::optional(old->slot) : part_.service_slots.take(round_.retired);
    if (!slot) {
      no_room("virtual ports", flow::kMaxServices);
      return;
    }
    entry.slot = *slot;
    fill(entry);
    add_endpoints(entry, policy_.all_ports ? nullptr : port, old);
    if (old && same(entry, *old) && old->table.size() == table_size(entry, old)) {
      out.push_back(old);
      return;
    }
    make_table(entry, old);
    out.push_back(std::make_shared<const flow::ServiceEntry>(std::move(entry)));
  }

  std::shared_ptr<const flow::ServiceEntry> find_before(const flow::ServiceEntry& entry) const {
    for (const auto& old : before_)
      if (old->address == entry.address && old->protocol == entry.protocol && old->port == entry.port) return old;
    return nullptr;
  }

  void fill(flow::ServiceEntry& entry) const {
    const model::Service& service = input_.service;
    entry.mode = mode_of(policy_.mode);
    entry.balancing = balancing_of(policy_.balancing);
    entry.reset_on_down = policy_.on_endpoint_down == model::DownAction::kReset;
    entry.reject_without_endpoint = policy_.no_endpoint == model::NoEndpointAction::kReject;
    entry.affinity_seconds = service.client_affinity ? service.affinity_seconds : 0;
    for (const base::IpAddress& source : policy_.source_pool)
      if (source.is_v4() == entry.address.is_v4()) entry.source_pool.push_back(source);
    if (input_.limits) entry.limits = *input_.limits;
    entry.name = service.name.to_string() + ":" + (entry.port ? std::to_string(entry.port) : "*");
  }

  void add_endpoints(flow::ServiceEntry& entry, const model::ServicePort* port,
                     const std::shared_ptr<const flow::ServiceEntry>& old) {
    entry.endpoints = endpoints_of(
        input_, port, [&entry](const base::IpAddress& address) { return address.is_v4() == entry.address.is_v4(); });
    if (entry.endpoints.size() > model::kMaxEndpointsPerService) {
      fault("endpoints", std::to_string(entry.endpoints.size()) + " in all its slices are too many (at most " +
                             std::to_string(model::kMaxEndpointsPerService) + ")");
      entry.endpoints.clear();
    }
    assign_slots(entry, old.get());
  }

  // Both lists are sorted alike: those that stay keep their slot.
  void assign_slots(flow::ServiceEntry& entry, const flow::ServiceEntry* old) {
    size_t at = 0;
    for (flow::Endpoint& endpoint : entry.endpoints) {
      const auto before = [&](const flow::Endpoint& o) {
        return o.address != endpoint.address ? o.address < endpoint.address : o.port < endpoint.port;
      };
      while (old && at < old->endpoints.size() && before(old->endpoints[at])) release(old->endpoints[at++]);
      if (old && at < old->endpoints.size() && old->endpoints[at].address == endpoint.address &&
          old->endpoints[at].port == endpoint.port) {
        endpoint.slot = old->endpoints[at++].slot;
      } else if (const auto slot = part_.endpoint_slots.take(round_.retired)) {
        endpoint.slot = *slot;
      } else {
        no_room("endpoints", flow::kMaxEndpoints);
        return;
      }
    }
    while (old && at < old->endpoints.size()) release(old->endpoints[at++]);
  }

  void release(const flow::Endpoint& endpoint) { part_.endpoint_slots.release(endpoint.slot, round_.last); }

  size_t table_size(const flow::ServiceEntry& entry, const std::shared_ptr<const flow::ServiceEntry>& old) const {
    if (std::all_of(entry.endpoints.begin(), entry.endpoints.end(), [](const auto& e) { return table_weight(e) == 0; }))
      return 0;
    if (entry.balancing != flow::Balancing::kMaglev) return old ? old->table.size() : 0;
    if (policy_.maglev_table_size) return policy_.maglev_table_size;
    const bool was_maglev = old && old->balancing == flow::Balancing::kMaglev;
    return flow::maglev_size(entry.endpoints.size(), was_maglev ? static_cast<uint32_t>(old->table.size()) : 0);
  }

  void make_table(flow::ServiceEntry& entry, const std::shared_ptr<const flow::ServiceEntry>& old) {
    const size_t size = table_size(entry, old);
    if (size == 0 && entry.balancing == flow::Balancing::kMaglev) return;
    switch (entry.balancing) {
      case flow::Balancing::kMaglev:
        make_maglev(entry, static_cast<uint32_t>(size));
        return;
      case flow::Balancing::kRoundRobin: {
        std::vector<uint16_t> weights;
        for (const flow::Endpoint& e : entry.endpoints) weights.push_back(table_weight(e));
        entry.table = flow::weighted_sequence(weights);
        return;
      }
      case flow::Balancing::kLeastConnections:
        return;
    }
  }

  void make_maglev(flow::ServiceEntry& entry, uint32_t size) {
    if (entry.endpoints.size() >= size) {
      round_.fault(model::Kind::kServicePolicy, policy_.name, "spec.maglevTableSize",
                   std::to_string(size) + " is too small for the " + std::to_string(entry.endpoints.size()) +
                       " endpoints of Service/" + input_.service.name.to_string());
      return;
    }
    std::vector<flow::MaglevEndpoint> endpoints;
    for (const flow::Endpoint& e : entry.endpoints) endpoints.push_back({e.address, e.port, table_weight(e)});
    entry.table = flow::build_maglev(endpoints, size);
  }

  void fault(const char* path, const std::string& reason) const {
    round_.fault(model::Kind::kService, input_.service.name, path, reason);
  }
  void no_room(const char* what, size_t most) const {
    fault("", std::string("there is no room for its ") + what + " (at most " + std::to_string(most) +
                  " in all, with those removed until every worker has left their generations)");
  }

  const ServiceInput& input_;
  const Entries& before_;
  const Round& round_;
  ServicePart& part_;
  model::ServicePolicy policy_;  // the defaults when there is none
};

}  // namespace

// Neither the order nor the number of slices matters. An endpoint that two slices name (as happens while Kubernetes
// moves it) counts once, in its better state.
std::vector<flow::Endpoint> endpoints_of(const ServiceInput& input, const model::ServicePort* port,
                                         const std::function<bool(const base::IpAddress&)>& wanted) {
  static const model::ServicePolicy kDefaults;
  const model::ServicePolicy& policy = input.policy ? *input.policy : kDefaults;
  std::vector<flow::Endpoint> all;
  for (size_t i = 0; input.slices && i < input.slices->list.size(); ++i) {
    const model::EndpointSlice& slice = *input.slices->list[i];
    const auto number = endpoint_port(slice, port, policy.mode);
    if (!number) continue;
    for (const model::Endpoint& endpoint : slice.endpoints)
      for (const base::IpAddress& address : endpoint.addresses)
        if (wanted(address)) all.push_back({0, address, *number, kDefaultWeight, state_of(endpoint)});
  }
  std::sort(all.begin(), all.end(), [](const flow::Endpoint& a, const flow::Endpoint& b) {
    if (a.address != b.address) return a.address < b.address;
    return a.port != b.port ? a.port < b.port : a.state < b.state;
  });
  all.erase(std::unique(all.begin(), all.end(),
                        [](const auto& a, const auto& b) { return a.address == b.address && a.port == b.port; }),
            all.end());
  const bool checked = policy.health_check.kind != model::HealthCheckKind::kNone && input.down;
  for (flow::Endpoint& endpoint : all) {
    const auto weight = policy.weights.find(endpoint.address);
    if (weight != policy.weights.end()) endpoint.weight = weight->second;
    // With all ports an endpoint is checked once, and known without a port.
    if (checked && input.down->contains({endpoint.address, policy.all_ports ? uint16_t{0} : endpoint.port}))
      endpoint.state = flow::EndpointState::kDown;
  }
  if (input.reach) prefer_near(all, *input.reach);
  return all;
}

Entries compile_service(const ServiceInput& input, const Entries& before, const Round& round, ServicePart& part) {
  Entries after = EntryCompiler(input, before, round, part).run();
  Entries gone;
  for (const auto& old : before)
    if (std::none_of(after.begin(), after.end(), [&](const auto& entry) { return entry->slot == old->slot; }))
      gone.push_back(old);
  release_service(gone, round, part);
  return after;
}

void release_service(const Entries& entries, const Round& round, ServicePart& part) {
  for (const auto& entry : entries) {
    part.service_slots.release(entry->slot, round.last);
    for (const flow::Endpoint& endpoint : entry->endpoints) part.endpoint_slots.release(endpoint.slot, round.last);
  }
}

}  // namespace penstock::compile
