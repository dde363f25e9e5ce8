#include "control/api/translate.h"

#include "control/api/manifest.h"
#include "control/api/translate_kinds.h"
#include "control/api/unknown_fields.h"

namespace penstock::api {

namespace {

void set_name(model::Node& object, const model::Name& name) { object.name = name.name; }
void set_name(auto& object, const model::Name& name) { object.name = name; }

// A vanished apiVersion or kind is fine: the message's type says it.
template <typename Message>
void check_type(const Message& message, const KindInfo& info, Fields& fields) {
  if (!message.api_version().empty() && !is_version_of(info, message.api_version()))
    fields.fault({nullptr, "apiVersion"}, Fields::quoted(message.api_version()) + " is not " + info.api_version);
  if (!message.kind().empty() && message.kind() != info.kind)
    fields.fault({nullptr, "kind"}, Fields::quoted(message.kind()) + " is not " + info.kind);
}

template <typename Object, typename Message>
bool translate(const Message& message, model::Kind kind, model::Object& out, model::FieldErrors& errors) {
  constexpr size_t kMostName = 253, kMostSpace = 63;  // kinds.proto, Metadata
  const std::string &full = message.metadata().name(), &space = message.metadata().namespace_();
  model::Name name{.name = std::string(beginning_of(full, kMostName))};
  if (!space.empty()) name.space = beginning_of(space, kMostSpace);
  Fields fields(model::ObjectKey{kind, name}.to_string(), errors);
  // Every fault repeats the object's name: what is too long for one is cut before it is multiplied.
  if (full.size() > kMostName) fields.fault({nullptr, "metadata.name"}, "is longer than 253 characters");
  if (space.size() > kMostSpace) fields.fault({nullptr, "metadata.namespace"}, "is longer than 63 characters");
  const bool ours =
      kind != model::Kind::kService && kind != model::Kind::kEndpointSlice && kind != model::Kind::kNamespace;
  if (const std::string path = ours ? unknown_field(message) : ""; !path.empty())
    fields.fault({nullptr, path.c_str()}, "is a field that this gateway does not know");
  check_type(message, kinds()[static_cast<size_t>(kind)], fields);
  if (!model::is_namespaced(kind) && name.space != "default")
    fields.fault({nullptr, "metadata.namespace"}, std::string("a ") + model::to_string(kind) + " has none");
  Object object;
  set_name(object, name);
  to_model(message, object, fields);
  out = std::move(object);
  return fields.faults() == 0;
}

template <typename Message, typename Object>
void write(const Object& object, Message& message) {
  const model::ObjectKey key = model::key_of(object);
  message.mutable_metadata()->set_name(key.name.name);
  if (model::is_namespaced(key.kind)) message.mutable_metadata()->set_namespace_(key.name.space);
  to_message(object, message);
}

template <typename T>
bool find_in(const model::Objects<T>& objects, const model::Name& name, model::Object& object) {
  const auto found = objects.find(name);
  if (found == objects.end()) return false;
  object = *found->second;
  return true;
}

}  // namespace

bool to_model(const v1::Object& message, model::Object& object, model::FieldErrors& errors) {
  switch (message.object_case()) {
    case v1::Object::kNode:
      return translate<model::Node>(message.node(), model::Kind::kNode, object, errors);
    case v1::Object::kService:
      return translate<model::Service>(message.service(), model::Kind::kService, object, errors);
    case v1::Object::kEndpointSlice:
      return translate<model::EndpointSlice>(message.endpoint_slice(), model::Kind::kEndpointSlice, object, errors);
    case v1::Object::kServicePolicy:
      return translate<model::ServicePolicy>(message.service_policy(), model::Kind::kServicePolicy, object, errors);
    case v1::Object::kAccessPolicy:
      return translate<model::AccessPolicy>(message.access_policy(), model::Kind::kAccessPolicy, object, errors);
    case v1::Object::kRateLimit:
      return translate<model::RateLimit>(message.rate_limit(), model::Kind::kRateLimit, object, errors);
    case v1::Object::kEgress:
      return translate<model::Egress>(message.egress(), model::Kind::kEgress, object, errors);
    case v1::Object::kMirror:
      return translate<model::Mirror>(message.mirror(), model::Kind::kMirror, object, errors);
    case v1::Object::kPeer:
      return translate<model::Peer>(message.peer(), model::Kind::kPeer, object, errors);
    case v1::Object::kWorkload:
      return translate<model::Workload>(message.workload(), model::Kind::kWorkload, object, errors);
    case v1::Object::kGateway:
      return translate<model::Gateway>(message.gateway(), model::Kind::kGateway, object, errors);
    case v1::Object::kHttpRoute:
      return translate<model::HttpRoute>(message.http_route(), model::Kind::kHttpRoute, object, errors);
    case v1::Object::kTcpRoute:
      return translate<model::TcpRoute>(message.tcp_route(), model::Kind::kTcpRoute, object, errors);
    case v1::Object::kReferenceGrant:
      return translate<model::ReferenceGrant>(message.reference_grant(), model::Kind::kReferenceGrant, object, errors);
    case v1::Object::kFault:
      return translate<model::Fault>(message.fault(), model::Kind::kFault, object, errors);
    case v1::Object::kListenerPolicy:
      return translate<model::ListenerPolicy>(message.listener_policy(), model::Kind::kListenerPolicy, object, errors);
    case v1::Object::kDirectResponse:
      return translate<model::DirectResponse>(message.direct_response(), model::Kind::kDirectResponse, object, errors);
    case v1::Object::kRequestAccessPolicy:
      return translate<model::RequestAccessPolicy>(message.request_access_policy(), model::Kind::kRequestAccessPolicy,
                                                   object, errors);
    case v1::Object::kRequestInspection:
      return translate<model::RequestInspection>(message.request_inspection(), model::Kind::kRequestInspection, object,
                                                 errors);
    case v1::Object::kServiceSubset:
      return translate<model::ServiceSubset>(message.service_subset(), model::Kind::kServiceSubset, object, errors);
    case v1::Object::kNamespace:
      return translate<model::Namespace>(message.namespace_(), model::Kind::kNamespace, object, errors);
    case v1::Object::OBJECT_NOT_SET:
      break;
  }
  Fields("bundle", errors).fault({}, "an object of no kind");
  return false;
}

void to_message(const model::Object& object, v1::Object& message) {
  struct Writer {
    v1::Object& message;
    void operator()(const model::Node& o) { write(o, *message.mutable_node()); }
    void operator()(const model::Service& o) { write(o, *message.mutable_service()); }
    void operator()(const model::EndpointSlice& o) { write(o, *message.mutable_endpoint_slice()); }
    void operator()(const model::ServicePolicy& o) { write(o, *message.mutable_service_policy()); }
    void operator()(const model::AccessPolicy& o) { write(o, *message.mutable_access_policy()); }
    void operator()(const model::RateLimit& o) { write(o, *message.mutable_rate_limit()); }
    void operator()(const model::Egress& o) { write(o, *message.mutable_egress()); }
    void operator()(const model::Mirror& o) { write(o, *message.mutable_mirror()); }
    void operator()(const model::Peer& o) { write(o, *message.mutable_peer()); }
    void operator()(const model::Workload& o) { write(o, *message.mutable_workload()); }
    void operator()(const model::Gateway& o) { write(o, *message.mutable_gateway()); }
    void operator()(const model::HttpRoute& o) { write(o, *message.mutable_http_route()); }
    void operator()(const model::TcpRoute& o) { write(o, *message.mutable_tcp_route()); }
    void operator()(const model::ReferenceGrant& o) { write(o, *message.mutable_reference_grant()); }
    void operator()(const model::Fault& o) { write(o, *message.mutable_fault()); }
    void operator()(const model::ListenerPolicy& o) { write(o, *message.mutable_listener_policy()); }
    void operator()(const model::DirectResponse& o) { write(o, *message.mutable_direct_response()); }
    void operator()(const model::RequestAccessPolicy& o) { write(o, *message.mutable_request_access_policy()); }
    void operator()(const model::RequestInspection& o) { write(o, *message.mutable_request_inspection()); }
    void operator()(const model::ServiceSubset& o) { write(o, *message.mutable_service_subset()); }
    void operator()(const model::Namespace& o) { write(o, *message.mutable_namespace_()); }
  };
  std::visit(Writer{message}, object);
}

bool to_model(const v1::ObjectKey& message, model::ObjectKey& key, model::FieldErrors& errors) {
  key.name = {.space = message.namespace_().empty() ? "default" : message.namespace_(), .name = message.name()};
  for (size_t i = 0; i < kinds().size(); ++i) {
    if (message.kind() != kinds()[i].kind) continue;
    key.kind = static_cast<model::Kind>(i);
    return true;
  }
  errors.push_back(
      {std::string(beginning_of(message.kind(), 64)) + "/" + key.name.to_string(), "kind", "there is no such kind"});
  return false;
}

void to_message(const model::ObjectKey& key, v1::ObjectKey& message) {
  message.set_kind(model::to_string(key.kind));
  message.set_namespace_(key.name.space);
  message.set_name(key.name.name);
}

void to_message(const model::FieldError& error, v1::FieldError& message) {
  message.set_object(error.object);
  message.set_path(error.path);
  message.set_reason(error.reason);
}

void to_message(const model::Difference& difference, v1::Difference& message) {
  to_message(difference.key, *message.mutable_key());
  switch (difference.kind) {
    case model::DiffKind::kCreated:
      message.set_change(v1::Difference::CREATED);
      return;
    case model::DiffKind::kChanged:
      message.set_change(v1::Difference::CHANGED);
      return;
    case model::DiffKind::kRemoved:
      message.set_change(v1::Difference::REMOVED);
      return;
    case model::DiffKind::kUnchanged:
      message.set_change(v1::Difference::UNCHANGED);
      return;
  }
}

bool find_object(const model::State& state, const model::ObjectKey& key, model::Object& object) {
  switch (key.kind) {
    case model::Kind::kNode:
      if (!state.node || state.node->name != key.name.name) return false;
      object = *state.node;
      return true;
    case model::Kind::kService:
      return find_in(state.services, key.name, object);
    case model::Kind::kEndpointSlice:
      return find_in(state.slices, key.name, object);
    case model::Kind::kServicePolicy:
      return find_in(state.service_policies, key.name, object);
    case model::Kind::kAccessPolicy:
      return find_in(state.access_policies, key.name, object);
    case model::Kind::kRateLimit:
      return find_in(state.rate_limits, key.name, object);
    case model::Kind::kEgress:
      return find_in(state.egresses, key.name, object);
    case model::Kind::kMirror:
      return find_in(state.mirrors, key.name, object);
    case model::Kind::kPeer:
      return find_in(state.peers, key.name, object);
    case model::Kind::kWorkload:
      return find_in(state.workloads, key.name, object);
    case model::Kind::kGateway:
      return find_in(state.gateways, key.name, object);
    case model::Kind::kHttpRoute:
      return find_in(state.http_routes, key.name, object);
    case model::Kind::kTcpRoute:
      return find_in(state.tcp_routes, key.name, object);
    case model::Kind::kReferenceGrant:
      return find_in(state.grants, key.name, object);
    case model::Kind::kFault:
      return find_in(state.faults, key.name, object);
    case model::Kind::kListenerPolicy:
      return find_in(state.listener_policies, key.name, object);
    case model::Kind::kDirectResponse:
      return find_in(state.direct_responses, key.name, object);
    case model::Kind::kRequestAccessPolicy:
      return find_in(state.request_access, key.name, object);
    case model::Kind::kRequestInspection:
      return find_in(state.request_inspections, key.name, object);
    case model::Kind::kServiceSubset:
      return find_in(state.service_subsets, key.name, object);
    case model::Kind::kNamespace:
      return find_in(state.namespaces, key.name, object);
  }
  return false;
}

bool find_object(const model::State& state, const model::ObjectKey& key, v1::Object& message) {
  model::Object object;
  if (!find_object(state, key, object)) return false;
  to_message(object, message);
  return true;
}

}  // namespace penstock::api
