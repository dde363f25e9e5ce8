// Nothing in clear where it is required, by prefix and by interface: whatever decides where a packet goes, in both
// directions, each refusal by its name; and what gateways need of each other passes.
#include "unit/engine/mesh_world.h"

namespace penstock::engine::test {
namespace {

using flow::DropReason;
using flow::Encryption;
using flow::RouteKind;

// A gateway that demands encryption of 10.2.0.0/16, what is behind the other one. Without the Peer the default route
// leads there: to the same neighbour, in clear.
class ClearText : public testing::Test {
 protected:
  ClearText() {
    a.required = {net("10.2.0.0/16")};
    remote().demand = 1;
    a.publish();
  }
  void TearDown() override { a.world.expect_balance(); }

  flow::RouteSpec& remote() {
    for (flow::RouteSpec& each : a.world.routes)
      if (each.prefix == net("10.2.0.0/16")) return each;
    ADD_FAILURE();
    return a.world.routes[0];
  }
  void delete_peer() {
    remote().next_hops = {{0, ip("198.51.100.2")}};
    a.deleted = true;
    a.publish();
  }
  void lose_keys() {
    a.associations.remove(0);
    a.associations.commit();
  }
  // What becomes of a packet: "esp", "clear" or the names of drops.
  std::string fate(uint16_t port, const std::vector<uint8_t>& frame) {
    const auto before = counts();
    a.arrive(port, frame);
    std::string out;
    for (const Out& each : a.world.take()) out += each.headers.protocol == wire::kProtocolEsp ? "esp " : "clear ";
    const auto after = counts();
    for (size_t i = 0; i < after.size(); ++i)
      if (after[i] != before[i]) out += std::string(flow::info(static_cast<DropReason>(i)).name) + " ";
    if (!out.empty()) out.pop_back();
    return out;
  }
  std::vector<uint64_t> counts() const {
    std::vector<uint64_t> all;
    for (size_t i = 0; i < flow::kDropReasons; ++i) all.push_back(a.world.drops(static_cast<DropReason>(i)));
    return all;
  }
  void program(const flow::ExactAction& action) {
    flow::ProgramCommand command;
    command.ops.resize(1);
    command.ops[0].kind = flow::ExactOpKind::kReplace;
    command.ops[0].key = {ip("10.1.0.5"), ip("10.2.0.5"), 1000, 53, 17};
    command.ops[0].action = action;
    command.statuses.resize(1);
    a.world.command(0, command);
    ASSERT_EQ(command.statuses[0], flow::ExactStatus::kOk);
  }
  void add_twin() {
    a.world.interface(0).twin_port = 2;
    a.world.interface(0).exceptions = {{wire::kProtocolTcp, 9510}, {89, 0}};
    a.world.interface(2).is_twin = true;
    a.world.interface(2).port_of_twin = 0;
  }

  Gateway a{0, 1, 1, 1};
  const std::vector<uint8_t> there = udp(to_gateway(1), "10.1.0.5", 1000, "10.2.0.5", 53);
  const std::vector<uint8_t> back = udp(to_gateway(0), "10.2.0.5", 53, "10.1.0.5", 1000);
};

TEST_F(ClearText, WithoutThePeerNothingLeavesAndNothingIsTaken) {
  EXPECT_EQ(fate(1, there), "esp");
  delete_peer();
  EXPECT_EQ(fate(1, there), "clear_not_sent");
  EXPECT_EQ(fate(0, back), "clear_refused");
  remote().demand = 0;  // the same routes without the policy: the test could see it
  a.required.clear();
  a.publish();
  EXPECT_EQ(fate(1, there), "clear");
  EXPECT_EQ(fate(0, back), "clear");
}

TEST_F(ClearText, NorWhereAConnectedNetworkIsNearer) {
  a.world.routes.push_back({net("10.2.7.0/24"), RouteKind::kConnected, {{2, {}}}, {}, 1});
  a.publish();
  EXPECT_EQ(fate(1, udp(to_gateway(1), "10.1.0.5", 1000, "10.2.7.5", 53)), "clear_not_sent");
  EXPECT_EQ(fate(2, udp(to_gateway(2), "10.2.7.5", 1000, "10.1.0.5", 53)), "clear_refused");
}

TEST_F(ClearText, APeerThatOnlyPrefersItMustHaveKeys) {
  a.peer.encryption = Encryption::kPreferred;
  a.publish();
  EXPECT_EQ(fate(1, there), "esp");
  EXPECT_EQ(fate(0, back), "clear_refused");
  lose_keys();
  EXPECT_EQ(fate(1, there), "no_association");
  a.peer.agrees = true;
  a.publish();
  EXPECT_EQ(fate(1, there), "");  // waits
  std::vector<crypto::SaSpec> out;
  out.push_back(a.spec(kSpi[1] + 0x100));
  ASSERT_TRUE(a.associations.stage_outbound(0, std::move(out)).ok());
  a.associations.commit();
  for (int i = 0; i < 4; ++i) a.world.round();
  const auto sent = a.world.take();
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].headers.protocol, wire::kProtocolEsp);
}

