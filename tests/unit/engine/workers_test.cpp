// Several workers: packets of a flow arrive at any of them, and are treated by one. In turn on one thread, and with
// threads of their own.
#include <random>
#include <thread>

#include "unit/engine/world.h"

namespace penstock::engine::test {
namespace {

using flow::DropReason;

constexpr uint8_t kSyn = 2, kSynAck = 18, kAck = 16;

class Workers : public testing::TestWithParam<unsigned> {
 protected:
  Workers() : world(GetParam()), random_(11 * GetParam()) {}
  void SetUp() override {
    world.routes.push_back({net("0.0.0.0/0"), flow::RouteKind::kGateway, {{0, ip("198.51.100.254")}}, {}});
    add_service(0, flow::ServiceMode::kNat, 80);
    add_service(1, flow::ServiceMode::kFullNat, 81);
    flow::EgressRule rule;
    rule.from = {net("10.0.2.0/24")};
    rule.pool.v4 = {ip("192.0.2.10"), ip("192.0.2.11")};
    world.next.egresses.push_back(rule);
    world.publish();
    world.resolve(0, "198.51.100.254");
    world.resolve(0, "198.51.100.7");
    world.resolve(1, "10.0.1.11");
    world.resolve(1, "10.0.1.12");
    for (int i = 0; i < 16; ++i) world.resolve(2, inside(i).c_str());
  }
  void TearDown() override { world.expect_balance(); }

  void add_service(uint32_t slot, flow::ServiceMode mode, uint16_t port) {
    auto s = std::make_shared<flow::ServiceEntry>();
    s->slot = slot;
    s->address = ip("203.0.113.80");
    s->port = port;
    s->protocol = 6;
    s->mode = mode;
    for (uint16_t i = 0; i < 2; ++i) {
      flow::Endpoint e;
      e.slot = slot * 2 + i;
      e.address = ip(i == 0 ? "10.0.1.11" : "10.0.1.12");
      e.port = 8080;
      s->endpoints.push_back(e);
    }
    s->table = {0, 1, 0, 1, 1};
    world.services.push_back(s);
  }
  static std::string inside(int i) { return "10.0.2." + std::to_string(20 + i); }
  unsigned any() { return static_cast<unsigned>(random_() % GetParam()); }
  Out pass(uint16_t port, const std::vector<uint8_t>& frame) {
    world.arrive(port, frame, any());
    auto out = world.take();
    EXPECT_EQ(out.size(), 1u);
    return out.empty() ? Out{} : out[0];
  }
  uint64_t flows() {
    uint64_t sum = 0;
    for (unsigned i = 0; i < GetParam(); ++i) sum += world.state(i).flows.size();
    return sum;
  }

