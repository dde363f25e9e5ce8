// Services and ServiceSubsets as clusters: the endpoints of one port, with stable slots.
#include <algorithm>

#include "control/compile/l7.h"
#include "control/compile/l7_balancing.h"
#include "control/compile/service_entries.h"
#include "control/model/diff.h"

namespace penstock::compile {

namespace {

class ClusterCompiler {
 public:
  ClusterCompiler(const Round& round, const ServicePart& services, ClusterPart& part)
      : round_(round), services_(services), part_(part) {
    for (const base::IpAddress& address : model::own_addresses(round.state)) (address.is_v4() ? v4_ : v6_) = true;
  }

  ClusterInput input_of(const ClusterKey& key) const {
    ClusterInput from;
    from.node = round_.state.node;
    from.subset = key.subset ? round_.state.service_subsets.at(key.name) : nullptr;
    const model::Name& service = from.subset ? from.subset->service : key.name;
    from.service = round_.state.services.at(service);
    from.policy = find(services_.policies, service);
    from.slices = find(services_.slices, service);
    from.down = find(services_.down, service);
    from.reach = services_.reach;
    if (!from.subset) return from;
    from.subset_policy = find(services_.subset_policies, key.name);
    from.labels = part_.labels;
    return from;
  }

  std::shared_ptr<const config::Cluster> compile(const ClusterKey& key, const ClusterInput& from,
                                                 const config::Cluster* old) {
    const model::Service& service = *from.service;
    const auto port = std::find_if(service.ports.begin(), service.ports.end(), [&](const model::ServicePort& each) {
      return each.protocol == 6 && each.port == key.port;
    });
    ServicePart::Slices selected;
    if (from.subset) selected.list = selected_of(from);
    const ServicePart::Slices* slices = from.subset ? &selected : from.slices.get();
    // Weights and health are the Service's; what is said of requests, its own or the ServiceSubset's.
    const ServiceInput input{service, from.policy.get(), slices, from.down.get(), nullptr, from.reach.get()};
    ServiceInput terms = input;
    if (from.subset_policy) terms.policy = from.subset_policy.get();
    config::Cluster cluster;
    cluster.name = key.to_string();
    cluster.id = static_cast<uint32_t>(name_hash(cluster.name));
    cluster.service = service.name.to_string();
    if (terms.policy) {
      cluster.proxy_header = terms.policy->proxy_header;
      cluster.resilience = terms.policy->resilience;
    }
    if (cluster.resilience.retry) cluster.resilience.retry->seal();
    const auto slot = old ? std::optional(old->slot) : part_.slots.take(round_.retired);
    if (!slot) {
      fault(service, "there is no room for it as a backend (at most " + std::to_string(config::kMaxClusters) + ")");
      return nullptr;
    }
    cluster.slot = *slot;
    // What the gateway has no address of that family for it cannot connect to.
    const std::vector<flow::Endpoint> endpoints =
        endpoints_of(input, &*port, [this](const base::IpAddress& address) { return address.is_v4() ? v4_ : v6_; });
    if (endpoints.size() > config::kMaxEndpointsPerCluster) {
      fault(service, std::to_string(endpoints.size()) + " endpoints are too many for a backend of a route (at most " +
                         std::to_string(config::kMaxEndpointsPerCluster) + ")");
      return nullptr;
    }
    for (const flow::Endpoint& each : endpoints) {
      const bool usable = each.state == flow::EndpointState::kReady && each.weight != 0;
      cluster.endpoints.push_back({each.address, each.port, each.weight, 0, usable});
    }
    set_balancing(terms, round_.state, endpoints, cluster);
    if (!make_hash_tables(terms, round_, old, cluster)) return nullptr;
    return assign_slots(cluster, old) ? std::make_shared<const config::Cluster>(std::move(cluster)) : nullptr;
  }

  void release(const config::Cluster& cluster) {
    part_.slots.release(cluster.slot, round_.last);
    for (const config::Endpoint& endpoint : cluster.endpoints) release(endpoint);
  }

 private:
  template <typename T>
  static std::shared_ptr<const T> find(const model::Objects<T>& objects, const model::Name& name) {
    const auto at = objects.find(name);
    return at == objects.end() ? nullptr : at->second;
  }

  static model::SliceList selected_of(const ClusterInput& from) {
    static const model::SliceList kNone;
    return model::select(*from.subset, from.slices ? from.slices->list : kNone, *from.labels).slices;
  }

  // Both lists are sorted by address and port: those that stay keep their slot.
  bool assign_slots(config::Cluster& cluster, const config::Cluster* old) {
    static const std::vector<config::Endpoint> kNone;
    const std::vector<config::Endpoint>& before = old ? old->endpoints : kNone;
    const auto place = [](const config::Endpoint& e) { return std::pair(e.address, e.port); };
    size_t at = 0;
    for (config::Endpoint& endpoint : cluster.endpoints) {
      while (at < before.size() && place(before[at]) < place(endpoint)) release(before[at++]);
      if (at < before.size() && place(before[at]) == place(endpoint)) {
        endpoint.slot = before[at++].slot;
      } else if (const auto slot = part_.endpoint_slots.take(round_.retired)) {
        endpoint.slot = *slot;
      } else {
        round_.errors.push_back({cluster.name, "endpoints",
                                 "there is no room for them (at most " + std::to_string(config::kMaxClusterEndpoints) +
                                     " of all backends)"});
        return false;
      }
    }
    while (at < before.size()) release(before[at++]);
    return true;
  }

  void release(const config::Endpoint& endpoint) { part_.endpoint_slots.release(endpoint.slot, round_.last); }

  void fault(const model::Service& service, std::string reason) const {
    round_.fault(model::Kind::kService, service.name, "", std::move(reason));
  }

  const Round& round_;
  const ServicePart& services_;
  ClusterPart& part_;
  bool v4_ = false, v6_ = false;
};

}  // namespace

std::string ClusterKey::to_string() const {
  return (subset ? "ServiceSubset/" : "Service/") + name.to_string() + ":" + std::to_string(port);
}

void ClusterPart::update(const Round& round, const ServicePart& services, const std::vector<ClusterKey>& wanted) {
  const bool select = std::any_of(wanted.begin(), wanted.end(), [](const ClusterKey& key) { return key.subset; });
  if (select && (!labels || model::differ(workloads, round.state.workloads))) {
    workloads = round.state.workloads;
    labels = std::make_shared<const model::WorkloadLabels>(workloads);
  }
  ClusterCompiler compiler(round, services, *this);
  auto next = std::make_shared<Clusters>();
  for (const ClusterKey& key : wanted) {
    if (next->contains(key)) continue;
    ClusterInput from = compiler.input_of(key);
    const auto old = clusters->find(key);
    if (old != clusters->end() && old->second.from == from) {
      next->insert(*old);
      continue;
    }
    auto cluster = compiler.compile(key, from, old == clusters->end() ? nullptr : old->second.cluster.get());
    if (!cluster) return;
    next->emplace(key, CompiledCluster{std::move(from), std::move(cluster)});
  }
  for (const auto& [key, each] : *clusters)
    if (!next->contains(key)) compiler.release(*each.cluster);
  if (*next != *clusters) clusters = std::move(next);
}

}  // namespace penstock::compile
