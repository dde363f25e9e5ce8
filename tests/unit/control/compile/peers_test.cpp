// Peers → routes through tunnels, and the table of tunnels.
#include <gtest/gtest.h>

#include "tests/unit/control/compile/sample_compiler.h"

namespace penstock::compile {
namespace {

model::Peer peer(std::string name, std::string_view address, std::vector<base::Prefix> prefixes) {
  model::Peer out;
  out.name = named(std::move(name));
  out.address = ip(address);
  out.prefixes = std::move(prefixes);
  out.key_file = "/keys";
  return out;
}

const flow::Peer* tunnel(const flow::Generation& g, std::string_view name) {
  for (const flow::Peer& each : g.peers->by_slot)
    if (each.slot != flow::kNoPeer && each.name == name) return &each;
  return nullptr;
}

// How many of the 64 slots lead to each peer.
std::map<std::string, int> shares(const flow::Generation& g, std::string_view address) {
  std::map<std::string, int> out;
  const flow::RouteResult& result = g.routes->at(g.routes->find(ip(address)));
  if (result.kind != flow::RouteKind::kGateway) return out;
  for (uint32_t slot = 0; slot < flow::kEcmpSlots; ++slot) {
    const flow::NextHop& hop = g.routes->next_hop(g.routes->next_hop_in(result, slot));
    ++out[hop.peer == flow::kNoPeer ? "none" : g.peers->by_slot[hop.peer].name];
  }
  return out;
}

using Shares = std::map<std::string, int>;

TEST(CompilePeers, ATunnelHasTwoEndsAndItsUnderlay) {
  model::State state;
  state.node = std::make_shared<const model::Node>(model::sample_node());
  put(state.peers, peer("b", "203.0.113.2", {net("10.2.0.0/16"), net("2001:db8:2::/48")}));
  Bench bench;
  const auto g = bench(state);
  ASSERT_TRUE(g) << bench.last_errors;
  const flow::Peer* b = tunnel(*g, "default/b");
  ASSERT_NE(b, nullptr);
  EXPECT_EQ(b->local, ip("203.0.113.1"));
  EXPECT_EQ(b->remote, ip("203.0.113.2"));
  EXPECT_EQ(b->path_mtu, 1500);
  EXPECT_EQ(g->routes->at(b->route).kind, flow::RouteKind::kConnected);
  EXPECT_TRUE(b->reaches(ip("10.2.9.9")));
  EXPECT_FALSE(b->reaches(ip("10.3.0.1")));
  EXPECT_TRUE(g->peers->ends_here(ip("203.0.113.1")));
  EXPECT_FALSE(g->peers->ends_here(ip("203.0.113.2")));
  EXPECT_TRUE(g->peers->demands_encryption);
  EXPECT_FALSE(g->peers->esp_in_udp);
  model::Peer in_udp = peer("c", "203.0.113.3", {net("10.3.0.0/16")});
  in_udp.encapsulation = model::Encapsulation::kUdp;
  put(state.peers, in_udp);
  EXPECT_TRUE(bench(state)->peers->esp_in_udp);
  EXPECT_EQ(shares(*g, "10.2.0.1"), (Shares{{"default/b", 64}}));
  EXPECT_EQ(shares(*g, "2001:db8:2::1"), (Shares{{"default/b", 64}}));
  EXPECT_EQ(shares(*g, "8.8.8.8"), (Shares{{"none", 64}}));
}

// Answers to what leaves by a way must come back by it: the source lies on the network of the next hop.
TEST(CompilePeers, TheLocalEndIsTheAddressOnTheNextHopsNetwork) {
  model::Node node = model::sample_node();
  for (model::Interface& each : node.interfaces)
    if (each.name == "wan") each.addresses.push_back(net("198.18.0.1/24"));
  model::Route route;
  route.prefix = net("172.23.0.0/24");
  route.next_hops = {{.via = ip("198.18.0.2")}};
  node.routes.push_back(route);
  model::State state;
  state.node = std::make_shared<const model::Node>(node);
  put(state.peers, peer("b", "203.0.113.2", {net("10.2.0.0/16")}));
  put(state.peers, peer("c", "172.23.0.1", {net("10.3.0.0/16")}));
  put(state.peers, peer("d", "198.18.0.9", {net("10.4.0.0/16")}));
  Bench bench;
  const auto g = bench(state);
  ASSERT_TRUE(g) << bench.last_errors;
  EXPECT_EQ(tunnel(*g, "default/b")->local, ip("203.0.113.1"));
  EXPECT_EQ(tunnel(*g, "default/c")->local, ip("198.18.0.1"));
  EXPECT_EQ(tunnel(*g, "default/d")->local, ip("198.18.0.1"));
}

TEST(CompilePeers, PriorityThenWeight) {
  model::State state;
  state.node = std::make_shared<const model::Node>(model::sample_node());
  auto b = peer("b", "203.0.113.2", {net("10.2.0.0/16")}), c = peer("c", "203.0.113.3", {net("10.2.0.0/16")}),
       d = peer("d", "203.0.113.4", {net("10.2.0.0/16"), net("10.4.0.0/16")});
  c.weight = 3;
  d.priority = 1;
  put(state.peers, b);
  put(state.peers, c);
  put(state.peers, d);
  Bench bench;
  auto g = bench(state);
  ASSERT_TRUE(g) << bench.last_errors;
  EXPECT_EQ(shares(*g, "10.2.0.1"), (Shares{{"default/b", 16}, {"default/c", 48}}));
  EXPECT_EQ(shares(*g, "10.4.0.1"), (Shares{{"default/d", 64}}));
  const uint16_t slot = tunnel(*g, "default/d")->slot;
  state.peers.erase(named("b"));
  state.peers.erase(named("c"));
  g = bench(state);
  ASSERT_TRUE(g) << bench.last_errors;
  EXPECT_EQ(shares(*g, "10.2.0.1"), (Shares{{"default/d", 64}}));
  EXPECT_EQ(tunnel(*g, "default/d")->slot, slot);  // keeps its slot
}

TEST(CompilePeers, TheSameRoutesAreNotBuiltAgain) {
  model::State state;
  state.node = std::make_shared<const model::Node>(model::sample_node());
  auto b = peer("b", "203.0.113.2", {net("10.2.0.0/16")});
  put(state.peers, b);
  Bench bench;
  const auto before = bench(state);
  b.encryption = model::Encryption::kPreferred;
  put(state.peers, b);
  const auto after = bench(state);
  ASSERT_TRUE(before && after) << bench.last_errors;
  EXPECT_EQ(before->routes, after->routes);
  EXPECT_FALSE(after->peers->demands_encryption);
}

TEST(CompilePeers, ADeadPeerLeavesItsPrefixesToOthers) {
  model::State state;
  state.node = std::make_shared<const model::Node>(model::sample_node());
  auto b = peer("b", "203.0.113.2", {net("10.2.0.0/16")}), c = peer("c", "203.0.113.3", {net("10.2.0.0/16")}),
       d = peer("d", "203.0.113.4", {net("10.2.0.0/16"), net("10.4.0.0/16")});
  d.priority = 1;
  for (const auto& each : {b, c, d}) put(state.peers, each);
  Bench bench;
  const auto shares_with = [&](std::initializer_list<const char*> down) {
    bench.peers.clear();
    for (const char* name : down) bench.peers[named(name)].up = false;
    const auto g = bench(state);
    EXPECT_TRUE(g) << bench.last_errors;
    EXPECT_EQ(tunnel(*g, "default/b")->up, !bench.peers.contains(named("b")));
    for (const flow::Peer& each : g->peers->by_slot)
      EXPECT_EQ(g->routes->next_hop(g->routes->hop_to(each.slot)).peer, each.slot);  // also where no route leads
    return std::pair{shares(*g, "10.2.0.1"), shares(*g, "10.4.0.1")};
  };
  const Shares only_d = {{"default/d", 64}};
  EXPECT_EQ(shares_with({}), std::pair(Shares{{"default/b", 32}, {"default/c", 32}}, only_d));
  EXPECT_EQ(shares_with({"b"}), std::pair(Shares{{"default/c", 64}}, only_d));
  EXPECT_EQ(shares_with({"b", "c"}), std::pair(only_d, only_d));
  EXPECT_EQ(shares_with({"b", "c", "d"}), std::pair(Shares{{"default/b", 32}, {"default/c", 32}}, only_d));
  EXPECT_EQ(shares_with({"d"}), std::pair(Shares{{"default/b", 32}, {"default/c", 32}}, only_d));
  EXPECT_EQ(shares_with({}), std::pair(Shares{{"default/b", 32}, {"default/c", 32}}, only_d));
}

TEST(CompilePeers, SeveralAddressesAndTheOneInUse) {
  model::State state;
  state.node = std::make_shared<const model::Node>(model::sample_node());
  auto b = peer("b", "203.0.113.2", {net("10.2.0.0/16")});
  b.more = {ip("10.0.0.77"), ip("2001:db8:1::7")};
  b.local = ip("203.0.113.1");
  put(state.peers, b);
  Bench bench;
  auto g = bench(state);
  ASSERT_TRUE(g) << bench.last_errors;
  const flow::Peer* t = tunnel(*g, "default/b");
  ASSERT_EQ(t->paths.size(), 3u);
  EXPECT_EQ(t->remote, ip("203.0.113.2"));
  EXPECT_EQ(t->paths[2].local, ip("2001:db8:1::1"));
  for (const flow::PeerPath& path : t->paths) EXPECT_TRUE(g->peers->ends_here(path.local));
  const auto same = bench(state);
  EXPECT_EQ(same->peers, g->peers);  // workers have nothing to look at
  const auto routes = g->routes;
  bench.peers[named("b")].active = ip("2001:db8:1::7");
  bench.peers[named("b")].path_mtus = {{ip("2001:db8:1::7"), 1300}, {ip("203.0.113.2"), 9000}};
  g = bench(state);
  ASSERT_TRUE(g) << bench.last_errors;
  t = tunnel(*g, "default/b");
  EXPECT_EQ(t->remote, ip("2001:db8:1::7"));
  EXPECT_EQ(t->local, ip("2001:db8:1::1"));
  EXPECT_EQ(t->path_mtu, 1300);
  EXPECT_EQ(t->route, t->paths[2].route);
  EXPECT_EQ(t->paths[0].path_mtu, 1500);  // never raised
  EXPECT_EQ(t->paths[2].configured_mtu, 1500);
  EXPECT_EQ(g->routes, routes);                        // no route is another
  bench.peers[named("b")].active = ip("192.0.2.200");  // it had that once
  g = bench(state);
  EXPECT_EQ(tunnel(*g, "default/b")->remote, ip("203.0.113.2"));
}

std::shared_ptr<const flow::Generation> with_service(Bench& bench, model::State& state,
                                                     std::initializer_list<std::pair<const char*, bool>> endpoints) {
  model::Service web;
  web.name = named("web");
  web.addresses = {ip("203.0.113.10")};
  web.ports = {{.name = "http", .port = 80, .target_port = 8080}};
  put(state.services, web);
  model::EndpointSlice slice;
  slice.name = named("web-1");
  slice.service = web.name;
  slice.ports = {{.name = "http", .port = 8080}};
  for (const auto& [address, ready] : endpoints)
    slice.endpoints.push_back({.addresses = {ip(address)}, .ready = ready});
  put(state.slices, slice);
  auto g = bench(state);
  EXPECT_TRUE(g) << bench.last_errors;
  return g;
}

TEST(CompilePeers, EndpointsHereFirstThenByPriorityAndWeight) {
  model::State state;
  state.node = std::make_shared<const model::Node>(model::sample_node());
  auto b = peer("b", "203.0.113.2", {net("10.2.0.0/16")}), c = peer("c", "203.0.113.3", {net("10.3.0.0/16")}),
       d = peer("d", "203.0.113.4", {net("10.4.0.0/16")});
  c.weight = 3;
  d.priority = 1;
  for (const auto& each : {b, c, d}) put(state.peers, each);
  Bench bench;
  const auto text = [&](bool near) {
    const auto g =
        with_service(bench, state, {{"10.0.0.11", near}, {"10.2.0.1", true}, {"10.3.0.1", true}, {"10.4.0.1", true}});
    const flow::ServiceEntry* e = entry(*g, "203.0.113.10", 80);
    EXPECT_NE(e, nullptr);
    return e == nullptr ? "" : text_of(*e);
  };
  EXPECT_EQ(text(true), "10.0.0.11:8080 10.2.0.1:8080*0 10.3.0.1:8080*0 10.4.0.1:8080*0");
  EXPECT_EQ(text(false), "10.0.0.11:8080*0(down) 10.2.0.1:8080 10.3.0.1:8080*300 10.4.0.1:8080*0");
  bench.peers[named("b")].up = false;
  EXPECT_EQ(text(false), "10.0.0.11:8080*0(down) 10.2.0.1:8080*0 10.3.0.1:8080*300 10.4.0.1:8080*0");
  bench.peers[named("c")].up = false;
  EXPECT_EQ(text(false), "10.0.0.11:8080*0(down) 10.2.0.1:8080*0 10.3.0.1:8080*0 10.4.0.1:8080");
  bench.peers[named("d")].up = false;  // better than nobody
  EXPECT_EQ(text(false), "10.0.0.11:8080(down) 10.2.0.1:8080 10.3.0.1:8080*300 10.4.0.1:8080");
  bench.peers.clear();
  EXPECT_EQ(text(true), "10.0.0.11:8080 10.2.0.1:8080*0 10.3.0.1:8080*0 10.4.0.1:8080*0");
  state.peers.clear();
  EXPECT_EQ(text(true), "10.0.0.11:8080 10.2.0.1:8080 10.3.0.1:8080 10.4.0.1:8080");
}

TEST(CompilePeers, WhatLeadsNowhereIsAFault) {
  model::State state;
  auto node = model::sample_node();
  node.routes.clear();
  node.interfaces[1].vlans.clear();
  state.node = std::make_shared<const model::Node>(node);
  put(state.peers, peer("b", "192.0.2.9", {net("10.2.0.0/16")}));
  Bench bench;
  EXPECT_EQ(bench.errors_of(state), "Peer/default/b spec.address: no route of the Node leads to 192.0.2.9");
}

TEST(CompilePeers, SeveralWaysThroughTheUnderlay) {
  model::State state;
  auto node = model::sample_node();
  node.interfaces[0].mtu = 9000;
  node.interfaces[1].mtu = 2000;
  node.routes.push_back(
      {net("192.0.2.0/24"), model::RouteAction::kForward, {{ip("203.0.113.9"), "", 1}, {ip("10.0.0.9"), "", 1}}});
  state.node = std::make_shared<const model::Node>(node);
  put(state.peers, peer("b", "192.0.2.2", {net("10.2.0.0/16")}));
  Bench bench;
  const auto g = bench(state);
  ASSERT_TRUE(g) << bench.last_errors;
  EXPECT_EQ(g->routes->at(tunnel(*g, "default/b")->route).hops, 2);
  EXPECT_EQ(tunnel(*g, "default/b")->path_mtu, 2000);
  EXPECT_EQ(tunnel(*g, "default/b")->local, ip("203.0.113.1"));
}

TEST(CompilePeers, ThePathMtuIsTheSmaller) {
  model::State state;
  auto node = model::sample_node();
  node.interfaces[0].mtu = 9000;
  state.node = std::make_shared<const model::Node>(node);
  auto b = peer("b", "203.0.113.2", {net("10.2.0.0/16")});
  Bench bench;
  for (const auto& [asked, got] : {std::pair{0, 9000}, {1400, 1400}, {9000, 9000}}) {
    b.path_mtu = static_cast<uint16_t>(asked);
    put(state.peers, b);
    const auto g = bench(state);
    ASSERT_TRUE(g) << bench.last_errors;
    EXPECT_EQ(tunnel(*g, "default/b")->path_mtu, got);
  }
}

}  // namespace
}  // namespace penstock::compile
