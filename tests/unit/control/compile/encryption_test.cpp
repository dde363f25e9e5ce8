// Node spec.mesh.encrypt and `encrypt` of interfaces → demands of routes and links.
#include <gtest/gtest.h>

#include <random>

#include "tests/unit/control/compile/sample_compiler.h"

namespace penstock::compile {
namespace {

using model::Encryption;

model::State with_rules(std::vector<model::EncryptRule> rules) {
  model::Node node = model::sample_node();
  node.encrypt = std::move(rules);
  model::State state;
  state.node = std::make_shared<const model::Node>(node);
  return state;
}

model::Peer peer() {
  model::Peer out;
  out.name = named("b");
  out.address = ip("203.0.113.2");
  out.prefixes = {net("10.2.0.0/16")};
  out.key_file = "/keys";
  return out;
}

// Which prefix demands it of an address, and where the way leads.
std::string demand(const flow::Generation& g, std::string_view address) {
  const flow::RouteResult& result = g.routes->at(g.routes->find(ip(address)));
  std::string out = result.demand == 0 ? "nobody" : g.peers->required.at(result.demand - 1u).to_string();
  if (result.hops != 0) {
    const flow::NextHop& hop = g.routes->next_hop(g.routes->next_hop_in(result, 0));
    EXPECT_EQ(hop.demand, result.demand);
    out += hop.peer != flow::kNoPeer ? " tunnel" : hop.via.is_unspecified() ? " link" : " " + hop.via.to_string();
  }
  return out;
}

TEST(CompileEncryption, TheLongestPrefixCountsWhateverTheRoutes) {
  model::State state = with_rules({{net("10.0.0.0/8")},
                                   {net("10.0.0.0/24"), Encryption::kOff},
                                   {net("10.2.128.0/17"), Encryption::kPreferred},
                                   {net("10.0.100.64/26")},
                                   {net("::/0")}});
  put(state.peers, peer());
  Bench bench;
  auto g = bench(state);
  ASSERT_TRUE(g) << bench.last_errors;
  EXPECT_TRUE(g->peers->demands_encryption);
  EXPECT_EQ(demand(*g, "10.2.0.9"), "10.0.0.0/8 tunnel");
  EXPECT_EQ(demand(*g, "10.2.200.9"), "nobody tunnel");
  EXPECT_EQ(demand(*g, "10.3.0.9"), "10.0.0.0/8 203.0.113.254");
  EXPECT_EQ(demand(*g, "10.0.0.9"), "nobody link");
  EXPECT_EQ(demand(*g, "10.0.0.1"), "nobody link");  // the gateway itself
  EXPECT_EQ(demand(*g, "10.0.100.9"), "10.0.0.0/8 link");
  EXPECT_EQ(demand(*g, "10.0.100.70"), "10.0.100.64/26 link");
  EXPECT_EQ(demand(*g, "8.8.8.8"), "nobody 203.0.113.254");
  EXPECT_EQ(demand(*g, "2001:db8:1::9"), "::/0 link");
  EXPECT_EQ(demand(*g, "2001:db8:9::9"), "::/0");  // no route, and what comes from there is refused all the same
  EXPECT_EQ(g->peers->remotes, std::vector{ip("203.0.113.2")});
  // The Peer goes: what it served takes the default route, and the demand stays.
  state.peers.clear();
  g = bench(state);
  ASSERT_TRUE(g) << bench.last_errors;
  EXPECT_TRUE(g->peers->demands_encryption);
  EXPECT_EQ(demand(*g, "10.2.0.9"), "10.0.0.0/8 203.0.113.254");
  EXPECT_TRUE(g->peers->remotes.empty());
}

TEST(CompileEncryption, WithoutItNothingIsPaid) {
  model::State state = with_rules({});
  Bench bench;
  const auto g = bench(state);
  ASSERT_TRUE(g) << bench.last_errors;
  EXPECT_FALSE(g->peers->demands_encryption);
  for (const flow::NextHop& hop : g->routes->next_hops()) EXPECT_EQ(hop.demand, 0);
}

TEST(CompileEncryption, AnotherPolicyIsAnotherTable) {
  Bench bench;
  const auto before = bench(with_rules({{net("10.0.0.0/8")}})), after = bench(with_rules({{net("10.0.0.0/9")}})),
             none = bench(with_rules({}));
  ASSERT_TRUE(before && after && none) << bench.last_errors;
  EXPECT_EQ(demand(*before, "10.200.0.1"), "10.0.0.0/8 203.0.113.254");
  EXPECT_EQ(demand(*after, "10.200.0.1"), "nobody 203.0.113.254");
  EXPECT_EQ(demand(*none, "10.1.0.1"), "nobody 203.0.113.254");
}

TEST(CompileEncryption, Interfaces) {
  model::Node node = model::sample_node();
  node.interfaces[0].encrypt = Encryption::kRequired;
  node.interfaces[1].vlans[0].encrypt = Encryption::kOff;
  model::State state;
  state.node = std::make_shared<const model::Node>(node);
  Bench bench;
  const auto g = bench(state);
  ASSERT_TRUE(g) << bench.last_errors;
  std::map<std::string, flow::Encryption> said;
  for (const flow::Interface& each : g->interfaces->by_id) said[each.name] = each.encrypt;
  EXPECT_EQ(said["wan"], flow::Encryption::kRequired);
  EXPECT_EQ(said["lan"], flow::Encryption::kPreferred);
  EXPECT_EQ(said["lan.100"], flow::Encryption::kOff);
}

// Against two look-ups of their own: the longest rule, and the route without any rules.
TEST(CompileEncryption, SplittingRoutesChangesNoRoute) {
  std::mt19937 random(7);
  const auto address = [&] { return base::IpAddress::v4(10u << 24 | (random() & 0x00070707)); };
  for (int round = 0; round < 30; ++round) {
    model::Node node = model::sample_node();
    std::set<base::Prefix> used;
    for (int i = 0; i < 12; ++i) {
      model::Route route;
      route.prefix = base::Prefix{address(), static_cast<uint8_t>(9 + random() % 24)}.network();
      route.next_hops = {{base::IpAddress::v4(0xcb007102 + random() % 200), "", 1}};
      if (used.insert(route.prefix).second && route.prefix.length < 24) node.routes.push_back(route);
    }
    model::State plain;
    plain.node = std::make_shared<const model::Node>(node);
    std::map<base::Prefix, Encryption> rules;
    for (int i = 0; i < 12; ++i)
      rules[base::Prefix{address(), static_cast<uint8_t>(8 + random() % 25)}.network()] =
          static_cast<Encryption>(random() % 3);
    for (const auto& [prefix, mode] : rules) node.encrypt.push_back({prefix, mode});
    model::State state;
    state.node = std::make_shared<const model::Node>(node);
    Bench first, second;
    const auto without = first(plain), with = second(state);
    ASSERT_TRUE(without && with) << first.last_errors << second.last_errors;
    for (int i = 0; i < 500; ++i) {
      const base::IpAddress to = address();
      std::string wanted = "nobody";
      int longest = -1;
      for (const auto& [prefix, mode] : rules)
        if (prefix.contains(to) && prefix.length > longest) {
          longest = prefix.length;
          wanted = mode == Encryption::kRequired ? prefix.to_string() : "nobody";
        }
      const std::string before = demand(*without, to.to_string());
      EXPECT_EQ(demand(*with, to.to_string()), wanted + before.substr(std::string("nobody").size())) << to.to_string();
    }
  }
}

}  // namespace
}  // namespace penstock::compile
