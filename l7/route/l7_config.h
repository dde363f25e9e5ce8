// All that L7 decides by, compiled: what one generation holds for the workers' stacks.
//
// Built by control, immutable but for the scratches, of which each worker uses only its own. Numbers in one part are
// indices into another: Listener::table into `tables`, rules' actions into `actions`, Action::filters into `filters`,
// Backend::cluster and Mirror::cluster into `clusters`. Thread: built by control, read by workers between publication
// and retirement of the generation.
#pragma once

#include <memory>
#include <vector>

#include "l7/config/action.h"
#include "l7/config/cluster.h"
#include "l7/config/filters.h"
#include "l7/config/listener.h"
#include "l7/route/route_table.h"

namespace penstock::route {

struct L7Config {
  std::vector<config::Listener> listeners;
  std::vector<RouteTable> tables;
  std::vector<config::Route> routes;  // all, for names in logs; Candidate::route counts from `first_route` of its table
  std::vector<uint32_t> first_route;  // one per table
  std::vector<config::Action> actions;
  std::vector<config::Filters> filters;
  std::vector<config::Cluster> clusters;
  // scratches[worker][table]; a worker takes its own.
  mutable std::vector<std::vector<Scratch>> scratches;
};

}  // namespace penstock::route
