// Every rule of Gateway, HTTPRoute, TCPRoute, ReferenceGrant and Fault: what is wrong, where, and what is fine.
#include <gtest/gtest.h>

#include <functional>

#include "tests/unit/control/model/sample_gateway.h"

namespace penstock::model {
namespace {

template <typename T>
std::string faults_with(Objects<T> State::*objects, const std::string& name, const std::function<void(T&)>& change) {
  State state = sample_l7_state();
  T copy = *(state.*objects).at(named(name));
  change(copy);
  (state.*objects)[named(name)] = std::make_shared<const T>(copy);
  return faults_of(state);
}
std::string of_gateway(const std::function<void(Gateway&)>& change) {
  return faults_with<Gateway>(&State::gateways, "edge", change);
}
std::string of_route(const std::function<void(HttpRoute&)>& change) {
  return faults_with<HttpRoute>(&State::http_routes, "shop", change);
}
std::string of_rule(const std::function<void(HttpRule&)>& change) {
  return of_route([&](HttpRoute& route) { change(route.rules[0]); });
}

// The only fault is at this path of the object.
#define EXPECT_FAULT(faults, at)                                 \
  do {                                                           \
    const std::string all = (faults);                            \
    EXPECT_TRUE(all.starts_with(std::string(at) + ": ")) << all; \
    EXPECT_EQ(all.find('\n'), std::string::npos) << all;         \
  } while (false)
const std::string kGateway = "Gateway/default/edge spec.", kRoute = "HTTPRoute/default/shop spec.",
                  kRule = "HTTPRoute/default/shop spec.rules[0].";

TEST(ValidateGateway, TheSampleIsFine) { EXPECT_EQ(faults_of(sample_l7_state()), ""); }

TEST(ValidateGateway, Gateways) {
  EXPECT_FAULT(of_gateway([](auto& g) { g.class_name = "envoy"; }), kGateway + "gatewayClassName");
  EXPECT_FAULT(of_gateway([](auto& g) { g.listeners.clear(); }), kGateway + "listeners");
  EXPECT_FAULT(of_gateway([](auto& g) { g.addresses = {ip("127.0.0.1")}; }), kGateway + "addresses[0].value");
  EXPECT_FAULT(of_gateway([](auto& g) { g.addresses = {ip("fe80::1")}; }), kGateway + "addresses[0].value");
  EXPECT_FAULT(of_gateway([](auto& g) {
                 g.addresses = {ip("10.0.0.1"), ip("10.0.0.1")};
               }),
               kGateway + "addresses[1].value");
  EXPECT_FAULT(of_gateway([](auto& g) {
                 for (int i = 0; i < 17; ++i) g.addresses.push_back(ip("10.9.0." + std::to_string(i + 1)));
               }),
               kGateway + "addresses");
  EXPECT_FAULT(of_gateway([](auto& g) {
                 for (uint16_t i = 0; i < 64; ++i)
                   g.listeners.push_back(sample_listener("l" + std::to_string(i), i + 1));
               }),
               kGateway + "listeners");
}

TEST(ValidateGateway, Listeners) {
  const std::string at = kGateway + "listeners[0].", second = kGateway + "listeners[1].";
  EXPECT_FAULT(of_gateway([](auto& g) { g.listeners[0].name = "No"; }), at + "name");
  EXPECT_FAULT(of_gateway([](auto& g) { g.listeners[0].port = 0; }), at + "port");
  EXPECT_FAULT(of_gateway([](auto& g) { g.listeners[0].hostname = "10.0.0.1"; }), at + "hostname");
  EXPECT_FAULT(of_gateway([](auto& g) { g.listeners[0].hostname = "a.*.example"; }), at + "hostname");
  EXPECT_FAULT(of_gateway([](auto& g) {
                 g.listeners[0].protocol = config::Protocol::kTcp;
                 g.listeners[0].hostname = "a.example";
               }),
               at + "hostname");
  EXPECT_FAULT(of_gateway([](auto& g) { g.listeners[0].kinds.resize(1); }), at + "allowedRoutes.kinds");
  EXPECT_FAULT(of_gateway([](auto& g) { g.listeners.push_back(sample_listener("http", 81)); }), second + "name");
  // Who contends is told by status.
  EXPECT_EQ(of_gateway([](auto& g) { g.listeners.push_back(sample_listener("b")); }), "");
  EXPECT_EQ(of_gateway([](auto& g) {
              g.listeners.push_back(sample_listener("b"));
              g.listeners[1].protocol = config::Protocol::kTcp;
            }),
            "");
  EXPECT_EQ(of_gateway([](auto& g) { g.listeners.push_back(sample_listener("b", 8080, "*.example.com")); }), "");
}

TEST(ValidateGateway, TlsOfAListenerThatIsNotServed) {
  const std::string at = kGateway + "listeners[0].tls.";
  const auto of_tls = [](auto&& change) {
    return of_gateway([&](Gateway& g) {
      g.listeners[0].unserved = "HTTPS";
      change(g.listeners[0].tls.emplace());
    });
  };
  const ListenerTls::Certificate fine{"", "Secret", named("cert")};
  EXPECT_EQ(of_tls([&](auto& tls) {
              tls.certificates = {fine};
              tls.options = {{"example.com/min", "1.3"}};
            }),
            "");
  EXPECT_FAULT(of_tls([&](auto& tls) { tls.certificates.assign(65, fine); }), at + "certificateRefs");
  EXPECT_FAULT(of_tls([&](auto& tls) {
                 tls.certificates = {{"", "Secret", named("")}};
               }),
               at + "certificateRefs[0].name");
  EXPECT_FAULT(of_tls([&](auto& tls) {
                 tls.certificates = {{"", "Secret", {.space = "A", .name = "a"}}};
               }),
               at + "certificateRefs[0].namespace");
  EXPECT_FAULT(of_tls([&](auto& tls) {
                 tls.certificates = {{"", std::string(64, 'k'), named("a")}};
               }),
               at + "certificateRefs[0]");
  EXPECT_FAULT(of_tls([](auto& tls) { tls.options = {{std::string(318, 'k'), ""}}; }), at + "options");
  EXPECT_FAULT(of_tls([](auto& tls) { tls.options = {{"k", std::string(4097, 'v')}}; }), at + "options");
  EXPECT_FAULT(of_tls([](auto& tls) {
                 for (int i = 0; i < 17; ++i) tls.options.emplace("k" + std::to_string(i), "");
               }),
               at + "options");
}

// 64 listeners times 16 addresses times so many Gateways is more than TCP has room for; nothing is multiplied before.
TEST(ValidateGateway, TooManyAddressesAndPorts) {
  State state = sample_l7_state();
  Gateway gateway = sample_gateway();
  gateway.listeners.clear();
  for (uint16_t port = 1; port <= 64; ++port)
    gateway.listeners.push_back(sample_listener("l" + std::to_string(port), port));
  gateway.addresses.clear();
  for (int i = 1; i <= 16; ++i) gateway.addresses.push_back(ip("10.7.0." + std::to_string(i)));
  put(state.gateways, gateway);
  EXPECT_TRUE(faults_of(state).empty());
  gateway.name = named("another");
  put(state.gateways, gateway);
  EXPECT_FAULT(faults_of(state), "bundle");
}

TEST(ValidateGateway, PortsOfHealthChecks) {
  EXPECT_FAULT(of_gateway([](auto& g) { g.listeners[0].port = 61000; }), kGateway + "listeners[0].port");
}

// The sample Service has TCP port 80 of 198.51.100.10.
TEST(ValidateGateway, AServiceHasThePort) {
  State state = sample_l7_state();
  Gateway gateway = sample_gateway();
  gateway.addresses = {ip("10.0.0.1"), ip("198.51.100.10")};
  gateway.listeners = {sample_listener("one", 81), sample_listener("two", 80)};
  const State before = state;
  put(state.gateways, gateway);
  EXPECT_FAULT(faults_of(state), kGateway + "listeners[1].port");
  EXPECT_FAULT(faults_of(state, &before), kGateway + "listeners[1].port");

  gateway.listeners[1].unserved = "HTTPS";  // takes no port
  put(state.gateways, gateway);
  EXPECT_EQ(faults_of(state), "");
  gateway.listeners[1].unserved.clear();

  gateway.listeners[1].port = 82;
  put(state.gateways, gateway);
  EXPECT_EQ(faults_of(state), "");
  const State good = state;
  Service service = sample_service();
  service.ports.push_back({.name = "more", .protocol = 6, .port = 82});
  put(state.services, service);
  EXPECT_FAULT(faults_of(state, &good), "Service/default/web spec.ports[1]");
  service.ports[1].protocol = 17;
  put(state.services, service);
  EXPECT_EQ(faults_of(state, &good), "");

  ServicePolicy policy = sample_policy();
  policy.all_ports = true;
  put(state.service_policies, policy);
  EXPECT_NE(faults_of(state, &good).find("TCP port 81 of 198.51.100.10"), std::string::npos);
}

TEST(ValidateGateway, OwnAddressesCountWhenTheGatewayHasNone) {
  State state = sample_l7_state();
  put(state.services, sample_service("own", "203.0.113.1"));
  Gateway gateway = sample_gateway();
  gateway.listeners[0].port = 80;
  put(state.gateways, gateway);
  EXPECT_FAULT(faults_of(state), kGateway + "listeners[0].port");
}

TEST(ValidateHttpRoute, ParentsHostnamesAndRules) {
  EXPECT_FAULT(of_route([](auto& r) { r.parents[0].gateway.name = ""; }), kRoute + "parentRefs[0].name");
  EXPECT_FAULT(of_route([](auto& r) { r.parents[0].gateway.space = "No"; }), kRoute + "parentRefs[0].namespace");
  EXPECT_FAULT(of_route([](auto& r) { r.parents[0].section = "No!"; }), kRoute + "parentRefs[0].sectionName");
  EXPECT_FAULT(of_route([](auto& r) { r.parents.push_back(r.parents[0]); }), kRoute + "parentRefs[1]");
  EXPECT_FAULT(of_route([](auto& r) { r.parents.resize(33); }), kRoute + "parentRefs");
  EXPECT_FAULT(of_route([](auto& r) { r.hostnames = {"a.example", "Shop.example"}; }), kRoute + "hostnames[1]");
  EXPECT_FAULT(of_route([](auto& r) { r.hostnames.resize(17, "a.example"); }), kRoute + "hostnames");
  EXPECT_FAULT(of_route([](auto& r) { r.rules.resize(17); }), kRoute + "rules");
  EXPECT_FAULT(of_route([](auto& r) {
                 r.rules[0].name = "a";
                 r.rules.push_back(r.rules[0]);
               }),
               kRoute + "rules[1].name");
  EXPECT_FAULT(of_rule([](auto& r) { r.name = "-"; }), kRule + "name");
  // A Gateway that is not there is told by the status.
  EXPECT_EQ(of_route([](auto& r) { r.parents[0].gateway.name = "gone"; }), "");
}

TEST(ValidateHttpRoute, MatchesAreCheckedAsL7Does) {
  EXPECT_FAULT(of_rule([](auto& r) { r.matches[0].path.value = "shop"; }), kRule + "matches[0].path.value");
  EXPECT_FAULT(of_rule([](auto& r) { r.matches[0].path.value = "/a//b"; }), kRule + "matches[0].path.value");
  EXPECT_FAULT(of_rule([](auto& r) {
                 r.matches[0].headers = {{"connection", "x"}};
               }),
               kRule + "matches[0].headers[0].name");
  EXPECT_FAULT(of_rule([](auto& r) { r.matches[0].query = {{"a", ""}}; }), kRule + "matches[0].queryParams[0].value");
  EXPECT_FAULT(of_rule([](auto& r) { r.matches.resize(65); }), kRule + "matches");
}

TEST(ValidateHttpRoute, Backends) {
  EXPECT_FAULT(of_rule([](auto& r) { r.backends[0].weight = 1'000'001; }), kRule + "backendRefs[0].weight");
  EXPECT_FAULT(of_rule([](auto& r) { r.backends[0].object.port = 0; }), kRule + "backendRefs[0].port");
  EXPECT_FAULT(of_rule([](auto& r) { r.backends[0].object.name.name = ""; }), kRule + "backendRefs[0].name");
  EXPECT_FAULT(of_rule([](auto& r) { r.backends[0].object.name.space = "No"; }), kRule + "backendRefs[0].namespace");
  EXPECT_FAULT(of_rule([](auto& r) { r.backends[0].object.kind = ""; }), kRule + "backendRefs[0].kind");
  EXPECT_FAULT(of_rule([](auto& r) { r.backends.resize(17, r.backends[0]); }), kRule + "backendRefs");
  // What is not to be had is told by the status, and its share answered 500.
  EXPECT_EQ(of_rule([](auto& r) { r.backends[0].object.name.name = "gone"; }), "");
  EXPECT_EQ(of_rule([](auto& r) { r.backends[0].object.kind = "Bucket"; }), "");
}

TEST(ValidateHttpRoute, Filters) {
  using Kind = config::HeaderChange::Kind;
  using Modifier = config::PathModifier::Kind;
  const std::string at = kRule + "filters.";
  EXPECT_FAULT(of_rule([](auto& r) {
                 r.filters.request = {{Kind::kAdd, "x-a", "1"}, {Kind::kSet, "host", "b"}};
               }),
               at + "requestHeaderModifier.set[0].name");
  EXPECT_FAULT(of_rule([](auto& r) {
                 r.filters.response = {{Kind::kRemove, "transfer-encoding", ""}};
               }),
               at + "responseHeaderModifier.remove[0]");
  EXPECT_FAULT(of_rule([](auto& r) {
                 r.filters.request = {{Kind::kSet, "x y", "1"}};
               }),
               at + "requestHeaderModifier.set[0].name");
  EXPECT_FAULT(of_rule([](auto& r) {
                 r.filters.request = {{Kind::kSet, "x", "a\r\nb: c"}};
               }),
               at + "requestHeaderModifier.set[0].value");
  EXPECT_FAULT(of_rule([](auto& r) {
                 r.filters.request.resize(17, {Kind::kAdd, "x", "1"});
               }),
               at + "requestHeaderModifier.add");
  EXPECT_FAULT(of_rule([](auto& r) { r.filters.redirect.emplace(); }), kRule + "backendRefs");
  const auto redirect = [](auto&& change) {
    return of_rule([&](auto& r) {
      r.backends.clear();
      change(r.filters.redirect.emplace());
    });
  };
  EXPECT_EQ(redirect([](auto&) {}), "");
  EXPECT_FAULT(redirect([](auto& r) { r.status = 200; }), at + "requestRedirect.statusCode");
  EXPECT_FAULT(redirect([](auto& r) { r.hostname = "*.example"; }), at + "requestRedirect.hostname");
  EXPECT_FAULT(redirect([](auto& r) {
                 r.path = {Modifier::kFullPath, "x"};
               }),
               at + "requestRedirect.path.replaceFullPath");
  EXPECT_FAULT(of_rule([](auto& r) {
                 r.backends.clear();
                 r.filters.redirect.emplace();
                 r.filters.rewrite.emplace();
               }),
               at + "urlRewrite");
  const auto rewrite = [](auto&& change) { return of_rule([&](auto& r) { change(r, r.filters.rewrite.emplace()); }); };
  EXPECT_EQ(rewrite([](auto&, auto& w) { w.path = {Modifier::kPrefixMatch, ""}; }), "");
  EXPECT_FAULT(rewrite([](auto&, auto& w) {
                 w.path = {Modifier::kPrefixMatch, "/../x"};
               }),
               at + "urlRewrite.path.replacePrefixMatch");
  EXPECT_FAULT(rewrite([](auto& r, auto& w) {
                 w.path = {Modifier::kPrefixMatch, "/x"};
                 r.matches[0].path.kind = config::PathKind::kExact;
               }),
               at + "urlRewrite.path.replacePrefixMatch");
  EXPECT_FAULT(rewrite([](auto&, auto& w) { w.hostname = "Bad"; }), at + "urlRewrite.hostname");
  EXPECT_FAULT(of_rule([](auto& r) {
                 r.filters.mirrors = {{sample_backend().object, 3, 2}};
               }),
               at + "requestMirror[0].fraction");
  EXPECT_FAULT(of_rule([](auto& r) {
                 r.filters.mirrors = {{sample_backend().object, 0, 0}};
               }),
               at + "requestMirror[0].fraction");
  EXPECT_FAULT(of_rule([](auto& r) { r.filters.mirrors.resize(17); }), at + "requestMirror");
  EXPECT_FAULT(of_rule([](auto& r) {
                 r.backends[0].filters.request = {{Kind::kSet, "host", "x"}};
               }),
               kRule + "backendRefs[0].filters.requestHeaderModifier.set[0].name");
}

TEST(ValidateHttpRoute, Cors) {
  const std::string at = kRule + "filters.cors.";
  const auto cors = [](auto&& change) { return of_rule([&](auto& r) { change(r.filters.cors.emplace()); }); };
  EXPECT_EQ(cors([](auto& c) {
              c.origins = {"*", "https://shop.example", "http://*.example:8080", "http://10.0.0.1:1"};
              c.methods = {"GET", "*"};
              c.request_headers = {"x-a", "*"};
              c.expose_headers = {"*"};
            }),
            "");
  for (const char* origin : {"shop.example", "https://", "ftp://a.example", "https://a.example/", "https://a:b",
                             "https://a.example:", "https://a b"})
    EXPECT_FAULT(cors([&](auto& c) { c.origins = {origin}; }), at + "allowOrigins[0]");
  EXPECT_FAULT(cors([](auto& c) { c.methods = {"get"}; }), at + "allowMethods[0]");
  EXPECT_FAULT(cors([](auto& c) { c.request_headers = {"a b"}; }), at + "allowHeaders[0]");
  EXPECT_FAULT(cors([](auto& c) { c.expose_headers = {""}; }), at + "exposeHeaders[0]");
  EXPECT_FAULT(cors([](auto& c) { c.max_age_seconds = 0; }), at + "maxAge");
  EXPECT_FAULT(cors([](auto& c) { c.origins.resize(65, "*"); }), at + "allowOrigins");
}

TEST(ValidateHttpRoute, Times) {
  EXPECT_FAULT(of_rule([](auto& r) {
                 r.timeouts = {1'000'000'000, 2'000'000'000};
               }),
               kRule + "timeouts.backendRequest");
  EXPECT_EQ(of_rule([](auto& r) { r.timeouts = {0, 2'000'000'000}; }), "");
  const auto retry = [](auto&& change) { return of_rule([&](auto& r) { change(r.retry.emplace()); }); };
  EXPECT_EQ(retry([](auto& r) { r.codes = {503}; }), "");
  EXPECT_FAULT(retry([](auto& r) { r.attempts = 11; }), kRule + "retry.attempts");
  EXPECT_FAULT(retry([](auto& r) { r.backoff = 0; }), kRule + "retry.backoff");
  EXPECT_FAULT(retry([](auto& r) { r.codes = {500, 200}; }), kRule + "retry.codes[1]");
  EXPECT_FAULT(retry([](auto& r) { r.codes.resize(33, 500); }), kRule + "retry.codes");
}

TEST(ValidateTcpRoute, Rules) {
  State state = sample_l7_state();
  TcpRoute route = sample_tcp_route();
  put(state.tcp_routes, route);
  EXPECT_EQ(faults_of(state), "");
  route.backends[0].object.port = 0;
  put(state.tcp_routes, route);
  EXPECT_FAULT(faults_of(state), "TCPRoute/default/db spec.rules[0].backendRefs[0].port");
  route.backends.clear();
  put(state.tcp_routes, route);
  EXPECT_FAULT(faults_of(state), "TCPRoute/default/db spec.rules[0].backendRefs");
}

TEST(ValidateGrant, Rules) {
  const auto faults = [](auto&& change) {
    State state = sample_l7_state();
    ReferenceGrant grant = sample_grant("apps", "other");
    change(grant);
    put(state.grants, grant);
    return faults_of(state);
  };
  const std::string at = "ReferenceGrant/other/grant-apps spec.";
  EXPECT_EQ(faults([](auto&) {}), "");
  EXPECT_FAULT(faults([](auto& g) { g.from.clear(); }), at + "from");
  EXPECT_FAULT(faults([](auto& g) { g.to.resize(17, g.to[0]); }), at + "to");
  EXPECT_FAULT(faults([](auto& g) { g.from[0].space = ""; }), at + "from[0].namespace");
  EXPECT_FAULT(faults([](auto& g) { g.from[0].kind = ""; }), at + "from[0].kind");
  EXPECT_FAULT(faults([](auto& g) { g.to[0].name = "No"; }), at + "to[0].name");
}

TEST(ValidateFault, Rules) {
  const auto faults = [](auto&& change) {
    State state = sample_l7_state();
    Fault fault;
    fault.name = named("f");
    fault.route = named("shop");
    fault.abort_status = 503;
    fault.abort_per_million = 1;
    change(fault, state);
    put(state.faults, fault);
    return faults_of(state);
  };
  const std::string at = "Fault/default/f spec";
  EXPECT_EQ(faults([](auto&, auto&) {}), "");
  EXPECT_FAULT(faults([](auto& f, auto&) { f.route.name = "gone"; }), at + ".targetRef.name");
  EXPECT_FAULT(faults([](auto& f, auto&) { f.section = "gone"; }), at + ".targetRef.sectionName");
  EXPECT_FAULT(faults([](auto& f, auto&) { f.abort_status = 100; }), at + ".abort.httpStatus");
  EXPECT_FAULT(faults([](auto& f, auto&) { f.delay_per_million = 1; }), at + ".delay.fixedDelay");
  EXPECT_FAULT(faults([](auto& f, auto&) { f.abort_status = 0, f.abort_per_million = 0; }), at);
  EXPECT_EQ(faults([](auto& f, auto&) { f.abort_status = 0, f.abort_per_million = 0, f.resets = true; }), "");
  EXPECT_FAULT(faults([](auto& f, auto&) { f.throttle_bits = 1, f.throttle_per_million = 1; }),
               at + ".throttle.bitsPerSecond");
  EXPECT_FAULT(faults([](auto& f, auto&) { f.headers = {{"connection", "close"}}; }), at + ".headers[0]");
  EXPECT_FAULT(faults([](auto& f, auto& state) {
                 Fault other = f;
                 other.name = named("e");
                 put(state.faults, other);
               }),
               at + ".targetRef");
}

// A route that a Fault names cannot go alone.
TEST(ValidateFault, OutlivesNoRoute) {
  State before = sample_l7_state();
  Fault fault;
  fault.name = named("f");
  fault.route = named("shop");
  fault.abort_status = 503;
  put(before.faults, fault);
  State after = before;
  after.http_routes.erase(named("shop"));
  EXPECT_FAULT(faults_of(after, &before), "Fault/default/f spec.targetRef.name");
}

}  // namespace
}  // namespace penstock::model
