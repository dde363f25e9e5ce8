// The parts of a generation and what each is made from. A part is a value that keeps its inputs beside its result, so
// that it can tell whether the result still holds; copying one is cheap.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "control/compile/compiler.h"
#include "control/compile/identities.h"
#include "control/compile/peer_reach.h"
#include "control/compile/slots.h"
#include "control/model/limits.h"

namespace penstock::compile {

static_assert(model::kMaxInterfaces == flow::kMaxInterfaces);
static_assert(model::kMaxPorts == flow::kMaxPorts);
static_assert(model::kMaxWorkers == flow::kMaxWorkers);
static_assert(model::kMaxServices == flow::kMaxServices);
static_assert(model::kMaxEndpoints == flow::kMaxEndpoints);
static_assert(model::kMaxRules == flow::kMaxRules);
static_assert(model::kMaxLimits == flow::kMaxLimits);
static_assert(model::kMaxEgresses == flow::kMaxEgresses);
static_assert(model::kMaxMirrors == flow::kMaxMirrors);
static_assert(model::kMaxNextHops == flow::kMaxNextHops);
static_assert(model::kMaxPeers == flow::kMaxPeers);

// All of a filter's rules and mirrors together: what rte_acl builds in about a second.
constexpr size_t kMaxCombinations = 65536;

// What one compilation works with.
struct Round {
  const model::State& state;
  std::span<const PortFacts> ports;
  uint64_t last;     // number of the last accepted generation
  uint64_t retired;  // no worker reads this or an older one
  base::Cycles hz;
  flow::HashSecret secret;
  const config::SessionKeys& sessions;
  model::FieldErrors& errors;

  void fault(model::Kind kind, const model::Name& name, std::string path, std::string reason) const {
    errors.push_back({model::ObjectKey{kind, name}.to_string(), std::move(path), std::move(reason)});
  }
};

// The gateway's Node, for faults; only with a Node.
inline model::Name node_name(const model::State& state) { return {.name = state.node->name}; }

struct LimitPart {                         // limits.cpp
  using Attached = std::vector<uint32_t>;  // slots, ascending
  struct Attachments {
    std::map<std::string, Attached> interfaces;
    std::map<model::Name, Attached> services;
    std::map<std::pair<model::Name, std::string>, Attached> rules;
  };

  NamedSlots slots{flow::kMaxLimits};
  model::Objects<model::RateLimit> limits;  // input
  uint32_t frame = 0;                       // input: bytes of the largest frame
  std::shared_ptr<const flow::LimitTable> table;
  std::shared_ptr<const Attachments> attached = std::make_shared<Attachments>();

  void update(const Round& round);
};

struct InterfacePart {  // interfaces.cpp
  NamedSlots ids{flow::kMaxInterfaces};
  std::shared_ptr<const model::Node> node;  // inputs
  std::vector<PortFacts> ports;
  std::map<std::string, LimitPart::Attached> limits;
  std::shared_ptr<const flow::InterfaceTable> table;

  void update(const Round& round, const LimitPart& limit_part);
  flow::InterfaceId id(const std::string& interface) const { return static_cast<flow::InterfaceId>(ids.at(interface)); }
  std::vector<flow::InterfaceId> ids_of(const std::vector<std::string>& interfaces) const;
};

// The address of the interface towards `destination`: what the gateway's own packets to it come from. Unspecified:
// none.
base::IpAddress source_towards(const base::IpAddress& destination, const flow::RouteTable& routes,
                               const flow::InterfaceTable& interfaces);

// encryption.cpp: prefixes where nothing may travel in clear; a route's demand is the place in this list, from 1. What
// that makes of the routes. With whom the gateway itself must speak all the same, in order.
std::vector<base::Prefix> required_of(const model::Node& node);
void demand_encryption(const model::Node& node, std::vector<flow::RouteSpec>& specs);
std::vector<base::IpAddress> remotes_of(const model::State& state);
flow::Encryption encryption_of(model::Encryption encryption);

struct PeerPart {  // peers.cpp
  // A packet that waits for keys names its peer by the slot (engine/key_queue.h).
  NamedSlots slots{flow::kMaxPeers, 256};
  std::shared_ptr<const flow::PeerTable> peers;

