// What the kinds of Gateway API have in common; see translate.h.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "control/api/gateway.pb.h"
#include "control/api/translate_fields.h"
#include "control/model/gateway.h"

namespace penstock::api {

// "2024-05-01T12:00:00Z"; 0 is no text.
void read_created(const gateway::ObjectMeta& metadata, int64_t& out, Fields& fields);
void write_created(int64_t created, gateway::ObjectMeta& metadata);

// `space`: the namespace of the object that refers.
using ParentRefs = google::protobuf::RepeatedPtrField<gateway::ParentReference>;
void read_parents(const ParentRefs& messages, const std::string& space, const Path& spec,
                  std::vector<model::ParentRef>& out, Fields& fields);
void write_parent(const model::ParentRef& parent, const std::string& space, gateway::ParentReference& out);

// translate_http_route.cpp: which requests; of a route's rule, and of policies beside routes.
void read_match(const gateway::HTTPRouteMatch& message, config::Match& out, const Path& at, Fields& fields);
void write_match(const config::Match& match, gateway::HTTPRouteMatch& out);

// Of the three messages that name a backend.
template <typename Message>
void read_backend(const Message& message, const std::string& space, const Path& at, model::BackendObject& out,
                  Fields& fields) {
  out.group = message.group();
  if (message.has_kind()) out.kind = message.kind();
  out.name = {message.namespace_().empty() ? space : message.namespace_(), message.name()};
  fields.number({&at, "port"}, message.port(), out.port);
}

template <typename Message>
void write_backend(const model::BackendObject& object, const std::string& space, Message& out) {
  const model::BackendObject defaults;
  out.set_group(object.group);
  if (object.kind != defaults.kind) out.set_kind(object.kind);
  out.set_name(object.name.name);
  if (object.name.space != space) out.set_namespace_(object.name.space);
  out.set_port(object.port);
}

}  // namespace penstock::api
