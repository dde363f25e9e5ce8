// Services through the whole list: every mode, both directions, errors about flows, endpoints that go, two workers.
#include <set>

#include "unit/engine/world.h"

namespace penstock::engine::test {
namespace {

using flow::DropReason;
using flow::ServiceMode;

constexpr uint8_t kSyn = 2, kSynAck = 18, kAck = 16, kRst = 4;

class Services : public testing::TestWithParam<unsigned> {
 protected:
  Services() : world(GetParam()) {}

  std::shared_ptr<flow::ServiceEntry> service(ServiceMode mode, const char* vip = "203.0.113.80", uint16_t port = 80) {
    auto s = std::make_shared<flow::ServiceEntry>();
    s->slot = static_cast<uint32_t>(world.services.size());
    s->address = ip(vip);
    s->port = port;
    s->protocol = 6;
    s->mode = mode;
    s->name = "default/web:80";
    s->balancing = flow::Balancing::kRoundRobin;
    const bool v4 = s->address.is_v4();
    for (uint16_t i = 0; i < 2; ++i) {
      flow::Endpoint e;
      e.slot = i;
      e.address = ip(v4 ? (i == 0 ? "10.0.1.11" : "10.0.1.12") : (i == 0 ? "2001:db8:2::11" : "2001:db8:2::12"));
      e.port = 8080;
      s->endpoints.push_back(e);
    }
    s->table = {0, 1};
    world.services.push_back(s);
    return s;
  }

  void publish() {
    world.publish();
    for (const char* each : {"10.0.1.11", "10.0.1.12", "2001:db8:2::11", "2001:db8:2::12"}) world.resolve(1, each);
    for (const char* each : {"198.51.100.7", "2001:db8:1::7"}) world.resolve(0, each);
  }
  void TearDown() override { world.expect_balance(); }

  Out one() {
    auto out = world.take();
    EXPECT_EQ(out.size(), 1u);
    return out.empty() ? Out{} : out[0];
  }