TEST_F(ClearText, APeerWithoutEncryptionIsNoTunnel) {
  a.peer.encryption = Encryption::kOff;
  a.publish();
  EXPECT_EQ(fate(1, there), "clear_not_sent");
  EXPECT_EQ(fate(0, back), "clear_refused");
}

TEST_F(ClearText, FlowsThatWereOpenBefore) {
  a.world.interface(1).default_deny = false;
  flow::FilterRule allow;  // with state: every packet has a flow
  allow.action = flow::FilterAction::kAllow;
  allow.matches.emplace_back();
  allow.matches[0].states = static_cast<uint8_t>(flow::FlowState::kNew);
  a.world.rules = {allow};
  remote().demand = 0;
  a.required.clear();
  delete_peer();
  EXPECT_EQ(fate(1, there), "clear");
  ASSERT_EQ(a.world.state().flows.size(), 1u);
  remote().demand = 1;
  a.required = {net("10.2.0.0/16")};
  a.publish();
  EXPECT_EQ(fate(1, there), "clear_not_sent");
  EXPECT_EQ(fate(0, back), "clear_refused");
}

TEST_F(ClearText, EndpointsOfAService) {
  auto s = std::make_shared<flow::ServiceEntry>();
  s->address = ip("203.0.113.80");
  s->port = 53;
  s->protocol = 17;
  s->balancing = flow::Balancing::kRoundRobin;
  s->endpoints.emplace_back();
  s->endpoints[0].address = ip("10.2.0.5");
  s->table = {0};
  for (const auto mode : {flow::ServiceMode::kNat, flow::ServiceMode::kDsr, flow::ServiceMode::kIpip}) {
    s->mode = mode;
    a.world.services = {std::make_shared<flow::ServiceEntry>(*s)};
    a.publish();
    if (mode == flow::ServiceMode::kNat) {
      EXPECT_EQ(fate(1, udp(to_gateway(1), "10.1.0.5", 1, "203.0.113.80", 53)), "esp");
    }
    delete_peer();
    EXPECT_EQ(fate(1, udp(to_gateway(1), "10.1.0.5", 2, "203.0.113.80", 53)), "clear_not_sent");
    EXPECT_EQ(fate(1, udp(to_gateway(1), "10.1.0.5", 2, "203.0.113.80", 53)), "clear_not_sent");
    a.deleted = false;
    remote().next_hops = {{.peer = 0}};
    a.publish();
  }
}

TEST_F(ClearText, WhatWaitedForANeighbourWhenTheDemandCame) {
  remote().demand = 0;
  a.required.clear();
  remote().next_hops = {{0, ip("198.51.100.77")}};
  a.deleted = true;
  a.publish();
  EXPECT_EQ(fate(1, there), "");
  EXPECT_EQ(a.world.state().neighbours.held(), 1u);
  remote().demand = 1;
  a.required = {net("10.2.0.0/16")};
  a.publish();
  EXPECT_EQ(a.world.drops(DropReason::clear_not_sent), 1u);
  a.world.resolve(0, "198.51.100.77");
  EXPECT_TRUE(a.world.take().empty());
}

