// Identities of workloads in the engine: found at the interface, carried between workers, never stale; forged ones
// dropped by name; open flows that are not let in any more end; rules in shadow only count.
#include "unit/engine/world.h"

namespace penstock::engine::test {
namespace {

using flow::DropReason;
using flow::FilterAction;

constexpr flow::Identity kWeb = 1, kBatch = 2, kDb = 3;  // classes are the same numbers
constexpr uint8_t kSyn = wire::kTcpSyn, kAck = wire::kTcpAck, kRst = wire::kTcpRst;

struct Who {
  uint16_t from_first = 0, from_last = 65535, to_first = 0, to_last = 65535;
};
Who from(flow::Identity a) { return {a, a, 0, 65535}; }
Who between(flow::Identity a, flow::Identity b) { return {a, a, b, b}; }

// Both families.
flow::FilterRule rule(FilterAction action, Who who = {}, uint16_t port = 0) {
  flow::FilterRule out;
  out.action = action;
  out.name = "default/p/r";
  for (const bool v4 : {true, false}) {
    flow::RuleMatch match;
    if (v4) match.src = net("0.0.0.0/0");
    match.from_class_first = who.from_first;
    match.from_class_last = who.from_last;
    match.to_class_first = who.to_first;
    match.to_class_last = who.to_last;
    if (port != 0) match.dst_port_first = match.dst_port_last = port;
    out.matches.push_back(match);
  }
  return out;
}

// web and batch stand on wan, each with an address, db on lan.
void add_workloads(World& world, std::vector<flow::WorkloadClaim> more = {}) {
  std::vector<flow::WorkloadClaim> claims = {{0, {}, {net("198.51.100.2/32")}, kWeb},
                                             {0, {}, {net("198.51.100.3/32")}, kBatch},
                                             {1, {}, {net("10.0.1.5/32")}, kDb}};
  claims.insert(claims.end(), more.begin(), more.end());
  auto table = std::make_shared<flow::IdentityTable>();
  table->names = {"", "spiffe://x/web", "spiffe://x/batch", "spiffe://x/db"};
  table->classes = {0, 1, 2, 3};
  table->sources = flow::SourceTable(claims);
  world.next.identities = table;
}

struct Lab : World {
  explicit Lab(unsigned workers = 1) : World(workers) {
    add_workloads(*this);
    resolve(0, "198.51.100.2");
    resolve(0, "198.51.100.3");
    resolve(1, "10.0.1.5");
  }
  void with(std::vector<flow::FilterRule> list) {
    rules = std::move(list);
    for (size_t i = 0; i < rules.size(); ++i) rules[i].slot = static_cast<uint32_t>(i);
    publish();
  }
  // Packets to db that come through, of one TCP segment.
  std::vector<Out> segment(const char* src, uint8_t flags, uint32_t seq = 1000, uint32_t ack = 0, size_t payload = 0,
                           unsigned worker = 0) {
    arrive(0, tcp(to_gateway(0), src, 4000, "10.0.1.5", 80, flags, seq, ack, payload), worker);
    return take();
  }
  std::vector<Out> answer(const char* dst, uint8_t flags, uint32_t seq, uint32_t ack, size_t payload = 0) {
    arrive(1, tcp(to_gateway(1), "10.0.1.5", 80, dst, 4000, flags, seq, ack, payload));
    return take();
  }
  void open(const char* src) {
    ASSERT_EQ(segment(src, kSyn).size(), 1u);
    ASSERT_EQ(answer(src, kSyn | kAck, 5000, 1001).size(), 1u);
    ASSERT_EQ(segment(src, kAck, 1001, 5001).size(), 1u);
  }
  uint64_t counted(size_t rule_index) { return state().counters->rules[rule_index].packets.read(); }
};

TEST(Identity, RulesNameWhoSendsAndWhoReceives) {
  Lab lab;
  lab.interface(0).default_deny = true;
  lab.with({rule(FilterAction::kAllow, between(kWeb, kDb), 80)});
  EXPECT_EQ(lab.segment("198.51.100.2", kSyn).size(), 1u);
  EXPECT_EQ(lab.segment("198.51.100.3", kSyn).size(), 0u);
  EXPECT_EQ(lab.segment("198.51.100.9", kSyn).size(), 0u) << "nobody known";
  EXPECT_EQ(lab.drops(DropReason::filter_default), 2u);
  lab.with({rule(FilterAction::kDeny, between(kWeb, kWeb)), rule(FilterAction::kDeny, from(kBatch)),
            rule(FilterAction::kAllow)});
  EXPECT_EQ(lab.segment("198.51.100.2", kSyn).size(), 1u);
  EXPECT_EQ(lab.segment("198.51.100.3", kSyn).size(), 0u);
  EXPECT_EQ(lab.drops(DropReason::filter_denied), 1u);
  flow::IdentityPairs& pairs = lab.state().counters->identity_pairs;
  EXPECT_EQ(pairs.of(kBatch, kDb).denied.read(), 2u);
  EXPECT_EQ(pairs.of(kWeb, kDb).denied.read(), 0u);
  EXPECT_GE(pairs.of(kWeb, kDb).allowed.read(), 1u);
  EXPECT_EQ(pairs.of(flow::kNobody, kDb).denied.read(), 1u);
  lab.expect_balance();
}

TEST(Identity, AForgedSourceIsDroppedBeforeItTouchesAFlow) {
  Lab lab;
  lab.with({rule(FilterAction::kAllow, from(kWeb))});
  lab.open("198.51.100.2");
  lab.arrive(1, tcp(to_gateway(1), "198.51.100.2", 4000, "10.0.1.5", 80, kRst | kAck, 1001, 5001));
  EXPECT_EQ(lab.drops(DropReason::identity_spoofed), 1u);
  EXPECT_EQ(lab.segment("198.51.100.2", kAck, 1001, 5001, 10).size(), 1u) << "the connection goes on";
  add_workloads(lab, {{0, mac(0x33), {net("198.51.100.7/32")}, kWeb}});
  lab.publish();
  EXPECT_EQ(lab.segment("198.51.100.7", kSyn).size(), 0u);
  EXPECT_EQ(lab.drops(DropReason::identity_spoofed), 2u) << "another MAC";
  lab.expect_balance();
}

TEST(Identity, NobodyElseUsesAnOpenFlow) {
  Lab lab;
  add_workloads(lab, {{2, mac(0xaa), {}, kWeb}, {2, mac(0xbb), {}, kBatch}});  // claim no address
  lab.with({rule(FilterAction::kAllow)});
  lab.with({rule(FilterAction::kAllow, from(kWeb)), rule(FilterAction::kDeny)});
  auto link = to_gateway(2);
  lab.arrive(2, tcp(link, "10.0.2.9", 4000, "10.0.1.5", 80, kSyn));
  EXPECT_EQ(lab.take().size(), 1u);
  link.src = mac(0xbb);
  lab.arrive(2, tcp(link, "10.0.2.9", 4000, "10.0.1.5", 80, kSyn));
  EXPECT_EQ(lab.take().size(), 0u);
  EXPECT_EQ(lab.drops(DropReason::identity_changed), 1u);
  link.src = mac(0xaa);
  lab.arrive(2, tcp(link, "10.0.2.9", 4000, "10.0.1.5", 80, kSyn));
  EXPECT_EQ(lab.take().size(), 1u) << "the flow is still its opener's";
  lab.expect_balance();
}

TEST(Identity, AHandOffKeepsIt) {
  Lab lab(3);
  lab.interface(0).default_deny = true;
  lab.with({rule(FilterAction::kAllow, from(kWeb))});
  for (uint16_t port = 1000; port < 1040; ++port)  // owners of every kind
    for (const char* src : {"198.51.100.2", "198.51.100.3"})
      lab.arrive(0, udp(to_gateway(0), src, port, "10.0.1.5", 53), port % 3);
  EXPECT_EQ(lab.take().size(), 40u);
  EXPECT_EQ(lab.drops(DropReason::filter_default), 40u);
  lab.expect_balance();
}

TEST(Identity, OfFragmentsToo) {
  Lab lab(2);
  lab.interface(0).default_deny = true;
  lab.with({rule(FilterAction::kAllow, from(kWeb), 53)});
  for (const char* src : {"198.51.100.2", "198.51.100.3"}) {
    const auto whole = udp(to_gateway(0), src, 1000, "10.0.1.5", 53, 1000, false);
    for (const bool second : {true, false}) {  // the later one first: it waits for the other
      std::vector<uint8_t> piece(whole.begin(), whole.begin() + 34);
      const size_t at = second ? 34 + 800 : 34, end = second ? whole.size() : 34 + 800;
      piece.insert(piece.end(), whole.begin() + static_cast<ptrdiff_t>(at),
                   whole.begin() + static_cast<ptrdiff_t>(end));
      base::store_be16(&piece[16], static_cast<uint16_t>(piece.size() - 14));
      base::store_be16(&piece[20], second ? 100 : 0x2000);
      base::store_raw(&piece[24], wire::compute_ipv4_header(&piece[14]));
      lab.arrive(0, piece, second);
    }
  }
  EXPECT_EQ(lab.take().size(), 2u);
  EXPECT_EQ(lab.drops(DropReason::filter_default), 2u);
  lab.expect_balance();
}

TEST(Identity, ItNeverStaysWithABuffer) {
  Lab lab;
  lab.with({rule(FilterAction::kDeny, from(kWeb)), rule(FilterAction::kAllow)});
  for (int i = 0; i < 100; ++i) {  // buffers come back to the pool and out again
    lab.arrive(0, udp(to_gateway(0), "198.51.100.2", 1000, "10.0.1.5", 53));
    lab.arrive(0, udp(to_gateway(0), "198.51.100.9", 1000, "10.0.1.5", 53));
  }
  EXPECT_EQ(lab.take().size(), 100u);
  EXPECT_EQ(lab.drops(DropReason::filter_denied), 100u);
}

// ---- a change of policy and open flows ------------------------------------------------------------------------------

TEST(Readmission, ARejectEndsAConnectionAtBothEnds) {
  for (const bool by_default : {false, true}) {
    for (const bool answer_first : {false, true}) {
      Lab lab;
      lab.interface(0).default_deny = lab.interface(0).default_reject = true;
      lab.with({rule(FilterAction::kAllow, from(kWeb))});
      lab.open("198.51.100.2");
      if (by_default) {
        lab.with({rule(FilterAction::kAllow, from(kBatch))});
      } else {
        lab.with({rule(FilterAction::kReject, from(kWeb)), rule(FilterAction::kAllow)});
      }
      const auto out = answer_first ? lab.answer("198.51.100.2", kAck, 5001, 1001, 100)
                                    : lab.segment("198.51.100.2", kAck, 1001, 5001, 100);
      ASSERT_EQ(out.size(), 2u);
      for (const Out& each : out) {
        EXPECT_NE(each.headers.tcp_flags & kRst, 0);
        const bool to_web = each.dst == ip("198.51.100.2");
        EXPECT_EQ(each.port, to_web ? 0 : 1);
        EXPECT_EQ(base::load_be32(each.frame.data() + each.headers.l4_offset + 4), to_web ? 5001u : 1001u)
            << "the number that this end expects";
        EXPECT_EQ(wire::verify_l4(each.frame, each.headers), wire::ChecksumState::kGood);
      }
      EXPECT_EQ(lab.state().flows.stats().by_state[static_cast<size_t>(flow::FlowStateId::kTcpClose)], 1u);
      EXPECT_EQ(lab.drops(by_default ? DropReason::filter_default : DropReason::filter_rejected), 1u);
      lab.expect_balance();
    }
  }
}

TEST(Readmission, ADenySaysNothingAndLetsNothingThrough) {
  Lab lab;
  lab.interface(0).default_deny = true;
  lab.with({rule(FilterAction::kAllow, from(kWeb))});
  lab.open("198.51.100.2");
  lab.with({rule(FilterAction::kAllow, from(kBatch))});
  EXPECT_TRUE(lab.answer("198.51.100.2", kAck, 5001, 1001, 100).empty()) << "an answer is no way around";
  EXPECT_EQ(lab.drops(DropReason::filter_default), 1u);
  EXPECT_TRUE(lab.segment("198.51.100.2", kAck, 1001, 5001, 100).empty());
  EXPECT_TRUE(lab.answer("198.51.100.2", kAck, 5001, 1001, 100).empty()) << "not as a flow of its own either";
  EXPECT_EQ(lab.drops(DropReason::filter_default), 3u);
  lab.with({rule(FilterAction::kAllow, from(kWeb))});
  EXPECT_EQ(lab.answer("198.51.100.2", kAck, 5001, 1001, 100).size(), 1u) << "nobody was told: it goes on";
  lab.expect_balance();
}

TEST(Readmission, WhatIsStillLetInGoesOn) {
  Lab lab;
  lab.interface(0).default_deny = true;
  lab.with({rule(FilterAction::kAllow, from(kWeb), 80)});
  lab.open("198.51.100.2");
  for (int i = 0; i < 3; ++i) {
    lab.with({rule(FilterAction::kDeny, from(kBatch)), rule(FilterAction::kAllow, from(kWeb), 80)});
    EXPECT_EQ(lab.segment("198.51.100.2", kAck, 1001, 5001).size(), 1u);
    EXPECT_EQ(lab.answer("198.51.100.2", kAck, 5001, 1001).size(), 1u);
  }
  EXPECT_EQ(lab.all_drops(), 0u);
}

TEST(Readmission, RulesForNewFlowsLetOpenOnesGoOn) {
  Lab lab;
  lab.interface(0).default_deny = true;
  flow::FilterRule fresh = rule(FilterAction::kAllow);
  for (flow::RuleMatch& match : fresh.matches) match.states = static_cast<uint8_t>(flow::FlowState::kNew);
  lab.with({fresh});
  lab.open("198.51.100.2");
  lab.publish();
  EXPECT_EQ(lab.segment("198.51.100.2", kAck, 1001, 5001).size(), 1u);
  EXPECT_EQ(lab.answer("198.51.100.2", kAck, 5001, 1001).size(), 1u);
  EXPECT_EQ(lab.all_drops(), 0u);
}

TEST(Readmission, AddressesCountAsIdentitiesDo) {
  Lab lab;
  lab.interface(0).default_deny = true;
  flow::FilterRule one = rule(FilterAction::kAllow);
  one.matches.resize(1);
  one.matches[0].src = net("198.51.100.2/32");
  lab.with({one});
  lab.open("198.51.100.2");
  one.matches[0].src = net("198.51.100.3/32");
  lab.with({one});
  EXPECT_TRUE(lab.segment("198.51.100.2", kAck, 1001, 5001).empty());
  EXPECT_EQ(lab.drops(DropReason::filter_default), 1u);
}

TEST(Readmission, AnotherIdentityBehindTheSameAddressIsJudgedAnew) {
  Lab lab;
  lab.interface(0).default_deny = true;
  lab.with({rule(FilterAction::kAllow, from(kWeb))});
  lab.open("198.51.100.2");
  auto table = std::make_shared<flow::IdentityTable>(*lab.next.identities);
  const std::vector<flow::WorkloadClaim> claims = {{0, {}, {net("198.51.100.2/32")}, kBatch}};
  table->sources = flow::SourceTable(claims);
  lab.next.identities = table;
  lab.publish();
  EXPECT_TRUE(lab.segment("198.51.100.2", kAck, 1001, 5001).empty());
  EXPECT_EQ(lab.drops(DropReason::filter_default), 1u);
}

TEST(Readmission, SeveralPacketsOfAFlowInOneBurst) {
  Lab lab;
  lab.interface(0).default_deny = lab.interface(0).default_reject = true;
  lab.with({rule(FilterAction::kAllow, from(kWeb))});
  lab.open("198.51.100.2");
  lab.with({rule(FilterAction::kAllow, from(kBatch))});
  const auto there = tcp(to_gateway(0), "198.51.100.2", 4000, "10.0.1.5", 80, kAck, 1001, 5001, 10);
  const auto back = tcp(to_gateway(1), "10.0.1.5", 80, "198.51.100.2", 4000, kAck, 5001, 1001, 10);
  lab.arrive_together({{0, there}, {1, back}, {0, there}, {1, back}});
  EXPECT_EQ(lab.take().size(), 5u) << "a reset for each end, and for whoever still sends";
  EXPECT_EQ(lab.drops(DropReason::filter_default), 4u);
  EXPECT_TRUE(lab.segment("198.51.100.2", kSyn, 9000).size() == 1 && lab.state().flows.size() == 0) << "judged as new";
  lab.expect_balance();
}

TEST(Shadow, ARuleCountsAndTheOnesBehindItDecide) {
  Lab lab;
  auto trial = rule(FilterAction::kDeny, from(kWeb));
  trial.shadow = true;
  lab.with({trial, rule(FilterAction::kAllow)});
  lab.open("198.51.100.2");
  EXPECT_EQ(lab.segment("198.51.100.3", kSyn).size(), 1u);
  EXPECT_EQ(lab.all_drops(), 0u);
  EXPECT_EQ(lab.counted(0), 2u) << "every packet of web, none of db's and batch's";
  EXPECT_EQ(lab.counted(1), 4u);
  EXPECT_GE(lab.state().counters->identity_pairs.of(kWeb, kDb).shadowed.read(), 1u);
  EXPECT_EQ(lab.state().counters->identity_pairs.of(kBatch, kDb).shadowed.read(), 0u);
  // Behind the rule that decides it has no say.
  lab.with({rule(FilterAction::kAllow), trial});
  EXPECT_EQ(lab.segment("198.51.100.2", kAck, 1001, 5001).size(), 1u);
  EXPECT_EQ(lab.counted(1), 4u);
}

}  // namespace
}  // namespace penstock::engine::test
