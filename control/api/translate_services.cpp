// Kinds Service and EndpointSlice, as Kubernetes writes them, and ServicePolicy.
#include <algorithm>
#include <cmath>

#include "control/api/translate_balancing.h"
#include "control/api/translate_kinds.h"

namespace penstock::api {

namespace {

constexpr const char* kServiceLabel = "kubernetes.io/service-name";

constexpr Choice<uint8_t> kProtocols[] = {{"TCP", 6}, {"UDP", 17}, {"SCTP", 132}};
constexpr Choice<bool> kTargets[] = {{"Service", true}, {"ServiceSubset", false}};
constexpr Choice<bool> kAffinity[] = {{"None", false}, {"ClientIP", true}};
constexpr Choice<model::ServiceMode> kModes[] = {{"nat", model::ServiceMode::kNat},
                                                 {"fullnat", model::ServiceMode::kFullNat},
                                                 {"dsr", model::ServiceMode::kDsr},
                                                 {"ipip", model::ServiceMode::kIpip}};
constexpr Choice<model::Balancing> kBalancing[] = {{"maglev", model::Balancing::kMaglev},
                                                   {"roundRobin", model::Balancing::kRoundRobin},
                                                   {"leastConnections", model::Balancing::kLeastConnections}};
constexpr Choice<model::DownAction> kDown[] = {{"move", model::DownAction::kMove},
                                               {"reset", model::DownAction::kReset}};
constexpr Choice<config::ProxyHeader> kProxyHeaders[] = {{"v1", config::ProxyHeader::kV1},
                                                         {"v2", config::ProxyHeader::kV2}};
constexpr Choice<model::NoEndpointAction> kNoEndpoint[] = {{"reject", model::NoEndpointAction::kReject},
                                                           {"drop", model::NoEndpointAction::kDrop}};

// Virtual addresses may be given in several places at once; each counts once.
void add_virtual(const Path& path, std::string_view text, std::vector<base::IpAddress>& out, Fields& fields) {
  if (text.empty() || text == "None") return;
  const size_t before = fields.faults();
  base::IpAddress address;
  fields.address(path, text, address);
  if (fields.faults() == before && std::find(out.begin(), out.end(), address) == out.end()) out.push_back(address);
}

void read_target_port(const Path& path, const google::protobuf::Value& value, model::ServicePort& out, Fields& fields) {
  if (value.has_number_value()) {
    const double number = value.number_value();
    if (number >= 0 && number <= 65535 && std::trunc(number) == number) {
      out.target_port = static_cast<uint16_t>(number);
    } else {
      fields.fault(path, "is out of range (want 1 to 65535, or a name)");
    }
  } else if (value.has_string_value()) {
    out.target_port_name = value.string_value();
  } else if (value.kind_case() != google::protobuf::Value::KIND_NOT_SET && !value.has_null_value()) {
    fields.fault(path, "want a number or a name");
  }
}

void read_health_check(const v1alpha1::HealthCheck& message, model::HealthCheck& object, const Path& spec,
                       Fields& fields) {
  const Path path{&spec, "healthCheck"}, http{&path, "http"}, udp{&path, "udp"};
  switch (message.check_case()) {
    case v1alpha1::HealthCheck::kTcp:
      object.kind = model::HealthCheckKind::kTcp;
      break;
    case v1alpha1::HealthCheck::kUdp:
      object.kind = model::HealthCheckKind::kUdp;
      fields.bytes({&udp, "send"}, message.udp().send(), object.send);
      fields.bytes({&udp, "expect"}, message.udp().expect(), object.expect);
      break;
    case v1alpha1::HealthCheck::kIcmp:
      object.kind = model::HealthCheckKind::kIcmp;
      break;
    case v1alpha1::HealthCheck::kHttp: {
      const auto& check = message.http();
      object.kind = model::HealthCheckKind::kHttp;
      if (check.has_path()) object.path = check.path();
      object.host = check.host();
      if (check.has_status_low()) fields.number({&http, "statusLow"}, check.status_low(), object.status_low);
      if (check.has_status_high()) fields.number({&http, "statusHigh"}, check.status_high(), object.status_high);
      break;
    }
    case v1alpha1::HealthCheck::CHECK_NOT_SET:
      fields.fault(path, "want one of tcp, udp, icmp, http");
      break;
  }
  if (message.has_interval())
    fields.milliseconds({&path, "interval"}, message.interval(), object.interval_milliseconds);
  if (message.has_timeout()) fields.milliseconds({&path, "timeout"}, message.timeout(), object.timeout_milliseconds);
  if (message.has_rise()) object.rise = message.rise();
  if (message.has_fall()) object.fall = message.fall();
  if (message.has_port()) fields.number({&path, "port"}, message.port(), object.port);
}

void write_health_check(const model::HealthCheck& object, v1alpha1::HealthCheck& message) {
  const model::HealthCheck defaults;
  switch (object.kind) {
    case model::HealthCheckKind::kNone:
      return;
    case model::HealthCheckKind::kTcp:
      message.mutable_tcp();
      break;
    case model::HealthCheckKind::kUdp:
      message.mutable_udp()->set_send(bytes_text(object.send));
      if (!object.expect.empty()) message.mutable_udp()->set_expect(bytes_text(object.expect));
      break;
    case model::HealthCheckKind::kIcmp:
      message.mutable_icmp();
      break;
    case model::HealthCheckKind::kHttp: {
      auto& check = *message.mutable_http();
      if (object.path != defaults.path) check.set_path(object.path);
      if (!object.host.empty()) check.set_host(object.host);
      if (object.status_low != defaults.status_low) check.set_status_low(object.status_low);
      if (object.status_high != defaults.status_high) check.set_status_high(object.status_high);
      break;
    }
  }
  if (object.interval_milliseconds != defaults.interval_milliseconds)
    message.set_interval(milliseconds_text(object.interval_milliseconds));
  if (object.timeout_milliseconds != defaults.timeout_milliseconds)
    message.set_timeout(milliseconds_text(object.timeout_milliseconds));
  if (object.rise != defaults.rise) message.set_rise(object.rise);
  if (object.fall != defaults.fall) message.set_fall(object.fall);
  if (object.port != 0) message.set_port(object.port);
}

void read_weights(const v1alpha1::ServicePolicySpec& spec, model::ServicePolicy& object, const Path& path,
                  Fields& fields) {
  for (int i = 0; i < spec.weights_size(); ++i) {
    const Path at{&path, "weights", i};
    const size_t before = fields.faults();
    base::IpAddress address;
    uint16_t weight = 100;
    fields.address({&at, "address"}, spec.weights(i).address(), address);
    if (spec.weights(i).has_weight()) fields.number({&at, "weight"}, spec.weights(i).weight(), weight);
    if (fields.faults() != before) continue;
    if (!object.weights.emplace(address, weight).second)
      fields.fault({&at, "address"}, address.to_string() + " is given twice");
  }
}

}  // namespace

void to_model(const kubernetes::Service& message, model::Service& object, Fields& fields) {
  const kubernetes::ServiceSpec& spec = message.spec();
  const Path path{nullptr, "spec"}, status{nullptr, "status"}, balancer{&status, "loadBalancer"};
  for (int i = 0; i < spec.external_ips_size(); ++i)
    add_virtual({&path, "externalIPs", i}, spec.external_ips(i), object.addresses, fields);
  add_virtual({&path, "loadBalancerIP"}, spec.load_balancer_ip(), object.addresses, fields);
  const auto& ingress = message.status().load_balancer().ingress();
  for (int i = 0; i < ingress.size(); ++i) {
    const Path at{&balancer, "ingress", i};
    add_virtual({&at, "ip"}, ingress[i].ip(), object.addresses, fields);
  }
  add_virtual({&path, "clusterIP"}, spec.cluster_ip(), object.addresses, fields);
  for (int i = 0; i < spec.cluster_ips_size(); ++i)
    add_virtual({&path, "clusterIPs", i}, spec.cluster_ips(i), object.addresses, fields);

  for (int i = 0; i < spec.ports_size(); ++i) {
    const Path at{&path, "ports", i};
    const auto& port = spec.ports(i);
    auto& out = object.ports.emplace_back();
    out.name = port.name();
    if (!port.protocol().empty()) fields.choice({&at, "protocol"}, port.protocol(), kProtocols, out.protocol);
    fields.number({&at, "port"}, port.port(), out.port);
    read_target_port({&at, "targetPort"}, port.target_port(), out, fields);
    out.app_protocol = port.app_protocol();
  }
  if (!spec.session_affinity().empty())
    fields.choice({&path, "sessionAffinity"}, spec.session_affinity(), kAffinity, object.client_affinity);
  const auto& client = spec.session_affinity_config().client_ip();
  if (client.has_timeout_seconds()) {
    const Path config{&path, "sessionAffinityConfig"}, at{&config, "clientIP"};
    fields.number({&at, "timeoutSeconds"}, client.timeout_seconds(), object.affinity_seconds);
  }
}

void to_message(const model::Service& object, kubernetes::Service& message) {
  kubernetes::ServiceSpec& spec = *message.mutable_spec();
  for (const base::IpAddress& address : object.addresses) spec.add_external_ips(address.to_string());
  for (const model::ServicePort& port : object.ports) {
    auto& out = *spec.add_ports();
    out.set_name(port.name);
    out.set_protocol(name_of(port.protocol, kProtocols));
    out.set_port(port.port);
    if (!port.target_port_name.empty()) out.mutable_target_port()->set_string_value(port.target_port_name);
    if (port.target_port != 0) out.mutable_target_port()->set_number_value(port.target_port);
    out.set_app_protocol(port.app_protocol);
  }
  if (object.client_affinity) spec.set_session_affinity("ClientIP");
  if (object.affinity_seconds != model::Service{}.affinity_seconds)
    spec.mutable_session_affinity_config()->mutable_client_ip()->set_timeout_seconds(
        static_cast<int32_t>(object.affinity_seconds));
}

void to_model(const kubernetes::EndpointSlice& message, model::EndpointSlice& object, Fields& fields) {
  for (const auto& [key, value] : message.metadata().labels()) {
    if (key == kServiceLabel) {
      object.service = {object.name.space, value};
    } else {
      object.labels.emplace(key, value);
    }
  }
  const std::string& type = message.address_type();
  object.fqdn = type == "FQDN";
  if (object.fqdn) return;
  if (!type.empty() && type != "IPv4" && type != "IPv6")
    fields.fault({nullptr, "addressType"}, Fields::quoted(type) + " is not one of IPv4, IPv6, FQDN");
  object.endpoints.reserve(static_cast<size_t>(message.endpoints_size()));
  for (int i = 0; i < message.endpoints_size(); ++i) {
    const Path at{nullptr, "endpoints", i};
    const auto& endpoint = message.endpoints(i);
    auto& out = object.endpoints.emplace_back();
    fields.addresses(at, "addresses", endpoint.addresses(), out.addresses);
    for (size_t j = 0; j < out.addresses.size() && !type.empty(); ++j)
      if (out.addresses[j].is_v4() != (type == "IPv4"))
        fields.fault({&at, "addresses"}, out.addresses[j].to_string() + " is not " + type);
    const auto& conditions = endpoint.conditions();
    out.ready = !conditions.has_ready() || conditions.ready();
    out.serving = conditions.has_serving() ? conditions.serving() : out.ready;
    out.terminating = conditions.terminating();
    out.node = endpoint.node_name();
    out.zone = endpoint.zone();
    out.hostname = endpoint.hostname();
  }
  for (int i = 0; i < message.ports_size(); ++i) {
    const Path at{nullptr, "ports", i};
    const auto& port = message.ports(i);
    auto& out = object.ports.emplace_back();
    out.name = port.name();
    if (!port.protocol().empty()) fields.choice({&at, "protocol"}, port.protocol(), kProtocols, out.protocol);
    if (port.has_port()) fields.number({&at, "port"}, port.port(), out.port);
  }
}

void to_message(const model::EndpointSlice& object, kubernetes::EndpointSlice& message) {
  message.mutable_metadata()->mutable_labels()->insert(object.labels.begin(), object.labels.end());
  if (!object.service.name.empty())
    (*message.mutable_metadata()->mutable_labels())[kServiceLabel] = object.service.name;
  if (object.fqdn) message.set_address_type("FQDN");
  bool v4 = false, v6 = false;
  for (const model::Endpoint& endpoint : object.endpoints) {
    auto& out = *message.add_endpoints();
    for (const base::IpAddress& address : endpoint.addresses) {
      (address.is_v4() ? v4 : v6) = true;
      out.add_addresses(address.to_string());
    }
    if (!endpoint.ready) out.mutable_conditions()->set_ready(false);
    if (endpoint.serving != endpoint.ready) out.mutable_conditions()->set_serving(endpoint.serving);
    if (endpoint.terminating) out.mutable_conditions()->set_terminating(true);
    out.set_node_name(endpoint.node);
    out.set_zone(endpoint.zone);
    out.set_hostname(endpoint.hostname);
  }
  if (v4 != v6) message.set_address_type(v4 ? "IPv4" : "IPv6");
  for (const model::EndpointPort& port : object.ports) {
    auto& out = *message.add_ports();
    out.set_name(port.name);
    out.set_protocol(name_of(port.protocol, kProtocols));
    if (port.port != 0) out.set_port(port.port);
  }
}

void to_model(const v1alpha1::ServicePolicy& message, model::ServicePolicy& object, Fields& fields) {
  const v1alpha1::ServicePolicySpec& spec = message.spec();
  const Path path{nullptr, "spec"}, target{&path, "targetRef"};
  bool whole = true;
  fields.choice({&target, "kind"}, spec.target_ref().kind(), kTargets, whole);
  if (!whole && spec.target_ref().name().empty()) fields.fault({&target, "name"}, "is missing");
  (whole ? object.service : object.subset) = {object.name.space, spec.target_ref().name()};
  if (spec.has_mode()) fields.choice({&path, "mode"}, spec.mode(), kModes, object.mode);
  if (spec.has_balancing()) fields.choice({&path, "balancing"}, spec.balancing(), kBalancing, object.balancing);
  object.maglev_table_size = spec.maglev_table_size();
  object.all_ports = spec.all_ports();
  read_weights(spec, object, path, fields);
  fields.addresses(path, "sourcePool", spec.source_pool(), object.source_pool);
  if (spec.has_on_endpoint_down())
    fields.choice({&path, "onEndpointDown"}, spec.on_endpoint_down(), kDown, object.on_endpoint_down);
  if (spec.has_no_endpoint()) fields.choice({&path, "noEndpoint"}, spec.no_endpoint(), kNoEndpoint, object.no_endpoint);
  if (spec.has_health_check()) read_health_check(spec.health_check(), object.health_check, path, fields);
  if (spec.has_proxy_protocol())
    fields.choice({&path, "proxyProtocol"}, spec.proxy_protocol(), kProxyHeaders, object.proxy_header);
  if (spec.has_load_balancer())
    read_load_balancer(spec.load_balancer(), object.load_balancer.emplace(), {&path, "loadBalancer"}, fields);
  read_pool(spec.connection_pool(), object.pool, {&path, "connectionPool"}, fields);
  read_resilience(spec, object.resilience, path, fields);
}

void to_message(const model::ServicePolicy& object, v1alpha1::ServicePolicy& message) {
  const model::ServicePolicy defaults;
  v1alpha1::ServicePolicySpec& spec = *message.mutable_spec();
  const bool whole = object.subset.name.empty();
  spec.mutable_target_ref()->set_kind(name_of(whole, kTargets));
  spec.mutable_target_ref()->set_name((whole ? object.service : object.subset).name);
  if (whole) spec.set_mode(name_of(object.mode, kModes));
  if (object.balancing != defaults.balancing) spec.set_balancing(name_of(object.balancing, kBalancing));
  if (object.maglev_table_size != 0) spec.set_maglev_table_size(object.maglev_table_size);
  if (object.all_ports) spec.set_all_ports(true);
  for (const auto& [address, weight] : object.weights) {
    auto& out = *spec.add_weights();
    out.set_address(address.to_string());
    out.set_weight(weight);
  }
  for (const base::IpAddress& address : object.source_pool) spec.add_source_pool(address.to_string());
  if (object.on_endpoint_down != defaults.on_endpoint_down)
    spec.set_on_endpoint_down(name_of(object.on_endpoint_down, kDown));
  if (object.no_endpoint != defaults.no_endpoint) spec.set_no_endpoint(name_of(object.no_endpoint, kNoEndpoint));
  if (object.health_check.kind != model::HealthCheckKind::kNone)
    write_health_check(object.health_check, *spec.mutable_health_check());
  if (object.proxy_header != defaults.proxy_header)
    spec.set_proxy_protocol(name_of(object.proxy_header, kProxyHeaders));
  if (object.load_balancer) write_load_balancer(*object.load_balancer, *spec.mutable_load_balancer());
  if (!(object.pool == defaults.pool)) write_pool(object.pool, *spec.mutable_connection_pool());
  write_resilience(object.resilience, spec);
}

}  // namespace penstock::api
