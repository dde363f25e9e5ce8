// Which route is attached to which listener, and what is told about it.
#include "control/model/gateway_status.h"

#include <gtest/gtest.h>

#include "tests/unit/control/model/sample_gateway.h"

namespace penstock::model {
namespace {

// "Accepted=True/Accepted ResolvedRefs=False/BackendNotFound"
std::string text_of(const std::vector<Condition>& conditions) {
  std::string out;
  for (const Condition& each : conditions) {
    if (!out.empty()) out += ' ';
    out += std::string(each.type) + (each.status ? "=True/" : "=False/") + each.reason;
  }
  return out;
}
std::string of_route(const State& state, const std::string& name = "shop", size_t parent = 0) {
  const auto parents = status_of(view_of(state), state, *state.http_routes.at(named(name)));
  return parent < parents.size() ? text_of(parents[parent]) : "no parent";
}
std::string of_listener(const State& state, const std::string& gateway = "edge", size_t listener = 0) {
  const GatewayStatus status = status_of(view_of(state), *state.gateways.at(named(gateway)));
  const ListenerStatus& each = status.listeners.at(listener);
  return text_of(each.conditions) + " attached=" + std::to_string(each.attached);
}
std::string of_gateway(const State& state, const std::string& gateway = "edge") {
  return text_of(status_of(view_of(state), *state.gateways.at(named(gateway))).conditions);
}
const std::string kGood = "Accepted=True/Accepted ResolvedRefs=True/ResolvedRefs";
const std::string kRefs = " ResolvedRefs=True/ResolvedRefs";

TEST(GatewayStatus, AllIsWell) {
  const State state = sample_l7_state();
  EXPECT_EQ(of_route(state), kGood);
  EXPECT_EQ(of_gateway(state), "Accepted=True/Accepted Programmed=True/Programmed");
  EXPECT_EQ(of_listener(state),
            "Accepted=True/Accepted Programmed=True/Programmed ResolvedRefs=True/ResolvedRefs "
            "Conflicted=False/NoConflicts attached=1");
  const GatewayStatus status = status_of(view_of(state), *state.gateways.at(named("edge")));
  EXPECT_EQ(status.addresses.size(), 4U);
  ASSERT_EQ(status.listeners[0].kinds.size(), 1U);
  EXPECT_STREQ(status.listeners[0].kinds[0], "HTTPRoute");
}

TEST(GatewayStatus, ParentsThatAreNotThere) {
  State state = sample_l7_state();
  HttpRoute route = sample_route();
  route.parents = {{.gateway = named("gone")},
                   {.gateway = named("edge"), .section = "gone"},
                   {.gateway = named("edge"), .section = "", .port = 81},
                   {.gateway = named("edge"), .section = "http", .port = 8080}};
  put(state.http_routes, route);
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(of_route(state, "shop", i), "Accepted=False/NoMatchingParent" + kRefs);
  EXPECT_EQ(of_route(state, "shop", 3), kGood);
}

TEST(GatewayStatus, NamespacesAndKinds) {
  State state = sample_l7_state();
  Gateway gateway = sample_gateway();
  gateway.name.space = "infra";
  put(state.gateways, gateway);
  HttpRoute route = sample_route();
  route.parents[0].gateway.space = "infra";
  put(state.http_routes, route);
  EXPECT_EQ(of_route(state), "Accepted=False/NotAllowedByListeners" + kRefs);
  gateway.listeners[0].from = RoutesFrom::kAll;
  put(state.gateways, gateway);
  EXPECT_EQ(of_route(state), kGood);
  gateway.listeners[0].kinds = {{kGatewayGroup, "GRPCRoute"}};
  put(state.gateways, gateway);
  EXPECT_EQ(of_route(state), "Accepted=False/NotAllowedByListeners" + kRefs);
  const ListenerStatus status =
      status_of(view_of(state), *state.gateways.at({.space = "infra", .name = "edge"})).listeners[0];
  EXPECT_NE(text_of(status.conditions).find("ResolvedRefs=False/InvalidRouteKinds"), std::string::npos);
  EXPECT_TRUE(status.kinds.empty());

  State tcp = sample_l7_state();
  gateway = sample_gateway();
  gateway.listeners[0].protocol = config::Protocol::kTcp;
  put(tcp.gateways, gateway);
  EXPECT_EQ(of_route(tcp), "Accepted=False/NotAllowedByListeners" + kRefs);
}

TEST(GatewayStatus, NamespacesByLabel) {
  State state = sample_l7_state();
  Gateway gateway = sample_gateway();
  gateway.listeners[0].from = RoutesFrom::kSelector;
  const auto route_is = [&](LabelSelector selector) {
    gateway.listeners[0].namespaces = std::move(selector);
    put(state.gateways, gateway);
    return of_route(state) == kGood;
  };
  using Operator = LabelRequirement::Operator;
  EXPECT_TRUE(route_is({}));  // selects every namespace
  EXPECT_TRUE(route_is({.labels = {{"kubernetes.io/metadata.name", "default"}}}));
  EXPECT_FALSE(route_is({.labels = {{"kubernetes.io/metadata.name", "other"}}}));
  const LabelSelector shop{.labels = {{"team", "shop"}}},
      not_shop{.requirements = {{"team", Operator::kNotIn, {"shop"}}}},
      team{.requirements = {{"team", Operator::kExists, {}}}};
  EXPECT_FALSE(route_is(shop));
  EXPECT_TRUE(route_is(not_shop));
  EXPECT_FALSE(route_is(team));
  put(state.namespaces, Namespace{.name = {.name = "default"}, .labels = {{"team", "shop"}}});
  EXPECT_TRUE(route_is(shop));
  EXPECT_FALSE(route_is(not_shop));
  EXPECT_TRUE(route_is(team));
  EXPECT_FALSE(route_is({.labels = {{"team", "shop"}, {"stage", "test"}}}));
  put(state.namespaces, Namespace{.name = {.name = "default"}, .labels = {{"kubernetes.io/metadata.name", "other"}}});
  EXPECT_TRUE(route_is({.labels = {{"kubernetes.io/metadata.name", "default"}}}));  // nobody else names it
}

TEST(GatewayStatus, Hostnames) {
  State state = sample_l7_state();
  Gateway gateway = sample_gateway();
  gateway.listeners = {sample_listener("a", 8080, "a.example"), sample_listener("w", 8080, "*.w.example")};
  put(state.gateways, gateway);
  HttpRoute route = sample_route();
  const auto attached = [&](std::vector<std::string> hostnames) {
    route.hostnames = std::move(hostnames);
    put(state.http_routes, route);
    std::string out;
    for (const ListenerView& listener : view_of(state).listeners) {
      out += listener.listener->name + ":";
      for (const AttachedHttp& each : listener.http)
        for (const std::string& hostname : each.hostnames) out += " " + hostname;
      out += "; ";
    }
    return out;
  };
  EXPECT_EQ(attached({}), "a: a.example; w: *.w.example; ");
  EXPECT_EQ(attached({"*.example"}), "a: a.example; w: *.w.example; ");
  EXPECT_EQ(attached({"x.w.example", "*.y.w.example", "w.example"}), "a:; w: *.y.w.example x.w.example; ");
  EXPECT_EQ(of_route(state), kGood);
  EXPECT_EQ(attached({"b.example"}), "a:; w:; ");
  EXPECT_EQ(of_route(state), "Accepted=False/NoMatchingListenerHostname" + kRefs);
}

TEST(GatewayStatus, Backends) {
  State state = sample_l7_state();
  HttpRoute route = sample_route();
  const auto told = [&] {
    put(state.http_routes, route);
    return of_route(state);
  };
  BackendObject& backend = route.rules[0].backends[0].object;
  backend.port = 81;
  EXPECT_EQ(told(), "Accepted=True/Accepted ResolvedRefs=False/BackendNotFound");
  const auto parents = status_of(view_of(state), state, *state.http_routes.at(named("shop")));
  EXPECT_EQ(parents[0][1].message, "spec.rules[0].backendRefs[0]: Service/default/web port 81 is not there");
  backend.port = 80;
  backend.kind = "Bucket";
  EXPECT_EQ(told(), "Accepted=True/Accepted ResolvedRefs=False/InvalidKind");
  backend.kind = "Service";
  backend.name.space = "other";
  EXPECT_EQ(told(), "Accepted=True/Accepted ResolvedRefs=False/RefNotPermitted");

  // The grant is of that namespace, for that kind and namespace, to that object.
  ReferenceGrant grant = sample_grant("default", "other");
  const auto granted = [&](auto&& change) {
    ReferenceGrant each = grant;
    change(each);
    put(state.grants, each);
    const std::string answer = told();
    state.grants.erase(each.name);
    return answer.substr(answer.rfind('/') + 1);
  };
  EXPECT_EQ(granted([](auto&) {}), "BackendNotFound");
  EXPECT_EQ(granted([](auto& g) { g.name.space = "third"; }), "RefNotPermitted");
  EXPECT_EQ(granted([](auto& g) { g.from[0].space = "third"; }), "RefNotPermitted");
  EXPECT_EQ(granted([](auto& g) { g.from[0].kind = "TCPRoute"; }), "RefNotPermitted");
  EXPECT_EQ(granted([](auto& g) { g.from[0].group = ""; }), "RefNotPermitted");
  EXPECT_EQ(granted([](auto& g) { g.to[0].kind = "Secret"; }), "RefNotPermitted");
  EXPECT_EQ(granted([](auto& g) { g.to[0].name = "db"; }), "RefNotPermitted");
  EXPECT_EQ(granted([](auto& g) { g.to[0].name = "web"; }), "BackendNotFound");
  Service service = sample_service();
  service.name.space = "other";
  put(state.services, service);
  EXPECT_EQ(granted([](auto&) {}), "ResolvedRefs");

  route = sample_route();
  route.rules[0].filters.mirrors = {{sample_backend("gone").object, 1, 1}};
  EXPECT_EQ(told(), "Accepted=True/Accepted ResolvedRefs=False/BackendNotFound");
}

TEST(GatewayStatus, TheOlderGatewayHasThePort) {
  State state = sample_l7_state();
  Gateway younger = sample_gateway("aaa");
  younger.created = 100;
  put(state.gateways, younger);
  EXPECT_EQ(of_listener(state, "aaa"),
            "Accepted=False/PortUnavailable Programmed=False/Invalid ResolvedRefs=True/ResolvedRefs "
            "Conflicted=True/HostnameConflict attached=0");
  EXPECT_EQ(of_gateway(state, "aaa"), "Accepted=False/ListenersNotValid Programmed=False/Invalid");
  EXPECT_EQ(of_gateway(state, "edge"), "Accepted=True/Accepted Programmed=True/Programmed");

  younger.listeners[0].hostname = "other.example";
  put(state.gateways, younger);
  EXPECT_EQ(of_gateway(state, "aaa"), "Accepted=True/Accepted Programmed=True/Programmed");

  younger.listeners[0] = sample_listener();
  younger.listeners[0].protocol = config::Protocol::kTcp;
  put(state.gateways, younger);
  EXPECT_NE(of_listener(state, "aaa").find("Conflicted=True/ProtocolConflict"), std::string::npos);

  // What is left to it is its own.
  Gateway edge = *state.gateways.at(named("edge"));
  edge.addresses = {ip("10.0.0.1")};
  put(state.gateways, edge);
  younger.addresses = {ip("203.0.113.1"), ip("10.0.0.1")};
  put(state.gateways, younger);
  EXPECT_EQ(of_gateway(state, "aaa"), "Accepted=True/ListenersNotValid Programmed=True/Programmed");
  EXPECT_EQ(status_of(view_of(state), *state.gateways.at(named("aaa"))).addresses, std::vector{ip("203.0.113.1")});
}

TEST(GatewayStatus, AnAddressThatIsNotTheNodesIsTold) {
  State state = sample_l7_state();
  Gateway edge = *state.gateways.at(named("edge"));
  edge.addresses = {ip("198.51.100.99")};
  put(state.gateways, edge);
  EXPECT_EQ(of_gateway(state), "Accepted=True/Accepted Programmed=False/AddressNotUsable");
  EXPECT_EQ(of_listener(state),
            "Accepted=True/Accepted Programmed=False/Pending ResolvedRefs=True/ResolvedRefs "
            "Conflicted=False/NoConflicts attached=1");

  // Others accept, and it is told all the same.
  edge.addresses = {ip("198.51.100.99"), ip("10.0.0.1"), ip("2001:db8::99")};
  put(state.gateways, edge);
  EXPECT_EQ(of_gateway(state), "Accepted=True/Accepted Programmed=False/AddressNotUsable");
  const GatewayStatus status = status_of(view_of(state), *state.gateways.at(named("edge")));
  EXPECT_EQ(status.conditions[1].message, "not the Node's: 198.51.100.99, 2001:db8::99");
  EXPECT_EQ(status.addresses, std::vector{ip("10.0.0.1")});
}

TEST(GatewayStatus, WithoutANodeThereIsNoAddress) {
  State state = sample_l7_state();
  state.node = nullptr;
  EXPECT_EQ(of_gateway(state), "Accepted=True/Accepted Programmed=False/AddressNotAssigned");
}

TEST(GatewayStatus, OfOneGatewayTheFirstListenerHasThePort) {
  State state = sample_l7_state();
  Gateway edge = sample_gateway();
  edge.listeners.push_back(sample_listener("again"));
  edge.listeners.push_back(sample_listener("tcp"));
  edge.listeners[2].protocol = config::Protocol::kTcp;
  edge.listeners.push_back(sample_listener("other", 8080, "a.example"));
  put(state.gateways, edge);
  const std::string taken = "Accepted=False/PortUnavailable Programmed=False/Invalid" + kRefs + " Conflicted=True/";
  const std::string good = "Accepted=True/Accepted Programmed=True/Programmed" + kRefs;
  EXPECT_EQ(of_listener(state, "edge", 0), good + " Conflicted=False/NoConflicts attached=1");
  EXPECT_EQ(of_listener(state, "edge", 1), taken + "HostnameConflict attached=1");
  EXPECT_EQ(of_listener(state, "edge", 2), taken + "ProtocolConflict attached=0");
  EXPECT_EQ(of_listener(state, "edge", 3), good + " Conflicted=False/NoConflicts attached=1");
  EXPECT_EQ(of_gateway(state), "Accepted=True/ListenersNotValid Programmed=True/Programmed");
  const GatewayStatus status = status_of(view_of(state), *state.gateways.at(named("edge")));
  EXPECT_EQ(status.listeners[1].conditions.back().message, "Gateway/default/edge/http has it");
}

TEST(GatewayStatus, OthersServeBesideAProtocolThatIsNotServed) {
  for (const char* protocol : {"HTTPS", "TLS", "UDP"}) {
    State state = sample_l7_state();
    Gateway edge = sample_gateway();
    edge.listeners.insert(edge.listeners.begin(), sample_listener("other"));  // first at the port, which it leaves
    edge.listeners[0].unserved = protocol;
    put(state.gateways, edge);
    EXPECT_EQ(of_listener(state, "edge", 0),
              "Accepted=False/UnsupportedProtocol Programmed=False/Invalid Conflicted=False/NoConflicts attached=0");
    EXPECT_NE(of_listener(state, "edge", 1).find("Programmed=True/Programmed"), std::string::npos);
    EXPECT_EQ(of_gateway(state), "Accepted=True/ListenersNotValid Programmed=True/Programmed");
    EXPECT_EQ(of_route(state), kGood);
    const GatewayStatus status = status_of(view_of(state), *state.gateways.at(named("edge")));
    EXPECT_TRUE(status.listeners[0].kinds.empty());

    HttpRoute route = sample_route();
    route.parents[0].section = "other";
    put(state.http_routes, route);
    EXPECT_EQ(of_route(state), "Accepted=False/NotAllowedByListeners" + kRefs);
    edge.listeners.pop_back();
    put(state.gateways, edge);
    EXPECT_EQ(of_gateway(state), "Accepted=False/ListenersNotValid Programmed=False/Invalid");
  }
}

TEST(GatewayStatus, WhatAPortSpeaks) {
  State state = sample_l7_state();
  Gateway edge = sample_gateway();
  edge.listeners.push_back(sample_listener("db", 81));
  edge.listeners[1].protocol = config::Protocol::kTcp;
  put(state.gateways, edge);
  put(state.tcp_routes, sample_tcp_route());
  Service service = sample_service();
  for (const auto& [speaks, http] :
       {std::pair("", true), std::pair("http", true), std::pair("kubernetes.io/ws", true), std::pair("x/own", true),
        std::pair("kubernetes.io/h2c", false), std::pair("kubernetes.io/wss", false), std::pair("https", false),
        std::pair("grpc", false)}) {
    service.ports[0].app_protocol = speaks;
    put(state.services, service);
    EXPECT_EQ(of_route(state), http ? kGood : "Accepted=True/Accepted ResolvedRefs=False/UnsupportedProtocol")
        << speaks;
    const TcpRoute& tcp = *state.tcp_routes.at(named("db"));
    EXPECT_EQ(text_of(status_of(view_of(state), state, tcp).at(0)), kGood) << speaks;
  }
}

TEST(GatewayStatus, OneTcpRouteHasAListener) {
  State state = sample_l7_state();
  Gateway gateway = sample_gateway();
  gateway.listeners[0].protocol = config::Protocol::kTcp;
  put(state.gateways, gateway);
  TcpRoute older = sample_tcp_route("zzz"), younger = sample_tcp_route("aaa");
  older.created = 1, younger.created = 2;
  put(state.tcp_routes, older);
  put(state.tcp_routes, younger);
  const GatewayView view = view_of(state);
  EXPECT_EQ(view.listeners[0].tcp, state.tcp_routes.at(named("zzz")).get());
  EXPECT_EQ(text_of(status_of(view, state, older).at(0)), kGood);
  EXPECT_EQ(text_of(status_of(view, state, younger).at(0)), "Accepted=False/NotAllowedByListeners" + kRefs);
}

}  // namespace
}  // namespace penstock::model
