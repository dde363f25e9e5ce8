// Access rules through the whole list: order, state, defaults, rejects, and decisions kept in flows.
#include "unit/engine/world.h"

namespace penstock::engine::test {
namespace {

using flow::DropReason;
using flow::FilterAction;
using flow::FlowState;

constexpr uint8_t kSyn = 2, kSynAck = 18, kAck = 16, kRst = 4;
constexpr auto kNew = static_cast<uint8_t>(FlowState::kNew),
               kEstablished = static_cast<uint8_t>(FlowState::kEstablished),
               kRelated = static_cast<uint8_t>(FlowState::kRelated);

class Access : public testing::TestWithParam<unsigned> {
 protected:
  Access() : world(GetParam()) {}
  void TearDown() override { world.expect_balance(); }

  void publish() {
    world.publish();
    world.resolve(0, "198.51.100.7");
    world.resolve(1, "10.0.1.11");
    world.resolve(0, "2001:db8:1::7");
    world.resolve(1, "2001:db8:2::11");
  }
  flow::RuleMatch& add(FilterAction action) {
    flow::FilterRule rule;
    rule.slot = static_cast<uint32_t>(world.rules.size());
    rule.action = action;
    rule.matches.emplace_back();
    rule.matches[0].dst = rule.matches[0].src = net("0.0.0.0/0");
    world.rules.push_back(rule);
    return world.rules.back().matches[0];
  }
  bool passes(uint16_t port, const std::vector<uint8_t>& frame) {
    world.arrive(port, frame, turn_++ % GetParam());
    const auto out = world.take();
    return out.size() == 1 && out[0].port == 1 - port;
  }
  bool in(uint8_t flags, uint16_t port = 80, uint32_t seq = 1000, uint32_t ack = 0) {
    return passes(0, tcp(to_gateway(0), "198.51.100.7", 4000, "10.0.1.11", port, flags, seq, ack));
  }
  bool back(uint8_t flags, uint16_t port = 80, uint32_t seq = 5000, uint32_t ack = 1001) {
    return passes(1, tcp(to_gateway(1), "10.0.1.11", port, "198.51.100.7", 4000, flags, seq, ack));
  }
  uint64_t counted(uint32_t slot) {
    uint64_t sum = 0;
    for (unsigned i = 0; i < GetParam(); ++i) sum += world.state(i).counters->rules[slot].packets.read();
    return sum;
  }

