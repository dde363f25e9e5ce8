// A small valid gateway that tests break one field at a time.
#pragma once

#include <string>

#include "control/model/state.h"

namespace penstock::model {

inline base::IpAddress ip(std::string_view text) { return base::IpAddress::parse(text).value(); }
inline base::Prefix net(std::string_view text) { return base::Prefix::parse(text).value(); }
inline Name named(std::string name) { return {.name = std::move(name)}; }

inline Node sample_node() {
  Node node;
  node.name = "gw";
  Interface wan, lan;
  wan.name = "wan";
  wan.device = "net_af_packet0,iface=eth0";
  wan.addresses = {net("203.0.113.1/24"), net("2001:db8:1::1/64")};
  lan.name = "lan";
  lan.device = "0000:01:00.0";
  lan.addresses = {net("10.0.0.1/24")};
  Vlan vlan;
  vlan.name = "lan.100";
  vlan.id = 100;
  vlan.addresses = {net("10.0.100.1/24")};
  lan.vlans = {vlan};
  node.interfaces = {wan, lan};
  Route route;
  route.prefix = net("0.0.0.0/0");
  route.next_hops = {{ip("203.0.113.254"), "", 1}};
  node.routes = {route};
  return node;
}

inline Service sample_service(std::string name = "web", std::string_view address = "198.51.100.10") {
  Service service;
  service.name = named(std::move(name));
  service.addresses = {ip(address)};
  service.ports = {{.name = "http", .protocol = 6, .port = 80, .target_port = 8080}};
  return service;
}

inline EndpointSlice sample_slice(std::string service = "web") {
  EndpointSlice slice;
  slice.name = named(service + "-1");
  slice.service = named(std::move(service));
  slice.endpoints = {{.addresses = {ip("10.0.0.11")}}, {.addresses = {ip("10.0.0.12")}}};
  slice.ports = {{.name = "http", .protocol = 6, .port = 8080}};
  return slice;
}

inline ServicePolicy sample_policy(std::string service = "web") {
  ServicePolicy policy;
  policy.name = named(service);
  policy.service = named(std::move(service));
  return policy;
}

inline AccessPolicy sample_access_policy() {
  AccessPolicy policy;
  policy.name = named("edge");
  AccessRule rule;
  rule.name = "ssh";
  rule.match.interfaces = {"wan"};
  rule.match.from = {net("192.0.2.0/24")};
  rule.match.protocol = 6;
  rule.match.destination_ports = {{22, 22}};
  policy.rules = {rule};
  return policy;
}

inline RateLimit sample_limit() {
  RateLimit limit;
  limit.name = named("web-rate");
  limit.target = LimitTarget::kService;
  limit.service = named("web");
  limit.rate = 1000;
  return limit;
}

inline Egress sample_egress() {
  Egress egress;
  egress.name = named("out");
  egress.from = {net("10.0.0.0/8")};
  egress.interfaces = {"wan"};
  egress.pool = {ip("203.0.113.50")};
  return egress;
}

inline Mirror sample_mirror() {
  Mirror mirror;
  mirror.name = named("tap");
  mirror.interface = "lan";
  return mirror;
}

template <typename T>
void put(Objects<T>& objects, T object) {
  objects[object.name] = std::make_shared<const T>(object);
}

inline State sample_state() {
  State state;
  state.node = std::make_shared<const Node>(sample_node());
  put(state.services, sample_service());
  put(state.slices, sample_slice());
  put(state.service_policies, sample_policy());
  put(state.access_policies, sample_access_policy());
  put(state.rate_limits, sample_limit());
  put(state.egresses, sample_egress());
  put(state.mirrors, sample_mirror());
  return state;
}

// All faults as a user reads them, one a line.
inline std::string lines(const FieldErrors& errors) {
  std::string out;
  for (const FieldError& error : errors) {
    if (!out.empty()) out += '\n';
    out += error.to_string();
  }
  return out;
}
inline std::string faults_of(const State& state, const State* before = nullptr) {
  return lines(validate(state, before));
}

}  // namespace penstock::model
