// Captures at each point, and traces stage by stage.
#include "engine/pipeline.h"
#include "unit/engine/world.h"

namespace penstock::engine::test {
namespace {

using flow::CapturePoint;
using flow::DropReason;

class Watching : public testing::Test {
 protected:
  void SetUp() override {
    world.routes.push_back({net("10.9.0.0/16"), flow::RouteKind::kBlackhole, {}, {}});
    world.publish();
    world.resolve(1, "10.0.1.11");
  }
  void TearDown() override {
    end_capture();
    world.expect_balance();
  }

  void capture(const char* expression, std::initializer_list<CapturePoint> points, uint16_t snap = 0xffff) {
    auto filter = compile_filter(expression);
    ASSERT_TRUE(filter.ok()) << filter.error();
    filter_ = std::move(*filter);
    flow::CaptureCommand command;
    command.id = 3;
    command.filter = filter_.get();
    for (const CapturePoint each : points) command.points |= static_cast<uint8_t>(each);
    command.snap_length = snap;
    world.command(0, command);
  }
  void end_capture() {
    flow::CaptureCommand command;
    command.id = 3;
    world.command(0, command);
    captured();
  }
  struct Seen {
    uint16_t port;
    CapturePoint point;
    DropReason reason;
    uint32_t length, kept;
  };
  std::vector<Seen> captured() {
    std::vector<Seen> all;
    for (CapturedFrame f; world.state().watch.captured(3).pop(f);) {
      all.push_back({f.port, f.point, f.reason, f.length, rte_pktmbuf_pkt_len(f.copy)});
      rte_pktmbuf_free(f.copy);
    }
    return all;
  }

  World world;
  std::unique_ptr<flow::WatchFilter> filter_;
};

TEST_F(Watching, TransmittedFramesNameTheirPort) {
  capture("udp port 53", {CapturePoint::kTx});
  world.arrive(0, udp(to_gateway(0), "198.51.100.7", 1000, "10.0.1.11", 53));
  world.arrive(0, udp(to_gateway(0), "198.51.100.7", 1000, "10.0.1.11", 54));
  const auto seen = captured();
  ASSERT_EQ(seen.size(), 1u);
  EXPECT_EQ(seen[0].point, CapturePoint::kTx);
  EXPECT_EQ(seen[0].port, 1);
  EXPECT_EQ(world.take().size(), 2u);
}

TEST_F(Watching, DropsComeWithTheirReason) {
  capture("", {CapturePoint::kDrop}, 40);
  world.arrive(0, udp(to_gateway(0), "198.51.100.7", 1000, "10.9.0.1", 53, 100));
  world.arrive(0, udp(to_gateway(0), "198.51.100.7", 1000, "10.0.1.11", 53));
  const auto seen = captured();
  ASSERT_EQ(seen.size(), 1u);
  EXPECT_EQ(seen[0].reason, DropReason::route_blackhole);
  EXPECT_EQ(seen[0].port, 0);
  EXPECT_EQ(seen[0].length, 142u);
  EXPECT_EQ(seen[0].kept, 40u);
  end_capture();
  world.arrive(0, udp(to_gateway(0), "198.51.100.7", 1000, "10.9.0.1", 53));
  EXPECT_TRUE(captured().empty());
  world.take();
}

TEST_F(Watching, AFullRingIsCountedAsLost) {
  capture("", {CapturePoint::kTx});
  rte_mbuf* taken[8192];
  unsigned count = 0;  // copies come from the pool: leave few
  while (rte_mempool_avail_count(test_pool()) > 4) taken[count++] = rte_pktmbuf_alloc(test_pool());
  for (int i = 0; i < 10; ++i) {
    world.arrive(0, udp(to_gateway(0), "198.51.100.7", 1000, "10.0.1.11", 53));
    world.take();
  }
  EXPECT_GT(world.state().counters->capture_lost.read(), 0u);
  rte_pktmbuf_free_bulk(taken, count);
}

TEST_F(Watching, BadExpressionsAreErrors) {
  EXPECT_FALSE(compile_filter("udp prot 53").ok());
  EXPECT_FALSE(compile_filter(std::string(5000, '(')).ok());
  EXPECT_FALSE(compile_filter(std::string("udp\0tcp", 7)).ok());
  EXPECT_TRUE(compile_filter(" ").ok());
}

TEST_F(Watching, TracesNameTheStagesInOrder) {
  auto filter = compile_filter("udp port 53");
  ASSERT_TRUE(filter.ok());
  flow::TraceCommand command;
  command.filter = filter->get();
  command.packets = 2;
  world.command(0, command);
  world.arrive(0, udp(to_gateway(0), "198.51.100.7", 1000, "10.0.1.11", 99));
  world.arrive(0, udp(to_gateway(0), "198.51.100.7", 1000, "10.0.1.11", 53));
  world.arrive(0, udp(to_gateway(0), "198.51.100.7", 1000, "10.9.0.1", 53));
  world.arrive(0, udp(to_gateway(0), "198.51.100.7", 1000, "10.9.0.1", 53));
  std::map<uint64_t, std::vector<TraceRecord>> packets;
  for (TraceRecord r; world.state().watch.traced().pop(r);) packets[r.packet].push_back(r);
  ASSERT_EQ(packets.size(), 2u);  // as many as were asked for
  const std::vector<std::vector<TraceRecord>> both{packets.begin()->second, packets.rbegin()->second};
  const auto names = [](const std::vector<TraceRecord>& records) {
    std::vector<std::string> out;
    for (const TraceRecord& r : records) out.push_back(Pipeline::kNames[r.stage]);
    return out;
  };
  EXPECT_EQ(names(both[0]), (std::vector<std::string>{"parse", "route", "steer", "rewrite", "resolve", "emit"}));
  EXPECT_EQ(both[0][2].verdict, flow::Verdict::kForward);
  EXPECT_EQ(both[0][2].out, 1);
  EXPECT_EQ(both[1][2].verdict, flow::Verdict::kDrop);
  EXPECT_EQ(both[1][2].reason, DropReason::route_blackhole);
  EXPECT_GT(both[0][0].frame_length, 0u);
  EXPECT_FALSE(world.state().watch.tracing());
  world.take();
}

}  // namespace
}  // namespace penstock::engine::test
