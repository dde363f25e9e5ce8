// Messages to the model and back: nothing is lost, and every fault is named with its path.
#include "control/api/translate.h"

#include <gtest/gtest.h>

#include "control/api/codec.h"
#include "control/api/manifest.h"
#include "unit/control/model/sample_state.h"

namespace penstock::api {
namespace {

using model::ip;
using model::named;
using model::net;

void expect_round_trip(const model::Object& object) {
  v1::Object message;
  to_message(object, message);
  model::Object back;
  model::FieldErrors errors;
  ASSERT_TRUE(to_model(message, back, errors)) << errors.front().to_string();
  EXPECT_TRUE(back == object) << write_yaml({message});

  // Through text, as `get` prints and `apply` reads it.
  std::vector<v1::Object> read;
  std::vector<ManifestError> faults;
  const std::string yaml = write_yaml({message});
  read_manifest(yaml, read, faults);
  ASSERT_TRUE(faults.empty()) << faults.front().to_string() << "\n" << yaml;
  ASSERT_TRUE(to_model(read.at(0), back, errors));
  EXPECT_TRUE(back == object) << yaml;

  const ProtobufCodec codec;
  const auto decoded = codec.decode(model::key_of(object), codec.encode(object));
  ASSERT_TRUE(decoded.ok()) << decoded.error();
  EXPECT_TRUE(decoded.value() == object);
}

model::Node full_node() {
  model::Node node = model::sample_node();
  node.workers = {.cores = {0, 3},
                  .idle = model::IdlePolicy::kPoll,
                  .flows = 100,
                  .sources = 101,
                  .exact_flows = 102,
                  .neighbours = 103,
                  .buffers = 2048,
                  .connections = 2000,
                  .requests = 105,
                  .stream_mebibytes = 16,
                  .half_open = 0};
  model::Interface& wan = node.interfaces[0];
  wan.queues = 2;
  wan.mtu = 9000;
  wan.mac = base::MacAddress::parse("02:00:00:00:00:01").value();
  wan.reverse_path = model::ReversePath::kStrict;
  wan.default_action = model::DefaultAction::kDeny;
  wan.mss_clamp = 1;
  wan.promiscuous = true;
  wan.twin = "k-wan";
  wan.exceptions = {{6, 179}, {89, 0}, {4, 0}};
  model::Vlan& vlan = node.interfaces[1].vlans[0];
  vlan.mtu = 1400;
  vlan.reverse_path = model::ReversePath::kLoose;
  vlan.default_action = model::DefaultAction::kDeny;
  vlan.mss_clamp = 1300;
  node.routes[0].next_hops.push_back({std::nullopt, "lan", 7});
  node.routes.push_back({net("10.9.0.0/16"), model::RouteAction::kBlackhole, {}});
  node.routes.push_back({net("2001:db8:9::/48"), model::RouteAction::kUnreachable, {}});
  node.routes.push_back({net("10.8.0.0/16"), model::RouteAction::kProhibit, {}});
  node.flow_timeouts = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
  node.neighbours = {31, 1500, 4, 33};
  node.icmp_errors_per_second = 0;
  node.fragment_timeout_milliseconds = 2500;
  node.fragment_datagrams = 5;
  node.session_key_file = "/etc/penstock/session.keys";
  node.drain_seconds = 0;
  node.tcp_pacing = false;
  return node;
}

TEST(Translate, NodeRoundTrip) {
  expect_round_trip(model::sample_node());
  expect_round_trip(full_node());
  expect_round_trip(model::Node{.name = "empty"});
}

TEST(Translate, ServicesRoundTrip) {
  model::Service service = model::sample_service();
  expect_round_trip(service);
  service.name.space = "shop";
  service.addresses.push_back(ip("2001:db8::10"));
  service.ports.push_back({.name = "dns", .protocol = 17, .port = 53, .target_port_name = "dns"});
  service.ports.push_back({.name = "same", .protocol = 132, .port = 54});
  service.ports.push_back({.name = "chat", .protocol = 6, .port = 55, .app_protocol = "kubernetes.io/ws"});
  service.client_affinity = true;
  service.affinity_seconds = 60;
  expect_round_trip(service);

  model::EndpointSlice slice = model::sample_slice();
  expect_round_trip(slice);
  slice.endpoints[0] = {.addresses = {ip("10.0.0.11"), ip("10.0.0.13")},
                        .ready = false,
                        .serving = true,
                        .terminating = true,
                        .node = "n1",
                        .zone = "z",
                        .hostname = "h"};
  slice.endpoints[1].ready = slice.endpoints[1].serving = false;
  slice.ports.push_back({.name = "all", .protocol = 17, .port = 0});
  expect_round_trip(slice);
  expect_round_trip(model::EndpointSlice{.name = {.name = "of-no-service"}});
  expect_round_trip(model::EndpointSlice{.name = {.name = "names"}, .fqdn = true});
}

// Both are in real clusters; a bundle with one of them must not be refused for it.
TEST(Translate, SlicesThatServeNothingAreTaken) {
  v1::Object message;
  auto& slice = *message.mutable_endpoint_slice();
  slice.mutable_metadata()->set_name("names");
  slice.set_address_type("FQDN");
  slice.add_endpoints()->add_addresses("host.example");
  model::Object object;
  model::FieldErrors errors;
  EXPECT_TRUE(to_model(message, object, errors)) << errors[0].to_string();
  EXPECT_TRUE(std::get<model::EndpointSlice>(object).endpoints.empty());
}

TEST(Translate, ServicePolicyRoundTrip) {
  model::ServicePolicy policy = model::sample_policy();
  expect_round_trip(policy);
  policy.mode = model::ServiceMode::kFullNat;
  policy.balancing = model::Balancing::kLeastConnections;
  policy.maglev_table_size = 1009;
  policy.all_ports = true;
  policy.weights = {{ip("10.0.0.11"), 0}, {ip("2001:db8::1"), 100}};
  policy.source_pool = {ip("192.0.2.1"), ip("2001:db8::2")};
  policy.on_endpoint_down = model::DownAction::kReset;
  policy.no_endpoint = model::NoEndpointAction::kDrop;
  using model::HealthCheckKind;
  for (const HealthCheckKind kind :
       {HealthCheckKind::kTcp, HealthCheckKind::kUdp, HealthCheckKind::kIcmp, HealthCheckKind::kHttp}) {
    policy.health_check = {
        .kind = kind, .interval_milliseconds = 1500, .timeout_milliseconds = 20, .rise = 9, .fall = 8, .port = 77};
    if (kind == HealthCheckKind::kUdp) {
      policy.health_check.send = std::string("\0\\x\n\xff?", 6);
      policy.health_check.expect = "ok";
    }
    if (kind == HealthCheckKind::kHttp) {
      policy.health_check.path = "/live";
      policy.health_check.host = "shop";
      policy.health_check.status_low = 204;
      policy.health_check.status_high = 204;
    }
    expect_round_trip(policy);
  }
}

TEST(Translate, PoliciesRoundTrip) {
  model::AccessPolicy policy = model::sample_access_policy();
  expect_round_trip(policy);
  policy.priority = -7;
  model::AccessRule rule{.name = "x", .action = model::RuleAction::kReject, .log_sample = 100};
  rule.match.to = {net("10.0.0.0/8")};
  rule.match.protocol = 6;
  rule.match.source_ports = {{0, 65535}, {7, 7}};
  rule.match.tcp_flags = 2;
  rule.match.tcp_flags_mask = 2 | 16;
  rule.match.state = model::FlowStateMatch::kNew;
  policy.rules.push_back(rule);
  rule.name = "y";
  rule.match = {};
  rule.match.protocol = 58;
  rule.match.icmp_type = 0;
  rule.action = model::RuleAction::kDeny;
  policy.rules.push_back(rule);
  expect_round_trip(policy);

  model::RateLimit limit = model::sample_limit();
  expect_round_trip(limit);
  limit = {.name = named("a"),
           .target = model::LimitTarget::kRule,
           .policy = named("edge"),
           .rule = "ssh",
           .unit = model::LimitUnit::kBits,
           .rate = 1.5e9,
           .burst = 1e6,
           .bucket = model::LimitBucket::kSourcePrefix,
           .v4_prefix_length = 24,
           .v6_prefix_length = 48,
           .action = model::LimitAction::kMark,
           .dscp = 8};
  expect_round_trip(limit);
  limit = {.name = named("b"),
           .target = model::LimitTarget::kPrefix,
           .prefix = net("10.0.0.0/8"),
           .unit = model::LimitUnit::kConnections,
           .rate = 0.1,
           .bucket = model::LimitBucket::kDestination};
  expect_round_trip(limit);
  limit = {.name = named("c"), .interface = "wan", .rate = 5, .bucket = model::LimitBucket::kFlow};
  expect_round_trip(limit);

  model::Egress egress{.name = named("out"), .from = {net("10.0.0.0/8"), net("fd00::/8")}};
  expect_round_trip(egress);
  egress.interfaces = {"wan"};
  egress.pool = {ip("192.0.2.1")};
  egress.port_first = 2000;
  egress.port_last = 2999;
  egress.allow = {net("198.51.100.0/24")};
  egress.max_ports_per_source = 12;
  expect_round_trip(egress);

  model::Mirror mirror{.name = named("tap"), .interface = "lan"};
  expect_round_trip(mirror);
  mirror = {.name = named("tap"),
            .match = rule.match,
            .sample = 10,
            .truncate = 128,
            .collector = ip("192.0.2.9"),
            .source = ip("192.0.2.1"),
            .session = 0};
  expect_round_trip(mirror);

  model::Peer peer{.name = named("rack2"), .address = ip("192.0.2.2"), .prefixes = {net("10.2.0.0/16")}};
  expect_round_trip(peer);
  peer = {.name = named("rack2"),
          .address = ip("192.0.2.2"),
          .local = ip("192.0.2.1"),
          .prefixes = {net("10.2.0.0/16"), net("2001:db8:2::/48")},
          .encryption = model::Encryption::kPreferred,
          .cipher = model::PeerCipher::kAesCbc256Sha256,
          .encapsulation = model::Encapsulation::kUdp,
          .extended_sequence = false,
          .replay_window = 4096,
          .path_mtu = 1400,
          .priority = -5,
          .weight = 7,
          .key_file = "/etc/penstock/rack2.keys"};
  expect_round_trip(peer);
  peer.more = {ip("192.0.2.3"), ip("2001:db8::3")};
  peer.liveness.emplace();
  expect_round_trip(peer);
  peer.liveness = {.interval_milliseconds = 200, .misses = 5, .search_path_mtu = false};
  expect_round_trip(peer);
  peer.key_file.clear();
  peer.identity = "spiffe://example.org/gateway/b";
  expect_round_trip(peer);
  peer.link = model::LinkAddress{ip("2001:db8::7"), 4711};
  peer.lifetime = {.seconds = 90, .packets = 20'000'000, .bytes = 30'000'000'000};
  expect_round_trip(peer);
}

TEST(Translate, TheMeshOfANode) {
  model::Node node;
  node.name = "gw1";
  node.mesh =
      model::MeshIdentity{.certificate = "/c.pem", .key = "/k.pem", .bundle = "/b.pem", .revocation_lists = "/l.pem"};
  expect_round_trip(node);
  node.mesh->listen = {ip("192.0.2.7"), 4711};
  expect_round_trip(node);
}

TEST(Translate, TheCryptoDevicesOfANode) {
  model::Node node;
  node.name = "gw1";
  node.crypto_devices = {"0000:3d:01.0", "penstock_fake_lookaside0,polls=3"};
  expect_round_trip(node);
}

std::string faults_of(const std::string& yaml) {
  std::vector<v1::Object> objects;
  std::vector<ManifestError> unreadable;
  read_manifest(yaml, objects, unreadable);
  std::string out;
  for (const auto& error : unreadable) out += "unreadable: " + error.to_string() + "\n";
  model::FieldErrors errors;
  for (const v1::Object& message : objects) {
    model::Object object;
    const size_t before = errors.size();
    const bool ok = to_model(message, object, errors);
    EXPECT_EQ(ok, errors.size() == before);
  }
  for (const auto& error : errors) out += error.to_string() + "\n";
  return out;
}

std::string ours(const std::string& kind, const std::string& spec) {
  return "apiVersion: penstock.io/v1alpha1\nkind: " + kind + "\nmetadata: {name: x}\nspec:\n" + spec;
}

// Each line of `want` must be in the report, and no other.
void expect_faults(const std::string& yaml, const std::vector<std::string>& want) {
  const std::string report = faults_of(yaml);
  for (const std::string& each : want)
    EXPECT_NE(report.find(each), std::string::npos) << each << "\nis not in\n" << report;
  EXPECT_EQ(static_cast<size_t>(std::count(report.begin(), report.end(), '\n')), want.size()) << report;
}

TEST(Translate, NodeFaults) {
  expect_faults(ours("Node", R"(
  workers: {idle: spin}
  drainTimeout: 1500ms
  icmpErrorsPerSecond: 1
  interfaces:
  - name: wan
    mac: 02:00:00:00:00
    mtu: 70000
    queues: 65536
    addresses: [10.0.0.1/33, 10.0.0.1/24, host]
    reversePath: on
    defaultAction: refuse
    mssClamp: 1
    exception: {rules: [{protocol: quic}, {port: 80}]}
    vlans: [{id: 70000, mtu: 66000, mssClamp: lots}]
  routes:
  - {prefix: 10.0.0.0, action: drop, nextHops: [{via: gw, weight: 70000}]}
  flowTimeouts: {udp: 10, tcpClose: -1s, icmp: 1d, other: 99999h}
  neighbours: {reachableTime: 1.5s, retryInterval: 0.5ms}
  fragments: {timeout: soon}
)"),
                {"Node/default/x spec.workers.idle: \"spin\" is not one of adaptive, poll",
                 "spec.drainTimeout: \"1500ms\" is out of range (want whole seconds",
                 "spec.interfaces[0].mac: ",
                 "spec.interfaces[0].mtu: 70000 is out of range (want 0 to 65535)",
                 "spec.interfaces[0].queues: 65536 is out of range",
                 "spec.interfaces[0].addresses[0]: ",
                 "spec.interfaces[0].addresses[2]: ",
                 "spec.interfaces[0].reversePath: \"on\" is not one of off, loose, strict",
                 "spec.interfaces[0].defaultAction: \"refuse\" is not one of allow, deny, reject",
                 "spec.interfaces[0].mssClamp: \"1\" is not off, auto or a number of bytes",
                 "spec.interfaces[0].exception.rules[0].protocol: \"quic\" is no protocol",
                 "spec.interfaces[0].exception.rules[1].protocol: is missing",
                 "spec.interfaces[0].vlans[0].id: 70000 is out of range",
                 "spec.interfaces[0].vlans[0].mtu: 66000 is out of range",
                 "spec.interfaces[0].vlans[0].mssClamp: \"lots\" is not off",
                 "spec.routes[0].action: \"drop\" is not one of forward, blackhole, unreachable, prohibit",
                 "spec.routes[0].nextHops[0].via: ",
                 "spec.routes[0].nextHops[0].weight: 70000 is out of range",
                 "spec.flowTimeouts.udp: \"10\" is not a duration",
                 "spec.flowTimeouts.tcpClose: \"-1s\" is not a duration",
                 "spec.flowTimeouts.icmp: \"1d\" is not a duration",
                 "spec.flowTimeouts.other: \"99999h\" is out of range",
                 "spec.neighbours.reachableTime: \"1.5s\" is out of range",
                 "spec.neighbours.retryInterval: \"0.5ms\" is out of range",
                 "spec.fragments.timeout: \"soon\" is not a duration"});
  EXPECT_EQ(faults_of(ours("Node", "  drainTimeout: 1m30s\n  neighbours: {retryInterval: 1.5s}\n")), "");
  expect_faults("apiVersion: penstock.io/v1alpha1\nkind: Node\nmetadata: {name: x, namespace: y}\n",
                {"Node/y/x metadata.namespace: a Node has none"});
}

TEST(Translate, ServiceFaults) {
  expect_faults(R"(apiVersion: v1
kind: Service
metadata: {name: x}
spec:
  clusterIP: None
  clusterIPs: [None]
  externalIPs: [192.0.2.1, nowhere]
  loadBalancerIP: 192.0.2.1/24
  sessionAffinity: Cookie
  sessionAffinityConfig: {clientIP: {timeoutSeconds: -5}}
  ports:
  - {port: 70000, protocol: tcp, targetPort: 99999}
  - {name: b, port: -1}
status: {loadBalancer: {ingress: [{ip: x}, {hostname: lb.example}]}}
)",
                {"Service/default/x spec.externalIPs[1]: ", "spec.loadBalancerIP: ",
                 "status.loadBalancer.ingress[0].ip: ", "spec.sessionAffinity: \"Cookie\" is not one of None, ClientIP",
                 "spec.sessionAffinityConfig.clientIP.timeoutSeconds: -5 is out of range",
                 "spec.ports[0].port: 70000 is out of range", "spec.ports[0].protocol: \"tcp\" is not one of TCP",
                 "spec.ports[0].targetPort: is out of range", "spec.ports[1].port: -1 is out of range"});
  expect_faults(
      R"(apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: x}
addressType: IPv6
endpoints: [{addresses: [10.0.0.1]}, {addresses: [host.example]}]
ports: [{port: 70000, protocol: ICMP}]
)",
      {"endpoints[0].addresses: 10.0.0.1 is not IPv6", "endpoints[1].addresses[0]: ", "ports[0].port: 70000",
       "ports[0].protocol: \"ICMP\" is not one of"});
  expect_faults(ours("ServicePolicy", R"(
  targetRef: {kind: Pod, name: web}
  mode: snat
  balancing: random
  weights: [{address: 10.0.0.1}, {address: 10.0.0.1, weight: 7}, {address: 10.0.0.2, weight: 70000}]
  sourcePool: [10.0.0.0/24]
  onEndpointDown: keep
  noEndpoint: none
  healthCheck: {interval: 10, udp: {send: "\\q"}}
)"),
                {"spec.targetRef.kind: \"Pod\" is not one of Service, ServiceSubset",
                 "spec.mode: \"snat\" is not one of nat, fullnat, dsr, ipip",
                 "spec.balancing: ", "spec.weights[1].address: 10.0.0.1 is given twice",
                 "spec.weights[2].weight: 70000", "spec.sourcePool[0]: ", "spec.onEndpointDown: ", "spec.noEndpoint: ",
                 "spec.healthCheck.interval: ", "spec.healthCheck.udp.send: "});
  expect_faults(ours("ServicePolicy", "  targetRef: {kind: Service, name: web}\n  healthCheck: {port: 70000}\n"),
                {"spec.healthCheck: want one of tcp, udp, icmp, http", "spec.healthCheck.port: 70000"});
}

TEST(Translate, PolicyFaults) {
  expect_faults(ours("AccessPolicy", R"(
  rules:
  - {}
  - {action: pass, from: [any], to: [1.2.3.4/99], protocol: 256, sourcePorts: ["80-"], ports: [-1, 70000, http],
     tcpFlags: "SYN,SYN", icmpType: 256, state: old}
)"),
                {"spec.rules[0].action: is missing (want one of allow, deny, reject)", "spec.rules[1].action: \"pass\"",
                 "spec.rules[1].from[0]: ", "spec.rules[1].to[0]: ", "spec.rules[1].protocol: \"256\" is no protocol",
                 "spec.rules[1].sourcePorts[0]: ", "spec.rules[1].ports[0]: ", "spec.rules[1].ports[1]: ",
                 "spec.rules[1].ports[2]: ", "spec.rules[1].tcpFlags: ", "spec.rules[1].icmpType: 256",
                 "spec.rules[1].state: \"old\""});
  expect_faults(ours("RateLimit", "  {per: client, action: slow, dscp: 300, prefixLengths: {v4: 300, v6: 300}}"),
                {"spec.target: want one of interface, service, rule, prefix",
                 "spec.rate: want one of packetsPerSecond, bitsPerSecond, connectionsPerSecond",
                 "spec.per: \"client\" is not one of aggregate, source, sourcePrefix, flow, destination",
                 "spec.action: \"slow\" is not one of drop, mark", "spec.dscp: 300", "spec.prefixLengths.v4: 300",
                 "spec.prefixLengths.v6: 300"});
  expect_faults(ours("Egress", "  {from: [x], pool: [10.0.0.0/24], allow: [y], portRange: 1-99999}"),
                {"spec.from[0]: ", "spec.pool[0]: ", "spec.allow[0]: ", "spec.portRange: "});
  expect_faults(ours("Mirror", "  {truncate: 70000, match: {protocol: x}}"),
                {"spec.match.protocol: ", "spec.truncate: 70000", "spec.to: want one of interface, erspan"});
  expect_faults(ours("Mirror", "  {to: {erspan: {collector: x, source: y, session: 70000}}}"),
                {"spec.to.erspan.collector: ", "spec.to.erspan.source: ", "spec.to.erspan.session: 70000"});
  expect_faults(
      ours("Peer",
           "  {address: x, localAddress: y, prefixes: [z], encryption: Maybe, cipher: ROT13, encapsulation: GRE, "
           "pathMtu: 70000, weight: 70000}"),
      {"spec.address: ", "spec.localAddress: ", "spec.prefixes[0]: ",
       "spec.encryption: \"Maybe\" is not one of Required, Preferred, Off", "spec.cipher: \"ROT13\"",
       "spec.encapsulation: \"GRE\" is not one of ESP, UDP", "spec.pathMtu: 70000", "spec.weight: 70000"});
  expect_faults(ours("Peer", "  {address: 192.0.2.2, staticIdentities: [{number: 70000}]}"),
                {"spec.staticIdentities[0].number: 70000"});
  expect_faults(ours("Workload", "  {mac: x, addresses: [y], number: 70000}"),
                {"spec.mac: ", "spec.addresses[0]: ", "spec.number: 70000"});
}

TEST(Translate, TypesMustAgree) {
  v1::Object message;
  model::Object object;
  model::FieldErrors errors;
  EXPECT_FALSE(to_model(message, object, errors));
  message.mutable_egress()->set_kind("Mirror");
  message.mutable_egress()->set_api_version("v1");
  EXPECT_FALSE(to_model(message, object, errors));
  ASSERT_EQ(errors.size(), 3u);
  EXPECT_EQ(errors[1].path, "apiVersion");
  EXPECT_EQ(errors[2].path, "kind");
  v1::ObjectKey key;
  key.set_kind("Pod");
  model::ObjectKey out;
  EXPECT_FALSE(to_model(key, out, errors));
}

TEST(Translate, CodecRefusesWhatItDidNotWrite) {
  const ProtobufCodec codec;
  const model::Object object = model::sample_limit();
  const std::string bytes = codec.encode(object);
  EXPECT_FALSE(codec.decode({model::Kind::kRateLimit, named("other")}, bytes).ok());
  EXPECT_FALSE(codec.decode(model::key_of(object), bytes.substr(1)).ok());
  EXPECT_FALSE(codec.decode(model::key_of(object), "").ok());
  EXPECT_FALSE(codec.decode(model::key_of(object), bytes + std::string("\xf2\x3e\x01x", 4)).ok());
}

TEST(Translate, WholeMillisecondsAreWhole) {
  int wrong = 0;
  std::string first;
  for (int ms = 100; ms < 60000; ++ms) {
    char text[32];
    std::snprintf(text, sizeof text, "%d.%03ds", ms / 1000, ms % 1000);
    v1::Object object;
    object.mutable_node()->mutable_metadata()->set_name("gw");
    object.mutable_node()->mutable_spec()->mutable_neighbours()->set_retry_interval(text);
    model::Object out;
    model::FieldErrors errors;
    if (!to_model(object, out, errors) && wrong++ == 0) first = text;
  }
  EXPECT_EQ(wrong, 0) << "the first is " << first;
}

}  // namespace
}  // namespace penstock::api
