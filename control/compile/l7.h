// The part of a generation for those who terminate connections: Gateways and routes, with the Services they send to,
// become a route::L7Config.
//
// What is slow is kept. A change of endpoints, health, labels or ServicePolicies makes those clusters anew that it is
// about, and nothing else; who serves which request stays as it was compiled. Otherwise a route table is the same
// object while the routes of its listener say the same about matching: rules name actions by stable numbers, so that
// another weight, backend or filter leaves it alone. Clusters and their endpoints keep their slots. Without any change
// the whole is the same object.
//
// Not health-checked here: an endpoint is down when the check of its Service says so.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "control/compile/l7_guards.h"
#include "control/compile/parts.h"
#include "control/model/gateway_view.h"
#include "l7/route/l7_config.h"

namespace penstock::compile {

struct ClusterKey {  // a Service, or a ServiceSubset, and a port of the Service
  bool subset = false;
  model::Name name;
  uint16_t port = 0;
  auto operator<=>(const ClusterKey&) const = default;
  // "Service/namespace/name:port"
  std::string to_string() const;
};

// All that a cluster is made from. An object that did not change keeps its pointer; these keep the objects, so that no
// other one gets it.
struct ClusterInput {
  std::shared_ptr<const model::Node> node;  // own addresses and the zone
  std::shared_ptr<const model::Service> service;
  std::shared_ptr<const model::ServicePolicy> policy;  // null: none, as below
  std::shared_ptr<const ServicePart::Slices> slices;
  std::shared_ptr<const HealthView::Endpoints> down;
  std::shared_ptr<const PeerReach> reach;
  std::shared_ptr<const model::ServiceSubset> subset;  // null, like the following: the whole Service
  std::shared_ptr<const model::ServicePolicy> subset_policy;
  std::shared_ptr<const model::WorkloadLabels> labels;
  bool operator==(const ClusterInput&) const = default;
};
struct CompiledCluster {
  ClusterInput from;
  std::shared_ptr<const config::Cluster> cluster;
  bool operator==(const CompiledCluster&) const = default;
};
using Clusters = std::map<ClusterKey, CompiledCluster>;

// A returned slot rests: what a worker counted for the old owner must not be taken for the new one's.
struct ClusterPart {  // l7_clusters.cpp
  Slots slots{config::kMaxClusters, 1024}, endpoint_slots{config::kMaxClusterEndpoints, 4096};
  std::shared_ptr<const Clusters> clusters = std::make_shared<Clusters>();
  model::Objects<model::Workload> workloads;            // what `labels` were made from
  std::shared_ptr<const model::WorkloadLabels> labels;  // made when a ServiceSubset first asks

  // From now on these are the clusters. Those whose input is the same stay the same objects; if all do, `clusters`
  // does.
  void update(const Round& round, const ServicePart& services, const std::vector<ClusterKey>& wanted);
};

// Which listener of a Gateway the routes of a door's table came with, in their order.
struct DoorOwners {
  std::vector<const model::ListenerView*> listeners;  // behind the door
  std::vector<const model::ListenerView*> of_route;
};

// RateLimits of requests: which of them a request meets, and their conditions in one set, which is kept while it says
// the same. Slots are those of LimitPart, which has all RateLimits.
struct RequestLimitPart {  // l7_limits.cpp
  struct Asked {           // what the set was built from
    std::vector<config::Match> matches;
    std::vector<config::LimitComponent> key;
    bool operator==(const Asked&) const = default;
  };
  std::vector<Asked> asked;
  std::shared_ptr<const route::MatchSet> matches;
  std::vector<route::Shared<route::Scratch>> scratches;  // by worker

  // Fills `out.limits`; `action_of` is the number of a rule's action.
  void update(const Round& round, const LimitPart& limits, const std::vector<DoorOwners>& doors,
              const std::function<uint32_t(const model::HttpRoute&, size_t rule)>& action_of, size_t workers,
              route::L7Config& out);

 private:
  bool build(const Round& round, const std::vector<config::RequestLimit>& all, size_t workers);
};

// In the unit of its rate.
double request_burst(const model::RateLimit& limit);

// "HTTPRoute/ns/name spec.rules[0].matches[1].path.value: why", as l7/route says it.
model::FieldError split(const std::string& error);

struct L7Part {  // l7.cpp
  struct Table {
    std::vector<config::Route> routes;  // what it was built from
    route::Shared<const route::RouteTable> table;
    std::vector<route::Shared<route::Scratch>> scratches;  // of each worker
  };
  using Tables = std::vector<std::shared_ptr<const Table>>;

  // Actions are only indices; 16 rules of each route.
  NamedSlots listener_slots{config::kMaxListeners, 64}, action_slots{16 * model::kMaxHttpRoutes};
  // Counters of workers: routes, and for requests that none serves, listeners.
  NamedSlots route_slots{route::kMaxRoutes, 1024};
  ClusterPart clusters;
  GuardPart guards;
  RequestLimitPart limits;
  std::shared_ptr<const Tables> tables = std::make_shared<Tables>();
  size_t workers = 0;
  model::State state;  // inputs
  model::Objects<HealthView::Endpoints> down;
  std::shared_ptr<const PeerReach> reach;
  config::SessionKeys sessions;
  std::shared_ptr<const route::L7Config> config;
  std::shared_ptr<const flow::ListenerTable> places = std::make_shared<const flow::ListenerTable>();

  void update(const Round& round, const ServicePart& services, const LimitPart& limit_part);

 private:
  bool routing_changed(const Round& round) const;
  bool backends_changed(const Round& round, const ServicePart& services) const;
  void update_clusters(const Round& round, const ServicePart& services);
};

}  // namespace penstock::compile