  World world;
};

TEST_P(Services, NatBothWays) {
  service(ServiceMode::kNat);
  publish();
  for (uint16_t port = 4000; port < 4032; ++port) {
    world.arrive(0, tcp(to_gateway(0), "198.51.100.7", port, "203.0.113.80", 80, kSyn));
    const Out there = one();
    EXPECT_EQ(there.port, 1);
    EXPECT_EQ(there.src, ip("198.51.100.7"));
    EXPECT_EQ(there.headers.src_port, port);
    EXPECT_EQ(there.headers.dst_port, 8080);
    EXPECT_EQ(wire::verify_l4(there.frame, there.headers), wire::ChecksumState::kGood);
    world.arrive(1, tcp(to_gateway(1), there.dst.to_string().c_str(), 8080, "198.51.100.7", port, kSynAck, 5000, 1001));
    const Out back = one();
    EXPECT_EQ(back.port, 0);
    EXPECT_EQ(back.src, ip("203.0.113.80"));
    EXPECT_EQ(back.headers.src_port, 80);
    EXPECT_EQ(back.headers.dst_port, port);
    EXPECT_EQ(wire::verify_l4(back.frame, back.headers), wire::ChecksumState::kGood);
    world.arrive(0, tcp(to_gateway(0), "198.51.100.7", port, "203.0.113.80", 80, kAck, 1001, 5001));
    EXPECT_EQ(one().dst, there.dst);
  }
}

TEST_P(Services, FullNatRepliesReachTheOwner) {
  service(ServiceMode::kFullNat);
  publish();
  for (uint16_t port = 4000; port < 4032; ++port) {
    world.arrive(0, tcp(to_gateway(0), "198.51.100.7", port, "203.0.113.80", 80, kSyn));
    const Out there = one();
    EXPECT_EQ(there.src, ip("10.0.1.1"));
    EXPECT_EQ(wire::verify_l4(there.frame, there.headers), wire::ChecksumState::kGood);
    const uint64_t steered = world.state().counters->to_workers.read();
    world.arrive(1,
                 tcp(to_gateway(1), there.dst.to_string().c_str(), 8080, "10.0.1.1", there.headers.src_port, kSynAck,
                     5000, 1001),
                 flow::owner_of(flow::owner_hash(flow::FlowKey{there.dst, there.src, 8080, there.headers.src_port, 6}),
                                GetParam()));
    EXPECT_EQ(world.state().counters->to_workers.read(), steered);  // no hand-off: the port was chosen for it
    const Out back = one();
    EXPECT_EQ(back.src, ip("203.0.113.80"));
    EXPECT_EQ(back.dst, ip("198.51.100.7"));
    EXPECT_EQ(back.headers.dst_port, port);
    EXPECT_EQ(wire::verify_l4(back.frame, back.headers), wire::ChecksumState::kGood);
  }
}

TEST_P(Services, DsrLeavesThePacketAlone) {
  service(ServiceMode::kDsr);
  publish();
  world.arrive(0, tcp(to_gateway(0), "198.51.100.7", 4000, "203.0.113.80", 80, kSyn));
  const Out there = one();
  EXPECT_EQ(there.port, 1);
  EXPECT_EQ(there.dst, ip("203.0.113.80"));
  EXPECT_EQ(there.headers.dst_port, 80);
  EXPECT_EQ(there.headers.hop_limit, 63);
}

TEST_P(Services, IpipTunnelsToTheServer) {
  service(ServiceMode::kIpip);
  publish();
  std::set<base::IpAddress> sources;
  for (uint16_t port = 4000; port < 4032; ++port) {
    world.arrive(0, tcp(to_gateway(0), "198.51.100.7", port, "203.0.113.80", 80, kSyn));
    const Out there = one();
    EXPECT_EQ(there.headers.protocol, 4);
    sources.insert(there.src);
    wire::Headers inner;
    const base::Bytes inside = base::Bytes(there.frame).subspan(34);
    ASSERT_EQ(wire::parse_ip(inside, wire::Whole::kYes, wire::Ipv4Checksum::kVerify, inner), wire::ParseError::kNone);
    EXPECT_EQ(inner.dst_port, 80);
  }
  EXPECT_GT(sources.size(), 8u);
}

TEST_P(Services, Ipv6Nat) {
  service(ServiceMode::kNat, "2001:db8:80::1");
  publish();
  world.arrive(0, tcp(to_gateway(0), "2001:db8:1::7", 4000, "2001:db8:80::1", 80, kSyn));
  const Out there = one();
  EXPECT_EQ(there.headers.dst_port, 8080);
  EXPECT_EQ(wire::verify_l4(there.frame, there.headers), wire::ChecksumState::kGood);
  world.arrive(1, tcp(to_gateway(1), there.dst.to_string().c_str(), 8080, "2001:db8:1::7", 4000, kSynAck, 5000, 1001));
  const Out back = one();
  EXPECT_EQ(back.src, ip("2001:db8:80::1"));
  EXPECT_EQ(wire::verify_l4(back.frame, back.headers), wire::ChecksumState::kGood);
}

TEST_P(Services, IcmpErrorIsTranslatedBack) {
  service(ServiceMode::kNat);
  publish();
  world.arrive(0, tcp(to_gateway(0), "198.51.100.7", 4000, "203.0.113.80", 80, kSyn));
  const Out there = one();
  // The server's host says: port unreachable.
  std::vector<uint8_t> error(2000);
  wire::IcmpErrorPacket packet;
  packet.link = to_gateway(1);
  packet.src = there.dst;
  packet.type = 3;
  packet.code = 3;
  packet.original = base::Bytes(there.frame).subspan(14);
  error.resize(wire::build_icmp_error(error, packet));
  world.arrive(1, error);
  const Out back = one();
  EXPECT_EQ(back.port, 0);
  EXPECT_EQ(back.src, ip("203.0.113.80"));
  EXPECT_EQ(back.dst, ip("198.51.100.7"));
  EXPECT_EQ(wire::verify_l4(back.frame, back.headers), wire::ChecksumState::kGood);
  wire::Headers inner;
  const base::Bytes quote = base::Bytes(back.frame).subspan(14 + 20 + 8);
  ASSERT_EQ(wire::parse_ip(quote, wire::Whole::kQuoted, wire::Ipv4Checksum::kVerify, inner), wire::ParseError::kNone);
  EXPECT_EQ(base::IpAddress::v4_from(&quote[16]), ip("203.0.113.80"));
  EXPECT_EQ(inner.dst_port, 80);
  EXPECT_EQ(inner.src_port, 4000);
}

TEST_P(Services, NoEndpointIsRefusedByName) {
  auto s = service(ServiceMode::kNat);
  s->table.clear();
  publish();
  world.arrive(0, tcp(to_gateway(0), "198.51.100.7", 4000, "203.0.113.80", 80, kSyn));
  const Out out = one();
  EXPECT_EQ(out.src, ip("203.0.113.80"));
  EXPECT_EQ(out.headers.tcp_flags & kRst, kRst);
  EXPECT_EQ(world.drops(DropReason::service_no_endpoint), 1u);
  world.arrive(0, tcp(to_gateway(0), "198.51.100.7", 4000, "203.0.113.80", 81, kSyn));
  EXPECT_EQ(world.drops(DropReason::service_no_port), 1u);
  world.take();
  world.arrive(0, echo(to_gateway(0), "198.51.100.7", "203.0.113.80"));
  EXPECT_EQ(one().headers.icmp_type, 0);
}

TEST_P(Services, DownEndpointMovesOrResets) {
  auto s = service(ServiceMode::kNat);
  publish();
  world.arrive(0, tcp(to_gateway(0), "198.51.100.7", 4000, "203.0.113.80", 80, kSyn));
  const Out first = one();
  auto changed = std::make_shared<flow::ServiceEntry>(*s);
  const uint16_t gone = first.dst == ip("10.0.1.11") ? 0 : 1;
  changed->endpoints[gone].state = flow::EndpointState::kDown;
  changed->table = {static_cast<uint16_t>(1 - gone)};
  world.services[0] = changed;
  world.publish();
  world.arrive(0, tcp(to_gateway(0), "198.51.100.7", 4000, "203.0.113.80", 80, kSyn));
  EXPECT_NE(one().dst, first.dst);
  changed = std::make_shared<flow::ServiceEntry>(*changed);
  changed->endpoints[1 - gone].state = flow::EndpointState::kDown;
  changed->table.clear();
  changed->reset_on_down = true;
  world.services[0] = changed;
  world.publish();
  world.arrive(0, tcp(to_gateway(0), "198.51.100.7", 4000, "203.0.113.80", 80, kSyn));
  const Out reset = one();
  EXPECT_EQ(reset.headers.tcp_flags & kRst, kRst);
  EXPECT_EQ(reset.src, ip("203.0.113.80"));
  EXPECT_EQ(world.drops(DropReason::flow_endpoint_down), 1u);
}

TEST_P(Services, DrainingEndpointKeepsItsFlows) {
  auto s = service(ServiceMode::kNat);
  publish();
  world.arrive(0, tcp(to_gateway(0), "198.51.100.7", 4000, "203.0.113.80", 80, kSyn));
  const Out first = one();
  auto changed = std::make_shared<flow::ServiceEntry>(*s);
  const uint16_t leaving = first.dst == ip("10.0.1.11") ? 0 : 1;
  changed->endpoints[leaving].state = flow::EndpointState::kDraining;
  changed->table = {static_cast<uint16_t>(1 - leaving)};
  world.services[0] = changed;
  world.publish();
  world.arrive(0, tcp(to_gateway(0), "198.51.100.7", 4000, "203.0.113.80", 80, kSyn));
  EXPECT_EQ(one().dst, first.dst);
  for (uint16_t port = 5000; port < 5010; ++port) {
    world.arrive(0, tcp(to_gateway(0), "198.51.100.7", port, "203.0.113.80", 80, kSyn));
    EXPECT_NE(one().dst, first.dst);
  }
}

TEST_P(Services, AffinityKeepsTheClientAtItsServer) {
  auto s = service(ServiceMode::kNat);
  s->affinity_seconds = 60;
  publish();
  world.arrive(0, tcp(to_gateway(0), "198.51.100.7", 4000, "203.0.113.80", 80, kSyn));
  const base::IpAddress first = one().dst;
  for (uint16_t port = 4001; port < 4020; ++port) {
    world.arrive(0, tcp(to_gateway(0), "198.51.100.7", port, "203.0.113.80", 80, kSyn));
    EXPECT_EQ(one().dst, first);
  }
}

INSTANTIATE_TEST_SUITE_P(Workers, Services, testing::Values(1u, 2u));

}  // namespace
}  // namespace penstock::engine::test