// An entry that redirects must not send in clear what belongs into a tunnel: by prefix or by peer.
TEST_F(ClearText, AnExactEntryIsNoWayRoundTheTunnel) {
  flow::ExactAction redirect;
  redirect.verb = flow::ExactVerb::kRedirect;
  redirect.redirect_interface = 2;
  redirect.redirect_via = ip("10.0.2.9");
  a.world.resolve(2, "10.0.2.9");
  program(redirect);
  EXPECT_EQ(fate(1, there), "clear_not_sent");
  delete_peer();
  EXPECT_EQ(fate(1, there), "clear_not_sent");
  remote().demand = 0;
  a.required.clear();
  a.publish();
  EXPECT_EQ(fate(1, there), "clear");
  remote().next_hops = {{.peer = 0}};
  a.deleted = false;
  a.publish();
  EXPECT_EQ(fate(1, there), "clear_not_sent") << "the Peer demands it";
  a.peer.encryption = Encryption::kPreferred;
  a.publish();
  EXPECT_EQ(fate(1, there), "clear");
  flow::ExactAction nat;  // what it is translated to counts
  nat.verb = flow::ExactVerb::kNat;
  nat.redirect_via = ip("10.2.0.9");
  program(nat);
  remote().demand = 1;
  a.required = {net("10.2.0.0/16")};
  delete_peer();
  EXPECT_EQ(fate(1, there), "clear_not_sent");
}

TEST_F(ClearText, TheGatewaysOwnPackets) {
  delete_peer();
  flow::InjectCommand inject;  // a health check
  inject.as = flow::InjectAs::kPacket;
  inject.frame = tcp({}, "10.1.0.1", 61000, "10.2.0.5", 80, 2);
  a.world.command(0, inject);
  a.world.round();
  EXPECT_TRUE(a.world.take().empty());
  EXPECT_EQ(a.world.drops(DropReason::clear_not_sent), 1u);
}

TEST_F(ClearText, ErrorsAboutWhatMustBeEncrypted) {
  delete_peer();
  const auto about = [](const char* to) {
    return icmp_error(to_gateway(0), "198.51.100.77", wire::kIcmpUnreachable, wire::kIcmpFragmentationNeeded,
                      udp(to_gateway(1), "10.1.0.5", 53, to, 1000));
  };
  EXPECT_EQ(fate(0, about("10.2.0.5")), "clear_refused");
  EXPECT_EQ(fate(0, about("198.51.100.200")), "clear");
  // Whatever it is about: the rest of the quotation may come in another fragment.
  std::vector<uint8_t> piece = about("198.51.100.200");
  base::store_be16(&piece[14 + wire::kIpv4FragmentAt], wire::kIpv4MoreFragments);
  base::store_be16(&piece[14 + wire::kIpv4TotalLengthAt], 20 + 16);
  base::store_raw(&piece[14 + wire::kIpv4ChecksumAt], wire::compute_ipv4_header(&piece[14]));
  EXPECT_EQ(fate(0, piece), "clear_refused");
  // A later fragment of ICMPv6 shows no type: it may be of an echo.
  std::vector<uint8_t> later = udp(to_gateway(0), "2001:db8:9::9", 1, "2001:db8:9::5", 53, 100);
  later[14 + wire::kIpv6NextHeaderAt] = wire::kProtocolFragment;
  later[14 + wire::kIpv6Length] = wire::kProtocolIcmpv6;
  later[14 + wire::kIpv6Length + 1] = 0;
  base::store_be16(&later[14 + wire::kIpv6Length + 2], 64);
  EXPECT_NE(fate(0, later), "clear_refused");
}

