// ServiceSubsets as clusters: who serves, by whose policy, and what stays when labels and endpoints change.
#include <gtest/gtest.h>

#include "control/compile/backends.h"
#include "l7/route/l7_config.h"
#include "sample_compiler.h"
#include "tests/unit/control/model/sample_gateway.h"

namespace penstock::compile {
namespace {

using model::sample_backend;
using model::sample_l7_state;
using model::sample_subset;
using model::sample_subset_backend;
using model::sample_workload;

// Service "web" at 10.0.0.11 (v1) and .12 (v2); "shop" gives a tenth of its requests to v2.
model::State canary_state() {
  model::State state = sample_l7_state();
  put(state.workloads, sample_workload("one", {{"version", "v1"}}, {net("10.0.0.11/32")}));
  put(state.workloads, sample_workload("two", {{"version", "v2"}}, {net("10.0.0.12/32")}));
  put(state.service_subsets, sample_subset("v1", {{"version", "v1"}}));
  put(state.service_subsets, sample_subset("v2", {{"version", "v2"}}));
  model::HttpRoute route = model::sample_route();
  route.rules[0].backends = {sample_subset_backend("v1", 80, 90), sample_subset_backend("v2", 80, 10)};
  put(state.http_routes, route);
  return state;
}

const config::Cluster* cluster(const flow::Generation& g, const std::string& name) {
  for (const config::Cluster& each : g.l7->clusters)
    if (each.name == name) return &each;
  return nullptr;
}

// "10.0.0.11 10.0.0.12(unusable)", or "none"
std::string serves(const flow::Generation& g, const std::string& name) {
  const config::Cluster* found = cluster(g, name);
  if (!found) return "no cluster";
  std::string out;
  for (const config::Endpoint& each : found->endpoints)
    out += (out.empty() ? "" : " ") + each.address.to_string() + (each.usable ? "" : "(unusable)");
  return out.empty() ? "none" : out;
}

const std::string kV1 = "ServiceSubset/default/v1:80", kV2 = "ServiceSubset/default/v2:80";

TEST(L7Subsets, EachIsAClusterOfItsOwn) {
  Bench bench;
  model::State state = canary_state();
  const auto g = bench(state);
  ASSERT_TRUE(g) << bench.last_errors;
  EXPECT_EQ(g->l7->clusters.size(), 2U);
  EXPECT_EQ(serves(*g, kV1), "10.0.0.11");
  EXPECT_EQ(serves(*g, kV2), "10.0.0.12");
  EXPECT_EQ(cluster(*g, kV2)->service, "default/web");
  EXPECT_NE(cluster(*g, kV1)->slot, cluster(*g, kV2)->slot);
  // The Service beside them, by a mirror: the same endpoint counts for itself there.
  model::HttpRoute route = *state.http_routes.at(named("shop"));
  route.rules[0].filters.mirrors = {{sample_backend().object, 1, 1}, {sample_subset_backend("v2").object, 1, 2}};
  put(state.http_routes, route);
  const auto both = bench(state);
  ASSERT_TRUE(both) << bench.last_errors;
  EXPECT_EQ(serves(*both, "Service/default/web:80"), "10.0.0.11 10.0.0.12");
  EXPECT_NE(cluster(*both, "Service/default/web:80")->endpoints[1].slot, cluster(*both, kV2)->endpoints[0].slot);
  const config::Filters& filters = both->l7->filters[both->l7->actions[both->l7->routes[0].rules[0].action].filters];
  ASSERT_EQ(filters.mirrors.size(), 2U);
  EXPECT_EQ(both->l7->clusters[filters.mirrors[1].cluster].name, kV2);
}

TEST(L7Subsets, ATcpRouteNamesThem) {
  Bench bench;
  model::State state = canary_state();
  model::Gateway gateway = model::sample_gateway();
  gateway.listeners = {model::sample_listener("db", 5432)};
  gateway.listeners[0].protocol = config::Protocol::kTcp;
  put(state.gateways, gateway);
  model::TcpRoute route = model::sample_tcp_route();
  route.backends = {sample_subset_backend("v2")};
  put(state.tcp_routes, route);
  const auto g = bench(state);
  ASSERT_TRUE(g) << bench.last_errors;
  const config::Action& action = g->l7->actions[g->l7->listeners.at(0).action];
  EXPECT_EQ(g->l7->clusters.at(action.backends.at(0).cluster).name, kV2);
}

TEST(L7Subsets, FollowLabelsAndEndpointsAndKeepSlots) {
  Bench bench;
  model::State state = canary_state();
  const auto first = bench(state);
  ASSERT_TRUE(first) << bench.last_errors;
  const uint32_t slot = cluster(*first, kV2)->slot, endpoint = cluster(*first, kV2)->endpoints[0].slot;

  put(state.workloads, sample_workload("one", {{"version", "v2"}}, {net("10.0.0.11/32")}));
  const auto second = bench(state);
  EXPECT_EQ(serves(*second, kV1), "none");
  EXPECT_EQ(serves(*second, kV2), "10.0.0.11 10.0.0.12");
  EXPECT_EQ(cluster(*second, kV2)->slot, slot);
  EXPECT_EQ(cluster(*second, kV2)->endpoints[1].slot, endpoint);
  EXPECT_EQ(second->l7->tables[0], first->l7->tables[0]);

  model::EndpointSlice slice = model::sample_slice();
  slice.labels = {{"version", "v1"}};
  slice.endpoints.push_back({.addresses = {ip("10.0.0.13")}});
  put(state.slices, slice);
  const auto third = bench(state);
  EXPECT_EQ(serves(*third, kV1), "10.0.0.13");
  EXPECT_EQ(serves(*third, kV2), "10.0.0.11 10.0.0.12");
  EXPECT_EQ(cluster(*third, kV2)->endpoints[1].slot, endpoint);
}

TEST(L7Subsets, WorkloadsWithoutSubsetsLeaveL7Alone) {
  Bench bench;
  model::State state = sample_l7_state();
  const auto first = bench(state);
  put(state.workloads, sample_workload("one", {{"version", "v1"}}, {net("10.0.0.11/32")}));
  const auto second = bench(state);
  ASSERT_TRUE(first && second) << bench.last_errors;
  EXPECT_EQ(first->l7, second->l7);
}

TEST(L7Subsets, ThoseThatAreNotToBeHad) {
  Bench bench;
  model::State state = canary_state();
  put(state.service_subsets, sample_subset("v1", {{"version", "v1"}}, "gone"));
  model::HttpRoute route = *state.http_routes.at(named("shop"));
  route.rules[0].backends.push_back(sample_subset_backend("unheard"));
  put(state.http_routes, route);
  const auto g = bench(state);
  ASSERT_TRUE(g) << bench.last_errors;
  const auto& backends = g->l7->actions[g->l7->routes[0].rules[0].action].backends;
  ASSERT_EQ(backends.size(), 3U);
  EXPECT_EQ(backends[0].cluster, config::kNoCluster);
  EXPECT_NE(backends[1].cluster, config::kNoCluster);
  EXPECT_EQ(backends[2].cluster, config::kNoCluster);
}

TEST(L7Subsets, FallBackToAnyEndpoint) {
  Bench bench;
  model::State state = canary_state();
  auto subset = sample_subset("v2", {{"version", "v3"}});
  put(state.service_subsets, subset);
  auto g = bench(state);
  EXPECT_EQ(serves(*g, kV2), "none");
  subset.fallback = model::SubsetFallback::kAnyEndpoint;
  put(state.service_subsets, subset);
  g = bench(state);
  EXPECT_EQ(serves(*g, kV2), "10.0.0.11 10.0.0.12");
}

TEST(L7Subsets, PolicyHealthAndZonesAreThoseOfTheServiceUnlessToldOtherwise) {
  Bench bench;
  model::State state = canary_state();
  model::Node node = *state.node;
  node.zone = "a";
  state.node = std::make_shared<const model::Node>(node);
  model::EndpointSlice slice = model::sample_slice();
  slice.endpoints[0].zone = "a";
  slice.endpoints[1].zone = "b";
  put(state.slices, slice);
  model::ServicePolicy policy = model::sample_policy();
  policy.health_check.kind = model::HealthCheckKind::kTcp;
  policy.weights = {{ip("10.0.0.12"), 7}};
  policy.pool.connections = 3;
  policy.load_balancer.emplace().by_zone = true;
  put(state.service_policies, policy);
  bench.health.set(named("web"), ip("10.0.0.12"), 8080, false);
  const auto first = bench(state);
  ASSERT_TRUE(first) << bench.last_errors;
  EXPECT_EQ(serves(*first, kV2), "10.0.0.12(unusable)");
  EXPECT_TRUE(cluster(*first, kV2)->endpoints[0].doubtful);
  EXPECT_EQ(cluster(*first, kV2)->endpoints[0].level, 1);
  EXPECT_EQ(cluster(*first, kV1)->endpoints[0].level, 0);
  EXPECT_EQ(cluster(*first, kV2)->endpoints[0].weight, 7U);
  EXPECT_EQ(cluster(*first, kV2)->limits.connections, 3U);

  model::ServicePolicy own;
  own.name = named("canary");
  own.subset = named("v2");
  own.pool.connections = 9;
  own.load_balancer.emplace().policy = config::Balancing::kMaglev;
  own.load_balancer->balance.hash = {{config::HashKey::Kind::kSource, ""}};
  put(state.service_policies, own);
  const auto second = bench(state);
  ASSERT_TRUE(second) << bench.last_errors;
  EXPECT_EQ(cluster(*second, kV2)->limits.connections, 9U);
  EXPECT_EQ(cluster(*second, kV2)->balancing, config::Balancing::kMaglev);
  EXPECT_EQ(cluster(*second, kV2)->endpoints[0].weight, 7U);
  EXPECT_EQ(serves(*second, kV2), "10.0.0.12(unusable)");
  EXPECT_EQ(cluster(*second, kV1)->limits.connections, 3U);

  state.service_policies.erase(named("canary"));
  EXPECT_EQ(cluster(*bench(state), kV2)->limits.connections, 3U);
}

TEST(L7Subsets, TheirEndpointsAreCheckedAsTheServices) {
  Bench bench;
  const auto g = bench(canary_state());
  ASSERT_TRUE(g) << bench.last_errors;
  std::string all;
  for (const BackendEndpoint& each : backends_of(*g))
    all += each.service.to_string() + " " + each.address.to_string() + ";";
  EXPECT_EQ(all, "default/web 10.0.0.11;default/web 10.0.0.12;");
}

TEST(L7Subsets, OneThatIsGoneGivesItsSlotsBack) {
  Bench bench;
  model::State state = canary_state();
  const auto first = bench(state);
  ASSERT_TRUE(first) << bench.last_errors;
  const uint32_t slot = cluster(*first, kV2)->slot;
  state.service_subsets.erase(named("v2"));
  const auto second = bench(state);
  EXPECT_EQ(cluster(*second, kV2), nullptr);
  put(state.service_subsets, sample_subset("v2", {{"version", "v2"}}));
  const auto third = bench(state);
  EXPECT_NE(cluster(*third, kV2)->slot, slot);  // it rests
}

}  // namespace
}  // namespace penstock::compile
