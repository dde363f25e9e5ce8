// Walking a State as one set of objects.
#pragma once

#include <optional>

#include "control/model/state.h"

namespace penstock::loop {

// Calls visit(key, object) for every object, kind by kind.
template <typename F>
void for_each_object(const model::State& state, F&& visit) {
  using model::Kind;
  if (state.node) visit(model::ObjectKey{Kind::kNode, {.name = state.node->name}}, *state.node);
  const auto all = [&](Kind kind, const auto& objects) {
    for (const auto& [name, object] : objects) visit(model::ObjectKey{kind, name}, *object);
  };
  all(Kind::kService, state.services);
  all(Kind::kEndpointSlice, state.slices);
  all(Kind::kServicePolicy, state.service_policies);
  all(Kind::kAccessPolicy, state.access_policies);
  all(Kind::kRateLimit, state.rate_limits);
  all(Kind::kEgress, state.egresses);
  all(Kind::kMirror, state.mirrors);
  all(Kind::kPeer, state.peers);
  all(Kind::kWorkload, state.workloads);
  all(Kind::kGateway, state.gateways);
  all(Kind::kHttpRoute, state.http_routes);
  all(Kind::kTcpRoute, state.tcp_routes);
  all(Kind::kReferenceGrant, state.grants);
  all(Kind::kFault, state.faults);
  all(Kind::kListenerPolicy, state.listener_policies);
  all(Kind::kDirectResponse, state.direct_responses);
  all(Kind::kRequestAccessPolicy, state.request_access);
  all(Kind::kRequestInspection, state.request_inspections);
  all(Kind::kServiceSubset, state.service_subsets);
  all(Kind::kNamespace, state.namespaces);
}

// A copy of the object; nothing when there is none.
std::optional<model::Object> find_object(const model::State& state, const model::ObjectKey& key);

// The change that also removes whatever it does not name.
model::Change replacing(model::Change change, const model::State& state);

}  // namespace penstock::loop
