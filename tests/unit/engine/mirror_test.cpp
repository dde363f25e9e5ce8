// Copies of packets: to an interface, cut, sampled, and in ERSPAN to a collector. The original never notices.
#include "unit/engine/world.h"
#include "wire/headers.h"

namespace penstock::engine::test {
namespace {

class Mirrors : public testing::Test {
 protected:
  void TearDown() override { world.expect_balance(); }
  void publish(flow::MirrorRule mirror) {
    world.next.mirrors = {mirror};
    flow::MirrorMatch match;
    match.matches.emplace_back();
    match.matches[0].dst = net("10.0.1.0/24");
    match.matches[0].protocol = 17;
    world.mirror_matches = {match};
    world.publish();
    world.resolve(1, "10.0.1.11");
    world.resolve(2, "10.0.2.50");
  }
  // The original and what was copied.
  std::pair<std::vector<Out>, std::vector<Out>> send(size_t payload, unsigned count = 1) {
    sent_ = udp(to_gateway(0), "198.51.100.7", 1000, "10.0.1.11", 53, payload);
    for (unsigned i = 0; i < count; ++i) world.arrive(0, sent_);
    std::pair<std::vector<Out>, std::vector<Out>> result;
    for (Out& each : world.take()) (each.port == 1 ? result.first : result.second).push_back(std::move(each));
    return result;
  }

  World world;
  std::vector<uint8_t> sent_;
};

TEST_F(Mirrors, ToAnInterfaceAsItCame) {
  flow::MirrorRule mirror;
  mirror.interface = 2;
  publish(mirror);
  const auto [original, copy] = send(100);
  ASSERT_EQ(original.size(), 1u);
  EXPECT_EQ(original[0].headers.hop_limit, 63);
  ASSERT_EQ(copy.size(), 1u);
  EXPECT_EQ(copy[0].port, 2);
  EXPECT_EQ(copy[0].frame, sent_);
  EXPECT_EQ(world.state().counters->mirrors[0].copied.packets.read(), 1u);
  EXPECT_EQ(world.state().counters->mirrors[0].copied.bytes.read(), sent_.size());
  world.arrive(0, tcp(to_gateway(0), "198.51.100.7", 1000, "10.0.1.11", 80, 2));
  EXPECT_EQ(world.take().size(), 1u);  // does not match
}

TEST_F(Mirrors, Truncated) {
  flow::MirrorRule mirror;
  mirror.interface = 2;
  mirror.truncate = 64;
  publish(mirror);
  const auto [original, copy] = send(500);
  ASSERT_EQ(original.size(), 1u);
  EXPECT_EQ(original[0].frame.size(), sent_.size());
  ASSERT_EQ(copy.size(), 1u);
  EXPECT_EQ(copy[0].frame, std::vector<uint8_t>(sent_.begin(), sent_.begin() + 64));
}

TEST_F(Mirrors, ErspanToACollector) {
  flow::MirrorRule mirror;
  mirror.erspan = true;
  mirror.session = 0x155;
  mirror.collector = ip("10.0.2.50");
  mirror.source = ip("10.0.2.1");
  mirror.truncate = 128;
  publish(mirror);
  const auto [originals, copies] = send(500, 3);
  EXPECT_EQ(originals.size(), 3u);
  ASSERT_EQ(copies.size(), 3u);
  for (uint32_t i = 0; i < 3; ++i) {
    const Out& copy = copies[i];
    EXPECT_EQ(copy.port, 2);
    EXPECT_EQ(copy.src, ip("10.0.2.1"));
    EXPECT_EQ(copy.dst, ip("10.0.2.50"));
    EXPECT_EQ(copy.headers.protocol, 47);
    const uint8_t* gre = copy.frame.data() + 34;
    EXPECT_EQ(base::load_be16(gre), 0x1000);  // a sequence number follows
    EXPECT_EQ(base::load_be16(gre + 2), wire::kEtherTypeErspan2);
    EXPECT_EQ(base::load_be32(gre + 4), i);
    const uint8_t* erspan = gre + 8;
    EXPECT_EQ(erspan[0] >> 4, wire::kErspan2Version);
    EXPECT_EQ(base::load_be16(erspan + 2) & 0x3ff, 0x155);
    EXPECT_EQ(base::load_be16(erspan + 2) & 0x0400, 0x0400);  // truncated
    EXPECT_EQ(std::vector<uint8_t>(erspan + 8, copy.frame.data() + copy.frame.size()),
              std::vector<uint8_t>(sent_.begin(), sent_.begin() + 128));
  }
}

TEST_F(Mirrors, SampledAboutOneInN) {
  flow::MirrorRule mirror;
  mirror.interface = 2;
  mirror.sample = 4;
  publish(mirror);
  const auto [original, copy] = send(10, 400);
  EXPECT_EQ(original.size(), 400u);
  EXPECT_GT(copy.size(), 50u);
  EXPECT_LT(copy.size(), 180u);
}

// The list of own packets is bounded: what does not fit is a named loss, not a slower original.
TEST_F(Mirrors, MoreCopiesThanARoundTakes) {
  flow::MirrorRule erspan;
  erspan.erspan = true;
  erspan.collector = ip("10.0.2.50");
  erspan.source = ip("10.0.2.1");
  publish(erspan);
  world.next.mirrors.clear();
  world.mirror_matches.clear();
  for (uint32_t slot = 0; slot < 8; ++slot) {
    erspan.slot = slot;
    world.next.mirrors.push_back(erspan);
    flow::MirrorMatch match;
    match.slot = slot;
    match.matches.emplace_back();
    match.matches[0].dst = net("10.0.1.0/24");
    world.mirror_matches.push_back(match);
  }
  world.publish();
  const auto frame = udp(to_gateway(0), "198.51.100.7", 1000, "10.0.1.11", 53);
  world.arrive_together(std::vector<World::Arrival>(kBurst, {0, frame}));
  EXPECT_EQ(world.take().size(), kBurst + kOwnPackets);
  EXPECT_EQ(world.drops(flow::DropReason::no_buffers), kBurst * 8 - kOwnPackets);
}

}  // namespace
}  // namespace penstock::engine::test
