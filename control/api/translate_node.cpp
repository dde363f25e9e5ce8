// Kind Node.
#include "control/api/translate_kinds.h"

namespace penstock::api {

namespace {

constexpr Choice<model::IdlePolicy> kIdle[] = {{"adaptive", model::IdlePolicy::kAdaptive},
                                               {"poll", model::IdlePolicy::kPoll}};
constexpr Choice<model::ReversePath> kReversePath[] = {
    {"off", model::ReversePath::kOff}, {"loose", model::ReversePath::kLoose}, {"strict", model::ReversePath::kStrict}};
constexpr Choice<model::DefaultAction> kDefaultAction[] = {{"allow", model::DefaultAction::kAllow},
                                                           {"deny", model::DefaultAction::kDeny},
                                                           {"reject", model::DefaultAction::kReject}};
constexpr Choice<model::RouteAction> kRouteAction[] = {{"forward", model::RouteAction::kForward},
                                                       {"blackhole", model::RouteAction::kBlackhole},
                                                       {"unreachable", model::RouteAction::kUnreachable},
                                                       {"prohibit", model::RouteAction::kProhibit}};
constexpr uint16_t kMssAuto = 1;  // model::Interface::mss_clamp

void read_mss(const Path& path, std::string_view text, uint16_t& out, Fields& fields) {
  const auto number = parse_number(text, 65535);
  if (text == "off") {
    out = 0;
  } else if (text == "auto") {
    out = kMssAuto;
  } else if (number && *number > kMssAuto) {
    out = static_cast<uint16_t>(*number);
  } else {
    fields.fault(path, Fields::quoted(text) + " is not off, auto or a number of bytes");
  }
}

// What interfaces and VLANs share.
template <typename Message, typename Object>
void read_common(const Path& path, const Message& message, Object& object, Fields& fields) {
  fields.prefixes(path, "addresses", message.addresses(), object.addresses);
  if (message.has_mtu()) fields.number({&path, "mtu"}, message.mtu(), object.mtu);
  if (message.has_reverse_path())
    fields.choice({&path, "reversePath"}, message.reverse_path(), kReversePath, object.reverse_path);
  if (message.has_default_action())
    fields.choice({&path, "defaultAction"}, message.default_action(), kDefaultAction, object.default_action);
  if (message.has_mss_clamp()) read_mss({&path, "mssClamp"}, message.mss_clamp(), object.mss_clamp, fields);
  if (message.has_encrypt()) fields.choice({&path, "encrypt"}, message.encrypt(), kEncryptions, object.encrypt);
}

template <typename Object, typename Message>
void write_common(const Object& object, const Object& defaults, Message& message) {
  for (const base::Prefix& prefix : object.addresses) message.add_addresses(prefix.to_string());
  if (object.mtu != defaults.mtu) message.set_mtu(object.mtu);
  if (object.reverse_path != defaults.reverse_path)
    message.set_reverse_path(name_of(object.reverse_path, kReversePath));
  if (object.default_action != defaults.default_action)
    message.set_default_action(name_of(object.default_action, kDefaultAction));
  if (object.mss_clamp != 0)
    message.set_mss_clamp(object.mss_clamp == kMssAuto ? "auto" : std::to_string(object.mss_clamp));
  if (object.encrypt != defaults.encrypt) message.set_encrypt(name_of(object.encrypt, kEncryptions));
}

void read_interface(const Path& path, const v1alpha1::Interface& message, model::Interface& object, Fields& fields) {
  constexpr size_t kMostName = 15;  // kinds.proto; VLANs without a name repeat it
  if (message.name().size() > kMostName) fields.fault({&path, "name"}, "is longer than 15 characters");
  object.name = beginning_of(message.name(), kMostName);
  object.device = message.device();
  if (message.has_queues()) fields.number({&path, "queues"}, message.queues(), object.queues);
  if (message.has_mac()) fields.mac({&path, "mac"}, message.mac(), object.mac.emplace());
  read_common(path, message, object, fields);
  object.promiscuous = message.promiscuous();
  object.twin = message.exception().twin();
  const Path exception{&path, "exception"};
  for (int i = 0; i < message.exception().rules_size(); ++i) {
    const Path at{&exception, "rules", i};
    const auto& rule = message.exception().rules(i);
    auto& out = object.exceptions.emplace_back();
    fields.protocol({&at, "protocol"}, rule.protocol(), out.protocol);
    if (rule.has_port()) fields.number({&at, "port"}, rule.port(), out.port);
  }
  for (int i = 0; i < message.vlans_size(); ++i) {
    const Path at{&path, "vlans", i};
    const auto& vlan = message.vlans(i);
    auto& out = object.vlans.emplace_back();
    fields.number({&at, "id"}, vlan.id(), out.id);
    out.name = vlan.has_name() ? vlan.name() : object.name + "." + std::to_string(vlan.id());
    read_common(at, vlan, out, fields);
  }
}

void write_interface(const model::Interface& object, v1alpha1::Interface& message) {
  static const model::Interface kDefaults;
  static const model::Vlan kVlanDefaults;
  message.set_name(object.name);
  message.set_device(object.device);
  if (object.queues != 0) message.set_queues(object.queues);
  if (object.mac) message.set_mac(object.mac->to_string());
  write_common(object, kDefaults, message);
  if (object.promiscuous) message.set_promiscuous(true);
  if (!object.twin.empty()) message.mutable_exception()->set_twin(object.twin);
  for (const model::ExceptionRule& rule : object.exceptions) {
    auto& out = *message.mutable_exception()->add_rules();
    out.set_protocol(protocol_text(rule.protocol));
    if (rule.port != 0) out.set_port(rule.port);
  }
  for (const model::Vlan& vlan : object.vlans) {
    auto& out = *message.add_vlans();
    out.set_name(vlan.name);
    out.set_id(vlan.id);
    write_common(vlan, kVlanDefaults, out);
  }
}

void read_route(const Path& path, const v1alpha1::Route& message, model::Route& object, Fields& fields) {
  fields.prefix({&path, "prefix"}, message.prefix(), object.prefix);
  if (message.has_action()) fields.choice({&path, "action"}, message.action(), kRouteAction, object.action);
  for (int i = 0; i < message.next_hops_size(); ++i) {
    const Path at{&path, "nextHops", i};
    const auto& hop = message.next_hops(i);
    auto& out = object.next_hops.emplace_back();
    if (hop.has_via()) fields.address({&at, "via"}, hop.via(), out.via.emplace());
    out.interface = hop.interface();
    if (hop.has_weight()) fields.number({&at, "weight"}, hop.weight(), out.weight);
  }
}

void write_route(const model::Route& object, v1alpha1::Route& message) {
  message.set_prefix(object.prefix.to_string());
  if (object.action != model::RouteAction::kForward) message.set_action(name_of(object.action, kRouteAction));
  for (const model::NextHop& hop : object.next_hops) {
    auto& out = *message.add_next_hops();
    if (hop.via) out.set_via(hop.via->to_string());
    if (!hop.interface.empty()) out.set_interface(hop.interface);
    if (hop.weight != 1) out.set_weight(hop.weight);
  }
}

// The same twelve fields in both directions.
#define PENSTOCK_FLOW_TIMEOUTS(X)       \
  X(tcp_syn_sent, "tcpSynSent")         \
  X(tcp_syn_received, "tcpSynReceived") \
  X(tcp_established, "tcpEstablished")  \
  X(tcp_fin_wait, "tcpFinWait")         \
  X(tcp_close_wait, "tcpCloseWait")     \
  X(tcp_last_ack, "tcpLastAck")         \
  X(tcp_time_wait, "tcpTimeWait")       \
  X(tcp_close, "tcpClose")              \
  X(udp, "udp")                         \
  X(udp_stream, "udpStream")            \
  X(icmp, "icmp")                       \
  X(other, "other")

void read_timeouts(const Path& spec, const v1alpha1::FlowTimeouts& message, model::FlowTimeouts& object,
                   Fields& fields) {
  const Path path{&spec, "flowTimeouts"};
#define PENSTOCK_READ(field, name) \
  if (message.has_##field()) fields.seconds({&path, name}, message.field(), object.field);
  PENSTOCK_FLOW_TIMEOUTS(PENSTOCK_READ)
#undef PENSTOCK_READ
}

void write_timeouts(const model::FlowTimeouts& object, v1alpha1::NodeSpec& spec) {
  const model::FlowTimeouts defaults;
  if (object == defaults) return;
  auto& message = *spec.mutable_flow_timeouts();
#define PENSTOCK_WRITE(field, name) \
  if (object.field != defaults.field) message.set_##field(seconds_text(object.field));
  PENSTOCK_FLOW_TIMEOUTS(PENSTOCK_WRITE)
#undef PENSTOCK_WRITE
}
#undef PENSTOCK_FLOW_TIMEOUTS

void read_workers(const v1alpha1::Workers& message, model::Workers& object, const Path& spec, Fields& fields) {
  const Path path{&spec, "workers"};
  object.cores.assign(message.cores().begin(), message.cores().end());
  if (message.has_idle()) fields.choice({&path, "idle"}, message.idle(), kIdle, object.idle);
  if (message.has_flows()) object.flows = message.flows();
  if (message.has_sources()) object.sources = message.sources();
  if (message.has_exact_flows()) object.exact_flows = message.exact_flows();
  if (message.has_neighbours()) object.neighbours = message.neighbours();
  if (message.has_buffers()) object.buffers = message.buffers();
  if (message.has_connections()) object.connections = message.connections();
  if (message.has_requests()) object.requests = message.requests();
  if (message.has_stream_mebibytes()) object.stream_mebibytes = message.stream_mebibytes();
  if (message.has_half_open()) object.half_open = message.half_open();
}

void write_workers(const model::Workers& object, v1alpha1::NodeSpec& spec) {
  const model::Workers defaults;
  if (object == defaults) return;
  auto& message = *spec.mutable_workers();
  for (const unsigned core : object.cores) message.add_cores(core);
  if (object.idle != defaults.idle) message.set_idle(name_of(object.idle, kIdle));
  if (object.flows != defaults.flows) message.set_flows(object.flows);
  if (object.sources != defaults.sources) message.set_sources(object.sources);
  if (object.exact_flows != defaults.exact_flows) message.set_exact_flows(object.exact_flows);
  if (object.neighbours != defaults.neighbours) message.set_neighbours(object.neighbours);
  if (object.buffers != defaults.buffers) message.set_buffers(object.buffers);
  if (object.connections != defaults.connections) message.set_connections(object.connections);
  if (object.requests != defaults.requests) message.set_requests(object.requests);
  if (object.stream_mebibytes != defaults.stream_mebibytes) message.set_stream_mebibytes(object.stream_mebibytes);
  if (object.half_open != defaults.half_open) message.set_half_open(object.half_open);
}

void write_neighbours(const model::Neighbours& object, v1alpha1::NodeSpec& spec) {
  const model::Neighbours defaults;
  if (object == defaults) return;
  auto& message = *spec.mutable_neighbours();
  if (object.reachable_seconds != defaults.reachable_seconds)
    message.set_reachable_time(seconds_text(object.reachable_seconds));
  if (object.retry_milliseconds != defaults.retry_milliseconds)
    message.set_retry_interval(milliseconds_text(object.retry_milliseconds));
  if (object.retries != defaults.retries) message.set_retries(object.retries);
  if (object.queue_packets != defaults.queue_packets) message.set_queue_packets(object.queue_packets);
}

void read_mesh(const Path& path, const v1alpha1::NodeMesh& message, model::MeshIdentity& mesh, Fields& fields) {
  mesh.certificate = message.identity().certificate();
  mesh.key = message.identity().key();
  mesh.bundle = message.identity().bundle();
  mesh.revocation_lists = message.identity().revocation_lists();
  if (!message.listen().empty()) fields.link_address({&path, "listen"}, message.listen(), mesh.listen);
}

void read_encrypt(const Path& path, const v1alpha1::NodeMesh& message, std::vector<model::EncryptRule>& rules,
                  Fields& fields) {
  for (int i = 0; i < message.encrypt_size(); ++i) {
    const Path at{&path, "encrypt", i};
    auto& out = rules.emplace_back();
    fields.prefix({&at, "prefix"}, message.encrypt(i).prefix(), out.prefix);
    fields.choice({&at, "mode"}, message.encrypt(i).mode(), kEncryptions, out.mode);
  }
}

void write_encrypt(const std::vector<model::EncryptRule>& rules, v1alpha1::NodeSpec& spec) {
  for (const model::EncryptRule& rule : rules) {
    auto& out = *spec.mutable_mesh()->add_encrypt();
    out.set_prefix(rule.prefix.to_string());
    out.set_mode(name_of(rule.mode, kEncryptions));
  }
}

void write_mesh(const model::MeshIdentity& mesh, v1alpha1::NodeMesh& message) {
  message.mutable_identity()->set_certificate(mesh.certificate);
  message.mutable_identity()->set_key(mesh.key);
  message.mutable_identity()->set_bundle(mesh.bundle);
  message.mutable_identity()->set_revocation_lists(mesh.revocation_lists);
  if (mesh.listen != model::LinkAddress{}) message.set_listen(mesh.listen.to_string());
}

}  // namespace

void to_model(const v1alpha1::Node& message, model::Node& object, Fields& fields) {
  const v1alpha1::NodeSpec& spec = message.spec();
  const Path path{nullptr, "spec"};
  read_workers(spec.workers(), object.workers, path, fields);
  for (int i = 0; i < spec.interfaces_size(); ++i)
    read_interface({&path, "interfaces", i}, spec.interfaces(i), object.interfaces.emplace_back(), fields);
  object.routes.resize(static_cast<size_t>(spec.routes_size()));
  for (int i = 0; i < spec.routes_size(); ++i)
    read_route({&path, "routes", i}, spec.routes(i), object.routes[static_cast<size_t>(i)], fields);
  read_timeouts(path, spec.flow_timeouts(), object.flow_timeouts, fields);
  const auto& neighbours = spec.neighbours();
  const Path neighbour_path{&path, "neighbours"}, fragment_path{&path, "fragments"};
  model::Neighbours& n = object.neighbours;
  if (neighbours.has_reachable_time())
    fields.seconds({&neighbour_path, "reachableTime"}, neighbours.reachable_time(), n.reachable_seconds);
  if (neighbours.has_retry_interval())
    fields.milliseconds({&neighbour_path, "retryInterval"}, neighbours.retry_interval(), n.retry_milliseconds);
  if (neighbours.has_retries()) n.retries = neighbours.retries();
  if (neighbours.has_queue_packets()) n.queue_packets = neighbours.queue_packets();
  if (spec.has_icmp_errors_per_second()) object.icmp_errors_per_second = spec.icmp_errors_per_second();
  if (spec.fragments().has_timeout())
    fields.milliseconds({&fragment_path, "timeout"}, spec.fragments().timeout(), object.fragment_timeout_milliseconds);
  if (spec.fragments().has_datagrams()) object.fragment_datagrams = spec.fragments().datagrams();
  const Path mesh_path{&path, "mesh"};
  if (spec.has_mesh() && (spec.mesh().has_identity() || !spec.mesh().listen().empty() || spec.mesh().encrypt().empty()))
    read_mesh(mesh_path, spec.mesh(), object.mesh.emplace(), fields);
  read_encrypt(mesh_path, spec.mesh(), object.encrypt, fields);
  for (const auto& each : spec.crypto().devices()) object.crypto_devices.push_back(each.device());
  object.zone = beginning_of(spec.zone(), 64);
  object.session_key_file = spec.sessions().key_file();
  if (spec.has_drain_timeout()) fields.seconds({&path, "drainTimeout"}, spec.drain_timeout(), object.drain_seconds);
  if (spec.tcp().has_pacing()) object.tcp_pacing = spec.tcp().pacing();
}

void to_message(const model::Node& object, v1alpha1::Node& message) {
  const model::Node defaults;
  v1alpha1::NodeSpec& spec = *message.mutable_spec();
  write_workers(object.workers, spec);
  for (const model::Interface& interface : object.interfaces) write_interface(interface, *spec.add_interfaces());
  for (const model::Route& route : object.routes) write_route(route, *spec.add_routes());
  write_timeouts(object.flow_timeouts, spec);
  write_neighbours(object.neighbours, spec);
  if (object.icmp_errors_per_second != defaults.icmp_errors_per_second)
    spec.set_icmp_errors_per_second(object.icmp_errors_per_second);
  if (object.fragment_timeout_milliseconds != defaults.fragment_timeout_milliseconds)
    spec.mutable_fragments()->set_timeout(milliseconds_text(object.fragment_timeout_milliseconds));
  if (object.fragment_datagrams != defaults.fragment_datagrams)
    spec.mutable_fragments()->set_datagrams(object.fragment_datagrams);
  if (object.mesh) write_mesh(*object.mesh, *spec.mutable_mesh());
  write_encrypt(object.encrypt, spec);
  for (const std::string& device : object.crypto_devices) spec.mutable_crypto()->add_devices()->set_device(device);
  spec.set_zone(object.zone);
  if (!object.session_key_file.empty()) spec.mutable_sessions()->set_key_file(object.session_key_file);
  if (object.drain_seconds != defaults.drain_seconds) spec.set_drain_timeout(seconds_text(object.drain_seconds));
  if (object.tcp_pacing != defaults.tcp_pacing) spec.mutable_tcp()->set_pacing(object.tcp_pacing);
}

}  // namespace penstock::api
