// A Gateway with one HTTP listener and a route to the sample Service, for tests to change.
#pragma once

#include <string>

#include "tests/unit/control/model/sample_state.h"

namespace penstock::model {

inline BackendRef sample_backend(std::string service = "web", uint16_t port = 80, uint32_t weight = 1) {
  BackendRef backend;
  backend.object.name = named(std::move(service));
  backend.object.port = port;
  backend.weight = weight;
  return backend;
}

inline ServiceSubset sample_subset(std::string name, Labels labels, std::string service = "web") {
  ServiceSubset subset;
  subset.name = named(std::move(name));
  subset.service = named(std::move(service));
  subset.selector.labels = std::move(labels);
  return subset;
}

inline BackendRef sample_subset_backend(std::string name, uint16_t port = 80, uint32_t weight = 1) {
  BackendRef backend = sample_backend(std::move(name), port, weight);
  backend.object.group = kPenstockGroup;
  backend.object.kind = "ServiceSubset";
  return backend;
}

// What stands behind these addresses, in the namespace "default".
inline Workload sample_workload(std::string name, Labels labels, std::vector<base::Prefix> addresses) {
  Workload workload;
  workload.name = named(name);
  workload.identity = "spiffe://example.org/" + name;
  workload.interface = "lan";
  workload.labels = std::move(labels);
  workload.addresses = std::move(addresses);
  return workload;
}

inline GatewayListener sample_listener(std::string name = "http", uint16_t port = 8080, std::string hostname = "") {
  GatewayListener listener;
  listener.name = std::move(name);
  listener.port = port;
  listener.hostname = std::move(hostname);
  return listener;
}

inline Gateway sample_gateway(std::string name = "edge") {
  Gateway gateway;
  gateway.name = named(std::move(name));
  gateway.listeners = {sample_listener()};
  return gateway;
}

inline config::Match prefix(std::string path) {
  config::Match match;
  match.path.value = std::move(path);
  return match;
}

inline HttpRoute sample_route(std::string name = "shop", std::string path = "/") {
  HttpRoute route;
  route.name = named(std::move(name));
  route.parents = {{.gateway = named("edge")}};
  HttpRule& rule = route.rules.emplace_back();
  rule.matches = {prefix(std::move(path))};
  rule.backends = {sample_backend()};
  return route;
}

inline TcpRoute sample_tcp_route(std::string name = "db") {
  TcpRoute route;
  route.name = named(std::move(name));
  route.parents = {{.gateway = named("edge")}};
  route.backends = {sample_backend()};
  return route;
}

inline ReferenceGrant sample_grant(std::string from, std::string to, std::string kind = "HTTPRoute") {
  ReferenceGrant grant;
  grant.name = {.space = std::move(to), .name = "grant-" + from};
  grant.from = {{kGatewayGroup, std::move(kind), std::move(from)}};
  grant.to = {{"", "Service", ""}};
  return grant;
}

// The sample state with the Gateway and the route.
inline State sample_l7_state() {
  State state = sample_state();
  put(state.gateways, sample_gateway());
  put(state.http_routes, sample_route());
  return state;
}

}  // namespace penstock::model