  void assign(const Round& round);
  std::vector<uint16_t> used(const model::State& state) const;  // slots
  // Null: there are no peers.
  std::shared_ptr<const PeerReach> reach(const model::State& state, const PeerView& view,
                                         std::shared_ptr<const flow::RouteTable> table) const;
  // Where several peers have a prefix: those that are down only when no other is there.
  std::vector<flow::RouteSpec> routes(const model::State& state, const PeerView& view) const;
  void resolve(const Round& round, const PeerView& view, const flow::RouteTable& table,
               const flow::InterfaceTable& interfaces);

 private:
  std::vector<flow::PeerPath> paths_of(const Round& round, const model::Peer& peer, const PeerState* known,
                                       const flow::RouteTable& table, const flow::InterfaceTable& interfaces) const;
};

struct RoutePart {                          // routes.cpp
  std::shared_ptr<const model::Node> node;  // inputs
  std::shared_ptr<const flow::InterfaceTable> interfaces;
  model::Objects<model::Peer> peers;
  std::set<model::Name> down;
  std::vector<flow::RouteSpec> to_peers;
  std::shared_ptr<const std::vector<flow::RouteSpec>> specs;  // null: hops were exchanged since
  std::shared_ptr<const flow::RouteTable> table;

  void update(const Round& round, const InterfacePart& interface_part, const PeerPart& peer_part, const PeerView& view);
};

// Numbers that the gateway chooses begin at model::kFirstChosenNumber. One that was given back is used again only when
// all others were: packets under way, flows and counters may still name it.
constexpr uint32_t kMaxChosenIdentities = flow::kMaxIdentities - model::kFirstChosenNumber;

struct IdentityPart {  // identities.cpp
  NamedSlots numbers{kMaxChosenIdentities, kMaxChosenIdentities};
  model::Objects<model::Workload> workloads;  // inputs
  model::Objects<model::Peer> peers;
  model::Objects<model::AccessPolicy> policies;
  NamedSlots interface_ids{flow::kMaxInterfaces};
  PeerIdentities learned;
  IdentityClasses classes;
  std::map<std::string, flow::Identity> numbered;
  std::shared_ptr<const flow::IdentityTable> table;

  void update(const Round& round, const InterfacePart& interfaces, const PeerPart& peer_part,
              const PeerIdentities& told);

 private:
  bool has_changed(const Round& round, const InterfacePart& interfaces, const PeerIdentities& told) const;
  std::map<uint16_t, std::string> list_of(const model::Peer& peer) const;
  bool assign_numbers(const Round& round);
};

struct FilterPart {  // filters.cpp
  NamedSlots rules{flow::kMaxRules}, mirrors{flow::kMaxMirrors};
  model::Objects<model::AccessPolicy> policies;  // inputs
  model::Objects<model::Mirror> mirror_objects;
  NamedSlots interface_ids{flow::kMaxInterfaces};
  std::map<std::pair<model::Name, std::string>, LimitPart::Attached> limits;
  std::shared_ptr<const flow::Filter> filter;
  std::vector<flow::MirrorRule> mirror_rules;

  void update(const Round& round, const InterfacePart& interfaces, const LimitPart& limit_part,
              const IdentityPart& identities);
};

struct EgressPart {  // egresses.cpp
  NamedSlots slots{flow::kMaxEgresses};
  std::vector<flow::EgressRule> rules;

  void update(const Round& round, const InterfacePart& interfaces);
};

struct CompiledService {
  std::vector<std::shared_ptr<const flow::ServiceEntry>> entries;
};

struct ServicePart {  // services.cpp, service_entries.cpp
  struct Slices {
    std::vector<std::shared_ptr<const model::EndpointSlice>> list;  // by name
  };

  // Returned endpoint and service slots rest a while (slots.h): 16,384 of them cost some kilobytes of counters.
  Slots service_slots{flow::kMaxServices, 4096}, endpoint_slots{flow::kMaxEndpoints, 16384};
  model::State state;  // inputs
  model::Objects<HealthView::Endpoints> down;
  std::shared_ptr<const PeerReach> reach;
  std::shared_ptr<const LimitPart::Attachments> attached = std::make_shared<LimitPart::Attachments>();
  model::Objects<Slices> slices;                         // by service
  model::Objects<model::ServicePolicy> policies;         // by service
  model::Objects<model::ServicePolicy> subset_policies;  // by ServiceSubset; they are L7's alone
  model::Objects<CompiledService> services;
  std::shared_ptr<const flow::ServiceTable> table;

  void update(const Round& round, const HealthView& health, const LimitPart& limits,
              std::shared_ptr<const PeerReach> peers);
};

}  // namespace penstock::compile