TEST_F(ClearText, NoCopyIsMade) {
  flow::MirrorRule mirror;
  mirror.interface = 2;
  a.world.next.mirrors = {mirror};
  flow::MirrorMatch match;
  match.matches.emplace_back();
  match.matches[0].dst = net("0.0.0.0/0");
  match.matches[0].protocol = 17;
  a.world.mirror_matches = {match};
  a.publish();
  EXPECT_EQ(fate(1, there), "esp mirror_clear_refused");
  EXPECT_EQ(fate(1, udp(to_gateway(1), "10.1.0.5", 1000, "198.51.100.2", 53)), "clear clear");  // original and copy
}

// 0.0.0.0/0: the underlay lies inside, and the gateways still find each other.
TEST_F(ClearText, WhatGatewaysNeedOfEachOtherPasses) {
  for (flow::RouteSpec& each : a.world.routes) each.demand = each.prefix.is_v4() ? 1 : 0;
  a.required = {net("0.0.0.0/0")};
  add_twin();
  a.publish();
  EXPECT_EQ(fate(1, there), "clear_refused") << "our own network has no entry with Off";
  for (flow::RouteSpec& each : a.world.routes)
    if (net("10.1.0.0/16").contains(each.prefix)) each.demand = 0;
  a.publish();
  EXPECT_EQ(fate(1, there), "esp");
  // PeerLink, both ways.
  EXPECT_EQ(fate(0, tcp(to_gateway(0), "198.51.100.2", 4000, "198.51.100.1", 9510, 2)), "clear");
  EXPECT_EQ(fate(2, tcp(to_gateway(0), "198.51.100.1", 9510, "198.51.100.2", 4000, 18)), "clear");
  EXPECT_EQ(fate(2, tcp(to_gateway(0), "198.51.100.1", 9510, "198.51.100.3", 4000, 18)), "clear_refused");
  EXPECT_EQ(fate(2, tcp(to_gateway(0), "10.1.0.77", 9510, "198.51.100.2", 4000, 18)), "clear_refused");
  EXPECT_EQ(fate(0, tcp(to_gateway(0), "198.51.100.3", 4000, "198.51.100.1", 9510, 2)), "clear_refused");
  // Not through us.
  EXPECT_EQ(fate(1, udp(to_gateway(1), "10.1.0.5", 1000, "198.51.100.2", 53)), "clear_not_sent");
  EXPECT_EQ(fate(0, udp(to_gateway(0), "198.51.100.2", 1000, "10.1.0.5", 53)), "clear_refused");
}

// What another gateway may say in clear to this one it may not say to an endpoint of ours.
TEST_F(ClearText, AServiceOnTheGatewaysOwnAddress) {
  for (flow::RouteSpec& each : a.world.routes)
    each.demand = each.prefix.is_v4() && !net("10.1.0.0/16").contains(each.prefix) ? 1 : 0;
  a.required = {net("0.0.0.0/0")};
  auto s = std::make_shared<flow::ServiceEntry>();
  s->address = ip("198.51.100.1");
  s->port = 53;
  s->protocol = 17;
  s->endpoints.emplace_back();
  s->endpoints[0].address = ip("10.1.0.5");
  s->table = {0};
  a.world.services = {s};
  a.publish();
  EXPECT_EQ(fate(0, udp(to_gateway(0), "198.51.100.2", 1000, "198.51.100.1", 53)), "clear_refused");
  EXPECT_EQ(fate(1, udp(to_gateway(1), "10.1.0.6", 1000, "198.51.100.1", 53)), "clear") << "the service works";
}

