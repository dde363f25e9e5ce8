// Rate limits through the whole list: every bucket, unit and attachment. Rates are so low that nothing refills while a
// test runs (the lowest a bucket can hold: seconds for one unit), or so high that nothing is ever refused.
#include "unit/engine/world.h"

namespace penstock::engine::test {
namespace {

using flow::DropReason;
using flow::LimitBucket;
using flow::LimitUnit;

constexpr uint8_t kSyn = 2;
constexpr double kSlow = 0.1, kFast = 1e12;

class Limits : public testing::Test {
 protected:
  void TearDown() override { world.expect_balance(); }

  flow::Limit& add(LimitUnit unit, LimitBucket bucket, double burst, double rate = kSlow) {
    flow::Limit limit;
    limit.slot = static_cast<uint32_t>(world.limits.by_slot.size());
    limit.unit = unit;
    limit.bucket = bucket;
    limit.per_second = rate;
    limit.burst = burst;
    limit.rate =
        rate == kSlow ? slowest(static_cast<uint64_t>(burst)) : flow::Rate::of(rate, burst, base::cycles_per_second());
    limit.chunk = limit.rate.chunk(base::cycles_per_second());
    world.limits.by_slot.push_back(limit);
    world.limits.any = true;
    return world.limits.by_slot.back();
  }
  void on_interface(std::vector<uint32_t> slots) { world.interface(0).limits = std::move(slots); }
  void publish() {
    world.publish();
    world.resolve(1, "10.0.1.11");
    world.resolve(1, "10.0.1.12");
  }
  unsigned passes(unsigned count, const char* src = "198.51.100.7", uint16_t port = 1000, const char* dst = "10.0.1.11",
                  size_t payload = 10) {
    for (unsigned i = 0; i < count; ++i) world.arrive(0, udp(to_gateway(0), src, port, dst, 53, payload));
    return static_cast<unsigned>(world.take().size());
  }

