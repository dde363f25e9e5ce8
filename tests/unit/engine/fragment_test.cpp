// Fragments through the whole list: any order, translated, on one and two workers; what is lost is lost by name.
#include "unit/engine/world.h"

namespace penstock::engine::test {
namespace {

using flow::DropReason;

class FragmentsPass : public testing::TestWithParam<unsigned> {
 protected:
  FragmentsPass() : world(GetParam()) {}
  void SetUp() override {
    world.routes.push_back({net("0.0.0.0/0"), flow::RouteKind::kGateway, {{0, ip("198.51.100.254")}}, {}});
    publish();
  }
  void TearDown() override { world.expect_balance(); }
  void publish() {
    world.publish();
    world.resolve(0, "198.51.100.254");
    world.resolve(0, "198.51.100.7");
    world.resolve(1, "10.0.1.11");
  }
  void add_service(const char* vip = "203.0.113.80") {
    auto s = std::make_shared<flow::ServiceEntry>();
    s->address = ip(vip);
    s->port = 53;
    s->protocol = 17;
    s->balancing = flow::Balancing::kRoundRobin;
    flow::Endpoint e;
    e.address = ip("10.0.1.11");
    e.port = 5353;
    s->endpoints = {e};
    s->table = {0};
    world.services.push_back(s);
    publish();
  }

  // The IPv4 frame cut into pieces of `step` payload bytes, as a sender would.
  static std::vector<std::vector<uint8_t>> cut(const std::vector<uint8_t>& whole, size_t step, uint16_t id) {
    std::vector<std::vector<uint8_t>> pieces;
    const size_t payload = whole.size() - 34;
    for (size_t at = 0; at < payload; at += step) {
      const size_t length = std::min(step, payload - at);
      std::vector<uint8_t> piece(whole.begin(), whole.begin() + 34);
      piece.insert(piece.end(), whole.begin() + 34 + static_cast<long>(at),
                   whole.begin() + 34 + static_cast<long>(at + length));
      uint8_t* h = piece.data() + 14;
      base::store_be16(h + 2, static_cast<uint16_t>(20 + length));
      base::store_be16(h + 4, id);
      base::store_be16(h + 6, static_cast<uint16_t>((at + length < payload ? 0x2000 : 0) | at / 8));
      base::store_be16(h + 10, 0);
      base::store_raw<uint16_t>(h + 10, static_cast<uint16_t>(~wire::fold(wire::sum_bytes({h, 20}))));
      pieces.push_back(piece);
    }
    return pieces;
  }

  // The payload of the datagram that the pieces make, its IP header before it; empty: they do not fit together.
  static std::vector<uint8_t> join(const std::vector<Out>& pieces) {
    std::vector<uint8_t> whole;
    size_t bytes = 0;
    for (const Out& piece : pieces) {
      if (!piece.headers.is(wire::kIsFragment)) return {};
      const size_t at = 34 + piece.headers.fragment_offset, length = piece.headers.end - 34u;
      if (whole.size() < at + length) whole.resize(at + length);
      std::copy_n(piece.frame.begin() + 34, length, whole.begin() + static_cast<long>(at));
      if (piece.headers.fragment_offset == 0) std::copy_n(piece.frame.begin(), 34, whole.begin());
      bytes += length;
    }
    if (whole.size() != bytes + 34) return {};
    base::store_be16(whole.data() + 16, static_cast<uint16_t>(whole.size() - 14));
    base::store_be16(whole.data() + 20, 0);
    base::store_be16(whole.data() + 24, 0);
    base::store_raw<uint16_t>(whole.data() + 24,
                              static_cast<uint16_t>(~wire::fold(wire::sum_bytes({whole.data() + 14, 20}))));
    return whole;
  }