  World world;
  std::mt19937 random_;
};

TEST_P(Workers, EveryReplyReachesTheOwner) {
  for (int i = 0; i < 400; ++i) {
    const auto client_port = static_cast<uint16_t>(10000 + i);
    if (i % 3 == 2) {
      const std::string host = inside(i % 16);
      const Out there = pass(2, udp(to_gateway(2), host.c_str(), client_port, "203.0.113.9", 53));
      EXPECT_TRUE(there.src == ip("192.0.2.10") || there.src == ip("192.0.2.11"));
      const Out back =
          pass(0, udp(to_gateway(0), "203.0.113.9", 53, there.src.to_string().c_str(), there.headers.src_port));
      EXPECT_EQ(back.dst, ip(host.c_str()));
      EXPECT_EQ(back.headers.dst_port, client_port);
      continue;
    }
    const auto vip_port = static_cast<uint16_t>(80 + i % 3);
    const Out there = pass(0, tcp(to_gateway(0), "198.51.100.7", client_port, "203.0.113.80", vip_port, kSyn));
    const std::string server = there.dst.to_string(), source = there.src.to_string();
    const Out back =
        pass(1, tcp(to_gateway(1), server.c_str(), 8080, source.c_str(), there.headers.src_port, kSynAck, 5000, 1001));
    EXPECT_EQ(back.src, ip("203.0.113.80"));
    EXPECT_EQ(back.headers.src_port, vip_port);
    EXPECT_EQ(back.headers.dst_port, client_port);
    EXPECT_EQ(pass(0, tcp(to_gateway(0), "198.51.100.7", client_port, "203.0.113.80", vip_port, kAck, 1001, 5001)).dst,
              there.dst);
  }
  EXPECT_EQ(world.all_drops(), 0u);
  EXPECT_EQ(flows(), 400u);
}

// Steer entries go when their flow goes, and a notice about an older flow does not take the entry of a newer one.
TEST_P(Workers, SteerEntriesEndWithTheirFlows) {
  if (GetParam() == 1) return;
  const SteerNotice by_zero{{ip("10.9.9.1"), ip("10.9.9.2"), 1, 2, 17}, 0, false};
  auto by_one = by_zero;
  by_one.owner = 1;
  auto gone = by_zero;
  gone.remove = true;
  WorkerState& w = world.state(GetParam() - 1);
  apply_notice(w, by_zero);
  apply_notice(w, by_one);
  apply_notice(w, gone);  // late
  EXPECT_EQ(w.flows.steers(), 1u);
  by_one.remove = true;
  apply_notice(w, by_one);
  EXPECT_EQ(w.flows.steers(), 0u);
}

// A full table makes room while packets of the same burst belong to the flows that go.
TEST_P(Workers, TablePressureWithinABurst) {
  std::vector<World::Arrival> burst;
  for (unsigned i = 0; i < 12'000; ++i) {
    const auto port = static_cast<uint16_t>(1024 + i);
    burst.push_back({0, tcp(to_gateway(0), "198.51.100.7", port, "203.0.113.80", 80, kSyn)});
    if (i >= 4000)  // a packet of an older flow, about to be evicted
      burst.push_back(
          {0, tcp(to_gateway(0), "198.51.100.7", static_cast<uint16_t>(port - 3830), "203.0.113.80", 80, kSyn)});
    if (burst.size() < kBurst - 1) continue;
    world.arrive_together(burst, any());
    burst.clear();
    for (const Out& out : world.take()) {
      EXPECT_EQ(out.headers.dst_port, 8080);
      EXPECT_EQ(wire::verify_l4(out.frame, out.headers), wire::ChecksumState::kGood);
      // The server is the one that the client's port asks for, not that of the flow that took the place.
      const flow::FlowKey key{ip("198.51.100.7"), ip("203.0.113.80"), out.headers.src_port, 80, 6};
      const auto& s = *world.services[0];
      EXPECT_EQ(out.dst, s.endpoints[s.table[flow::hash_of(key, {}) % s.table.size()]].address);
    }
  }
  uint64_t evicted = 0;
  for (unsigned i = 0; i < GetParam(); ++i) evicted += world.state(i).flows.stats().evicted;
  EXPECT_GT(evicted, 0u);
}

// Down endpoints while several packets of one flow are in the burst.
TEST_P(Workers, AFlowEndsInTheMiddleOfABurst) {
  for (const bool reset : {false, true}) {
    const auto syn = tcp(to_gateway(0), "198.51.100.7", reset ? 7001 : 7000, "203.0.113.80", 80, kSyn);
    world.arrive(0, syn);
    const auto first = world.take();
    ASSERT_EQ(first.size(), 1u);
    auto s = std::make_shared<flow::ServiceEntry>(*world.services[0]);
    s->reset_on_down = reset;
    const uint16_t gone = first[0].dst == ip("10.0.1.11") ? 0 : 1;
    s->endpoints[gone].state = flow::EndpointState::kDown;
    s->endpoints[1 - gone].state = flow::EndpointState::kReady;
    s->table = {static_cast<uint16_t>(1 - gone)};
    world.services[0] = s;
    world.publish();
    const auto other = tcp(to_gateway(0), "198.51.100.7", reset ? 7101 : 7100, "203.0.113.80", 80, kSyn);
    world.arrive_together({{0, syn}, {0, other}, {0, syn}, {0, syn}});
    unsigned moved = 0, resets = 0;
    for (const Out& out : world.take()) {
      if (out.headers.tcp_flags & 4) {
        ++resets;
      } else {
        EXPECT_EQ(out.dst, s->endpoints[1 - gone].address);
        ++moved;
      }
    }
    EXPECT_EQ(resets, reset ? 1u : 0u);
    EXPECT_EQ(moved, reset ? 3u : 4u);
  }
  uint64_t active = 0;
  for (unsigned i = 0; i < GetParam(); ++i)
    for (unsigned e = 0; e < 2; ++e) active += world.state(i).counters->endpoints[e].active_flows.read();
  EXPECT_EQ(active, flows());
}

INSTANTIATE_TEST_SUITE_P(Count, Workers, testing::Values(1u, 2u, 3u));

// Two workers on threads of their own; the test's thread is the third, to which the device belongs. Packets and notices
// cross between all of them, generations change under way.
TEST(WorkerThreads, PacketsCrossAndBalance) {
  constexpr unsigned kWorkers = 3;
  constexpr uint16_t kFlows = 1500;
  World world(kWorkers);
  flow::EgressRule rule;
  rule.from = {net("10.0.1.0/24")};
  rule.pool.v4 = {ip("192.0.2.10")};
  world.next.egresses.push_back(rule);
  world.routes.push_back({net("0.0.0.0/0"), flow::RouteKind::kGateway, {{0, ip("198.51.100.254")}}, {}});
  world.publish();
  world.resolve(0, "198.51.100.254");
  for (int host = 0; host < 8; ++host) world.resolve(1, ("10.0.1.1" + std::to_string(host)).c_str());
  for (unsigned i = 0; i < 2; ++i) world.worker(i).start();
  for (uint16_t i = 0; i < kFlows; ++i) {
    const std::string host = "10.0.1.1" + std::to_string(i % 8);
    const auto frame = udp(to_gateway(1), host.c_str(), static_cast<uint16_t>(2000 + i), "203.0.113.9", 53);
    world.inject({{1, frame}}, 2);
    if (i % 300 == 299) world.publish_only();
    while (world.on_the_way() > 100) world.worker(2).run_round();
  }
  const auto handled = [&] {
    return world.state(0).counters->transmitted.read() + world.state(1).counters->transmitted.read() +
           world.state(2).counters->transmitted.read() + world.all_drops();
  };
  while (handled() < kFlows) {
    world.worker(2).run_round();
    std::this_thread::yield();
  }
  for (unsigned i = 0; i < 2; ++i) world.worker(i).stop();
  EXPECT_EQ(world.all_drops(), 0u);
  const auto out = world.take();
  ASSERT_EQ(out.size(), kFlows);
  for (int host = 0; host < 8; ++host)  // a worker that stops forgets
    world.resolve(1, ("10.0.1.1" + std::to_string(host)).c_str());
  // The answers, to any worker.
  unsigned returned = 0;
  for (const Out& each : out) {
    EXPECT_EQ(each.src, ip("192.0.2.10"));
    world.arrive(0, udp(to_gateway(0), "203.0.113.9", 53, "192.0.2.10", each.headers.src_port), returned % kWorkers);
    for (const Out& back : world.take())
      if (back.port == 1 && back.headers.src_port == 53) ++returned;
  }
  EXPECT_EQ(returned, kFlows);
  world.expect_balance();
}

}  // namespace
}  // namespace penstock::engine::test
