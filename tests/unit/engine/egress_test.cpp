// Source NAT through the whole list: mappings, both directions, refusals, errors about flows, one and two workers.
#include <set>

#include "unit/engine/world.h"

namespace penstock::engine::test {
namespace {

using flow::DropReason;

constexpr uint8_t kSyn = 2, kSynAck = 18, kAck = 16;
const char* const kRemote = "203.0.113.9";
const char* const kOther = "203.0.113.10";

class Egress : public testing::TestWithParam<unsigned> {
 protected:
  Egress() : world(GetParam()) {}
  void SetUp() override {
    world.routes.push_back({net("0.0.0.0/0"), flow::RouteKind::kGateway, {{0, ip("198.51.100.254")}}, {}});
    flow::EgressRule rule;
    rule.from = {net("10.0.1.0/24")};
    rule.name = "default/out";
    world.next.egresses.push_back(rule);
    publish();
  }
  void TearDown() override { world.expect_balance(); }

  flow::EgressRule& rule() { return world.next.egresses[0]; }
  void publish() {
    world.publish();
    world.resolve(0, "198.51.100.254");
    for (const char* inside : {"10.0.1.11", "10.0.1.12", "10.0.1.13"}) world.resolve(1, inside);
  }
  void use_pool(std::vector<const char*> addresses, uint16_t first = 1024, uint16_t last = 65535) {
    rule().pool = {};
    for (const char* each : addresses) rule().pool.v4.push_back(ip(each));
    rule().pool.port_first = first;
    rule().pool.port_last = last;
    publish();
  }

  // What comes out for one frame; arrivals take turns at the workers.
  Out pass(uint16_t port, const std::vector<uint8_t>& frame) {
    world.arrive(port, frame, turn_++ % GetParam());
    auto out = world.take();
    EXPECT_EQ(out.size(), 1u);
    if (out.size() != 1) return {};
    EXPECT_EQ(wire::verify_l4(out[0].frame, out[0].headers), wire::ChecksumState::kGood);
    return out[0];
  }
  bool stops(uint16_t port, const std::vector<uint8_t>& frame) {
    world.arrive(port, frame, turn_++ % GetParam());
    return world.take().empty();
  }
  Out out_udp(const char* inside, uint16_t port, const char* remote = kRemote, uint16_t remote_port = 53) {
    return pass(1, udp(to_gateway(1), inside, port, remote, remote_port));
  }
  static std::string text(const base::IpAddress& address) { return address.to_string(); }

