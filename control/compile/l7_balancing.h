// How the endpoints of a cluster are balanced: policy and limits, levels by zone, tables of consistent hashing.
#pragma once

#include <string>
#include <string_view>

#include "control/compile/service_entries.h"
#include "l7/config/cluster.h"

namespace penstock::compile {

// Policy, limits and, of each endpoint, level and whether only its health check speaks against it. `cluster` has its
// endpoints; `found` are the same ones, in the same order, as they were found.
void set_balancing(const ServiceInput& input, const model::State& state, const std::vector<flow::Endpoint>& found,
                   config::Cluster& cluster);

// Tables of a policy that hashes; those of `old` (null: none) stay while its endpoints do. False: a fault of the round.
bool make_hash_tables(const ServiceInput& input, const Round& round, const config::Cluster* old,
                      config::Cluster& cluster);

// The same for a name in every gateway and process.
uint64_t name_hash(std::string_view name);

// The name of a rule's session when the user gives none: no other rule's.
std::string session_name(const std::string& rule);

}  // namespace penstock::compile
