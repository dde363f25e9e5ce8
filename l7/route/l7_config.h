// All that L7 decides by, compiled: what one generation holds for the workers' stacks.
//
// Built by control, immutable but for the scratches, of which each worker uses only its own. Numbers in one part are
// indices into another: Listener::table into `tables`, rules' actions into `actions`, Action::filters into `filters`,
// Backend::cluster and Mirror::cluster into `clusters`. Thread: built by control, read by workers between publication
// and retirement of the generation.
#pragma once

#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include "l7/config/action.h"
#include "l7/config/cluster.h"
#include "l7/config/filters.h"
#include "l7/config/listener.h"
#include "l7/config/request_limit.h"
#include "l7/guard/guards.h"
#include "l7/route/match_set.h"
#include "l7/route/route_table.h"

namespace penstock::route {

// A value that generations share while its content stays the same; used like a reference to it.
template <typename T>
class Shared {
 public:
  Shared(std::remove_const_t<T>&& value) : value_(std::make_shared<T>(std::move(value))) {}  // NOLINT
  operator T&() const { return *value_; }                                                    // NOLINT
  T& get() const { return *value_; }
  T* operator->() const { return value_.get(); }
  bool operator==(const Shared&) const = default;  // the same object

 private:
  std::shared_ptr<T> value_;
};

constexpr uint32_t kNoRouteSlot = 0xffffffff;  // of a route that is no user's: nothing is counted for it

struct L7Config {
  std::vector<config::Listener> listeners;
  std::vector<Shared<const RouteTable>> tables;  // kept while their routes stay the same: compiling them is slow
  std::vector<config::Route> routes;  // all, for names in logs; Candidate::route counts from `first_route` of its table
  std::vector<uint32_t> first_route;  // one per table
  std::vector<config::Action> actions;
  std::vector<config::Filters> filters;
  std::vector<config::Cluster> clusters;
  guard::Set guards;
  config::RequestLimits limits;
  std::shared_ptr<const MatchSet> limit_matches;  // null: no limit of requests
  std::vector<Shared<Scratch>> limit_scratches;   // by worker
  // scratches[worker][table]; a worker takes its own. A table that stays keeps them.
  std::vector<std::vector<Shared<Scratch>>> scratches;
  config::SessionKeys session_keys;  // without one, no session begins
};

}  // namespace penstock::route
