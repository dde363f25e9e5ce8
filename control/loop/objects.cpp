#include "control/loop/objects.h"

#include <set>

namespace penstock::loop {
namespace {

template <typename T>
std::optional<model::Object> copy_of(const model::Objects<T>& objects, const model::Name& name) {
  const auto at = objects.find(name);
  if (at == objects.end()) return std::nullopt;
  return model::Object(*at->second);
}

}  // namespace

std::optional<model::Object> find_object(const model::State& state, const model::ObjectKey& key) {
  using model::Kind;
  switch (key.kind) {
    case Kind::kNode:
      if (!state.node || state.node->name != key.name.name) return std::nullopt;
      return model::Object(*state.node);
    case Kind::kService:
      return copy_of(state.services, key.name);
    case Kind::kEndpointSlice:
      return copy_of(state.slices, key.name);
    case Kind::kServicePolicy:
      return copy_of(state.service_policies, key.name);
    case Kind::kAccessPolicy:
      return copy_of(state.access_policies, key.name);
    case Kind::kRateLimit:
      return copy_of(state.rate_limits, key.name);
    case Kind::kEgress:
      return copy_of(state.egresses, key.name);
    case Kind::kMirror:
      return copy_of(state.mirrors, key.name);
    case Kind::kPeer:
      return copy_of(state.peers, key.name);
    case Kind::kWorkload:
      return copy_of(state.workloads, key.name);
    case Kind::kGateway:
      return copy_of(state.gateways, key.name);
    case Kind::kHttpRoute:
      return copy_of(state.http_routes, key.name);
    case Kind::kTcpRoute:
      return copy_of(state.tcp_routes, key.name);
    case Kind::kReferenceGrant:
      return copy_of(state.grants, key.name);
    case Kind::kFault:
      return copy_of(state.faults, key.name);
    case Kind::kListenerPolicy:
      return copy_of(state.listener_policies, key.name);
    case Kind::kDirectResponse:
      return copy_of(state.direct_responses, key.name);
    case Kind::kRequestAccessPolicy:
      return copy_of(state.request_access, key.name);
    case Kind::kRequestInspection:
      return copy_of(state.request_inspections, key.name);
    case Kind::kServiceSubset:
      return copy_of(state.service_subsets, key.name);
    case Kind::kNamespace:
      return copy_of(state.namespaces, key.name);
  }
  return std::nullopt;
}

model::Change replacing(model::Change change, const model::State& state) {
  std::set<model::ObjectKey> named;
  for (const auto& object : change.apply) named.insert(model::key_of(object));
  for (const auto& key : change.remove) named.insert(key);
  for_each_object(state, [&](const model::ObjectKey& key, const auto&) {
    if (!named.contains(key)) change.remove.push_back(key);
  });
  return change;
}

}  // namespace penstock::loop