  World world;
  unsigned turn_ = 0;
};

TEST_P(Access, FirstMatchWins) {
  add(FilterAction::kAllow).dst_port_last = 80;
  add(FilterAction::kDeny);
  publish();
  EXPECT_TRUE(in(kSyn, 80));
  EXPECT_FALSE(in(kSyn, 81));
  EXPECT_EQ(world.drops(DropReason::filter_denied), 1u);
  EXPECT_EQ(counted(0), 1u);
  EXPECT_EQ(counted(1), 1u);
}

TEST_P(Access, RejectAnswersInTheProtocol) {
  add(FilterAction::kReject);
  publish();
  world.arrive(0, tcp(to_gateway(0), "198.51.100.7", 4000, "10.0.1.11", 80, kSyn));
  auto out = world.take();
  ASSERT_EQ(out.size(), 1u);
  EXPECT_EQ(out[0].port, 0);
  EXPECT_EQ(out[0].src, ip("10.0.1.11"));
  EXPECT_EQ(out[0].headers.tcp_flags & kRst, kRst);
  EXPECT_EQ(wire::verify_l4(out[0].frame, out[0].headers), wire::ChecksumState::kGood);
  world.arrive(0, udp(to_gateway(0), "198.51.100.7", 4000, "10.0.1.11", 80));
  out = world.take();
  ASSERT_EQ(out.size(), 1u);
  EXPECT_EQ(out[0].src, ip("198.51.100.1"));
  EXPECT_EQ(out[0].headers.icmp_type, 3);
  EXPECT_EQ(world.drops(DropReason::filter_rejected), 2u);
  // A reset is not answered by a reset.
  world.arrive(0, tcp(to_gateway(0), "198.51.100.7", 4000, "10.0.1.11", 80, kRst));
  EXPECT_TRUE(world.take().empty());
}

TEST_P(Access, DefaultDenyLetsAnswersIn) {
  world.interface(0).default_deny = true;
  publish();
  EXPECT_FALSE(in(kSyn));
  EXPECT_EQ(world.drops(DropReason::filter_default), 1u);
  // From inside, and the answers to it.
  EXPECT_TRUE(passes(1, tcp(to_gateway(1), "10.0.1.11", 5000, "198.51.100.7", 443, kSyn)));
  EXPECT_TRUE(passes(0, tcp(to_gateway(0), "198.51.100.7", 443, "10.0.1.11", 5000, kSynAck, 9000, 1001)));
  EXPECT_TRUE(passes(1, tcp(to_gateway(1), "10.0.1.11", 5000, "198.51.100.7", 443, kAck, 1001, 9001)));
  // And errors about it, not others.
  const auto ours = tcp(to_gateway(1), "10.0.1.11", 5000, "198.51.100.7", 443, kAck, 1001, 9001);
  EXPECT_TRUE(passes(0, icmp_error(to_gateway(0), "198.51.100.7", 3, 1, ours)));
  const auto none = tcp(to_gateway(1), "10.0.1.11", 5001, "198.51.100.7", 443, kAck, 1001, 9001);
  EXPECT_FALSE(passes(0, icmp_error(to_gateway(0), "198.51.100.7", 3, 1, none)));
  EXPECT_EQ(world.drops(DropReason::filter_default), 2u);
}

TEST_P(Access, RulesByState) {
  add(FilterAction::kAllow).states = kEstablished;
  add(FilterAction::kAllow).states = kRelated;
  auto& inward = add(FilterAction::kAllow);
  inward.interface = 1;
  inward.states = kNew;
  add(FilterAction::kDeny);
  publish();
  EXPECT_FALSE(in(kSyn));
  EXPECT_TRUE(passes(1, udp(to_gateway(1), "10.0.1.11", 5000, "198.51.100.7", 53)));
  EXPECT_EQ(counted(2), 1u);
  EXPECT_TRUE(passes(0, udp(to_gateway(0), "198.51.100.7", 53, "10.0.1.11", 5000)));
  EXPECT_TRUE(passes(1, udp(to_gateway(1), "10.0.1.11", 5000, "198.51.100.7", 53)));
  EXPECT_EQ(counted(0), 2u);
  const auto ours = udp(to_gateway(1), "10.0.1.11", 5000, "198.51.100.7", 53);
  EXPECT_TRUE(passes(0, icmp_error(to_gateway(0), "198.51.100.7", 3, 3, ours)));
  EXPECT_EQ(counted(1), 1u);
}

TEST_P(Access, ANewGenerationJudgesOpenFlowsAgain) {
  add(FilterAction::kAllow).states = kEstablished | kNew;
  publish();
  EXPECT_TRUE(in(kSyn));
  EXPECT_TRUE(back(kSynAck));
  EXPECT_TRUE(in(kAck, 80, 1001, 5001));
  world.rules.clear();
  add(FilterAction::kDeny).dst_port_first = 80;
  add(FilterAction::kAllow).states = kEstablished | kNew;
  world.rules[0].matches[0].dst_port_last = 80;
  publish();
  EXPECT_FALSE(in(kAck, 80, 1001, 5001));
  EXPECT_EQ(world.drops(DropReason::filter_denied), 1u);
  // The answers too: their destination port is another, but the flow is judged as the packet that opened it.
  EXPECT_FALSE(back(kAck, 80, 5001, 1001));
  EXPECT_FALSE(in(kAck, 80, 1001, 5001));
  EXPECT_EQ(world.drops(DropReason::filter_denied), 3u);
}

// An error that one rule lets in says nothing about the packets of the flow it quotes.
TEST_P(Access, ErrorsDoNotDecideForTheirFlow) {
  add(FilterAction::kAllow).states = kEstablished | kNew;
  publish();
  EXPECT_TRUE(passes(1, udp(to_gateway(1), "10.0.1.11", 5000, "198.51.100.7", 53)));
  EXPECT_TRUE(passes(0, udp(to_gateway(0), "198.51.100.7", 53, "10.0.1.11", 5000)));
  world.rules.clear();
  auto& errors = add(FilterAction::kAllow);
  errors.protocol = 1;
  add(FilterAction::kDeny).states = kEstablished | kNew | kRelated;
  publish();
  const auto ours = udp(to_gateway(1), "10.0.1.11", 5000, "198.51.100.7", 53);
  EXPECT_TRUE(passes(0, icmp_error(to_gateway(0), "198.51.100.7", 3, 3, ours)));
  EXPECT_FALSE(passes(0, udp(to_gateway(0), "198.51.100.7", 53, "10.0.1.11", 5000)));
  EXPECT_FALSE(passes(1, udp(to_gateway(1), "10.0.1.11", 5000, "198.51.100.7", 53)));
}

TEST_P(Access, TcpFlagsAreSeenInEveryPacket) {
  auto& syn = add(FilterAction::kAllow);
  syn.protocol = 6;
  syn.tcp_flags = kSyn;
  syn.tcp_mask = kSyn | kAck;
  auto& push = add(FilterAction::kDeny);
  push.protocol = 6;
  push.tcp_flags = push.tcp_mask = 8;
  add(FilterAction::kAllow).states = kEstablished | kNew;
  publish();
  EXPECT_TRUE(in(kSyn));
  EXPECT_TRUE(back(kSynAck));
  EXPECT_TRUE(in(kAck, 80, 1001, 5001));
  EXPECT_FALSE(in(kAck | 8, 80, 1001, 5001));
  EXPECT_TRUE(in(kAck, 80, 1001, 5001));
  EXPECT_EQ(counted(0), 1u);
  EXPECT_EQ(counted(1), 1u);
  EXPECT_EQ(counted(2), 3u);
}

TEST_P(Access, Ipv6AndLogs) {
  flow::FilterRule rule;
  rule.slot = 0;
  rule.action = FilterAction::kDeny;
  rule.log_sample = 1;
  rule.matches.emplace_back();
  rule.matches[0].src = net("2001:db8:1::/64");
  world.rules = {rule};
  publish();
  for (unsigned i = 0; i < GetParam(); ++i)
    for (flow::Event event; world.state(i).events.pop(event);) {
    }
  EXPECT_FALSE(passes(0, udp(to_gateway(0), "2001:db8:1::7", 4000, "2001:db8:2::11", 80)));
  EXPECT_TRUE(passes(1, udp(to_gateway(1), "2001:db8:2::11", 4000, "2001:db8:1::7", 80)));
  unsigned logged = 0;
  for (unsigned i = 0; i < GetParam(); ++i)
    for (flow::Event event; world.state(i).events.pop(event);)
      if (event.kind == flow::EventKind::kLog && event.rule == 0) ++logged;
  EXPECT_EQ(logged, 1u);
}

INSTANTIATE_TEST_SUITE_P(Workers, Access, testing::Values(1u, 2u));

}  // namespace
}  // namespace penstock::engine::test
