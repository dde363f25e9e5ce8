#include <gtest/gtest.h>

#include "tests/unit/control/compile/sample_compiler.h"

namespace penstock::compile {
namespace {

model::State with_node(const model::Node& node) {
  model::State state;
  state.node = std::make_shared<const model::Node>(node);
  return state;
}

const flow::Interface& by_name(const flow::Generation& g, const std::string& name) {
  for (const flow::Interface& interface : g.interfaces->by_id)
    if (interface.name == name) return interface;
  static const flow::Interface kNone;
  return kNone;
}

flow::RouteResult route(const flow::Generation& g, std::string_view address) {
  return g.routes->at(g.routes->find(ip(address)));
}

std::string hop(const flow::Generation& g, std::string_view address, uint32_t slot = 0) {
  const flow::RouteResult result = route(g, address);
  const flow::NextHop& next = g.routes->next_hop(g.routes->next_hop_in(result, slot));
  const std::string via = next.via == base::IpAddress{} ? "link" : next.via.to_string();
  return via + " dev " + g.interfaces->by_id[next.interface].name;
}

TEST(CompileInterfaces, AnEmptyGatewayHasAllParts) {
  Bench bench;
  const auto g = bench({});
  ASSERT_TRUE(g);
  EXPECT_TRUE(g->interfaces && g->routes && g->services && g->filter && g->limits);
  EXPECT_TRUE(g->interfaces->by_id.empty());
  EXPECT_EQ(g->interfaces->untagged[0], flow::kNoInterface);
  EXPECT_EQ(route(*g, "10.0.0.1").kind, flow::RouteKind::kNone);
  EXPECT_FALSE(g->tracks);
}

TEST(CompileInterfaces, PortsAndVlans) {
  model::Node node = model::sample_node();
  node.interfaces[0].reverse_path = model::ReversePath::kStrict;
  node.interfaces[0].default_action = model::DefaultAction::kDeny;
  node.interfaces[0].mss_clamp = 1;
  node.interfaces[1].vlans[0].mtu = 1400;
  node.interfaces[1].vlans[0].reverse_path = model::ReversePath::kLoose;
  Bench bench;
  const auto g = bench(with_node(node));
  ASSERT_TRUE(g) << bench.last_errors;
  const flow::InterfaceTable& table = *g->interfaces;
  const flow::Interface &wan = by_name(*g, "wan"), &lan = by_name(*g, "lan"), &vlan = by_name(*g, "lan.100");
  EXPECT_EQ(table.untagged[0], wan.id);
  EXPECT_EQ(table.untagged[1], lan.id);
  EXPECT_EQ(table.by_id[wan.id].name, "wan");
  EXPECT_TRUE(table.tagged[0].empty());
  ASSERT_EQ(table.tagged[1].size(), 4096u);
  EXPECT_EQ(table.tagged[1][100], vlan.id);
  EXPECT_EQ(table.tagged[1][101], flow::kNoInterface);
  EXPECT_EQ(wan.rpf, flow::Rpf::kStrict);
  EXPECT_TRUE(wan.default_deny);
  EXPECT_EQ(wan.mss_clamp, 1);
  EXPECT_EQ(wan.mtu, 1500);
  EXPECT_EQ(wan.mac, kPorts[0].mac);
  EXPECT_EQ(vlan.port, 1);
  EXPECT_EQ(vlan.vlan, 100);
  EXPECT_EQ(vlan.mtu, 1400);
  EXPECT_EQ(vlan.rpf, flow::Rpf::kLoose);
  EXPECT_EQ(vlan.mac, kPorts[1].mac);
  EXPECT_EQ(lan.twin_port, 0xffff);
}

TEST(CompileInterfaces, LinkLocalAddresses) {
  model::Node node = model::sample_node();
  node.interfaces[1].addresses.push_back(net("fe80::77/64"));
  node.interfaces[1].vlans[0].mtu = 1000;  // cannot carry IPv6
  Bench bench;
  const auto g = bench(with_node(node));
  ASSERT_TRUE(g) << bench.last_errors;
  EXPECT_EQ(by_name(*g, "wan").addresses.back().to_string(), "fe80::ff:fe00:1/64");  // RFC 4291 Appendix A
  EXPECT_EQ(by_name(*g, "lan").addresses.back().to_string(), "fe80::77/64");
  EXPECT_EQ(by_name(*g, "lan.100").addresses.size(), 1u);
  EXPECT_EQ(route(*g, "fe80::ff:fe00:1").kind, flow::RouteKind::kLocal);
  EXPECT_EQ(route(*g, "fe80::77").kind, flow::RouteKind::kLocal);
  EXPECT_EQ(route(*g, "fe80::1").kind, flow::RouteKind::kNone);
}

TEST(CompileInterfaces, Twins) {
  model::Node node = model::sample_node();
  node.interfaces[0].twin = "pen-wan";
  node.interfaces[0].exceptions = {{6, 179}};
  Bench bench;
  EXPECT_EQ(bench.errors_of(with_node(node)),
            "Node/default/gw spec.interfaces[0]: its kernel twin \"pen-wan\" is not open");
  bench.ports[0].twin_port = 5;
  const auto g = bench(with_node(node));
  ASSERT_TRUE(g) << bench.last_errors;
  const flow::Interface &wan = by_name(*g, "wan"), &twin = by_name(*g, "pen-wan");
  EXPECT_EQ(wan.twin_port, 5);
  EXPECT_FALSE(wan.is_twin);
  ASSERT_EQ(wan.exceptions.size(), 1u);
  EXPECT_EQ(wan.exceptions[0].port, 179);
  EXPECT_TRUE(twin.is_twin);
  EXPECT_EQ(twin.port, 5);
  EXPECT_EQ(twin.port_of_twin, 0);
  EXPECT_TRUE(twin.addresses.empty());
  EXPECT_EQ(g->interfaces->untagged[5], twin.id);
}

TEST(CompileInterfaces, DevicesMustBeOpen) {
  Bench bench;
  bench.ports.pop_back();
  EXPECT_EQ(bench.errors_of(with_node(model::sample_node())),
            "Node/default/gw spec.interfaces[1]: its device is not open");
}

TEST(CompileInterfaces, IdsAreStableAndReusedLate) {
  Bench bench;
  bench.retire = false;
  model::Node node = model::sample_node();
  const auto first = bench(with_node(node));
  model::Node without = node;
  without.interfaces[1].vlans.clear();
  without.interfaces[1].vlans.push_back(node.interfaces[1].vlans[0]);
  without.interfaces[1].vlans[0].name = "lan.200";
  without.interfaces[1].vlans[0].id = 200;
  const auto second = bench(with_node(without));
  ASSERT_TRUE(first && second);
  EXPECT_EQ(by_name(*first, "lan").id, by_name(*second, "lan").id);
  EXPECT_NE(by_name(*first, "lan.100").id, by_name(*second, "lan.200").id);
  EXPECT_EQ(second->interfaces->by_id[by_name(*first, "lan.100").id].id, flow::kNoInterface);
  const auto unchanged = bench(with_node(without));
  ASSERT_TRUE(unchanged);
  EXPECT_EQ(unchanged->routes, second->routes);
}

TEST(CompileRoutes, Addresses) {
  Bench bench;
  const auto g = bench(with_node(model::sample_node()));
  ASSERT_TRUE(g) << bench.last_errors;
  using flow::RouteKind;
  EXPECT_EQ(route(*g, "203.0.113.1").kind, RouteKind::kLocal);
  EXPECT_EQ(route(*g, "203.0.113.1").interface, by_name(*g, "wan").id);
  EXPECT_EQ(route(*g, "203.0.113.7").kind, RouteKind::kConnected);
  EXPECT_EQ(hop(*g, "203.0.113.7"), "link dev wan");
  EXPECT_EQ(route(*g, "203.0.113.255").kind, RouteKind::kBroadcast);
  EXPECT_EQ(route(*g, "255.255.255.255").kind, RouteKind::kBroadcast);
  EXPECT_EQ(route(*g, "2001:db8:1::1").kind, RouteKind::kLocal);
  EXPECT_EQ(route(*g, "2001:db8:1::ffff").kind, RouteKind::kConnected);
  EXPECT_EQ(route(*g, "2001:db8:2::1").kind, RouteKind::kNone);
  EXPECT_EQ(hop(*g, "10.0.100.9"), "link dev lan.100");
  EXPECT_EQ(hop(*g, "8.8.8.8"), "203.0.113.254 dev wan");
}

TEST(CompileRoutes, Static) {
  model::Node node = model::sample_node();
  using model::RouteAction;
  node.routes = {
      {net("192.168.0.0/16"), RouteAction::kForward, {{ip("10.0.0.5"), "", 1}, {ip("203.0.113.9"), "", 3}}},
      {net("192.168.1.0/24"), RouteAction::kBlackhole, {}},
      {net("192.168.2.0/24"), RouteAction::kUnreachable, {}},
      {net("192.168.3.0/24"), RouteAction::kProhibit, {}},
      {net("172.16.0.0/12"), RouteAction::kForward, {{{}, "lan.100", 1}}},
      {net("::/0"), RouteAction::kForward, {{ip("fe80::1"), "wan", 1}}},
      {net("10.0.0.0/25"), RouteAction::kForward, {{ip("10.0.100.2"), "", 1}}},
  };
  Bench bench;
  const auto g = bench(with_node(node));
  ASSERT_TRUE(g) << bench.last_errors;
  using flow::RouteKind;
  EXPECT_EQ(route(*g, "192.168.9.1").kind, RouteKind::kGateway);
  EXPECT_EQ(route(*g, "192.168.9.1").hops, 2);
  std::map<std::string, int> shares;
  for (uint32_t slot = 0; slot < flow::kEcmpSlots; ++slot) ++shares[hop(*g, "192.168.9.1", slot)];
  EXPECT_EQ(shares["10.0.0.5 dev lan"], 16);
  EXPECT_EQ(shares["203.0.113.9 dev wan"], 48);
  EXPECT_EQ(route(*g, "192.168.1.1").kind, RouteKind::kBlackhole);
  EXPECT_EQ(route(*g, "192.168.2.1").kind, RouteKind::kUnreachable);
  EXPECT_EQ(route(*g, "192.168.3.1").kind, RouteKind::kProhibit);
  EXPECT_EQ(route(*g, "172.16.0.1").kind, RouteKind::kConnected);
  EXPECT_EQ(hop(*g, "172.16.0.1"), "link dev lan.100");
  EXPECT_EQ(hop(*g, "2600::1"), "fe80::1 dev wan");
  EXPECT_EQ(hop(*g, "10.0.0.9"), "10.0.100.2 dev lan.100");
  EXPECT_EQ(route(*g, "10.0.0.1").kind, RouteKind::kLocal);
}

TEST(CompileRoutes, AreBuiltAgainOnlyWhenARouteDiffers) {
  Bench bench;
  model::Node node = model::sample_node();
  const auto first = bench(with_node(node));
  node.interfaces[0].mtu = 1400;
  const auto second = bench(with_node(node));
  ASSERT_TRUE(first && second);
  EXPECT_NE(first->interfaces, second->interfaces);
  EXPECT_EQ(first->routes, second->routes);
  node.routes.clear();
  const auto third = bench(with_node(node));
  ASSERT_TRUE(third);
  EXPECT_NE(third->routes, second->routes);
  EXPECT_EQ(route(*third, "8.8.8.8").kind, flow::RouteKind::kNone);
}

TEST(CompileSettings, FromTheNode) {
  model::Node node = model::sample_node();
  node.workers.idle = model::IdlePolicy::kPoll;
  node.flow_timeouts.tcp_established = 1234;
  node.flow_timeouts.other = 99;
  node.neighbours.queue_packets = 5;
  node.icmp_errors_per_second = 6;
  node.fragment_timeout_milliseconds = 700;
  node.fragment_datagrams = 8;
  node.tcp_pacing = false;
  Compiler compiler({}, 2'000'000'000);
  const auto g = compiler.compile(with_node(node), kPorts, {}, 9, {true, 77}).generation;
  ASSERT_TRUE(g);
  EXPECT_EQ(g->number, 9u);
  EXPECT_EQ(g->settings.timeouts.tcp_established, 1234u);
  EXPECT_EQ(g->settings.timeouts.other, 99u);
  EXPECT_EQ(g->settings.neighbour_queue, 5u);
  EXPECT_EQ(g->settings.icmp_errors_per_second, 6u);
  EXPECT_EQ(g->settings.fragment_timeout_ms, 700u);
  EXPECT_EQ(g->settings.fragment_datagrams, 8u);
  EXPECT_TRUE(g->settings.poll);
  EXPECT_TRUE(g->settings.draining);
  EXPECT_EQ(g->settings.drain_until, 77u);
  EXPECT_FALSE(g->settings.tcp_pacing);
}

}  // namespace
}  // namespace penstock::compile
