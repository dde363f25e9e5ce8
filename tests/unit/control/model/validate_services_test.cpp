#include <gtest/gtest.h>

#include <chrono>
#include <functional>

#include "control/model/limits.h"
#include "tests/unit/control/model/sample_state.h"

namespace penstock::model {
namespace {

std::string with_service(const std::function<void(Service&)>& change) {
  State state = sample_state();
  Service service = sample_service();
  change(service);
  put(state.services, service);
  if (service.name != named("web")) state.services.at(named("web"));
  return faults_of(state);
}
std::string with_slice(const std::function<void(EndpointSlice&)>& change) {
  State state = sample_state();
  EndpointSlice slice = sample_slice();
  change(slice);
  put(state.slices, slice);
  return faults_of(state);
}
std::string with_policy(const std::function<void(ServicePolicy&)>& change) {
  State state = sample_state();
  ServicePolicy policy = sample_policy();
  change(policy);
  put(state.service_policies, policy);
  return faults_of(state);
}

#define EXPECT_SERVICE_FAULT(expected, ...) \
  EXPECT_EQ(with_service([](Service& s) { __VA_ARGS__; }), std::string("Service/default/web ") + expected)
#define EXPECT_SLICE_FAULT(expected, ...) \
  EXPECT_EQ(with_slice([](EndpointSlice& s) { __VA_ARGS__; }), std::string("EndpointSlice/default/web-1 ") + expected)
#define EXPECT_POLICY_FAULT(expected, ...) \
  EXPECT_EQ(with_policy([](ServicePolicy& p) { __VA_ARGS__; }), std::string("ServicePolicy/default/web ") + expected)

TEST(ValidateService, Names) {
  EXPECT_EQ(with_service([](Service& s) {
              s.name = {"ns", "a.b"};
              s.addresses.clear();
            }).substr(0, 46),
            "Service/ns/a.b metadata.name: \"a.b\": want 1 to");
  EXPECT_EQ(with_service([](Service& s) {
              s.name = {"Bad", "ok"};
              s.addresses.clear();
            }).substr(0, 54),
            "Service/Bad/ok metadata.namespace: \"Bad\": want 1 to 63");
  EXPECT_EQ(with_slice([](EndpointSlice& s) { s.name = named("-x"); }).substr(0, 49),
            "EndpointSlice/default/-x metadata.name: \"-x\": wan");
}

TEST(ValidateService, VirtualAddresses) {
  EXPECT_SERVICE_FAULT("spec: virtual address 224.0.0.1 is a multicast address", s.addresses = {ip("224.0.0.1")});
  EXPECT_SERVICE_FAULT("spec: virtual address ff05::1 is a multicast address", s.addresses = {ip("ff05::1")});
  EXPECT_SERVICE_FAULT("spec: virtual address 127.0.0.1 is a loopback address", s.addresses = {ip("127.0.0.1")});
  EXPECT_SERVICE_FAULT("spec: virtual address :: is the unspecified address", s.addresses = {ip("::")});
  EXPECT_SERVICE_FAULT("spec: virtual address 255.255.255.255 is the broadcast address",
                       s.addresses = {ip("255.255.255.255")});
  EXPECT_SERVICE_FAULT(
      "spec: virtual address 203.0.113.255 is the network or broadcast address of 203.0.113.0/24 on \"wan\"",
      s.addresses = {ip("203.0.113.255")});
  EXPECT_SERVICE_FAULT("spec: 257 virtual addresses are too many (at most 256)",
                       s.addresses.resize(257, s.addresses[0]));
  // An interface's own address may serve: only the service's ports are taken from it.
  EXPECT_EQ(with_service([](Service& s) { s.addresses = {ip("203.0.113.1"), ip("2001:db8:1::1")}; }), "");
}

TEST(ValidateService, Ports) {
  EXPECT_SERVICE_FAULT("spec.ports: at least one is needed (or a ServicePolicy with allPorts)", s.ports.clear());
  EXPECT_SERVICE_FAULT("spec.ports[0].port: is missing (want 1 to 65535)", s.ports[0].port = 0);
  EXPECT_SERVICE_FAULT("spec.ports[0].appProtocol: want at most 317 printable characters",
                       s.ports[0].app_protocol.assign(318, 'a'));
  EXPECT_SERVICE_FAULT("spec.ports[0].appProtocol: want at most 317 printable characters",
                       s.ports[0].app_protocol = "a b");
  EXPECT_SERVICE_FAULT("spec.ports[0].protocol: want TCP, UDP or SCTP", s.ports[0].protocol = 1);
  EXPECT_SERVICE_FAULT(
      "spec.ports[0].name: want 1 to 63 characters of a-z, 0-9 and '-', beginning and ending with a letter or digit",
      s.ports[0].name = "HTTP");
  EXPECT_SERVICE_FAULT("spec.ports[1].name: \"http\" is given twice", s.ports.push_back(s.ports[0]);
                       s.ports[1].port = 81);
  EXPECT_SERVICE_FAULT("spec.ports[1].name: is missing: with several ports each needs a name of its own",
                       s.ports[0].name = "";
                       s.ports.push_back(s.ports[0]); s.ports[1].port = 81);
  EXPECT_SERVICE_FAULT("spec.ports[1]: port 80 of this protocol is given twice", s.ports.push_back(s.ports[0]);
                       s.ports[1].name = "b");
  EXPECT_SERVICE_FAULT("spec.ports: 251 ports are too many (at most 250)", s.ports.resize(251));
  EXPECT_EQ(with_service([](Service& s) {
              s.ports.push_back(s.ports[0]);
              s.ports[1].name = "dns", s.ports[1].protocol = 17;
            }),
            "");
  // A service without an address or ports is Kubernetes' own business (headless, ExternalName).
  EXPECT_EQ(with_service([](Service& s) { s.ports.clear(), s.addresses.clear(); }), "");
}

TEST(ValidateService, Affinity) {
  EXPECT_SERVICE_FAULT(
      "spec.sessionAffinityConfig.clientIP.timeoutSeconds: 86401 is out of range (want 1 to 86400 seconds)",
      s.client_affinity = true;
      s.affinity_seconds = 86401);
}

TEST(ValidateSlice, Fields) {
  EXPECT_SLICE_FAULT("endpoints: 1001 endpoints are too many (at most 1000)", s.endpoints.resize(1001, s.endpoints[0]));
  EXPECT_SLICE_FAULT("endpoints[1].addresses: want 1 to 100 addresses", s.endpoints[1].addresses.clear());
  EXPECT_SLICE_FAULT("endpoints[0].addresses[1]: 127.0.0.1 is a loopback address",
                     s.endpoints[0].addresses.push_back(ip("127.0.0.1")));
  EXPECT_SLICE_FAULT("endpoints[0].addresses[0]: fe80::1 is link-local: it says nothing about the interface",
                     s.endpoints[0].addresses = {ip("fe80::1")});
  EXPECT_SLICE_FAULT("ports[0].protocol: want TCP, UDP or SCTP", s.ports[0].protocol = 47);
  EXPECT_SLICE_FAULT("ports[1].name: \"http\" is given twice", s.ports.push_back(s.ports[0]));
  EXPECT_EQ(with_slice([](EndpointSlice& s) { s.ports.resize(101, s.ports[0]); }).substr(0, 66),
            "EndpointSlice/default/web-1 ports: 101 ports are too many (at most");
  // A slice may be there before its Service, and may belong to none.
  EXPECT_EQ(with_slice([](EndpointSlice& s) { s.service = named("later"); }), "");
}

TEST(ValidateServicePolicy, Target) {
  EXPECT_EQ(with_policy([](ServicePolicy& p) { p.service = named("none"); }),
            "ServicePolicy/default/web spec.targetRef.name: there is no Service/default/none");
  State state = sample_state();
  ServicePolicy second = sample_policy();
  second.name = named("zweb");
  put(state.service_policies, second);
  EXPECT_EQ(
      faults_of(state),
      "ServicePolicy/default/zweb spec.targetRef.name: Service/default/web already has ServicePolicy/default/web");
}

TEST(ValidateServicePolicy, Maglev) {
  EXPECT_POLICY_FAULT("spec.maglevTableSize: 1000 is not a prime of at most 655373", p.maglev_table_size = 1000);
  EXPECT_POLICY_FAULT("spec.maglevTableSize: 655379 is not a prime of at most 655373", p.maglev_table_size = 655379);
  EXPECT_POLICY_FAULT("spec.maglevTableSize: 1 is not a prime of at most 655373", p.maglev_table_size = 1);
  EXPECT_POLICY_FAULT("spec.maglevTableSize: only balancing maglev has a table", p.maglev_table_size = 1009;
                      p.balancing = Balancing::kRoundRobin);
  EXPECT_EQ(with_policy([](ServicePolicy& p) { p.maglev_table_size = 655373; }), "");
}

TEST(ValidateServicePolicy, WeightsAndPool) {
  EXPECT_POLICY_FAULT("spec.weights: 1001 for 10.0.0.11 is out of range (want 0 to 1000)",
                      p.weights[ip("10.0.0.11")] = 1001);
  EXPECT_POLICY_FAULT("spec.weights: 4097 are too many (at most 4096)",
                      for (uint32_t i = 0; i < 4097; ++i) p.weights[base::IpAddress::v4(0x0b000001 + i)] = 1);
  EXPECT_POLICY_FAULT("spec.weights: 224.0.0.1 is a multicast address", p.weights[ip("224.0.0.1")] = 1);
  EXPECT_POLICY_FAULT("spec.sourcePool: only mode fullnat translates sources", p.source_pool = {ip("203.0.113.60")});
  EXPECT_POLICY_FAULT("spec.sourcePool[1]: 203.0.113.60 is given twice", p.mode = ServiceMode::kFullNat;
                      p.source_pool = {ip("203.0.113.60"), ip("203.0.113.60")});
  EXPECT_POLICY_FAULT("spec.sourcePool[0]: 0.0.0.0 is the unspecified address", p.mode = ServiceMode::kFullNat;
                      p.source_pool = {ip("0.0.0.0")});
  EXPECT_POLICY_FAULT("spec.sourcePool[1]: fe80::1 is link-local: nobody beyond the link could answer",
                      p.mode = ServiceMode::kFullNat;
                      p.source_pool = {ip("203.0.113.60"), ip("fe80::1")});
  EXPECT_POLICY_FAULT("spec.sourcePool: has no IPv4 address, but Service/default/web has",
                      p.mode = ServiceMode::kFullNat;
                      p.source_pool = {ip("2001:db8:1::60")});
  EXPECT_POLICY_FAULT("spec.sourcePool: 257 addresses are too many (at most 256)", p.mode = ServiceMode::kFullNat;
                      for (uint32_t i = 0; i < 257; ++i) p.source_pool.push_back(base::IpAddress::v4(0x0b000001 + i)));
}

TEST(ValidateServicePolicy, ModesThatKeepThePort) {
  EXPECT_POLICY_FAULT("spec.mode: dsr cannot change ports, but port 80 of Service/default/web has targetPort 8080",
                      p.mode = ServiceMode::kDsr);
  EXPECT_POLICY_FAULT("spec.mode: ipip cannot change ports, but port 80 of Service/default/web has targetPort 8080",
                      p.mode = ServiceMode::kIpip);
  State state = sample_state();
  Service service = sample_service();
  service.ports[0].target_port = 80;
  put(state.services, service);
  ServicePolicy policy = sample_policy();
  policy.mode = ServiceMode::kDsr;
  put(state.service_policies, policy);
  EXPECT_EQ(faults_of(state), "");
}

TEST(ValidateServicePolicy, HealthChecks) {
  const auto with_check = [](HealthCheckKind kind, const std::function<void(HealthCheck&)>& change) {
    return with_policy([&](ServicePolicy& p) {
      p.health_check.kind = kind;
      if (kind == HealthCheckKind::kUdp) p.health_check.send = "ping";
      change(p.health_check);
    });
  };
  const std::string at = "ServicePolicy/default/web spec.healthCheck.";
  const auto tcp = HealthCheckKind::kTcp, udp = HealthCheckKind::kUdp, http = HealthCheckKind::kHttp,
             icmp = HealthCheckKind::kIcmp;
  for (const auto kind : {tcp, udp, http, icmp}) EXPECT_EQ(with_check(kind, [](HealthCheck&) {}), "");
  EXPECT_EQ(with_check(tcp, [](HealthCheck& h) { h.interval_milliseconds = 50, h.timeout_milliseconds = 50; }),
            at + "interval: 50 is out of range (want 100 to 3600000 milliseconds)");
  EXPECT_EQ(with_check(tcp, [](HealthCheck& h) { h.timeout_milliseconds = 1; }),
            at + "timeout: 1 is out of range (want 10 to 3600000 milliseconds)");
  EXPECT_EQ(with_check(tcp, [](HealthCheck& h) { h.timeout_milliseconds = 2001; }),
            at + "timeout: 2001 ms is longer than the interval of 2000 ms: a check must end before the next begins");
  EXPECT_EQ(with_check(tcp, [](HealthCheck& h) { h.rise = 0; }), at + "rise: 0 is out of range (want 1 to 100)");
  EXPECT_EQ(with_check(tcp, [](HealthCheck& h) { h.fall = 101; }), at + "fall: 101 is out of range (want 1 to 100)");
  EXPECT_EQ(with_check(icmp, [](HealthCheck& h) { h.port = 7; }), at + "port: ICMP has no ports");
  EXPECT_EQ(with_check(http, [](HealthCheck& h) { h.path = "x"; }),
            at + "http.path: want a path that begins with '/': at most 1024 printable characters without blanks");
  EXPECT_EQ(with_check(http, [](HealthCheck& h) { h.path = "/a\r\nX: y"; }),
            at + "http.path: want a path that begins with '/': at most 1024 printable characters without blanks");
  EXPECT_EQ(with_check(http, [](HealthCheck& h) { h.host = "a\nb"; }),
            at + "http.host: want at most 253 printable characters without blanks");
  EXPECT_EQ(with_check(http, [](HealthCheck& h) { h.status_low = 99; }),
            at + "http.statusLow: 99 is out of range (want 100 to 599)");
  EXPECT_EQ(with_check(http, [](HealthCheck& h) { h.status_high = 600; }),
            at + "http.statusHigh: 600 is out of range (want 100 to 599)");
  EXPECT_EQ(with_check(http, [](HealthCheck& h) { h.status_low = 400; }),
            at + "http.statusLow: 400 is above statusHigh 399");
  EXPECT_EQ(with_check(udp, [](HealthCheck& h) { h.send = ""; }), at + "udp.send: want 1 to 512 bytes");
  EXPECT_EQ(with_check(udp, [](HealthCheck& h) { h.expect = std::string(513, 'x'); }),
            at + "udp.expect: want at most 512 bytes");
}

TEST(ValidateServicePolicy, AllPorts) {
  EXPECT_EQ(with_policy([](ServicePolicy& p) { p.all_ports = true; }), "");
  EXPECT_POLICY_FAULT("spec.healthCheck.port: is needed with allPorts: there is no one port to check",
                      p.all_ports = true;
                      p.health_check.kind = HealthCheckKind::kTcp);
  State state = sample_state();
  Service service = sample_service();
  service.ports.clear();
  put(state.services, service);
  ServicePolicy policy = sample_policy();
  policy.all_ports = true;
  put(state.service_policies, policy);
  EXPECT_EQ(faults_of(state), "");
}

// ---- collisions
// ------------------------------------------------------------------------------------------------------

TEST(ValidateAddresses, OneVirtualPortOneService) {
  State state = sample_state();
  Service second = sample_service("zweb");
  second.ports.insert(second.ports.begin(), {.name = "other", .protocol = 6, .port = 81});
  put(state.services, second);
  EXPECT_EQ(faults_of(state),
            "Service/default/zweb spec.ports[1]: TCP port 80 of 198.51.100.10 is also that of Service/default/web");
  second.ports[1].protocol = 17;
  put(state.services, second);
  EXPECT_EQ(faults_of(state), "");
}

TEST(ValidateAddresses, AllPortsGoBesideSinglePortsButNotTwice) {
  State state = sample_state();
  put(state.services, sample_service("zweb"));
  ServicePolicy all = sample_policy("zweb");
  all.all_ports = true;
  put(state.service_policies, all);
  EXPECT_EQ(faults_of(state), "");
  all = sample_policy();
  all.all_ports = true;
  put(state.service_policies, all);
  EXPECT_EQ(faults_of(state),
            "Service/default/zweb spec: all TCP ports of 198.51.100.10 is also that of Service/default/web");
}

TEST(ValidateAddresses, PoolsAndVirtualPorts) {
  State state = sample_state();
  Egress egress = sample_egress();
  egress.pool = {ip("198.51.100.10")};
  put(state.egresses, egress);
  EXPECT_EQ(faults_of(state), "");  // port 80 is not in 1024-65535
  egress.port_first = 80;
  put(state.egresses, egress);
  EXPECT_EQ(
      faults_of(state),
      "Egress/default/out spec.pool[0]: ports 80-65535 of 198.51.100.10 overlaps Service/default/web (TCP port 80)");
  egress.port_first = 1024;
  put(state.egresses, egress);
  ServicePolicy all = sample_policy();
  all.all_ports = true;
  put(state.service_policies, all);
  EXPECT_EQ(faults_of(state),
            "Egress/default/out spec.pool[0]: ports 1024-65535 of 198.51.100.10 overlaps Service/default/web (all TCP "
            "ports)");
}

TEST(ValidateAddresses, PoolsAndPools) {
  State state = sample_state();
  Egress second = sample_egress();
  second.name = named("zout");
  put(state.egresses, second);
  EXPECT_EQ(faults_of(state),
            "Egress/default/zout spec.pool[0]: ports 1024-65535 of 203.0.113.50 overlaps Egress/default/out");
  second.port_first = 40000;
  Egress first = sample_egress();
  first.port_last = 39999;
  put(state.egresses, first);
  put(state.egresses, second);
  EXPECT_EQ(faults_of(state), "");
  ServicePolicy policy = sample_policy();
  policy.mode = ServiceMode::kFullNat;
  policy.source_pool = {ip("203.0.113.50")};
  put(state.service_policies, policy);
  EXPECT_EQ(faults_of(state),
            "Egress/default/out spec.pool[0]: ports 1024-39999 of 203.0.113.50 overlaps ServicePolicy/default/web "
            "(ports 1024-65535)\n"
            "Egress/default/zout spec.pool[0]: ports 40000-65535 of 203.0.113.50 overlaps ServicePolicy/default/web "
            "(ports 1024-65535)");
}

// ---- changes
// ---------------------------------------------------------------------------------------------------------

TEST(ValidateChange, BlamesWhatChanged) {
  const State before = sample_state();
  State state = before;
  put(state.services, sample_service("a"));  // sorts before "web", but is the new one
  EXPECT_EQ(faults_of(state, &before),
            "Service/default/a spec.ports[0]: TCP port 80 of 198.51.100.10 is also that of Service/default/web");
}

TEST(ValidateChange, LooksOnlyAtWhatDiffers) {
  State before = sample_state();
  Service broken = sample_service("broken", "198.51.100.11");
  broken.ports[0].port = 0;
  put(before.services, broken);
  State state = before;
  EXPECT_EQ(faults_of(state, &before), "");
  put(state.mirrors, sample_mirror());
  EXPECT_EQ(faults_of(state, &before), "");
  EXPECT_EQ(faults_of(state), "Service/default/broken spec.ports[0].port: is missing (want 1 to 65535)");
}

TEST(ValidateChange, LooksAtWhatRefersToIt) {
  const State before = sample_state();
  State state = before;
  state.services.erase(named("web"));
  EXPECT_EQ(faults_of(state, &before),
            "ServicePolicy/default/web spec.targetRef.name: there is no Service/default/web\n"
            "RateLimit/default/web-rate spec.target.service.name: there is no Service/default/web");

  state = before;  // the policy of a service decides what its ports mean
  put(state.services, sample_service("zweb"));
  ServicePolicy all = sample_policy("zweb");
  all.all_ports = true;
  put(state.service_policies, all);
  EXPECT_EQ(faults_of(state, &before), "");
  State after = state;
  after.service_policies.erase(named("zweb"));
  EXPECT_EQ(faults_of(after, &state),
            "Service/default/zweb spec.ports[0]: TCP port 80 of 198.51.100.10 is also that of Service/default/web");

  state = before;  // interfaces are named by everything
  Node node = sample_node();
  node.interfaces[1].name = "inside";
  state.node = std::make_shared<const Node>(node);
  EXPECT_EQ(faults_of(state, &before), "Mirror/default/tap spec.to.interface: there is no interface \"lan\"");
}

TEST(ValidateChange, OneEndpointAmongTenThousandServices) {
  State before;
  for (uint32_t i = 0; i < 10000; ++i) {
    const std::string name = "service-" + std::to_string(i);
    Service service = sample_service(name);
    service.addresses = {base::IpAddress::v4(0x0a600000 + i)};
    put(before.services, service);
    EndpointSlice slice = sample_slice(name);
    slice.endpoints.resize(10, slice.endpoints[0]);
    put(before.slices, slice);
    put(before.service_policies, sample_policy(name));
  }
  using Clock = std::chrono::steady_clock;
  const auto milliseconds = [](Clock::duration d) { return std::chrono::duration<double, std::milli>(d).count(); };
  Clock::time_point start = Clock::now();
  EXPECT_EQ(faults_of(before), "");
  const double whole = milliseconds(Clock::now() - start);

  EndpointSlice slice = sample_slice("service-5000");
  FieldErrors errors;
  start = Clock::now();
  const State after = with_change(before, {{slice}, {}}, errors);
  const double applied = milliseconds(Clock::now() - start);
  start = Clock::now();
  EXPECT_EQ(faults_of(after, &before), "");
  const double endpoint = milliseconds(Clock::now() - start);
  Service service = sample_service("service-5000");
  const State moved = with_change(after, {{service}, {}}, errors);
  start = Clock::now();
  EXPECT_EQ(faults_of(moved, &after), "");
  std::printf(
      "10,000 services: all %.1f ms; one endpoint: apply %.2f ms, validate %.2f ms; one service: validate %.2f ms\n",
      whole, applied, endpoint, milliseconds(Clock::now() - start));
}

}  // namespace
}  // namespace penstock::model
