// Kinds Gateway, TCPRoute and ReferenceGrant, and what they share with HTTPRoute.
#include <algorithm>
#include <ctime>

#include "control/api/translate_kinds.h"
#include "control/api/translate_labels.h"
#include "control/api/translate_route.h"

namespace penstock::api {

namespace {

constexpr Choice<config::Protocol> kProtocols[] = {{"HTTP", config::Protocol::kHttp}, {"TCP", config::Protocol::kTcp}};
constexpr std::string_view kUnserved[] = {"HTTPS", "TLS", "UDP"};  // which is told by status
constexpr Choice<bool> kTlsModes[] = {{"Terminate", false}, {"Passthrough", true}};
constexpr Choice<model::RoutesFrom> kFrom[] = {
    {"Same", model::RoutesFrom::kSame}, {"All", model::RoutesFrom::kAll}, {"Selector", model::RoutesFrom::kSelector}};

void read_tls(const gateway::ListenerTLS& message, const std::string& space, const Path& at, model::ListenerTls& out,
              Fields& fields) {
  if (!message.mode().empty()) fields.choice({&at, "mode"}, message.mode(), kTlsModes, out.passthrough);
  for (const gateway::SecretObjectReference& ref : message.certificate_refs()) {
    auto& each = out.certificates.emplace_back();
    each.group = ref.group();
    if (!ref.kind().empty()) each.kind = ref.kind();
    each.name = {ref.namespace_().empty() ? space : ref.namespace_(), ref.name()};
  }
  for (const auto& [key, value] : message.options()) out.options.emplace(key, value);
}

void write_tls(const model::ListenerTls& tls, const std::string& space, gateway::ListenerTLS& message) {
  message.set_mode(name_of(tls.passthrough, kTlsModes));
  for (const model::ListenerTls::Certificate& each : tls.certificates) {
    auto& out = *message.add_certificate_refs();
    out.set_group(each.group);
    if (each.kind != "Secret") out.set_kind(each.kind);
    out.set_name(each.name.name);
    if (each.name.space != space) out.set_namespace_(each.name.space);
  }
  for (const auto& [key, value] : tls.options) (*message.mutable_options())[key] = value;
}

void read_listener(const gateway::Listener& message, const std::string& space, model::GatewayListener& out,
                   const Path& at, Fields& fields) {
  out.name = message.name();
  out.hostname = message.hostname();
  fields.number({&at, "port"}, message.port(), out.port);
  if (std::find(std::begin(kUnserved), std::end(kUnserved), message.protocol()) != std::end(kUnserved)) {
    out.unserved = message.protocol();
  } else {
    fields.choice({&at, "protocol"}, message.protocol(), kProtocols, out.protocol);
  }
  if (message.has_tls()) {
    if (out.unserved != "HTTPS" && out.unserved != "TLS")
      fields.fault({&at, "tls"}, "is given with protocol HTTPS or TLS, and with no other");
    read_tls(message.tls(), space, {&at, "tls"}, out.tls.emplace(), fields);
  }
  const Path allowed{&at, "allowedRoutes"}, namespaces{&allowed, "namespaces"};
  const gateway::RouteNamespaces& from = message.allowed_routes().namespaces();
  if (!from.from().empty()) fields.choice({&namespaces, "from"}, from.from(), kFrom, out.from);
  if (from.has_selector() != (out.from == model::RoutesFrom::kSelector))
    fields.fault({&namespaces, "selector"}, "is given with from: Selector, and with nothing else");
  read_selector(from.selector(), {&namespaces, "selector"}, out.namespaces, fields);
  for (const gateway::RouteGroupKind& kind : message.allowed_routes().kinds()) {
    auto& each = out.kinds.emplace_back();
    if (kind.has_group()) each.group = kind.group();
    each.kind = kind.kind();
  }
}

}  // namespace

void read_created(const gateway::ObjectMeta& metadata, int64_t& out, Fields& fields) {
  const std::string& text = metadata.creation_timestamp();
  if (text.empty()) return;
  const Path path{nullptr, "metadata.creationTimestamp"};
  tm t{};
  int used = 0;
  const bool shaped =
      text.size() == 20 && std::sscanf(text.c_str(), "%4d-%2d-%2dT%2d:%2d:%2dZ%n", &t.tm_year, &t.tm_mon, &t.tm_mday,
                                       &t.tm_hour, &t.tm_min, &t.tm_sec, &used) == 6;
  t.tm_year -= 1900;
  t.tm_mon -= 1;
  const time_t seconds = shaped && used == 20 && t.tm_year >= 70 ? timegm(&t) : 0;
  gateway::ObjectMeta back;
  write_created(seconds, back);
  if (back.creation_timestamp() != text)  // the 31st of February is the 3rd of March
    return fields.fault(path, Fields::quoted(text) + " is no time (want \"2024-05-01T12:00:00Z\")");
  out = seconds;
}

void write_created(int64_t created, gateway::ObjectMeta& metadata) {
  if (created == 0) return;
  const time_t seconds = created;
  tm t{};
  gmtime_r(&seconds, &t);
  char text[32];
  metadata.set_creation_timestamp(text, strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &t));
}

void read_parents(const ParentRefs& messages, const std::string& space, const Path& spec,
                  std::vector<model::ParentRef>& out, Fields& fields) {
  for (int i = 0; i < messages.size(); ++i) {
    const Path at{&spec, "parentRefs", i};
    const gateway::ParentReference& message = messages[i];
    auto& parent = out.emplace_back();
    if (message.has_group() && message.group() != model::kGatewayGroup)
      fields.fault({&at, "group"}, Fields::quoted(message.group()) + " is not " + model::kGatewayGroup);
    if (message.has_kind() && message.kind() != "Gateway")
      fields.fault({&at, "kind"}, Fields::quoted(message.kind()) + " is not Gateway");
    parent.gateway = {message.namespace_().empty() ? space : message.namespace_(), message.name()};
    parent.section = message.section_name();
    fields.number({&at, "port"}, message.port(), parent.port);
  }
}

