#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "control/model/limits.h"
#include "tests/unit/control/compile/sample_compiler.h"

namespace penstock::compile {
namespace {

constexpr const char* kVip = "198.51.100.10";

struct Sample {  // one service, its slice and policy
  model::Service service = model::sample_service();
  model::EndpointSlice slice = model::sample_slice();
  model::ServicePolicy policy = model::sample_policy();
  std::vector<model::EndpointSlice> more;

  model::State state() const {
    model::State out;
    put(out.services, service);
    put(out.slices, slice);
    put(out.service_policies, policy);
    for (const model::EndpointSlice& each : more) put(out.slices, each);
    return out;
  }
};

std::string endpoints_of(const Sample& sample, uint16_t port = 80, uint8_t protocol = 6, std::string_view vip = kVip) {
  Bench bench;
  const auto g = bench(sample.state());
  if (!g) return bench.last_errors;
  const flow::ServiceEntry* found = entry(*g, vip, port, protocol);
  return found ? text_of(*found) : "none";
}

TEST(CompileServices, TheEntry) {
  Sample sample;
  sample.service.client_affinity = true;
  sample.service.affinity_seconds = 60;
  sample.policy.mode = model::ServiceMode::kFullNat;
  sample.policy.source_pool = {ip("203.0.113.60"), ip("2001:db8:1::60")};
  sample.policy.on_endpoint_down = model::DownAction::kReset;
  sample.policy.no_endpoint = model::NoEndpointAction::kDrop;
  Bench bench;
  const auto g = bench(sample.state());
  ASSERT_TRUE(g) << bench.last_errors;
  const flow::ServiceEntry* web = entry(*g, kVip, 80);
  ASSERT_TRUE(web);
  EXPECT_EQ(web->name, "default/web:80");
  EXPECT_EQ(web->mode, flow::ServiceMode::kFullNat);
  EXPECT_EQ(web->affinity_seconds, 60u);
  EXPECT_TRUE(web->reset_on_down);
  EXPECT_FALSE(web->reject_without_endpoint);
  ASSERT_EQ(web->source_pool.size(), 1u);
  EXPECT_EQ(web->source_pool[0], ip("203.0.113.60"));
  EXPECT_EQ(text_of(*web), "10.0.0.11:8080 10.0.0.12:8080");
  EXPECT_EQ(g->services->by_slot(web->slot), web);
  EXPECT_TRUE(g->tracks);
  EXPECT_FALSE(entry(*g, kVip, 81));
}

TEST(CompileServices, WithoutAPolicyTheDefaultsHold) {
  Sample sample;
  model::State state = sample.state();
  state.service_policies.clear();
  Bench bench;
  const auto g = bench(state);
  ASSERT_TRUE(g);
  const flow::ServiceEntry* web = entry(*g, kVip, 80);
  ASSERT_TRUE(web);
  EXPECT_EQ(web->mode, flow::ServiceMode::kNat);
  EXPECT_EQ(web->balancing, flow::Balancing::kMaglev);
  EXPECT_TRUE(web->reject_without_endpoint);
}

TEST(CompileServices, PortsAreMatchedByNameAsInKubernetes) {
  Sample sample;
  sample.service.ports.push_back({.name = "dns", .protocol = 17, .port = 53, .target_port_name = "dns-udp"});
  EXPECT_EQ(endpoints_of(sample, 53, 17), "");  // no slice port of this name
  sample.slice.ports.push_back({.name = "dns", .protocol = 17, .port = 5353});
  EXPECT_EQ(endpoints_of(sample, 53, 17), "10.0.0.11:5353 10.0.0.12:5353");
  EXPECT_EQ(endpoints_of(sample), "10.0.0.11:8080 10.0.0.12:8080");
  sample.slice.ports[1].protocol = 6;  // the name of another protocol's port
  EXPECT_EQ(endpoints_of(sample, 53, 17), "");
  sample.slice.ports[0].port = 0;  // all ports: the service says which
  EXPECT_EQ(endpoints_of(sample), "10.0.0.11:8080 10.0.0.12:8080");
  sample.service.ports[0].target_port = 0;
  EXPECT_EQ(endpoints_of(sample), "10.0.0.11:80 10.0.0.12:80");
}

TEST(CompileServices, EndpointStates) {
  Sample sample;
  sample.slice.endpoints = {
      {.addresses = {ip("10.0.0.1")}},
      {.addresses = {ip("10.0.0.2")}, .ready = false, .serving = true, .terminating = true},
      {.addresses = {ip("10.0.0.3")}, .ready = false, .serving = false, .terminating = true},
      {.addresses = {ip("10.0.0.4")}, .ready = false, .serving = true, .terminating = false},
      {.addresses = {ip("10.0.0.5")}},
  };
  sample.policy.weights = {{ip("10.0.0.5"), 0}};
  Bench bench;
  const auto g = bench(sample.state());
  ASSERT_TRUE(g);
  const flow::ServiceEntry* web = entry(*g, kVip, 80);
  EXPECT_EQ(text_of(*web),
            "10.0.0.1:8080 10.0.0.2:8080(draining) 10.0.0.3:8080(down) 10.0.0.4:8080(down) 10.0.0.5:8080*0");
  EXPECT_FALSE(web->table.empty());
  EXPECT_TRUE(std::all_of(web->table.begin(), web->table.end(), [](uint16_t i) { return i == 0; }));
  EXPECT_EQ(g->services->endpoint_state(web->endpoints[1].slot), flow::EndpointState::kDraining);
}

TEST(CompileServices, SlicesMergeInAnyOrder) {
  Sample sample;
  model::EndpointSlice second = model::sample_slice();
  second.name = named("web-0");
  second.endpoints = {
      {.addresses = {ip("10.0.0.12")}, .ready = false, .serving = false},  // both have it: the better counts
      {.addresses = {ip("10.0.0.2")}}};
  second.ports = {{.name = "http", .protocol = 6, .port = 8080}};
  model::EndpointSlice other = model::sample_slice("other");
  sample.more = {second, other};
  EXPECT_EQ(endpoints_of(sample), "10.0.0.2:8080 10.0.0.11:8080 10.0.0.12:8080");
  sample.more[0].ports[0].port = 9090;  // another port is another endpoint
  EXPECT_EQ(endpoints_of(sample), "10.0.0.2:9090 10.0.0.11:8080 10.0.0.12:8080 10.0.0.12:9090(down)");
}

TEST(CompileServices, DualStackUsesEndpointsOfTheFamily) {
  Sample sample;
  sample.service.addresses = {ip(kVip), ip("2001:db8::10"), ip(kVip)};
  sample.slice.endpoints.push_back({.addresses = {ip("2001:db8:a::11")}});
  EXPECT_EQ(endpoints_of(sample), "10.0.0.11:8080 10.0.0.12:8080");
  EXPECT_EQ(endpoints_of(sample, 80, 6, "2001:db8::10"), "2001:db8:a::11:8080");
  Bench bench;
  const auto g = bench(sample.state());
  EXPECT_EQ(g->services->entries().size(), 2u);  // an address given twice is one
}

TEST(CompileServices, AllPorts) {
  Sample sample;
  sample.policy.all_ports = true;
  sample.slice.ports.clear();
  EXPECT_EQ(endpoints_of(sample, 4711), "10.0.0.11:0 10.0.0.12:0");
  EXPECT_EQ(endpoints_of(sample, 4711, 17), "none");
  sample.service.ports.push_back({.name = "b", .protocol = 17, .port = 1});
  EXPECT_EQ(endpoints_of(sample, 4711, 17), "10.0.0.11:0 10.0.0.12:0");
  sample.service.ports.clear();
  EXPECT_EQ(endpoints_of(sample, 4711, 132), "10.0.0.11:0 10.0.0.12:0");
  Bench bench;
  EXPECT_EQ(entry(*bench(sample.state()), kVip, 1)->name, "default/web:*");
}

TEST(CompileServices, DsrAndIpipKeepThePort) {
  Sample sample;
  sample.service.ports[0].target_port = 0;
  for (const auto mode : {model::ServiceMode::kDsr, model::ServiceMode::kIpip}) {
    sample.policy.mode = mode;
    EXPECT_EQ(endpoints_of(sample), "10.0.0.11:80 10.0.0.12:80");
  }
}

TEST(CompileServices, Balancing) {
  Sample sample;
  sample.policy.weights = {{ip("10.0.0.11"), 200}};
  Bench bench;
  auto g = bench(sample.state());
  const std::vector<uint16_t>& maglev = entry(*g, kVip, 80)->table;
  EXPECT_GE(maglev.size(), 200u);
  EXPECT_NEAR(static_cast<double>(std::count(maglev.begin(), maglev.end(), 0)),
              static_cast<double>(maglev.size()) * 2 / 3, static_cast<double>(maglev.size()) * 0.03);
  sample.policy.maglev_table_size = 1009;
  g = bench(sample.state());
  EXPECT_EQ(entry(*g, kVip, 80)->table.size(), 1009u);
  sample.policy.maglev_table_size = 0;
  sample.policy.balancing = model::Balancing::kRoundRobin;
  g = bench(sample.state());
  EXPECT_EQ(entry(*g, kVip, 80)->table, (std::vector<uint16_t>{0, 1, 0}));
  sample.policy.balancing = model::Balancing::kLeastConnections;
  g = bench(sample.state());
  EXPECT_TRUE(entry(*g, kVip, 80)->table.empty());
  sample.policy.balancing = model::Balancing::kMaglev;
  sample.policy.weights = {{ip("10.0.0.11"), 0}, {ip("10.0.0.12"), 0}};
  g = bench(sample.state());
  EXPECT_TRUE(entry(*g, kVip, 80)->table.empty());
}

TEST(CompileServices, Bounds) {
  Sample sample;
  sample.slice.endpoints.clear();
  for (uint32_t i = 0; i < 1000; ++i)
    sample.slice.endpoints.push_back({.addresses = {base::IpAddress::v4(0x0a010000 + i)}});
  sample.policy.maglev_table_size = 997;
  EXPECT_EQ(
      endpoints_of(sample),
      "ServicePolicy/default/web spec.maglevTableSize: 997 is too small for the 1000 endpoints of Service/default/web");
  sample.policy.maglev_table_size = 1009;
  EXPECT_EQ(endpoints_of(sample).substr(0, 13), "10.1.0.0:8080");
  for (uint32_t s = 0; s < 4; ++s) {
    model::EndpointSlice more = sample.slice;
    more.name = named("more" + std::to_string(s));
    for (uint32_t i = 0; i < 1000; ++i) more.endpoints[i].addresses = {base::IpAddress::v4(0x0a020000 + 1000 * s + i)};
    sample.more.push_back(more);
  }
  EXPECT_EQ(endpoints_of(sample), "Service/default/web endpoints: 5000 in all its slices are too many (at most 4096)");
}

TEST(CompileServices, NoMoreVirtualPortsThanSlots) {
  model::State state;
  for (uint32_t i = 0; i < 263; ++i) {
    model::Service service = model::sample_service("s" + std::to_string(i));
    service.addresses = {base::IpAddress::v4(0xc6336400u + i)};
    service.ports.clear();
    for (uint16_t port = 1; port <= 250; ++port)
      service.ports.push_back({.name = "p" + std::to_string(port), .port = port});
    put(state.services, service);
  }
  EXPECT_EQ(model::faults_of(state), "");
  Bench bench;
  const std::string errors = bench.errors_of(state);
  EXPECT_EQ(
      errors.substr(0, errors.find('\n')),
      "Service/default/s99: there is no room for its virtual ports (at most 65536 in all, with those removed until "
      "every worker has left their generations)");
  state.services.erase(named("s99"));
  EXPECT_EQ(bench.errors_of(state), "");
}

TEST(CompileServices, Health) {
  Sample sample;
  Bench bench;
  bench.health.set(named("web"), ip("10.0.0.11"), 8080, false);
  auto g = bench(sample.state());
  EXPECT_EQ(text_of(*entry(*g, kVip, 80)),
            "10.0.0.11:8080 10.0.0.12:8080");  // nothing is checked: old results do not count
  sample.policy.health_check.kind = model::HealthCheckKind::kTcp;
  const model::State state = sample.state();
  g = bench(state);
  EXPECT_EQ(text_of(*entry(*g, kVip, 80)), "10.0.0.11:8080(down) 10.0.0.12:8080");
  bench.health.set(named("web"), ip("10.0.0.12"), 8080, false);
  g = bench(state);
  EXPECT_EQ(text_of(*entry(*g, kVip, 80)), "10.0.0.11:8080(down) 10.0.0.12:8080(down)");
  EXPECT_TRUE(entry(*g, kVip, 80)->table.empty());
  bench.health.set(named("web"), ip("10.0.0.11"), 8080, true);
  g = bench(state);
  EXPECT_EQ(text_of(*entry(*g, kVip, 80)), "10.0.0.11:8080 10.0.0.12:8080(down)");
  bench.health.forget(named("web"));
  g = bench(state);
  EXPECT_EQ(text_of(*entry(*g, kVip, 80)), "10.0.0.11:8080 10.0.0.12:8080");
}

TEST(CompileServices, UnchangedServicesAreShared) {
  model::State state;
  for (int i = 0; i < 300; ++i) {
    const std::string name = "s" + std::to_string(i);
    model::Service service = model::sample_service(name);
    service.addresses = {base::IpAddress::v4(0xc6336400u + static_cast<uint32_t>(i))};
    put(state.services, service);
    put(state.slices, model::sample_slice(name));
  }
  Bench bench;
  const auto before = bench(state);
  EXPECT_EQ(bench(state)->services, before->services);  // not even a new table
  model::EndpointSlice slice = model::sample_slice("s7");
  slice.endpoints.pop_back();
  put(state.slices, slice);
  const auto after = bench(state);
  size_t same = 0;
  for (const auto& each : after->services->entries()) same += before->services->by_slot(each->slot) == each.get();
  EXPECT_EQ(same, 299u);
  EXPECT_EQ(after->routes, before->routes);
  EXPECT_EQ(after->filter, before->filter);
  EXPECT_EQ(after->limits, before->limits);
  EXPECT_EQ(after->interfaces, before->interfaces);
}

TEST(CompileServices, AnyInputTouchesTheService) {
  Sample sample;
  Bench bench;
  const auto text = [&](const model::State& state) {
    const auto g = bench(state);
    const flow::ServiceEntry* found = g ? entry(*g, kVip, 80) : nullptr;
    return found ? text_of(*found) + " " + found->name : "none " + bench.last_errors;
  };
  EXPECT_EQ(text(sample.state()), "10.0.0.11:8080 10.0.0.12:8080 default/web:80");
  sample.policy.weights = {{ip("10.0.0.11"), 7}};
  EXPECT_EQ(text(sample.state()), "10.0.0.11:8080*7 10.0.0.12:8080 default/web:80");
  sample.slice.endpoints.pop_back();
  EXPECT_EQ(text(sample.state()), "10.0.0.11:8080*7 default/web:80");
  sample.service.ports[0].port = 81;
  EXPECT_EQ(text(sample.state()), "none ");
  sample.service.ports[0].port = 80;
  model::State state = sample.state();
  state.service_policies.clear();
  EXPECT_EQ(text(state), "10.0.0.11:8080 default/web:80");
  state.slices.clear();
  EXPECT_EQ(text(state), " default/web:80");
  sample.slice.service = named("elsewhere");
  EXPECT_EQ(text(sample.state()), " default/web:80");
  sample.slice.service = named("web");
  sample.policy.service = named("other");
  EXPECT_EQ(text(sample.state()), "10.0.0.11:8080 default/web:80");
  state = {};
  EXPECT_EQ(text(state), "none ");
}

TEST(CompileServices, SlotsAreStableAndReusedLate) {
  Sample sample;
  sample.slice.endpoints.push_back({.addresses = {ip("10.0.0.13")}});
  Bench bench;
  bench.retire = false;
  const auto first = bench(sample.state());
  const flow::ServiceEntry before = *entry(*first, kVip, 80);
  sample.slice.endpoints.erase(sample.slice.endpoints.begin());  // 10.0.0.11 goes, 10.0.0.14 comes
  sample.slice.endpoints.push_back({.addresses = {ip("10.0.0.14")}});
  sample.service.ports[0].target_port = 1;  // what the service says otherwise does not matter
  const auto second = bench(sample.state());
  const flow::ServiceEntry* after = entry(*second, kVip, 80);
  EXPECT_EQ(after->slot, before.slot);
  EXPECT_EQ(after->endpoints[0].slot, before.endpoints[1].slot);
  EXPECT_EQ(after->endpoints[1].slot, before.endpoints[2].slot);
  for (const flow::Endpoint& e : before.endpoints) EXPECT_NE(after->endpoints[2].slot, e.slot);
  EXPECT_EQ(second->services->endpoint_state(before.endpoints[0].slot), flow::EndpointState::kDown);
}

TEST(CompileServices, WhatIsNotAcceptedLeavesNothingBehind) {
  Sample sample;
  Bench bench;
  const auto first = bench(sample.state());
  Sample bigger = sample;
  bigger.slice.endpoints.push_back({.addresses = {ip("10.0.0.13")}});
  const auto dry = bench.compiler.compile(bigger.state(), kPorts, {}, 2).generation;
  ASSERT_TRUE(dry);
  EXPECT_EQ(bench.compiler.compile({}, kPorts, {}, 2).errors.size(), 0u);  // and one that removes all
  const auto again = bench.compiler.compile(bigger.state(), kPorts, {}, 2).generation;
  EXPECT_EQ(entry(*again, kVip, 80)->endpoints[2].slot, entry(*dry, kVip, 80)->endpoints[2].slot);
  EXPECT_EQ(entry(*again, kVip, 80)->endpoints[0].slot, entry(*first, kVip, 80)->endpoints[0].slot);
}

}  // namespace
}  // namespace penstock::compile
