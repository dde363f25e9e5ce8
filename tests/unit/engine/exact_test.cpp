// Programmed exact-match entries through the whole list, and the commands that program and dump.
#include "unit/engine/world.h"

namespace penstock::engine::test {
namespace {

using flow::DropReason;
using flow::ExactOp;
using flow::ExactOpKind;
using flow::ExactStatus;
using flow::ExactVerb;

class Exact : public testing::Test {
 protected:
  void SetUp() override { publish(); }
  void TearDown() override { world.expect_balance(); }
  void publish() {
    world.publish();
    world.resolve(1, "10.0.1.11");
    world.resolve(1, "10.0.1.12");
    world.resolve(2, "10.0.2.9");
  }

  static flow::FlowKey key(uint16_t port = 1000, const char* dst = "10.0.1.11") {
    return {ip("198.51.100.7"), ip(dst), port, 53, 17};
  }
  static ExactOp op(ExactVerb verb, uint16_t port = 1000, ExactOpKind kind = ExactOpKind::kAdd) {
    ExactOp out;
    out.kind = kind;
    out.key = key(port);
    out.action.verb = verb;
    return out;
  }
  std::vector<ExactStatus> program(std::vector<ExactOp> ops) {
    flow::ProgramCommand command;
    command.ops = std::move(ops);
    command.statuses.resize(command.ops.size());
    world.command(0, command);
    return command.statuses;
  }
  void program(const ExactOp& op) { ASSERT_EQ(program(std::vector{op})[0], ExactStatus::kOk); }
  std::vector<Out> send(uint16_t port = 1000) {
    world.arrive(0, udp(to_gateway(0), "198.51.100.7", port, "10.0.1.11", 53));
    return world.take();
  }