  World world;
};

TEST_F(Limits, AggregatePackets) {
  add(LimitUnit::kPackets, LimitBucket::kAggregate, 20);
  on_interface({0});
  publish();
  EXPECT_EQ(passes(30), 20u);
  EXPECT_EQ(passes(5, "198.51.100.8"), 0u);
  EXPECT_EQ(world.drops(DropReason::limit_exceeded), 15u);
  EXPECT_EQ(world.state().counters->limits[0].passed.packets.read(), 20u);
  EXPECT_EQ(world.state().counters->limits[0].exceeded.packets.read(), 15u);
}

TEST_F(Limits, AggregateIsSharedByWorkers) {
  World two(2);
  flow::Limit& limit = add(LimitUnit::kPackets, LimitBucket::kAggregate, 40);
  two.limits.by_slot = {limit};
  two.limits.any = true;
  two.interface(0).limits = {0};
  two.publish();
  two.resolve(1, "10.0.1.11");
  for (uint16_t port = 1000; port < 1100; ++port)
    two.arrive(0, udp(to_gateway(0), "198.51.100.7", port, "10.0.1.11", 53));
  EXPECT_EQ(two.take().size(), 40u);
  two.expect_balance();
}

TEST_F(Limits, BitsCountIpPackets) {
  add(LimitUnit::kBits, LimitBucket::kAggregate, 10 * 8 * 128);
  on_interface({0});
  publish();
  EXPECT_EQ(passes(20, "198.51.100.7", 1000, "10.0.1.11", 100), 10u);
}

TEST_F(Limits, PerSource) {
  add(LimitUnit::kPackets, LimitBucket::kSource, 5);
  on_interface({0});
  publish();
  EXPECT_EQ(passes(8), 5u);
  EXPECT_EQ(passes(8, "198.51.100.8"), 5u);
}

TEST_F(Limits, PerSourcePrefix) {
  flow::Limit& limit = add(LimitUnit::kPackets, LimitBucket::kSourcePrefix, 5);
  limit.v4_prefix_length = 29;
  limit.v6_prefix_length = 64;
  on_interface({0});
  publish();
  EXPECT_EQ(passes(4, "198.51.100.9"), 4u);
  EXPECT_EQ(passes(4, "198.51.100.14"), 1u);
  EXPECT_EQ(passes(4, "198.51.100.17"), 4u);
}

TEST_F(Limits, PerDestinationAndPerFlow) {
  add(LimitUnit::kPackets, LimitBucket::kDestination, 6);
  add(LimitUnit::kPackets, LimitBucket::kFlow, 3);
  on_interface({0, 1});
  publish();
  EXPECT_EQ(passes(5, "198.51.100.7", 1000), 3u);  // takes 5 of the destination
  EXPECT_EQ(passes(5, "198.51.100.7", 1001), 1u);
  EXPECT_EQ(passes(5, "198.51.100.7", 1000, "10.0.1.12"), 3u);
}

TEST_F(Limits, MarkSetsDscpAndPasses) {
  flow::Limit& limit = add(LimitUnit::kPackets, LimitBucket::kAggregate, 3);
  limit.mark = true;
  limit.dscp = 10;
  on_interface({0});
  publish();
  for (int i = 0; i < 5; ++i) world.arrive(0, udp(to_gateway(0), "198.51.100.7", 1, "10.0.1.11", 2));
  const auto out = world.take();
  ASSERT_EQ(out.size(), 5u);
  for (size_t i = 0; i < 5; ++i) EXPECT_EQ(out[i].headers.traffic_class >> 2, i < 3 ? 0 : 10);
}

TEST_F(Limits, ConnectionsCountFirstPacketsOnly) {
  add(LimitUnit::kConnections, LimitBucket::kSource, 4);
  on_interface({0});
  publish();
  EXPECT_EQ(passes(50), 50u);  // one flow
  for (uint16_t port = 2000; port < 2010; ++port)
    world.arrive(0, tcp(to_gateway(0), "198.51.100.7", port, "10.0.1.11", 80, kSyn));
  EXPECT_EQ(world.take().size(), 3u);
  EXPECT_EQ(world.drops(DropReason::limit_exceeded), 7u);
  EXPECT_EQ(world.state().flows.size(), 4u);
}

TEST_F(Limits, TheLongestPrefixAlone) {
  add(LimitUnit::kPackets, LimitBucket::kAggregate, 2);
  add(LimitUnit::kPackets, LimitBucket::kAggregate, 5);
  add(LimitUnit::kBits, LimitBucket::kAggregate, 1, kFast);
  add(LimitUnit::kConnections, LimitBucket::kAggregate, 1);
  world.limits.prefixes = {
      {net("10.0.1.11/32"), 1}, {net("10.0.1.11/32"), 2}, {net("10.0.1.11/32"), 3}, {net("10.0.1.0/24"), 0}};
  publish();
  EXPECT_EQ(passes(10), 5u);
  EXPECT_EQ(passes(10, "198.51.100.7", 1000, "10.0.1.12"), 2u);
  EXPECT_EQ(world.state().counters->limits[2].passed.packets.read(), 5u);  // of the same prefix: it too
  world.limits.by_slot[1].per_second = 0;
  publish();
  EXPECT_EQ(passes(3, "198.51.100.7", 1001), 0u);  // the one connection was the first flow
}

TEST_F(Limits, OfAService) {
  add(LimitUnit::kPackets, LimitBucket::kAggregate, 3);
  add(LimitUnit::kConnections, LimitBucket::kAggregate, 2);
  auto s = std::make_shared<flow::ServiceEntry>();
  s->address = ip("203.0.113.80");
  s->port = 53;
  s->protocol = 17;
  flow::Endpoint e;
  e.address = ip("10.0.1.11");
  s->endpoints = {e};
  s->table = {0};
  s->limits = {0, 1};
  world.services.push_back(s);
  publish();
  EXPECT_EQ(passes(2, "198.51.100.7", 1000, "203.0.113.80"), 2u);
  EXPECT_EQ(passes(2, "198.51.100.7", 1001, "203.0.113.80"), 1u);
  EXPECT_EQ(passes(1, "198.51.100.7", 1002, "203.0.113.80"), 0u);
  EXPECT_EQ(world.state().flows.size(), 2u);
  EXPECT_EQ(passes(2, "198.51.100.7", 1005), 2u);  // to the endpoint itself
}

TEST_F(Limits, OfARule) {
  add(LimitUnit::kPackets, LimitBucket::kAggregate, 3);
  flow::FilterRule rule;
  rule.limits = {0};
  rule.matches.emplace_back();
  rule.matches[0].dst = net("10.0.1.11/32");
  world.rules = {rule};
  publish();
  EXPECT_EQ(passes(5), 3u);
  EXPECT_EQ(passes(5, "198.51.100.7", 1000, "10.0.1.12"), 5u);
}

TEST_F(Limits, NoRoomForABucketIsRefusedByName) {
  add(LimitUnit::kPackets, LimitBucket::kFlow, 5);
  on_interface({0});
  publish();
  unsigned passed = 0;
  for (uint16_t port = 1; port <= 2000; ++port) passed += passes(1, "198.51.100.7", port);
  EXPECT_EQ(passed + world.drops(DropReason::limit_table_full), 2000u);
  EXPECT_GE(passed, 900u);  // about as many as there is room for
}

TEST_F(Limits, AHighRateRefusesNothing) {
  add(LimitUnit::kPackets, LimitBucket::kAggregate, 1e9, kFast);
  add(LimitUnit::kBits, LimitBucket::kSource, 1e9, kFast);
  on_interface({0, 1});
  publish();
  EXPECT_EQ(passes(500), 500u);
}

TEST_F(Limits, AChangedRateHoldsAtOnce) {
  add(LimitUnit::kPackets, LimitBucket::kAggregate, 4);
  on_interface({0});
  publish();
  EXPECT_EQ(passes(6), 4u);
  world.limits.by_slot.clear();
  add(LimitUnit::kPackets, LimitBucket::kAggregate, 1e9, kFast);
  publish();
  // Of the old rate it owes at most one burst of the new one: 5 ms.
  unsigned passed = 0;
  for (unsigned i = 0; i < 1'000'000 && passed == 0; ++i) passed = passes(1);
  EXPECT_EQ(passed, 1u);
}

}  // namespace
}  // namespace penstock::engine::test
