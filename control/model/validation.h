// The parts of validate(), by kind. Each reports every fault of the objects it is given; what they may look up beyond
// their object is in Surroundings.
#pragma once

#include <set>
#include <string_view>
#include <vector>

#include "control/model/faults.h"
#include "control/model/state.h"

namespace penstock::model {

// An interface's connected prefix, host bits kept (the gateway's own address).
struct Connected {
  base::Prefix prefix;
  std::string_view interface;
};

struct Surroundings {
  const State& state;
  std::set<std::string_view> interfaces;  // names of ports and VLANs of the Node
  std::vector<Connected> connected;
};
Surroundings surroundings_of(const State& state);

void validate_name(ObjectFaults& faults, const Name& name, bool label = false);

// validate_node.cpp, validate_routes.cpp
void validate_node(const Node& node, const Surroundings& around, Faults& faults);
void validate_routes(const Node& node, const Surroundings& around, ObjectFaults& faults);

// validate_services.cpp
void validate_service(const Service& service, const ServicePolicy* policy, const Surroundings& around, Faults& faults);
void validate_slice(const EndpointSlice& slice, Faults& faults);
// Whether a Maglev table can have that many places.
bool is_maglev_size(uint32_t places);
void validate_service_policy(const ServicePolicy& policy, const State& state, Faults& faults);

// validate_labels.cpp; `at` is the path of the map or of the selector.
void validate_labels(const Labels& labels, const std::string& at, ObjectFaults& faults);
void validate_selector(const LabelSelector& selector, const std::string& at, ObjectFaults& faults);

// validate_subsets.cpp: what differs from `before`; what only a policy of a ServiceSubset has to keep to.
void validate_subsets(const State& before, const State& state, Faults& faults);
void validate_subset_policy(const ServicePolicy& policy, const State& state, ObjectFaults& faults);

// validate_balancing.cpp: parts of a ServicePolicy.
void validate_load_balancer(const LoadBalancer& balancer, const State& state, ObjectFaults& faults);
void validate_pool_limits(const config::ClusterLimits& pool, ObjectFaults& faults);
// validate_resilience.cpp
void validate_resilience(const config::Resilience& rules, ObjectFaults& faults);

// validate_policies.cpp
void validate_access_policy(const AccessPolicy& policy, const Surroundings& around, Faults& faults);
void validate_rate_limit(const RateLimit& limit, const Surroundings& around, Faults& faults);
// validate_request_limit.cpp: what only limits of requests have, and that others have none of it.
void validate_request_limit(const RateLimit& limit, const State& state, ObjectFaults& faults);
void validate_egress(const Egress& egress, const Surroundings& around, Faults& faults);
void validate_mirror(const Mirror& mirror, const Surroundings& around, Faults& faults);

// validate_peers.cpp: all peers together.
void validate_peers(const Surroundings& around, Faults& faults);

// validate_encryption.cpp: who may not travel in clear, and who says otherwise.
void validate_encrypt_rules(const Node& node, ObjectFaults& faults);
void validate_peer_encryption(const Peer& peer, const State& state, ObjectFaults& faults);
void validate_mirror_encryption(const Mirror& mirror, const State& state, ObjectFaults& faults);

// validate_identities.cpp: all workloads together; what a peer and the rules say of identities.
void validate_workloads(const Surroundings& around, Faults& faults);
void validate_peer_identities(const Peer& peer, ObjectFaults& faults);
void validate_rule_identities(const AccessRule& rule, const std::string& at, ObjectFaults& faults);
void validate_selector_count(const State& state, Faults& faults);

// validate_match.cpp; `at` is the path of the object that holds the match's fields.
void validate_match(const Match& match, const std::string& at, const Surroundings& around, ObjectFaults& faults);
// A list of prefixes or of interface names: host bits, duplicates, names of nothing.
void validate_prefixes(const std::vector<base::Prefix>& prefixes, const std::string& at, ObjectFaults& faults);
void validate_interfaces(const std::vector<std::string>& names, const std::string& at, const Surroundings& around,
                         ObjectFaults& faults);
// Addresses that the gateway itself will use as sources of translated packets.
void validate_pool(const std::vector<base::IpAddress>& pool, const std::string& at, ObjectFaults& faults);

// validate_addresses.cpp: who owns which (address, protocol, port). Looks only for collisions in which one of
// `services`, `policies` or `egresses` takes part.
struct AddressUsers {
  std::set<Name> services, policies, egresses;
  bool empty() const { return services.empty() && policies.empty() && egresses.empty(); }
};
void validate_addresses(const AddressUsers& changed, const State& state, Faults& faults);

}  // namespace penstock::model
