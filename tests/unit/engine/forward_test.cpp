// Routing through the whole list: forwarding, errors, neighbours, fragments, balance.
#include "unit/engine/world.h"

namespace penstock::engine::test {
namespace {

using flow::DropReason;

class Forward : public testing::Test {
 protected:
  void SetUp() override {
    world.routes.push_back({net("0.0.0.0/0"), flow::RouteKind::kGateway, {{0, ip("198.51.100.254")}}, {}});
    world.routes.push_back({net("10.9.0.0/16"), flow::RouteKind::kBlackhole, {}, {}});
    world.routes.push_back({net("10.8.0.0/16"), flow::RouteKind::kProhibit, {}, {}});
    world.publish();
    world.resolve(1, "10.0.1.11");
    world.resolve(1, "2001:db8:2::11");
    world.resolve(0, "198.51.100.254");
    world.resolve(0, "198.51.100.7");
    world.resolve(0, "2001:db8:1::7");
  }
  void TearDown() override { world.expect_balance(); }
  World world;
};

TEST_F(Forward, RewritesMacsAndDecrementsTtl) {
  world.arrive(0, udp(to_gateway(0), "198.51.100.7", 1000, "10.0.1.11", 53));
  const auto out = world.take();
  ASSERT_EQ(out.size(), 1u);
  EXPECT_EQ(out[0].port, 1);
  EXPECT_EQ(out[0].headers.hop_limit, 63);
  EXPECT_EQ(out[0].dst, ip("10.0.1.11"));
  EXPECT_EQ(std::memcmp(out[0].frame.data(), mac(0xaa).bytes.data(), 6), 0);
  EXPECT_EQ(std::memcmp(out[0].frame.data() + 6, mac(2).bytes.data(), 6), 0);
  EXPECT_EQ(wire::verify_l4(out[0].frame, out[0].headers), wire::ChecksumState::kGood);
}

TEST_F(Forward, Ipv6) {
  world.arrive(0, udp(to_gateway(0), "2001:db8:1::7", 1000, "2001:db8:2::11", 53));
  const auto out = world.take();
  ASSERT_EQ(out.size(), 1u);
  EXPECT_EQ(out[0].port, 1);
  EXPECT_EQ(out[0].headers.hop_limit, 63);
}

TEST_F(Forward, TtlExpiredIsAnsweredFromTheIngressAddress) {
  world.arrive(0, udp(to_gateway(0), "198.51.100.7", 1000, "10.0.1.11", 53, 10, true, 1));
  const auto out = world.take();
  ASSERT_EQ(out.size(), 1u);
  EXPECT_EQ(out[0].port, 0);
  EXPECT_EQ(out[0].src, ip("198.51.100.1"));
  EXPECT_EQ(out[0].headers.icmp_type, 11);
  EXPECT_EQ(world.drops(DropReason::ttl_expired), 1u);
}

TEST_F(Forward, RoutesThatRefuse) {
  world.arrive(0, udp(to_gateway(0), "198.51.100.7", 1, "10.9.0.1", 2));
  EXPECT_EQ(world.drops(DropReason::route_blackhole), 1u);
  EXPECT_TRUE(world.take().empty());
  world.arrive(0, udp(to_gateway(0), "198.51.100.7", 1, "10.8.0.1", 2));
  const auto out = world.take();
  ASSERT_EQ(out.size(), 1u);
  EXPECT_EQ(out[0].headers.icmp_type, 3);
  EXPECT_EQ(out[0].headers.icmp_code, 13);
}

TEST_F(Forward, TooBigSaysTheMtu) {
  world.interface(1).mtu = 1000;
  world.publish();
  world.arrive(0, udp(to_gateway(0), "198.51.100.7", 1, "10.0.1.11", 2, 1200));
  const auto out = world.take();
  ASSERT_EQ(out.size(), 1u);
  EXPECT_EQ(out[0].headers.icmp_type, 3);
  EXPECT_EQ(out[0].headers.icmp_code, 4);
  EXPECT_EQ(base::load_be16(&out[0].frame[14 + 20 + 6]), 1000);
  EXPECT_EQ(world.drops(DropReason::too_big), 1u);
}

TEST_F(Forward, FragmentsWhatMayBeCut) {
  world.interface(1).mtu = 600;
  world.publish();
  world.arrive(0, udp(to_gateway(0), "198.51.100.7", 1, "10.0.1.11", 2, 1400, false));
  const auto out = world.take();
  ASSERT_EQ(out.size(), 3u);
  size_t bytes = 0;
  for (const Out& piece : out) {
    EXPECT_LE(piece.frame.size(), 614u);
    EXPECT_TRUE(piece.headers.is(wire::kIsFragment));
    EXPECT_EQ(piece.headers.fragment_offset, bytes);
    bytes += piece.headers.end - 34u;
  }
  EXPECT_EQ(bytes, 1408u);
  EXPECT_FALSE(out[2].headers.is(wire::kMoreFragments));
}

TEST_F(Forward, UnresolvedNeighbourHoldsThenSends) {
  world.arrive(0, udp(to_gateway(0), "198.51.100.7", 1, "10.0.1.99", 2));
  EXPECT_TRUE(world.take().empty());
  EXPECT_EQ(world.state().neighbours.held(), 1u);
  const flow::Event* event = world.state().events.front();
  ASSERT_NE(event, nullptr);
  EXPECT_EQ(event->kind, flow::EventKind::kWantNeighbour);
  EXPECT_EQ(event->address, ip("10.0.1.99"));
  world.resolve(1, "10.0.1.99");
  EXPECT_EQ(world.take().size(), 1u);
  EXPECT_EQ(world.state().neighbours.held(), 0u);
}

TEST_F(Forward, NeighbourQueueIsBounded) {
  for (unsigned i = 0; i < world.next.settings.neighbour_queue + 5; ++i)
    world.arrive(0, udp(to_gateway(0), "198.51.100.7", 1, "10.0.1.99", 2));
  EXPECT_EQ(world.drops(DropReason::neighbour_queue_full), 5u);
  EXPECT_EQ(world.state().neighbours.held(), world.next.settings.neighbour_queue);
}

TEST_F(Forward, EchoToOwnAddress) {
  world.arrive(0, echo(to_gateway(0), "198.51.100.7", "10.0.1.1"));
  auto out = world.take();
  ASSERT_EQ(out.size(), 1u);
  EXPECT_EQ(out[0].headers.icmp_type, 0);
  EXPECT_EQ(out[0].src, ip("10.0.1.1"));
  EXPECT_EQ(wire::verify_l4(out[0].frame, out[0].headers), wire::ChecksumState::kGood);
  world.arrive(0, echo(to_gateway(0), "2001:db8:1::7", "2001:db8:1::1"));
  out = world.take();
  ASSERT_EQ(out.size(), 1u);
  EXPECT_EQ(out[0].headers.icmp_type, 129);
  EXPECT_EQ(wire::verify_l4(out[0].frame, out[0].headers), wire::ChecksumState::kGood);
}

TEST_F(Forward, ClosedPortOfTheGatewayIsRefused) {
  world.arrive(0, tcp(to_gateway(0), "198.51.100.7", 4000, "198.51.100.1", 80, 2));
  const auto out = world.take();
  ASSERT_EQ(out.size(), 1u);
  EXPECT_EQ(out[0].headers.tcp_flags & 4, 4);
  EXPECT_EQ(world.drops(DropReason::local_unwanted), 1u);
}

TEST_F(Forward, Martians) {
  const struct {
    const char *src, *dst;
    DropReason reason;
  } cases[] = {{"127.0.0.1", "10.0.1.11", DropReason::martian_source},
               {"224.0.0.1", "10.0.1.11", DropReason::martian_source},
               {"240.0.0.1", "10.0.1.11", DropReason::martian_source},
               {"0.0.0.5", "10.0.1.11", DropReason::martian_source},
               {"198.51.100.7", "127.0.0.1", DropReason::martian_destination},
               {"198.51.100.7", "241.0.0.1", DropReason::martian_destination},
               {"10.0.1.11", "10.0.1.11", DropReason::land},
               {"2001:db8:1::7", "::1", DropReason::martian_destination},
               {"ff02::1", "2001:db8:2::11", DropReason::martian_source}};
  for (const auto& c : cases) {
    const uint64_t before = world.drops(c.reason);
    world.arrive(0, udp(to_gateway(0), c.src, 1, c.dst, 2));
    EXPECT_EQ(world.drops(c.reason), before + 1) << c.src << " -> " << c.dst;
    EXPECT_TRUE(world.take().empty());
  }
}

TEST_F(Forward, ReversePathStrictAndLoose) {
  world.interface(0).rpf = flow::Rpf::kStrict;
  world.publish();
  world.arrive(0, udp(to_gateway(0), "10.0.1.50", 1, "10.0.1.11", 2));
  EXPECT_EQ(world.drops(DropReason::reverse_path), 1u);
  world.interface(0).rpf = flow::Rpf::kLoose;
  world.publish();
  world.arrive(0, udp(to_gateway(0), "10.0.1.50", 1, "10.0.1.11", 2));
  EXPECT_EQ(world.take().size(), 1u);
  world.arrive(0, udp(to_gateway(0), "10.9.0.50", 1, "10.0.1.11", 2));
  EXPECT_EQ(world.drops(DropReason::reverse_path), 2u);
}

TEST_F(Forward, MalformedIsNamed) {
  auto frame = udp(to_gateway(0), "198.51.100.7", 1, "10.0.1.11", 2);
  frame[14 + 10] ^= 1;
  world.arrive(0, frame);
  EXPECT_EQ(world.drops(DropReason::bad_ip_checksum), 1u);
  world.arrive(0, std::vector<uint8_t>(frame.begin(), frame.begin() + 20));
  EXPECT_EQ(world.drops(DropReason::truncated_ip), 1u);
  frame = udp({mac(0x77), mac(0xaa)}, "198.51.100.7", 1, "10.0.1.11", 2);
  world.arrive(0, frame);
  EXPECT_EQ(world.drops(DropReason::not_for_us), 1u);
  frame = udp(to_gateway(0, 42), "198.51.100.7", 1, "10.0.1.11", 2);
  world.arrive(0, frame);
  EXPECT_EQ(world.drops(DropReason::unknown_vlan), 1u);
}

TEST_F(Forward, VlanSubInterface) {
  world.add_interface("lan.7", 1, {net("10.7.0.1/24")}, 7);
  world.publish();
  const auto id = static_cast<flow::InterfaceId>(3);
  world.resolve(id, "10.7.0.2");
  world.arrive(0, udp(to_gateway(0), "198.51.100.7", 1, "10.7.0.2", 2));
  auto out = world.take();
  ASSERT_EQ(out.size(), 1u);
  EXPECT_TRUE(out[0].headers.is(wire::kIsTagged));
  EXPECT_EQ(out[0].headers.vlan, 7);
  world.arrive(1, udp(to_gateway(1, 7), "10.7.0.2", 2, "198.51.100.7", 1));
  out = world.take();
  ASSERT_EQ(out.size(), 1u);
  EXPECT_EQ(out[0].port, 0);
  EXPECT_FALSE(out[0].headers.is(wire::kIsTagged));
}

TEST_F(Forward, EcmpSpreadsByFlow) {
  world.routes.push_back(
      {net("203.0.113.0/24"), flow::RouteKind::kGateway, {{1, ip("10.0.1.11")}, {0, ip("198.51.100.254")}}, {1, 1}});
  world.publish();
  size_t by_port[3] = {};
  for (uint16_t port = 1; port <= 200; ++port) world.arrive(2, udp(to_gateway(2), "10.0.2.5", port, "203.0.113.9", 80));
  for (const Out& each : world.take()) ++by_port[each.port];
  EXPECT_EQ(by_port[0] + by_port[1], 200u);
  EXPECT_GT(by_port[0], 60u);
  EXPECT_GT(by_port[1], 60u);
}

}  // namespace
}  // namespace penstock::engine::test