// ::/0 beside IPv4 tunnels: what is routed, not what neighbours say to each other; and IPv4 is not concerned.
TEST_F(ClearText, AllOfIpv6) {
  add_twin();
  a.world.routes.push_back({net("2001:db8:f::/64"), RouteKind::kConnected, {{0, {}}}, {}, 2});
  a.world.routes.push_back({net("2001:db8:f::1/128"), RouteKind::kLocal, {{0, {}}}, {}, 2});
  a.world.routes.push_back({net("::/0"), RouteKind::kNone, {}, {}, 2});
  a.required.push_back(net("::/0"));
  a.publish();
  const auto neighbour = [](const char* from, const char* to) {
    wire::NdPacket packet;
    packet.link = to_gateway(0);
    packet.message.type = wire::kNdNeighbourAdvert;
    packet.message.src = ip(from);
    packet.message.dst = ip(to);
    packet.message.target = ip(from);
    std::vector<uint8_t> out(200);
    out.resize(wire::build_nd(out, packet));
    return out;
  };
  EXPECT_EQ(fate(1, there), "esp");
  EXPECT_EQ(fate(0, udp(to_gateway(0), "2001:db8:9::9", 1, "2001:db8:f::1", 53)), "clear_refused");
  EXPECT_EQ(fate(1, udp(to_gateway(1), "2001:db8:f::9", 1, "2001:db8:f::5", 53)), "clear_refused");
  const uint64_t punted = a.world.state().counters->punted.read();
  EXPECT_EQ(fate(0, neighbour("fe80::2", "2001:db8:f::1")), "clear");  // the twin hears it too
  EXPECT_EQ(a.world.state().counters->punted.read(), punted + 1);
  EXPECT_EQ(fate(2, neighbour("2001:db8:f::1", "ff02::1")), "clear");
  EXPECT_EQ(fate(2, neighbour("2001:db8:f::1", "fe80::2")), "clear");
  EXPECT_EQ(fate(2, udp(to_gateway(0), "2001:db8:f::1", 1, "2001:db8:9::9", 53)), "clear_refused");
  EXPECT_EQ(fate(2, udp(to_gateway(0), "2001:db8:f::1", 1, "2001:db8:f::9", 53)), "clear_refused");
}

TEST_F(ClearText, APathMtuIsLearnedAllTheSame) {
  for (flow::RouteSpec& each : a.world.routes) each.demand = net("10.1.0.0/16").contains(each.prefix) ? 0 : 1;
  a.required = {net("0.0.0.0/0")};
  a.world.interface(0).encrypt = Encryption::kRequired;
  a.publish();
  a.arrive(1, there);
  const auto sent = a.world.take();
  ASSERT_EQ(sent.size(), 1u);
  const uint64_t before = a.world.state().counters->punted.read();
  const auto told = [&](const std::vector<uint8_t>& about) {
    return icmp_error(to_gateway(0), "198.51.100.77", wire::kIcmpUnreachable, wire::kIcmpFragmentationNeeded, about);
  };
  EXPECT_EQ(fate(0, told(sent[0].frame)), "");
  EXPECT_EQ(a.world.state().counters->punted.read(), before + 1);
  EXPECT_EQ(fate(0, told(udp(to_gateway(0), "198.51.100.1", 53, "198.51.100.2", 1000))), "link_clear_refused");
}

class ClearLink : public ClearText {
 protected:
  ClearLink() {
    a.required.clear();
    remote().demand = 0;
    a.peer.encryption = Encryption::kPreferred;
    a.world.interface(0).encrypt = Encryption::kRequired;
    a.publish();
  }
};

TEST_F(ClearLink, TakesAndSendsOnlyWhatIsEncrypted) {
  Gateway b(1, 1, 1, 1);
  EXPECT_EQ(fate(1, there), "esp");
  b.arrive(1, udp(to_gateway(1), "10.2.0.5", 53, "10.1.0.5", 1000));
  const auto answer = b.world.take();
  ASSERT_EQ(answer.size(), 1u);
  EXPECT_EQ(fate(0, on_the_wire(answer[0])), "clear");  // out of the tunnel, to the workload
  EXPECT_EQ(fate(0, back), "link_clear_refused");
  EXPECT_EQ(fate(0, udp(to_gateway(0), "203.0.113.9", 1000, "10.1.0.5", 53)), "link_clear_refused");
  EXPECT_EQ(fate(0, echo(to_gateway(0), "198.51.100.9", "198.51.100.1")), "link_clear_refused");
  EXPECT_EQ(fate(1, udp(to_gateway(1), "10.1.0.5", 1000, "198.51.100.9", 53)), "link_clear_not_sent");
  lose_keys();
  EXPECT_EQ(fate(1, there), "no_association") << "preferred is not enough here";
  delete_peer();
  EXPECT_EQ(fate(1, there), "link_clear_not_sent");
  EXPECT_EQ(fate(0, back), "link_clear_refused") << "also without any peer";
}

