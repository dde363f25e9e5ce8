#include "control/model/state.h"

#include <set>

namespace penstock::model {

namespace {

Objects<Service>& objects_of(State& s, const Service*) { return s.services; }
Objects<EndpointSlice>& objects_of(State& s, const EndpointSlice*) { return s.slices; }
Objects<ServicePolicy>& objects_of(State& s, const ServicePolicy*) { return s.service_policies; }
Objects<AccessPolicy>& objects_of(State& s, const AccessPolicy*) { return s.access_policies; }
Objects<RateLimit>& objects_of(State& s, const RateLimit*) { return s.rate_limits; }
Objects<Egress>& objects_of(State& s, const Egress*) { return s.egresses; }
Objects<Mirror>& objects_of(State& s, const Mirror*) { return s.mirrors; }
Objects<Peer>& objects_of(State& s, const Peer*) { return s.peers; }
Objects<Workload>& objects_of(State& s, const Workload*) { return s.workloads; }
Objects<Gateway>& objects_of(State& s, const Gateway*) { return s.gateways; }
Objects<HttpRoute>& objects_of(State& s, const HttpRoute*) { return s.http_routes; }
Objects<TcpRoute>& objects_of(State& s, const TcpRoute*) { return s.tcp_routes; }
Objects<ReferenceGrant>& objects_of(State& s, const ReferenceGrant*) { return s.grants; }
Objects<Fault>& objects_of(State& s, const Fault*) { return s.faults; }
Objects<ListenerPolicy>& objects_of(State& s, const ListenerPolicy*) { return s.listener_policies; }
Objects<DirectResponse>& objects_of(State& s, const DirectResponse*) { return s.direct_responses; }
Objects<RequestAccessPolicy>& objects_of(State& s, const RequestAccessPolicy*) { return s.request_access; }
Objects<RequestInspection>& objects_of(State& s, const RequestInspection*) { return s.request_inspections; }
Objects<ServiceSubset>& objects_of(State& s, const ServiceSubset*) { return s.service_subsets; }
Objects<Namespace>& objects_of(State& s, const Namespace*) { return s.namespaces; }

ObjectKey key_of_node(const Node& node) {
  return {Kind::kNode, {.name = node.name}};
}  // Node has no namespace of its own

// The gateway has one Node; it lives outside the maps.
DiffKind apply(State& state, const Node& node, FieldErrors& errors) {
  if (state.node && state.node->name != node.name) {
    errors.push_back({key_of_node(node).to_string(), "metadata.name",
                      "a gateway has one Node, and it is \"" + state.node->name + "\": delete that first"});
    return DiffKind::kUnchanged;
  }
  if (state.node && *state.node == node) return DiffKind::kUnchanged;
  const DiffKind kind = state.node ? DiffKind::kChanged : DiffKind::kCreated;
  state.node = std::make_shared<const Node>(node);
  return kind;
}

template <typename T>
DiffKind apply(State& state, const T& object, FieldErrors&) {
  auto& objects = objects_of(state, &object);
  const auto there = objects.find(object.name);
  const bool exists = there != objects.end();
  if (exists && *there->second == object) return DiffKind::kUnchanged;
  objects[object.name] = std::make_shared<const T>(object);
  return exists ? DiffKind::kChanged : DiffKind::kCreated;
}

bool remove(State& state, const ObjectKey& key) {
  switch (key.kind) {
    case Kind::kNode:
      if (!state.node || key_of_node(*state.node) != key) return false;
      state.node = nullptr;
      return true;
    case Kind::kService:
      return state.services.erase(key.name) != 0;
    case Kind::kEndpointSlice:
      return state.slices.erase(key.name) != 0;
    case Kind::kServicePolicy:
      return state.service_policies.erase(key.name) != 0;
    case Kind::kAccessPolicy:
      return state.access_policies.erase(key.name) != 0;
    case Kind::kRateLimit:
      return state.rate_limits.erase(key.name) != 0;
    case Kind::kEgress:
      return state.egresses.erase(key.name) != 0;
    case Kind::kMirror:
      return state.mirrors.erase(key.name) != 0;
    case Kind::kPeer:
      return state.peers.erase(key.name) != 0;
    case Kind::kWorkload:
      return state.workloads.erase(key.name) != 0;
    case Kind::kGateway:
      return state.gateways.erase(key.name) != 0;
    case Kind::kHttpRoute:
      return state.http_routes.erase(key.name) != 0;
    case Kind::kTcpRoute:
      return state.tcp_routes.erase(key.name) != 0;
    case Kind::kReferenceGrant:
      return state.grants.erase(key.name) != 0;
    case Kind::kFault:
      return state.faults.erase(key.name) != 0;
    case Kind::kListenerPolicy:
      return state.listener_policies.erase(key.name) != 0;
    case Kind::kDirectResponse:
      return state.direct_responses.erase(key.name) != 0;
    case Kind::kRequestAccessPolicy:
      return state.request_access.erase(key.name) != 0;
    case Kind::kRequestInspection:
      return state.request_inspections.erase(key.name) != 0;
    case Kind::kServiceSubset:
      return state.service_subsets.erase(key.name) != 0;
    case Kind::kNamespace:
      return state.namespaces.erase(key.name) != 0;
  }
  return false;
}

}  // namespace

const char* to_string(Kind kind) {
  switch (kind) {
    case Kind::kNode:
      return "Node";
    case Kind::kService:
      return "Service";
    case Kind::kEndpointSlice:
      return "EndpointSlice";
    case Kind::kServicePolicy:
      return "ServicePolicy";
    case Kind::kAccessPolicy:
      return "AccessPolicy";
    case Kind::kRateLimit:
      return "RateLimit";
    case Kind::kEgress:
      return "Egress";
    case Kind::kMirror:
      return "Mirror";
    case Kind::kPeer:
      return "Peer";
    case Kind::kWorkload:
      return "Workload";
    case Kind::kGateway:
      return "Gateway";
    case Kind::kHttpRoute:
      return "HTTPRoute";
    case Kind::kTcpRoute:
      return "TCPRoute";
    case Kind::kReferenceGrant:
      return "ReferenceGrant";
    case Kind::kFault:
      return "Fault";
    case Kind::kListenerPolicy:
      return "ListenerPolicy";
    case Kind::kDirectResponse:
      return "DirectResponse";
    case Kind::kRequestAccessPolicy:
      return "RequestAccessPolicy";
    case Kind::kRequestInspection:
      return "RequestInspection";
    case Kind::kServiceSubset:
      return "ServiceSubset";
    case Kind::kNamespace:
      return "Namespace";
  }
  return "?";
}

bool is_namespaced(Kind kind) { return kind != Kind::kNode && kind != Kind::kNamespace; }

ObjectKey key_of(const Object& object) {
  // The alternatives of Object stand in the order of Kind.
  static_assert(std::variant_size_v<Object> == kKinds);
  ObjectKey key{static_cast<Kind>(object.index()), {}};
  std::visit(
      [&key](const auto& o) {
        if constexpr (std::is_same_v<std::decay_t<decltype(o)>, Node>) {
          key = key_of_node(o);
        } else {
          key.name = o.name;
        }
      },
      object);
  return key;
}

State with_change(const State& before, const Change& change, FieldErrors& errors,
                  std::vector<Difference>* differences) {
  State after = before;
  std::set<ObjectKey> removed, applied;
  for (const ObjectKey& key : change.remove) {
    if (!removed.insert(key).second) {
      errors.push_back({key.to_string(), "", "is to be deleted twice in one change"});
    } else if (!remove(after, key)) {
      errors.push_back({key.to_string(), "", "does not exist"});
    } else if (differences) {
      differences->push_back({key, DiffKind::kRemoved});
    }
  }
  for (const Object& object : change.apply) {
    const ObjectKey key = key_of(object);
    if (removed.contains(key)) errors.push_back({key.to_string(), "", "is both applied and deleted in one change"});
    if (!applied.insert(key).second) {
      errors.push_back({key.to_string(), "", "is given twice in one bundle"});
      continue;
    }
    const DiffKind kind = std::visit([&](const auto& o) { return apply(after, o, errors); }, object);
    if (differences) differences->push_back({key, kind});
  }
  return after;
}

}  // namespace penstock::model
