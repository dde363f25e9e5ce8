// ServicePolicy's loadBalancer and connectionPool, and sessionPersistence, as L7 gets them: levels, tables, names.
#include "control/compile/l7_balancing.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "l7/route/l7_config.h"
#include "sample_compiler.h"
#include "tests/unit/control/model/sample_gateway.h"

namespace penstock::compile {
namespace {

using model::sample_l7_state;

// The sample's Service "web" with endpoints 10.0.0.1, .2, ... in the zones given, and what `change` makes of its
// policy.
model::State state_of(const std::vector<std::string>& zones, const std::function<void(model::LoadBalancer&)>& change) {
  model::State state = sample_l7_state();
  model::EndpointSlice slice = *state.slices.at(named("web-1"));
  slice.endpoints.clear();
  for (size_t i = 0; i < zones.size(); ++i)
    slice.endpoints.push_back(
        {.addresses = {base::IpAddress::v4(0x0a000a01 + static_cast<uint32_t>(i))}, .zone = zones[i]});
  put(state.slices, slice);
  model::ServicePolicy policy = *state.service_policies.at(named("web"));
  change(policy.load_balancer.emplace());
  put(state.service_policies, policy);
  return state;
}

void set_zone(model::State& state, const std::string& zone) {
  model::Node node = *state.node;
  node.zone = zone;
  state.node = std::make_shared<const model::Node>(node);
}

model::State hashed(size_t endpoints, config::Balancing policy, uint32_t size = 0) {
  return state_of(std::vector<std::string>(endpoints), [&](model::LoadBalancer& balancer) {
    balancer.policy = policy;
    balancer.balance.hash = {{config::HashKey::Kind::kSource, ""}};
    balancer.table_size = size;
  });
}

const config::Cluster& cluster(const flow::Generation& g) { return g.l7->clusters.at(0); }

// Parts of the table by address.
std::map<base::IpAddress, double> shares(const config::Cluster& cluster) {
  const config::HashTable& table = *cluster.balance.tables.at(0);
  std::map<base::IpAddress, double> shares;
  for (size_t i = 0; i < table.places.size(); ++i) {
    double part = 1.0 / static_cast<double>(table.places.size());
    if (!table.points.empty()) {
      const uint64_t end = i + 1 < table.points.size() ? table.points[i + 1] : table.points[0];
      part = static_cast<double>(end - table.points[i]) / 18446744073709551616.0;
    }
    shares[cluster.endpoints[table.places[i]].address] += part;
  }
  return shares;
}

// Whose a hash is.
base::IpAddress owner(const config::Cluster& cluster, uint64_t hash) {
  const config::HashTable& table = *cluster.balance.tables.at(0);
  size_t place = static_cast<size_t>(static_cast<unsigned __int128>(hash) * table.places.size() >> 64);
  if (!table.points.empty()) {
    const auto after = std::upper_bound(table.points.begin(), table.points.end(), hash);
    place =
        static_cast<size_t>((after == table.points.begin() ? table.points.end() : after) - table.points.begin() - 1);
  }
  return cluster.endpoints[table.places[place]].address;
}

TEST(L7Balancing, WithoutAPolicyForRequestsThatForPacketsSpeaks) {
  Bench bench;
  model::State state = sample_l7_state();
  EXPECT_EQ(cluster(*bench(state)).balancing, config::Balancing::kRoundRobin);
  EXPECT_EQ(cluster(*bench(state)).limits, config::ClusterLimits{});
}

TEST(L7Balancing, PolicyAndPoolArrive) {
  Bench bench;
  model::State state = state_of({"", ""}, [](model::LoadBalancer& balancer) {
    balancer.policy = config::Balancing::kPeakEwma;
    balancer.balance.choices = 5;
    balancer.balance.panic_percent = 30;
  });
  model::ServicePolicy policy = *state.service_policies.at(named("web"));
  policy.pool.connections = 7;
  policy.pool.lifetime = base::kNanosPerSecond;
  put(state.service_policies, policy);
  const auto g = bench(state);
  ASSERT_TRUE(g) << bench.last_errors;
  EXPECT_EQ(cluster(*g).balancing, config::Balancing::kPeakEwma);
  EXPECT_EQ(cluster(*g).balance, policy.load_balancer->balance);
  EXPECT_EQ(cluster(*g).limits, policy.pool);
}

TEST(L7Balancing, TheOwnZoneIsTheFirstLevel) {
  Bench bench;
  model::State state = state_of({"a", "b", "", "a"}, [](model::LoadBalancer& balancer) { balancer.by_zone = true; });
  const auto levels = [&] {
    const auto g = bench(state);
    std::string out;
    for (const config::Endpoint& each : cluster(*g).endpoints) out += std::to_string(each.level);
    return out;
  };
  EXPECT_EQ(levels(), "0000");  // the Node has no zone
  set_zone(state, "a");
  EXPECT_EQ(levels(), "0110");
  set_zone(state, "c");
  EXPECT_EQ(levels(), "1111");
}

TEST(L7Balancing, OnlyAHealthCheckMakesDoubtful) {
  Bench bench;
  model::State state = state_of({"", "", "", ""}, [](model::LoadBalancer&) {});
  model::ServicePolicy policy = *state.service_policies.at(named("web"));
  policy.health_check.kind = model::HealthCheckKind::kTcp;
  policy.weights = {{ip("10.0.10.4"), 0}};
  put(state.service_policies, policy);
  model::EndpointSlice slice = *state.slices.at(named("web-1"));
  slice.endpoints[1].ready = false;
  put(state.slices, slice);
  for (const char* down : {"10.0.10.1", "10.0.10.2", "10.0.10.4"})
    bench.health.set(named("web"), ip(down), 8080, false);
  const auto g = bench(state);
  ASSERT_TRUE(g) << bench.last_errors;
  std::string out;
  for (const config::Endpoint& each : cluster(*g).endpoints) out += each.usable ? 'u' : each.doubtful ? 'd' : '-';
  EXPECT_EQ(out, "d-u-");
}

TEST(L7Balancing, TablesFollowWeights) {
  for (const auto policy : {config::Balancing::kMaglev, config::Balancing::kRingHash}) {
    Bench bench;
    model::State state = hashed(10, policy, policy == config::Balancing::kRingHash ? 65536 : 0);
    model::ServicePolicy heavy = *state.service_policies.at(named("web"));
    heavy.weights = {{ip("10.0.10.3"), 300}};
    put(state.service_policies, heavy);
    const auto g = bench(state);
    ASSERT_TRUE(g) << bench.last_errors;
    const auto got = shares(cluster(*g));
    ASSERT_EQ(got.size(), 10u);
    for (const auto& [address, share] : got)
      EXPECT_NEAR(share, address == ip("10.0.10.3") ? 0.25 : 1.0 / 12, 0.012) << address.to_string();
  }
}

// Hashes of the one that leaves spread over the others; of those that stay few move: on a ring none, with Maglev what
// the paper finds for a hundred places an endpoint.
TEST(L7Balancing, FewHashesMoveWhenAnEndpointLeaves) {
  for (const auto policy : {config::Balancing::kMaglev, config::Balancing::kRingHash}) {
    Bench bench;
    const auto before = bench(hashed(12, policy));
    model::State state = hashed(12, policy);
    model::EndpointSlice slice = *state.slices.at(named("web-1"));
    slice.endpoints.erase(slice.endpoints.begin() + 5);
    put(state.slices, slice);
    const auto after = bench(state);
    ASSERT_TRUE(before && after) << bench.last_errors;
    int moved = 0, orphans = 0;
    for (uint64_t i = 0; i < 20000; ++i) {
      const uint64_t hash = i * 0x9e3779b97f4a7c15;
      const base::IpAddress was = owner(cluster(*before), hash);
      if (was == ip("10.0.10.6"))
        ++orphans;
      else
        moved += was != owner(cluster(*after), hash);
    }
    EXPECT_NEAR(orphans, 20000 / 12, 450);
    EXPECT_LE(moved, policy == config::Balancing::kRingHash ? 0 : 20000 / 20);
  }
}

TEST(L7Balancing, IllnessLeavesTheTableAlone) {
  Bench bench;
  model::State state = hashed(5, config::Balancing::kMaglev);
  model::ServicePolicy policy = *state.service_policies.at(named("web"));
  policy.health_check.kind = model::HealthCheckKind::kTcp;
  put(state.service_policies, policy);
  const auto first = bench(state);
  bench.health.set(named("web"), ip("10.0.10.2"), 8080, false);
  const auto second = bench(state);
  ASSERT_TRUE(first && second);
  EXPECT_FALSE(cluster(*second).endpoints[1].usable);
  EXPECT_EQ(cluster(*first).balance.tables.at(0), cluster(*second).balance.tables.at(0));
  model::EndpointSlice slice = *state.slices.at(named("web-1"));
  slice.endpoints.pop_back();
  put(state.slices, slice);
  const auto third = bench(state);
  EXPECT_NE(cluster(*first).balance.tables.at(0), cluster(*third).balance.tables.at(0));
  EXPECT_EQ(cluster(*first).balance.tables[0]->places.size(), cluster(*third).balance.tables[0]->places.size());
}

TEST(L7Balancing, AZoneHasATableOfItsOwn) {
  Bench bench;
  model::State state = state_of({"a", "b", "a", "b"}, [](model::LoadBalancer& balancer) {
    balancer.policy = config::Balancing::kMaglev;
    balancer.balance.hash = {{config::HashKey::Kind::kSource, ""}};
    balancer.by_zone = true;
  });
  set_zone(state, "b");
  const auto g = bench(state);
  ASSERT_TRUE(g) << bench.last_errors;
  std::set<uint16_t> near(cluster(*g).balance.tables[0]->places.begin(), cluster(*g).balance.tables[0]->places.end());
  std::set<uint16_t> far(cluster(*g).balance.tables[1]->places.begin(), cluster(*g).balance.tables[1]->places.end());
  EXPECT_EQ(near, (std::set<uint16_t>{1, 3}));
  EXPECT_EQ(far, (std::set<uint16_t>{0, 2}));
}

TEST(L7Balancing, ATableTooSmallIsAFault) {
  Bench bench;
  EXPECT_EQ(bench.errors_of(hashed(11, config::Balancing::kMaglev, 7)),
            "ServicePolicy/default/web spec.loadBalancer.consistentHash.maglev.tableSize: 7 is too small for the 11 "
            "endpoints of Service/default/web");
}

TEST(L7Balancing, SessionsHaveNamesOfTheirOwn) {
  Bench bench;
  model::State state = sample_l7_state();
  model::HttpRoute route = *state.http_routes.at(named("shop"));
  route.rules[0].session.emplace();
  route.rules.push_back(route.rules[0]);
  route.rules.push_back(route.rules[0]);
  route.rules[2].session->name = "mine";
  put(state.http_routes, route);
  const auto g = bench(state);
  ASSERT_TRUE(g) << bench.last_errors;
  std::set<std::string> names;
  for (const config::Filters& filters : g->l7->filters)
    if (filters.session) names.insert(filters.session->name);
  EXPECT_EQ(names.size(), 3u);
  EXPECT_TRUE(names.contains("mine"));
  EXPECT_TRUE(names.contains(session_name("default/shop/1")));
  for (const config::Cluster& cluster : g->l7->clusters)
    EXPECT_EQ(cluster.id, static_cast<uint32_t>(name_hash(cluster.name))) << cluster.name;
  EXPECT_EQ(name_hash("foobar"), 0x85944171f73967e8u) << "gateways of other versions count on it";
  EXPECT_EQ(bench(state)->l7, g->l7);
  bench.sessions.add({1, 2});
  const auto keyed = bench(state);
  EXPECT_EQ(keyed->l7->session_keys, bench.sessions);
  EXPECT_EQ(keyed->l7->tables, g->l7->tables) << "keys are no part of them";
}

}  // namespace
}  // namespace penstock::compile