  World world;
  unsigned turn_ = 0;
};

TEST_P(Egress, MasqueradeCarriesTcpBothWays) {
  for (uint16_t port = 4000; port < 4032; ++port) {
    const Out syn = pass(1, tcp(to_gateway(1), "10.0.1.11", port, kRemote, 443, kSyn));
    EXPECT_EQ(syn.port, 0);
    EXPECT_EQ(syn.src, ip("198.51.100.1"));
    EXPECT_EQ(syn.dst, ip(kRemote));
    const Out answer =
        pass(0, tcp(to_gateway(0), kRemote, 443, "198.51.100.1", syn.headers.src_port, kSynAck, 5000, 1001));
    EXPECT_EQ(answer.port, 1);
    EXPECT_EQ(answer.dst, ip("10.0.1.11"));
    EXPECT_EQ(answer.headers.dst_port, port);
    const Out ack = pass(1, tcp(to_gateway(1), "10.0.1.11", port, kRemote, 443, kAck, 1001, 5001));
    EXPECT_EQ(ack.headers.src_port, syn.headers.src_port);
  }
}

TEST_P(Egress, PoolKeepsASourceAtOneAddress) {
  use_pool({"192.0.2.10", "192.0.2.11", "192.0.2.12"});
  std::set<base::IpAddress> addresses;
  std::set<uint16_t> ports;
  for (uint16_t port = 5000; port < 5040; ++port) {
    const Out there = out_udp("10.0.1.11", port);
    addresses.insert(there.src);
    ports.insert(there.headers.src_port);
    const Out back = pass(0, udp(to_gateway(0), kRemote, 53, text(there.src).c_str(), there.headers.src_port));
    EXPECT_EQ(back.dst, ip("10.0.1.11"));
    EXPECT_EQ(back.headers.dst_port, port);
  }
  EXPECT_EQ(addresses.size(), 1u);
  EXPECT_EQ(ports.size(), 40u);
}

TEST_P(Egress, EchoIdentifiersAreTranslated) {
  const auto reply = [&](const Out& request) {
    std::vector<uint8_t> out(2000);
    wire::EchoPacket p;
    p.link = to_gateway(0);
    p.ip = {.src = ip(kRemote), .dst = request.src};
    p.reply = true;
    p.id = request.headers.src_port;
    p.sequence = 1;
    out.resize(wire::build_echo(out, p));
    return out;
  };
  const Out a = pass(1, echo(to_gateway(1), "10.0.1.11", kRemote, 7));
  const Out b = pass(1, echo(to_gateway(1), "10.0.1.12", kRemote, 7));
  EXPECT_EQ(a.src, b.src);
  EXPECT_NE(a.headers.src_port, b.headers.src_port);
  const Out back_a = pass(0, reply(a)), back_b = pass(0, reply(b));
  EXPECT_EQ(back_a.dst, ip("10.0.1.11"));
  EXPECT_EQ(back_b.dst, ip("10.0.1.12"));
  EXPECT_EQ(back_a.headers.src_port, 7);
  EXPECT_EQ(back_b.headers.src_port, 7);
}

TEST_P(Egress, MappingIsTheSameTowardsEveryRemote) {
  use_pool({"192.0.2.10"});
  const Out first = out_udp("10.0.1.11", 6000);
  for (const char* remote : {kRemote, kOther, "203.0.113.77", "203.0.113.200"})
    for (uint16_t remote_port : {53, 123, 4500}) {
      const Out out = out_udp("10.0.1.11", 6000, remote, remote_port);
      EXPECT_EQ(out.src, first.src);
      EXPECT_EQ(out.headers.src_port, first.headers.src_port);
      const Out back = pass(0, udp(to_gateway(0), remote, remote_port, "192.0.2.10", first.headers.src_port));
      EXPECT_EQ(back.headers.dst_port, 6000);
    }
}

TEST_P(Egress, HairpinTranslatesBothSides) {
  use_pool({"192.0.2.10"});
  const Out a = out_udp("10.0.1.11", 6000);
  const Out at_a = pass(1, udp(to_gateway(1), "10.0.1.12", 7000, "192.0.2.10", a.headers.src_port));
  EXPECT_EQ(at_a.port, 1);
  EXPECT_EQ(at_a.dst, ip("10.0.1.11"));
  EXPECT_EQ(at_a.headers.dst_port, 6000);
  EXPECT_EQ(at_a.src, ip("192.0.2.10"));
  const Out at_b = pass(1, udp(to_gateway(1), "10.0.1.11", 6000, "192.0.2.10", at_a.headers.src_port));
  EXPECT_EQ(at_b.dst, ip("10.0.1.12"));
  EXPECT_EQ(at_b.headers.dst_port, 7000);
  EXPECT_EQ(at_b.src, ip("192.0.2.10"));
  EXPECT_EQ(at_b.headers.src_port, a.headers.src_port);
}

TEST_P(Egress, HairpinHasTheMappingThatTheOutsideSees) {
  use_pool({"192.0.2.10"});
  for (uint16_t n = 0; n < 16; ++n) {
    const auto inner = static_cast<uint16_t>(6000 + n), other = static_cast<uint16_t>(7000 + n);
    const Out a = out_udp("10.0.1.11", inner);
    const bool outside_first = n % 2 == 0;
    const uint16_t seen_outside = outside_first ? out_udp("10.0.1.12", other).headers.src_port : 0;
    const Out at_a = pass(1, udp(to_gateway(1), "10.0.1.12", other, "192.0.2.10", a.headers.src_port));
    EXPECT_EQ(at_a.dst, ip("10.0.1.11"));
    EXPECT_EQ(at_a.headers.dst_port, inner);
    EXPECT_EQ(at_a.src, ip("192.0.2.10"));
    EXPECT_EQ(at_a.headers.src_port, outside_first ? seen_outside : out_udp("10.0.1.12", other).headers.src_port);
    const Out back = pass(1, udp(to_gateway(1), "10.0.1.11", inner, "192.0.2.10", at_a.headers.src_port));
    EXPECT_EQ(back.dst, ip("10.0.1.12"));
    EXPECT_EQ(back.headers.dst_port, other);
    EXPECT_EQ(back.headers.src_port, a.headers.src_port);
  }
}

TEST_P(Egress, AllowListRejectsByName) {
  rule().allow = {net("203.0.113.8/31")};
  publish();
  EXPECT_EQ(out_udp("10.0.1.11", 6000, kRemote).port, 0);
  const Out refused = pass(1, udp(to_gateway(1), "10.0.1.11", 6000, kOther, 53));
  EXPECT_EQ(refused.port, 1);
  EXPECT_EQ(refused.headers.icmp_type, 3);
  EXPECT_EQ(refused.headers.icmp_code, 13);
  EXPECT_EQ(world.drops(DropReason::egress_not_allowed), 1u);
  // A flow that was open is refused too once the list no longer has it.
  rule().allow = {net("198.18.0.0/15")};
  publish();
  EXPECT_EQ(pass(1, udp(to_gateway(1), "10.0.1.11", 6000, kRemote, 53)).headers.icmp_code, 13);
  EXPECT_EQ(world.drops(DropReason::egress_not_allowed), 2u);
}

TEST_P(Egress, SourceLimitIsPerSource) {
  rule().max_ports_per_source = 4;
  publish();
  for (uint16_t port = 6000; port < 6004; ++port) out_udp("10.0.1.11", port);
  EXPECT_TRUE(stops(1, udp(to_gateway(1), "10.0.1.11", 6004, kRemote, 53)));
  EXPECT_EQ(world.drops(DropReason::nat_source_limit), 1u);
  out_udp("10.0.1.11", 6000, kOther);  // has its mapping already
  out_udp("10.0.1.12", 6004);
}

TEST_P(Egress, ExhaustionIsNamedAndCounted) {
  use_pool({"192.0.2.10"}, 1024, 1151);  // two blocks of 64 ports
  const unsigned share = 128 / GetParam();
  unsigned passed = 0;
  for (uint16_t port = 6000; port < 6000 + 140; ++port)
    if (!stops(1, udp(to_gateway(1), "10.0.1.11", port, kRemote, 53))) ++passed;
  EXPECT_EQ(passed, share);
  EXPECT_EQ(world.drops(DropReason::nat_ports_exhausted), 140u - share);
  uint64_t mappings = 0, exhausted = 0;
  for (unsigned i = 0; i < GetParam(); ++i) {
    mappings += world.state(i).counters->egresses[0].mappings.read();
    exhausted += world.state(i).counters->egresses[0].exhausted.read();
  }
  EXPECT_EQ(mappings, share);
  EXPECT_EQ(exhausted, 140u - share);
}

TEST_P(Egress, InboundNeedsAFlow) {
  use_pool({"192.0.2.10"});
  EXPECT_TRUE(stops(0, udp(to_gateway(0), kRemote, 53, "192.0.2.10", 6000)));
  EXPECT_EQ(world.drops(DropReason::nat_no_mapping), 1u);
  const Out out = out_udp("10.0.1.11", 6000);
  EXPECT_TRUE(stops(0, udp(to_gateway(0), kOther, 53, "192.0.2.10", out.headers.src_port)));
  EXPECT_TRUE(stops(0, udp(to_gateway(0), kRemote, 54, "192.0.2.10", out.headers.src_port)));
  EXPECT_TRUE(stops(0, tcp(to_gateway(0), kRemote, 53, "192.0.2.10", out.headers.src_port, kSyn)));
  EXPECT_EQ(world.drops(DropReason::nat_no_mapping), 4u);
}

TEST_P(Egress, ErrorsAboutFlowsAreTranslated) {
  use_pool({"192.0.2.10"});
  for (uint16_t port = 6000; port < 6016; ++port) {
    const Out there = out_udp("10.0.1.11", port);
    const Out error = pass(0, icmp_error(to_gateway(0), "203.0.113.254", 11, 0, there.frame));
    EXPECT_EQ(error.port, 1);
    EXPECT_EQ(error.src, ip("203.0.113.254"));  // the router's own
    EXPECT_EQ(error.dst, ip("10.0.1.11"));
    wire::Headers inner;
    const base::Bytes quote = base::Bytes(error.frame).subspan(14 + 20 + 8);
    ASSERT_EQ(wire::parse_ip(quote, wire::Whole::kQuoted, wire::Ipv4Checksum::kVerify, inner), wire::ParseError::kNone);
    EXPECT_EQ(base::IpAddress::v4_from(&quote[12]), ip("10.0.1.11"));
    EXPECT_EQ(inner.src_port, port);
    EXPECT_EQ(inner.dst_port, 53);
    // The inside host says of an answer: port unreachable.
    const Out back = pass(0, udp(to_gateway(0), kRemote, 53, "192.0.2.10", there.headers.src_port));
    const Out refusal = pass(1, icmp_error(to_gateway(1), "10.0.1.11", 3, 3, back.frame));
    EXPECT_EQ(refusal.src, ip("192.0.2.10"));
    EXPECT_EQ(refusal.dst, ip(kRemote));
    const base::Bytes quoted = base::Bytes(refusal.frame).subspan(14 + 20 + 8);
    EXPECT_EQ(base::IpAddress::v4_from(&quoted[16]), ip("192.0.2.10"));
    EXPECT_EQ(base::load_be16(&quoted[22]), there.headers.src_port);
  }
}

TEST_P(Egress, ErrorsAboutNoFlowStayInside) {
  use_pool({"192.0.2.10"});
  const auto about = udp(to_gateway(0), kRemote, 53, "10.0.1.11", 6000);
  EXPECT_TRUE(stops(1, icmp_error(to_gateway(1), "10.0.1.11", 3, 3, about)));
  const auto from_outside = udp(to_gateway(0), "192.0.2.10", 6000, kRemote, 53);
  EXPECT_TRUE(stops(0, icmp_error(to_gateway(0), "203.0.113.254", 11, 0, from_outside)));
  EXPECT_EQ(world.drops(DropReason::icmp_unmatched), 2u);
}

TEST_P(Egress, MidStreamSegmentIsRefused) {
  const Out reset = pass(1, tcp(to_gateway(1), "10.0.1.11", 4000, kRemote, 443, kAck, 1, 1));
  EXPECT_EQ(reset.port, 1);
  EXPECT_EQ(reset.headers.tcp_flags & 4, 4);
  EXPECT_EQ(world.drops(DropReason::flow_invalid), 1u);
}

TEST_P(Egress, FlowsLeaveAnAddressThatLeftThePool) {
  use_pool({"192.0.2.10"});
  const Out before = out_udp("10.0.1.11", 6000);
  use_pool({"192.0.2.20"});
  EXPECT_TRUE(stops(0, udp(to_gateway(0), kRemote, 53, "192.0.2.10", before.headers.src_port)));
  EXPECT_EQ(world.drops(DropReason::nat_no_mapping), 1u);
  EXPECT_EQ(out_udp("10.0.1.11", 6000).src, ip("192.0.2.20"));
  world.next.egresses.clear();
  publish();
  EXPECT_EQ(out_udp("10.0.1.11", 6000).src, ip("10.0.1.11"));
}

// SYN, its reset, and another SYN in one burst: none may leave untranslated.
TEST_P(Egress, ReopeningWithinABurstStaysTranslated) {
  const auto syn = tcp(to_gateway(1), "10.0.1.11", 4000, kRemote, 443, kSyn, 1000);
  const auto rst = tcp(to_gateway(1), "10.0.1.11", 4000, kRemote, 443, 4, 1001);
  world.arrive_together({{1, syn}, {1, rst}, {1, syn}, {1, syn}, {1, rst}, {1, syn}});
  const auto out = world.take();
  EXPECT_GE(out.size(), 3u);
  for (const Out& each : out) EXPECT_EQ(each.src, ip("198.51.100.1"));
}

INSTANTIATE_TEST_SUITE_P(Workers, Egress, testing::Values(1u, 2u));

}  // namespace
}  // namespace penstock::engine::test