TEST_F(ClearLink, APeerWithoutEncryptionIsNotReachedByIt) {
  a.peer.encryption = Encryption::kOff;
  a.publish();
  EXPECT_EQ(fate(1, there), "link_clear_not_sent");
}

TEST_F(ClearLink, TheKernelSpeaksForTheGatewayOnly) {
  add_twin();
  a.publish();
  EXPECT_EQ(fate(0, tcp(to_gateway(0), "198.51.100.9", 4000, "198.51.100.1", 9510, 2)), "clear");  // to the twin
  EXPECT_EQ(fate(0, tcp(to_gateway(0), "198.51.100.9", 4000, "198.51.100.1", 22, 2)), "link_clear_refused");
  EXPECT_EQ(fate(0, tcp(to_gateway(0), "198.51.100.9", 4000, "10.1.0.5", 9510, 2)), "link_clear_refused");
  EXPECT_EQ(fate(2, tcp(to_gateway(0), "198.51.100.1", 9510, "198.51.100.9", 4000, 18)), "clear");
  EXPECT_EQ(fate(2, tcp(to_gateway(0), "10.1.0.5", 9510, "198.51.100.9", 4000, 18)), "link_clear_not_sent");
}

TEST_F(ClearLink, AnExactEntryCannotRedirectOutOfIt) {
  flow::ExactAction redirect;
  redirect.verb = flow::ExactVerb::kRedirect;
  redirect.redirect_interface = 0;
  redirect.redirect_via = ip("198.51.100.2");
  program(redirect);
  EXPECT_EQ(fate(1, there), "link_clear_not_sent");
}

TEST_F(ClearLink, WhatACryptoDeviceGivesBackLeaves) {
  Gateway queued(0, 1, 1, 1, crypto::CryptoUse::kQueues);
  queued.world.interface(0).encrypt = Encryption::kRequired;
  for (flow::RouteSpec& each : queued.world.routes) each.demand = net("10.1.0.0/16").contains(each.prefix) ? 0 : 1;
  queued.required = {net("0.0.0.0/0")};
  queued.publish();
  queued.arrive(1, there);
  const auto sent = queued.world.take();
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].headers.protocol, wire::kProtocolEsp);
  EXPECT_EQ(queued.world.all_drops(), 0u);
}

// A link that is trusted: whoever only prefers encryption does without. Probes still go through the tunnel.
TEST_F(ClearLink, Off) {
  a.world.interface(0).encrypt = Encryption::kOff;
  a.publish();
  EXPECT_EQ(fate(1, there), "clear");
  flow::ProbeCommand probe;
  probe.peer = 0;
  probe.path = 0;
  a.world.command(0, probe);
  for (int i = 0; i < 4; ++i) a.world.round();
  const auto sent = a.world.take();
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].headers.protocol, wire::kProtocolEsp);
  a.peer.encryption = Encryption::kRequired;
  a.publish();
  EXPECT_EQ(fate(1, there), "esp");
  a.peer.encryption = Encryption::kPreferred;
  a.required = {net("10.2.0.0/16")};
  remote().demand = 1;
  a.publish();
  EXPECT_EQ(fate(1, there), "esp") << "the prefix demands it";
}

// The answer to what came by one of several peers goes back by that one, and is encrypted though it only prefers it.
TEST_F(ClearText, TheWayBackKeepsTheDemand) {
  const flow::RouteTable& routes = *a.world.state().generation->routes;
  const uint32_t hop = routes.demanded_hop_to(0);
  ASSERT_NE(hop, flow::RouteTable::kNoHop);
  EXPECT_EQ(routes.next_hop(hop).peer, 0);
  EXPECT_NE(routes.next_hop(hop).demand, 0);
  EXPECT_EQ(routes.next_hop(routes.hop_to(0)).demand, 0);
}

}  // namespace
}  // namespace penstock::engine::test
