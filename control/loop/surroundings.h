// What the machines of the control thread need to know of a generation: pure functions from it.
#pragma once

#include <optional>
#include <vector>

#include "base/address.h"
#include "control/health/checker.h"
#include "control/model/state.h"
#include "control/neighbour/machine.h"
#include "flow/generation.h"

namespace penstock::loop {

// Interfaces with their own addresses, and the virtual and NAT addresses that lie in their subnets.
std::vector<neighbour::Interface> neighbour_interfaces(const flow::Generation& generation);
neighbour::Settings neighbour_settings(const model::Node& node);

// Every endpoint of every service that has a health check, in the order of the generation; an endpoint of several
// virtual ports comes once.
std::vector<health::Target> health_targets(const flow::Generation& generation, const model::State& state);

// The gateway's own address on the way to `destination`: the egress interface's, in the subnet of the next hop if it
// can be. Nothing: no route, or no address of that family there.
std::optional<base::IpAddress> source_for(const flow::Generation& generation, const base::IpAddress& destination);

}  // namespace penstock::loop