  World world;
};

TEST_P(FragmentsPass, AnyOrderIsTranslatedAlike) {
  add_service();
  const std::vector<std::vector<size_t>> orders = {{0, 1, 2}, {2, 1, 0}, {1, 0, 2}, {1, 2, 0}, {0, 2, 1}, {2, 0, 1}};
  uint16_t id = 1;
  for (const auto& order : orders)
    for (uint16_t port = 4000; port < 4008; ++port, ++id) {
      const auto pieces = cut(udp(to_gateway(0), "198.51.100.7", port, "203.0.113.80", 53, 1200, false), 512, id);
      ASSERT_EQ(pieces.size(), 3u);
      for (const size_t i : order) world.arrive(0, pieces[i], (i + id) % GetParam());
      const auto out = world.take();
      ASSERT_EQ(out.size(), 3u) << "id " << id;
      for (const Out& each : out) {
        EXPECT_EQ(each.port, 1);
        EXPECT_EQ(each.dst, ip("10.0.1.11"));
      }
      const auto whole = join(out);
      ASSERT_FALSE(whole.empty());
      wire::Headers h;
      ASSERT_EQ(wire::parse(whole, static_cast<uint32_t>(whole.size()), wire::Ipv4Checksum::kVerify, h),
                wire::ParseError::kNone);
      EXPECT_EQ(h.dst_port, 5353);
      EXPECT_EQ(h.src_port, port);
      EXPECT_EQ(wire::verify_l4(whole, h), wire::ChecksumState::kGood);
      // One flow, whatever worker the pieces came to.
      world.arrive(0, udp(to_gateway(0), "198.51.100.7", port, "203.0.113.80", 53), id % GetParam());
      EXPECT_EQ(world.take().size(), 1u);
    }
  uint64_t flows = 0;
  for (unsigned i = 0; i < GetParam(); ++i) flows += world.state(i).flows.size();
  EXPECT_EQ(flows, 8u);
}

TEST_P(FragmentsPass, AnswersInFragmentsReturn) {
  add_service();
  world.arrive(0, udp(to_gateway(0), "198.51.100.7", 4000, "203.0.113.80", 53));
  world.take();
  const auto pieces = cut(udp(to_gateway(1), "10.0.1.11", 5353, "198.51.100.7", 4000, 1200, false), 512, 77);
  for (const size_t i : {2, 0, 1}) world.arrive(1, pieces[i], i % GetParam());
  const auto out = world.take();
  ASSERT_EQ(out.size(), 3u);
  for (const Out& each : out) EXPECT_EQ(each.src, ip("203.0.113.80"));
  const auto whole = join(out);
  wire::Headers h;
  ASSERT_EQ(wire::parse(whole, static_cast<uint32_t>(whole.size()), wire::Ipv4Checksum::kVerify, h),
            wire::ParseError::kNone);
  EXPECT_EQ(wire::verify_l4(whole, h), wire::ChecksumState::kGood);
}

TEST_P(FragmentsPass, EgressOfFragments) {
  flow::EgressRule rule;
  rule.from = {net("10.0.1.0/24")};
  rule.pool.v4 = {ip("192.0.2.10")};
  world.next.egresses.push_back(rule);
  publish();
  for (uint16_t port = 4000; port < 4008; ++port) {
    const auto pieces = cut(udp(to_gateway(1), "10.0.1.11", port, "203.0.113.9", 53, 1200, false), 512, port);
    for (const size_t i : {1, 0, 2}) world.arrive(1, pieces[i], i % GetParam());
    const auto out = world.take();
    ASSERT_EQ(out.size(), 3u);
    for (const Out& each : out) EXPECT_EQ(each.src, ip("192.0.2.10"));
    const auto whole = join(out);
    wire::Headers h;
    ASSERT_EQ(wire::parse(whole, static_cast<uint32_t>(whole.size()), wire::Ipv4Checksum::kVerify, h),
              wire::ParseError::kNone);
    EXPECT_EQ(wire::verify_l4(whole, h), wire::ChecksumState::kGood);
    // The answer in pieces, the later ones first.
    const auto back = cut(udp(to_gateway(0), "203.0.113.9", 53, "192.0.2.10", h.src_port, 1200, false), 512, port);
    for (const size_t i : {2, 1, 0}) world.arrive(0, back[i], i % GetParam());
    const auto in = world.take();
    ASSERT_EQ(in.size(), 3u);
    for (const Out& each : in) EXPECT_EQ(each.dst, ip("10.0.1.11"));
  }
}

TEST_P(FragmentsPass, FragmentedPingToTheGateway) {
  for (const char* address : {"10.0.1.1", "198.51.100.1"}) {
    const auto pieces = cut(echo(to_gateway(0), "198.51.100.7", address, 9, 1400), 800, 5);
    ASSERT_EQ(pieces.size(), 2u);
    for (const size_t i : {1, 0}) world.arrive(0, pieces[i]);
    const auto out = world.take();
    ASSERT_EQ(out.size(), 2u);
    const auto whole = join(out);
    wire::Headers h;
    ASSERT_EQ(wire::parse(whole, static_cast<uint32_t>(whole.size()), wire::Ipv4Checksum::kVerify, h),
              wire::ParseError::kNone);
    EXPECT_EQ(h.icmp_type, 0);
    EXPECT_EQ(wire::verify_l4(whole, h), wire::ChecksumState::kGood);
  }
}

TEST_P(FragmentsPass, OverlapPoisonsTheDatagram) {
  const auto whole = udp(to_gateway(0), "198.51.100.7", 4000, "10.0.1.11", 53, 1200, false);
  const auto pieces = cut(whole, 512, 9), other = cut(whole, 520, 9);
  world.arrive(0, pieces[1]);
  world.arrive(0, other[1]);  // 520 lies within 512..1024
  EXPECT_EQ(world.drops(DropReason::fragment_overlap), 2u);
  world.arrive(0, pieces[0]);
  EXPECT_EQ(world.drops(DropReason::fragment_overlap), 3u);
  EXPECT_TRUE(world.take().empty());
}

TEST_P(FragmentsPass, TableFullAndTimeoutAreNamed) {
  world.next.settings.fragment_timeout_ms = 0;
  const auto pieces = cut(udp(to_gateway(0), "198.51.100.7", 4000, "10.0.1.11", 53, 1200, false), 512, 0);
  std::vector<World::Arrival> arrivals;
  for (uint16_t id = 0; id < 200; ++id) {
    auto later = pieces[1];
    uint8_t* h = later.data() + 14;
    base::store_be16(h + 4, id);
    base::store_be16(h + 10, 0);
    base::store_raw<uint16_t>(h + 10, static_cast<uint16_t>(~wire::fold(wire::sum_bytes({h, 20}))));
    arrivals.push_back({0, later});
  }
  for (size_t at = 0; at < arrivals.size(); at += 50)
    world.inject({arrivals.begin() + static_cast<long>(at), arrivals.begin() + static_cast<long>(at + 50)});
  world.round();
  EXPECT_GT(world.drops(DropReason::fragment_table_full), 100u);  // the table holds 64 datagrams
  world.expect_balance();
  world.publish();  // the timeout is over at once
  for (int i = 0; i < 100 && world.drops(DropReason::fragment_timeout) < 60; ++i) {
    timespec pause{0, 2'000'000};
    nanosleep(&pause, nullptr);
    world.round();
  }
  EXPECT_GE(world.drops(DropReason::fragment_timeout), 60u);
  EXPECT_TRUE(world.take().empty());
}

INSTANTIATE_TEST_SUITE_P(Workers, FragmentsPass, testing::Values(1u, 2u));

}  // namespace
}  // namespace penstock::engine::test