  World world;
};

TEST_F(Exact, AllowPassesWhereTheFilterDenies) {
  flow::FilterRule deny;
  deny.action = flow::FilterAction::kDeny;
  deny.matches.emplace_back();
  deny.matches[0].dst = net("10.0.1.0/24");
  world.rules = {deny};
  publish();
  EXPECT_TRUE(send().empty());
  program(op(ExactVerb::kAllow));
  EXPECT_EQ(send().size(), 1u);
  EXPECT_TRUE(send(1001).empty());
  EXPECT_EQ(world.state().flows.size(), 0u);
}

TEST_F(Exact, DropIsNamed) {
  program(op(ExactVerb::kDrop));
  EXPECT_TRUE(send().empty());
  EXPECT_EQ(world.drops(DropReason::exact_drop), 1u);
}

TEST_F(Exact, TheEntryOfTheInterfaceIsPreferred) {
  auto here = op(ExactVerb::kAllow);
  here.key.zone = 0 + 1;
  auto elsewhere = op(ExactVerb::kDrop);
  elsewhere.key.zone = 1 + 1;
  program(here);
  program(elsewhere);
  EXPECT_EQ(send().size(), 1u);
  program(op(ExactVerb::kDrop));
  EXPECT_EQ(send().size(), 1u);
  here.kind = ExactOpKind::kDelete;
  program(here);
  EXPECT_TRUE(send().empty());
}

TEST_F(Exact, RedirectToANextHop) {
  auto redirect = op(ExactVerb::kRedirect);
  redirect.action.redirect_interface = 2;
  redirect.action.redirect_via = ip("10.0.2.9");
  program(redirect);
  const auto out = send();
  ASSERT_EQ(out.size(), 1u);
  EXPECT_EQ(out[0].port, 2);
  EXPECT_EQ(out[0].dst, ip("10.0.1.11"));
  EXPECT_EQ(out[0].headers.hop_limit, 63);
  redirect.kind = ExactOpKind::kReplace;
  redirect.action.redirect_interface = 77;  // no such interface
  program(redirect);
  EXPECT_TRUE(send().empty());
  EXPECT_EQ(world.drops(DropReason::no_route), 1u);
}

TEST_F(Exact, NatOfEverything) {
  auto nat = op(ExactVerb::kNat);
  nat.action.redirect_via = ip("10.0.2.9");
  nat.action.nat_source = ip("192.0.2.77");
  nat.action.nat_source_port = 7777;
  nat.action.nat_destination_port = 5353;
  program(nat);
  const auto out = send();
  ASSERT_EQ(out.size(), 1u);
  EXPECT_EQ(out[0].port, 2);
  EXPECT_EQ(out[0].src, ip("192.0.2.77"));
  EXPECT_EQ(out[0].dst, ip("10.0.2.9"));
  EXPECT_EQ(out[0].headers.src_port, 7777);
  EXPECT_EQ(out[0].headers.dst_port, 5353);
  EXPECT_EQ(wire::verify_l4(out[0].frame, out[0].headers), wire::ChecksumState::kGood);
}

TEST_F(Exact, LimitAndDscp) {
  auto limited = op(ExactVerb::kAllow);
  limited.action.limited = true;
  limited.action.rate = slowest(3);
  limited.action.dscp = 46;
  program(limited);
  unsigned passed = 0;
  for (int i = 0; i < 6; ++i)
    for (const Out& out : send()) {
      EXPECT_EQ(out.headers.traffic_class >> 2, 46);
      ++passed;
    }
  EXPECT_EQ(passed, 3u);
  EXPECT_EQ(world.drops(DropReason::limit_exceeded), 3u);
}

TEST_F(Exact, MirrorsThatExistAndThoseThatDoNot) {
  flow::MirrorRule mirror;
  mirror.interface = 2;
  world.next.mirrors = {flow::MirrorRule{}, mirror};  // slot 0 is free
  publish();
  auto mirrored = op(ExactVerb::kAllow);
  mirrored.action.mirror = true;
  for (const uint16_t slot : {0, 1, 2, 63}) {
    mirrored.kind = ExactOpKind::kReplace;
    mirrored.action.mirror_slot = slot;
    program(mirrored);
    EXPECT_EQ(send().size(), slot == 1 ? 2u : 1u);
  }
}

TEST_F(Exact, StatusesSayWhatWasWrong) {
  auto invalid = op(ExactVerb::kAllow, 7);
  invalid.action.dscp = 64;
  const auto statuses =
      program({op(ExactVerb::kAllow, 1), op(ExactVerb::kDrop, 1), op(ExactVerb::kDrop, 1, ExactOpKind::kReplace),
               op(ExactVerb::kAllow, 2, ExactOpKind::kDelete), invalid});
  EXPECT_EQ(statuses, (std::vector{ExactStatus::kOk, ExactStatus::kExists, ExactStatus::kOk, ExactStatus::kNotFound,
                                   ExactStatus::kInvalid}));
  std::vector<ExactOp> many;
  for (uint16_t port = 10; port < 2010; ++port) many.push_back(op(ExactVerb::kAllow, port));
  size_t full = 0;
  for (const ExactStatus each : program(many)) full += each == ExactStatus::kTableFull ? 1 : 0;
  EXPECT_EQ(full + world.state().exact.size(), 2000u + 1u);
  EXPECT_EQ(world.state().counters->exact_flows.read(), world.state().exact.size());
}

TEST_F(Exact, DumpsInParts) {
  std::vector<ExactOp> many;
  for (uint16_t port = 10; port < 110; ++port) {
    many.push_back(op(ExactVerb::kAllow, port));
    many.back().cookie = port;
  }
  program(many);
  send(20);
  std::vector<uint64_t> cookies;
  flow::ExactEntryView of_twenty;
  for (uint64_t cursor = 0; cursor != flow::DumpExactCommand::kEnd;) {
    flow::DumpExactCommand dump;
    dump.cursor = cursor;
    dump.entries.resize(30);
    world.command(0, dump);
    for (size_t i = 0; i < dump.count; ++i) {
      cookies.push_back(dump.entries[i].cookie);
      if (dump.entries[i].cookie == 20) of_twenty = dump.entries[i];
    }
    cursor = dump.cursor;
  }
  EXPECT_EQ(cookies.size(), 100u);
  EXPECT_EQ(of_twenty.packets, 1u);
  EXPECT_EQ(of_twenty.bytes, 52u);
  flow::DumpExactCommand one;
  one.one = true;
  one.key = key(20);
  one.entries.resize(1);
  world.command(0, one);
  ASSERT_EQ(one.count, 1u);
  EXPECT_EQ(one.entries[0].cookie, 20u);
}

TEST_F(Exact, TrackedFlowsAreDumpedByEitherKey) {
  flow::EgressRule rule;
  rule.from = {net("198.51.100.0/24")};
  rule.pool.v4 = {ip("192.0.2.1")};
  world.next.egresses = {rule};
  publish();
  for (uint16_t port = 2000; port < 2050; ++port) send(port);
  size_t count = 0;
  flow::FlowKey reply;
  for (uint64_t cursor = 0; cursor != flow::DumpTrackedCommand::kEnd;) {
    flow::DumpTrackedCommand dump;
    dump.cursor = cursor;
    dump.entries.resize(16);
    world.command(0, dump);
    count += dump.count;
    if (dump.count != 0) reply = dump.entries[0].reply;
    cursor = dump.cursor;
  }
  EXPECT_EQ(count, 50u);
  flow::DumpTrackedCommand one;
  one.one = true;
  one.key = reply;
  one.entries.resize(1);
  world.command(0, one);
  ASSERT_EQ(one.count, 1u);
  EXPECT_EQ(one.entries[0].packets[0], 1u);
  EXPECT_FALSE(one.entries[0].replied);
  EXPECT_EQ(one.entries[0].egress, 0u);
}

}  // namespace
}  // namespace penstock::engine::test
