// A change of what is behind the routes compiles nothing of the routes: counted where Hyperscan is called.
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <hs/hs.h>

#include "l7/route/l7_config.h"
#include "sample_compiler.h"
#include "tests/unit/control/model/sample_gateway.h"

namespace {
int expressions_compiled = 0;
}

// Stands before the library's own, which it calls.
extern "C" hs_error_t HS_CDECL hs_compile_multi(const char* const* expressions, const unsigned* flags,
                                                const unsigned* ids, unsigned elements, unsigned mode,
                                                const hs_platform_info_t* platform, hs_database_t** database,
                                                hs_compile_error_t** error) {
  static const auto real = reinterpret_cast<decltype(&hs_compile_multi)>(dlsym(RTLD_NEXT, "hs_compile_multi"));
  ++expressions_compiled;
  return real(expressions, flags, ids, elements, mode, platform, database, error);
}

namespace penstock::compile {
namespace {

using model::sample_l7_state;

// Everything that holds expressions: routes, access policies, inspections and limits of requests.
model::State everything() {
  model::State state = sample_l7_state();
  model::HttpRoute route = model::sample_route();
  route.rules[0].matches[0].path = {config::PathKind::kRegex, "/a[0-9]+"};
  put(state.http_routes, route);
  model::RequestAccessPolicy access;
  access.name = named("access");
  access.targets = {{false, named("edge"), ""}};
  config::AccessRule& rule = access.rules.emplace_back();
  rule.name = "admin";
  rule.paths = {{config::TextKind::kRegex, "/admin/.*"}};
  put(state.request_access, access);
  model::RequestInspection inspection;
  inspection.name = named("inspection");
  inspection.targets = {{false, named("edge"), ""}};
  inspection.patterns = {{.name = "union", .expression = "union.*select", .parts = config::kInspectQuery}};
  put(state.request_inspections, inspection);
  model::RateLimit limit;
  limit.name = named("requests");
  limit.target = model::LimitTarget::kGateway;
  limit.object = named("edge");
  limit.unit = model::LimitUnit::kRequests;
  limit.rate = 10;
  config::Match match;
  match.path = {config::PathKind::kRegex, "/limited/.*"};
  limit.matches = {match};
  put(state.rate_limits, limit);
  put(state.services, model::sample_service("other", "198.51.100.11"));
  put(state.slices, model::sample_slice("other"));
  put(state.workloads, model::sample_workload("one", {{"version", "v1"}}, {net("10.0.0.11/32")}));
  put(state.service_subsets, model::sample_subset("v1", {{"version", "v1"}}));
  model::HttpRoute part = model::sample_route("part", "/part");
  part.rules[0].backends = {model::sample_subset_backend("v1")};
  put(state.http_routes, part);
  return state;
}

const config::Cluster* cluster(const flow::Generation& g, const std::string& name) {
  for (const config::Cluster& each : g.l7->clusters)
    if (each.name == name) return &each;
  return nullptr;
}

void expect_same_routing(const route::L7Config& a, const route::L7Config& b) {
  EXPECT_EQ(a.tables, b.tables);
  EXPECT_EQ(a.scratches, b.scratches);
  EXPECT_EQ(a.guards.access, b.guards.access);
  EXPECT_EQ(a.guards.inspections, b.guards.inspections);
  EXPECT_EQ(a.limit_matches, b.limit_matches);
  EXPECT_TRUE(a.routes == b.routes);
  EXPECT_EQ(a.actions.size(), b.actions.size());
  EXPECT_EQ(a.listeners.size(), b.listeners.size());
  ASSERT_EQ(a.clusters.size(), b.clusters.size());
  for (size_t i = 0; i < a.clusters.size(); ++i) {
    EXPECT_EQ(a.clusters[i].name, b.clusters[i].name);
    EXPECT_EQ(a.clusters[i].slot, b.clusters[i].slot);
  }
}

TEST(L7Reuse, WhatIsBehindRoutesChangesWithoutThem) {
  Bench bench;
  model::State state = everything();
  expressions_compiled = 0;
  auto last = bench(state);
  ASSERT_TRUE(last) << bench.last_errors;
  EXPECT_GE(expressions_compiled, 4);
  const auto first = last;
  expressions_compiled = 0;
  const auto step = [&](const char* what) {
    const auto next = bench(state);
    EXPECT_TRUE(next) << bench.last_errors;
    EXPECT_NE(next->l7, last->l7) << what;
    expect_same_routing(*next->l7, *first->l7);
    last = next;
  };
  const auto web = [&]() -> const config::Cluster& { return *cluster(*last, "Service/default/web:80"); };
  const auto v1 = [&]() -> const config::Cluster& { return *cluster(*last, "ServiceSubset/default/v1:80"); };

  model::EndpointSlice slice = model::sample_slice();
  slice.endpoints.push_back({.addresses = {ip("10.0.0.13")}});
  put(state.slices, slice);
  step("an endpoint");
  EXPECT_EQ(web().endpoints.size(), 3U);

  model::ServicePolicy policy = model::sample_policy();
  policy.pool.connections = 5;
  policy.health_check.kind = model::HealthCheckKind::kTcp;
  put(state.service_policies, policy);
  step("a policy");
  EXPECT_EQ(web().limits.connections, 5U);

  bench.health.set(named("web"), ip("10.0.0.13"), 8080, false);
  step("health");
  EXPECT_FALSE(web().endpoints[2].usable);

  put(state.workloads, model::sample_workload("two", {{"version", "v1"}}, {net("10.0.0.12/32")}));
  step("a label");
  EXPECT_EQ(v1().endpoints.size(), 2U);

  model::Service service = model::sample_service();
  service.ports[0].target_port = 9090;
  put(state.services, service);
  slice.ports[0].port = 9090;
  put(state.slices, slice);
  step("a target port");
  EXPECT_EQ(web().endpoints[0].port, 9090);

  EXPECT_EQ(expressions_compiled, 0);
}

TEST(L7Reuse, AServiceThatNoRouteNamesLeavesAllAsItIs) {
  Bench bench;
  model::State state = everything();
  const auto first = bench(state);
  ASSERT_TRUE(first) << bench.last_errors;
  model::EndpointSlice slice = model::sample_slice("other");
  slice.endpoints.push_back({.addresses = {ip("10.0.0.99")}});
  put(state.slices, slice);
  EXPECT_EQ(bench(state)->l7, first->l7);
}

// Also what is compiled anew takes over what says the same.
TEST(L7Reuse, ARouteThatChangesCompilesNoOthersExpressions) {
  Bench bench;
  model::State state = everything();
  ASSERT_TRUE(bench(state)) << bench.last_errors;
  expressions_compiled = 0;
  model::HttpRoute route = *state.http_routes.at(named("part"));
  route.rules[0].timeouts.request = 1'000'000'000;
  put(state.http_routes, route);
  ASSERT_TRUE(bench(state)) << bench.last_errors;
  EXPECT_EQ(expressions_compiled, 0);
}

// Other ports of a Service answer references otherwise: then all is asked again.
TEST(L7Reuse, APortThatGoesTakesItsBackendAlong) {
  Bench bench;
  model::State state = everything();
  ASSERT_TRUE(bench(state)) << bench.last_errors;
  model::Service service = model::sample_service();
  service.ports[0].port = 81;
  put(state.services, service);
  const auto g = bench(state);
  ASSERT_TRUE(g) << bench.last_errors;
  EXPECT_TRUE(g->l7->clusters.empty());
}

// So does what a port speaks.
TEST(L7Reuse, APortThatSpeaksAnotherProtocolTakesItsBackendAlong) {
  Bench bench;
  model::State state = everything();
  ASSERT_TRUE(bench(state)) << bench.last_errors;
  model::Service service = model::sample_service();
  service.ports[0].app_protocol = "kubernetes.io/h2c";
  put(state.services, service);
  const auto g = bench(state);
  ASSERT_TRUE(g) << bench.last_errors;
  EXPECT_TRUE(g->l7->clusters.empty());
}

}  // namespace
}  // namespace penstock::compile