void write_parent(const model::ParentRef& parent, const std::string& space, gateway::ParentReference& out) {
  out.set_name(parent.gateway.name);
  if (parent.gateway.space != space) out.set_namespace_(parent.gateway.space);
  out.set_section_name(parent.section);
  out.set_port(parent.port);
}

void to_model(const gateway::Gateway& message, model::Gateway& object, Fields& fields) {
  const gateway::GatewaySpec& spec = message.spec();
  const Path path{nullptr, "spec"};
  read_created(message.metadata(), object.created, fields);
  object.class_name = spec.gateway_class_name();
  for (int i = 0; i < spec.addresses_size(); ++i) {
    const Path at{&path, "addresses", i};
    const std::string& type = spec.addresses(i).type();
    if (!type.empty() && type != "IPAddress") {
      fields.fault({&at, "type"}, Fields::quoted(type) + " is not IPAddress");
      continue;
    }
    const size_t before = fields.faults();
    base::IpAddress address;
    fields.address({&at, "value"}, spec.addresses(i).value(), address);
    if (fields.faults() == before) object.addresses.push_back(address);
  }
  for (int i = 0; i < spec.listeners_size(); ++i)
    read_listener(spec.listeners(i), object.name.space, object.listeners.emplace_back(), {&path, "listeners", i},
                  fields);
}

void to_message(const model::Gateway& object, gateway::Gateway& message) {
  write_created(object.created, *message.mutable_metadata());
  gateway::GatewaySpec& spec = *message.mutable_spec();
  spec.set_gateway_class_name(object.class_name);
  for (const base::IpAddress& address : object.addresses) {
    auto& out = *spec.add_addresses();
    out.set_type("IPAddress");
    out.set_value(address.to_string());
  }
  for (const model::GatewayListener& listener : object.listeners) {
    auto& out = *spec.add_listeners();
    out.set_name(listener.name);
    out.set_hostname(listener.hostname);
    out.set_port(listener.port);
    out.set_protocol(listener.unserved.empty() ? name_of(listener.protocol, kProtocols) : listener.unserved);
    if (listener.tls) write_tls(*listener.tls, object.name.space, *out.mutable_tls());
    if (listener.from != model::RoutesFrom::kSame)
      out.mutable_allowed_routes()->mutable_namespaces()->set_from(name_of(listener.from, kFrom));
    if (listener.from == model::RoutesFrom::kSelector)
      write_selector(listener.namespaces, *out.mutable_allowed_routes()->mutable_namespaces()->mutable_selector());
    for (const model::RouteKind& kind : listener.kinds) {
      auto& each = *out.mutable_allowed_routes()->add_kinds();
      if (kind.group != model::kGatewayGroup) each.set_group(kind.group);
      each.set_kind(kind.kind);
    }
  }
}

void to_model(const gateway::TCPRoute& message, model::TcpRoute& object, Fields& fields) {
  const gateway::TCPRouteSpec& spec = message.spec();
  const Path path{nullptr, "spec"};
  read_created(message.metadata(), object.created, fields);
  read_parents(spec.parent_refs(), object.name.space, path, object.parents, fields);
  if (spec.rules_size() != 1)
    return fields.fault({&path, "rules"}, std::to_string(spec.rules_size()) + " rules (want exactly one)");
  const Path rule{&path, "rules", 0};
  object.rule_name = spec.rules(0).name();
  const auto& backends = spec.rules(0).backend_refs();
  for (int i = 0; i < backends.size(); ++i) {
    const Path at{&rule, "backendRefs", i};
    auto& out = object.backends.emplace_back();
    read_backend(backends[i], object.name.space, at, out.object, fields);
    if (backends[i].has_weight()) fields.number({&at, "weight"}, backends[i].weight(), out.weight);
  }
}

void to_message(const model::TcpRoute& object, gateway::TCPRoute& message) {
  write_created(object.created, *message.mutable_metadata());
  gateway::TCPRouteSpec& spec = *message.mutable_spec();
  for (const model::ParentRef& parent : object.parents)
    write_parent(parent, object.name.space, *spec.add_parent_refs());
  gateway::TCPRouteRule& rule = *spec.add_rules();
  rule.set_name(object.rule_name);
  for (const model::BackendRef& backend : object.backends) {
    auto& out = *rule.add_backend_refs();
    write_backend(backend.object, object.name.space, out);
    if (backend.weight != 1) out.set_weight(static_cast<int32_t>(backend.weight));
  }
}

void to_model(const gateway::ReferenceGrant& message, model::ReferenceGrant& object, Fields&) {
  for (const auto& from : message.spec().from()) object.from.push_back({from.group(), from.kind(), from.namespace_()});
  for (const auto& to : message.spec().to()) object.to.push_back({to.group(), to.kind(), to.name()});
}

void to_message(const model::ReferenceGrant& object, gateway::ReferenceGrant& message) {
  for (const model::GrantFrom& from : object.from) {
    auto& out = *message.mutable_spec()->add_from();
    out.set_group(from.group);
    out.set_kind(from.kind);
    out.set_namespace_(from.space);
  }
  for (const model::GrantTo& to : object.to) {
    auto& out = *message.mutable_spec()->add_to();
    out.set_group(to.group);
    out.set_kind(to.kind);
    out.set_name(to.name);
  }
}

}  // namespace penstock::api
