// Gateways one of which has a NIC that encrypts and decrypts on its own: what leaves in clear towards the NIC leaves
// nowhere else, what has no NIC takes the CPU, and nobody at the other end can tell.
#include <algorithm>
#include <thread>

#include "engine/capture_filter.h"
#include "engine/inline_crypto.h"
#include "unit/engine/mesh_world.h"

namespace penstock::engine::test {
namespace {

using flow::DropReason;

constexpr uint16_t kFabric = 0;

// A gateway whose fabric port, or another, does inline crypto.
struct WithNic : Gateway {
  explicit WithNic(unsigned n, unsigned workers = 1, unsigned lanes = 1,
                   const crypto::FakeInlineSettings& settings = {}, std::vector<uint16_t> way = {kFabric},
                   uint16_t tx_queues = 1)
      : Gateway(n, workers, lanes, lanes, crypto::CryptoUse::kAny, {}, false) {
    auto made = crypto::InlinePort::of_fake(kFabric, "nic", tx_queues, crypto::FakeInline::make(settings));
    EXPECT_TRUE(made.ok()) << made.error();
    nic = std::move(*made);
    for (unsigned id = 0; id < workers; ++id) {
      world.state(id).inline_ports = true;
      world.state(id).transmit.guard();
    }
    associations.set_ways({{0, std::move(way)}});
    associations.add_port(nic);
  }

  // What the wire sees of what the engine sent.
  std::vector<Out> take() {
    std::vector<Out> all;
    for (const auto& [port, m] : world.collect()) {
      if (port == kFabric) nic->fake()->transmit(m);
      Out out{.port = port};
      const auto* data = rte_pktmbuf_mtod(m, const uint8_t*);
      out.frame.assign(data, data + m->data_len);
      EXPECT_EQ(wire::parse(out.frame, m->pkt_len, wire::Ipv4Checksum::kVerify, out.headers), wire::ParseError::kNone);
      rte_pktmbuf_free(m);
      all.push_back(std::move(out));
    }
    return all;
  }

  void receive(const std::vector<uint8_t>& frame, uint64_t flags = 0) {
    rte_mbuf* m = rte_pktmbuf_alloc(test_pool());
    ASSERT_NE(m, nullptr);
    std::memcpy(rte_pktmbuf_append(m, static_cast<uint16_t>(frame.size())), frame.data(), frame.size());
    m->port = kFabric;
    m->ol_flags = flags;
    carry_of(m) = Carry{};
    nic->fake()->receive(m);
    world.worker().inject_burst(&m, 1);
    world.round();
  }

  AssociationFacts facts(crypto::Direction direction, unsigned worker = 0) const {
    for (AssociationFacts& each : associations.list())
      if (each.direction == direction && each.worker == worker) return each;
    return {};
  }

  std::shared_ptr<crypto::InlinePort> nic;
};

std::vector<uint8_t> there(uint16_t port = 1000) { return udp(to_gateway(1), "10.1.0.5", port, "10.2.0.5", 53, 200); }
std::vector<uint8_t> back(uint16_t port = 1000) { return udp(to_gateway(1), "10.2.0.5", 53, "10.1.0.5", port, 200); }

bool shows(const std::vector<uint8_t>& frame, const std::vector<uint8_t>& inner) {
  const auto payload = inner.begin() + 42;
  return std::search(frame.begin(), frame.end(), payload, inner.end()) != frame.end();
}

// From a, by its NIC, to b and out there; how many arrived.
size_t carried(WithNic& a, Gateway& b, const std::vector<uint8_t>& inner) {
  a.world.arrive(1, inner);
  for (const Out& sent : a.take()) {
    EXPECT_EQ(sent.headers.protocol, wire::kProtocolEsp);
    EXPECT_FALSE(shows(sent.frame, inner));
    b.arrive(0, on_the_wire(sent));
  }
  size_t whole = 0;
  for (const Out& out : b.world.take()) whole += shows(out.frame, inner);
  return whole;
}

TEST(EngineInline, BothDirections) {
  WithNic a(0);
  Gateway b(1, 1, 1, 1, crypto::CryptoUse::kAny, {}, false);
  for (uint16_t port = 1000; port < 1010; ++port) {
    EXPECT_EQ(carried(a, b, there(port)), 1u);
    b.world.arrive(1, back(port));
    for (const Out& sent : b.world.take()) a.receive(on_the_wire(sent));
    const auto received = a.take();
    ASSERT_EQ(received.size(), 1u);
    EXPECT_TRUE(shows(received[0].frame, back(port)));
  }
  EXPECT_EQ(a.nic->fake()->encrypted(), 10u);
  EXPECT_EQ(a.nic->fake()->decrypted(), 10u);
  for (const auto direction : {crypto::Direction::kOutbound, crypto::Direction::kInbound}) {
    const AssociationFacts facts = a.facts(direction);
    EXPECT_STREQ(facts.path, "inline");
    EXPECT_EQ(facts.device, "nic");
    EXPECT_EQ(facts.why_not_better, "");
    EXPECT_EQ(facts.packets, 10u);
  }
  EXPECT_EQ(b.associations.list()[0].why_not_better.find("inline: no port on its way offers it; "), 0u);
  EXPECT_EQ(a.world.all_drops() + b.world.all_drops(), 0u);
  a.world.expect_balance();
  b.world.expect_balance();
}

// What the engine hands to the port: in clear, with everything that a driver wants to know.
TEST(EngineInline, TheFrameSaysWhatTheDeviceHasToDo) {
  WithNic a(0);
  a.world.arrive(1, there());
  auto sent = a.world.collect();
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].port, kFabric);
  EXPECT_NE(sent[0].mbuf->ol_flags & RTE_MBUF_F_TX_SEC_OFFLOAD, 0u);
  EXPECT_NE(sent[0].mbuf->ol_flags & RTE_MBUF_F_TX_IPV4, 0u);
  EXPECT_EQ(sent[0].mbuf->l2_len, 14);
  EXPECT_EQ(sent[0].mbuf->l3_len, 20);
  rte_pktmbuf_free(sent[0].mbuf);
}

TEST(EngineInline, ATagMovesTheHeaders) {
  WithNic a(0);
  a.world.interface(0).vlan = 7;
  a.publish();
  a.world.arrive(1, there());
  const auto sent = a.take();
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].headers.l2_length, 18);
  EXPECT_EQ(sent[0].headers.protocol, wire::kProtocolEsp);
  EXPECT_FALSE(shows(sent[0].frame, there()));
  EXPECT_EQ(a.nic->fake()->encrypted(), 1u);
}

// It would wait in clear, and the key may go meanwhile.
TEST(EngineInline, WhatWaitsForANeighbourIsTheCpus) {
  WithNic a(0);
  Gateway b(1, 1, 1, 1, crypto::CryptoUse::kAny, {}, false);
  a.peer.remote = ip("198.51.100.77");
  a.publish();
  a.world.arrive(1, there());
  EXPECT_TRUE(a.take().empty());
  EXPECT_EQ(a.world.state().neighbours.held(), 1u);
  a.world.resolve(0, "198.51.100.77");
  const auto sent = a.take();
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_FALSE(shows(sent[0].frame, there()));
  EXPECT_EQ(a.nic->fake()->encrypted(), 0u);
  a.world.arrive(1, there());
  EXPECT_EQ(a.take().size(), 1u);
  EXPECT_EQ(a.nic->fake()->encrypted(), 1u) << "now it is known";
}

TEST(EngineInline, ByAnotherPortTheCpuEncrypts) {
  WithNic a(0);
  a.world.routes.push_back({net("198.51.100.2/32"), flow::RouteKind::kGateway, {{2, ip("10.0.2.9")}}, {}});
  a.publish();
  a.world.resolve(2, "10.0.2.9");
  a.world.arrive(1, there());
  const auto sent = a.take();
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].port, 2);
  EXPECT_EQ(sent[0].headers.protocol, wire::kProtocolEsp);
  EXPECT_FALSE(shows(sent[0].frame, there()));
  EXPECT_EQ(a.nic->fake()->encrypted(), 0u);
}

TEST(EngineInline, APortOnNobodysWayGetsNoKey) {
  WithNic a(0, 1, 1, {}, {1});
  EXPECT_EQ(a.nic->fake()->keys(), 0u);
  EXPECT_STREQ(a.facts(crypto::Direction::kOutbound).path, "cpu");
  a.associations.set_ways({{0, {1, kFabric}}});
  a.associations.commit();
  EXPECT_EQ(a.nic->fake()->keys(), 2u);
  EXPECT_STREQ(a.facts(crypto::Direction::kOutbound).path, "inline");
}

TEST(EngineInline, ANicThatRefusesIsLeftWithoutALoss) {
  WithNic a(0, 1, 1, {.fault = crypto::InlineFault::kMetadata, .after = 20});
  Gateway b(1, 1, 1, 1, crypto::CryptoUse::kAny, {}, false);
  size_t arrived = 0;
  for (uint16_t i = 0; i < 60; ++i) arrived += carried(a, b, there(static_cast<uint16_t>(1000 + i % 8)));
  EXPECT_EQ(arrived, 60u);
  EXPECT_EQ(a.nic->fake()->encrypted(), 20u);
  const AssociationFacts facts = a.facts(crypto::Direction::kOutbound);
  EXPECT_STREQ(facts.path, "cpu");
  EXPECT_EQ(facts.packets, 60u);
  EXPECT_EQ(a.associations.devices()[0].failure, "nic failed: refused a packet that it has the key for");
  // What it still decrypts is not lost, and then it is to forget the keys.
  const auto answer = [&] {
    b.world.arrive(1, back());
    for (const Out& sent : b.world.take()) a.receive(on_the_wire(sent));
    return a.take().size();
  };
  EXPECT_EQ(answer(), 1u);
  a.associations.tidy();
  EXPECT_EQ(answer(), 1u);
  EXPECT_EQ(a.nic->fake()->decrypted(), 2u);
  std::this_thread::sleep_for(std::chrono::nanoseconds(kDrain));
  a.associations.tidy();
  EXPECT_EQ(a.nic->fake()->keys(), 0u);
  EXPECT_EQ(answer(), 1u);
  EXPECT_EQ(a.nic->fake()->decrypted(), 2u);
  EXPECT_EQ(a.facts(crypto::Direction::kInbound).why_not_better.find("inline: nic failed: "), 0u);
  EXPECT_EQ(a.world.all_drops(), 0u);
  a.world.expect_balance();
}

TEST(EngineInline, WithoutRoomForAKeyTheCpuStandsIn) {
  WithNic a(0, 1, 1, {.keys = 1});
  Gateway b(1, 1, 1, 1, crypto::CryptoUse::kAny, {}, false);
  EXPECT_STREQ(a.facts(crypto::Direction::kOutbound).path, "inline");
  const AssociationFacts without = a.facts(crypto::Direction::kInbound);
  EXPECT_STREQ(without.path, "cpu");
  EXPECT_EQ(without.why_not_better.find("inline: nic has no room for another key, or refuses it; look-aside: "), 0u)
      << without.why_not_better;
  EXPECT_EQ(carried(a, b, there()), 1u);
  b.world.arrive(1, back());
  for (const Out& sent : b.world.take()) a.receive(on_the_wire(sent));
  EXPECT_EQ(a.take().size(), 1u);
  EXPECT_EQ(a.nic->fake()->decrypted(), 0u);
}

TEST(EngineInline, OtherWorkersGetTheirsFromTheSamePort) {
  WithNic a(0, 2, 2);
  Gateway b(1, 2, 2, 2, crypto::CryptoUse::kAny, {}, false);
  EXPECT_STREQ(a.facts(crypto::Direction::kOutbound, 0).path, "inline");
  EXPECT_EQ(
      a.facts(crypto::Direction::kOutbound, 1).why_not_better.find("inline: nic has no transmit queue for worker 1"),
      0u);
  EXPECT_STREQ(a.facts(crypto::Direction::kInbound, 1).path, "inline");
  size_t arrived = 0;
  for (uint16_t port = 1000; port < 1032; ++port) arrived += carried(a, b, there(port));
  EXPECT_EQ(arrived, 32u);
  EXPECT_GT(a.nic->fake()->encrypted(), 0u);
  EXPECT_LT(a.nic->fake()->encrypted(), 32u);
  for (uint16_t port = 1000; port < 1032; ++port) {
    b.world.arrive(1, back(port));
    for (const Out& sent : b.world.take()) a.receive(on_the_wire(sent));  // always worker 0
    EXPECT_EQ(a.take().size(), 1u) << port;
  }
  EXPECT_EQ(a.nic->fake()->decrypted(), 32u);
  EXPECT_GT(a.facts(crypto::Direction::kInbound, 1).packets, 0u);
  a.world.expect_balance();
}

TEST(EngineInline, ForgedPacketsAreNamed) {
  WithNic a(0);
  Gateway b(1, 1, 1, 1, crypto::CryptoUse::kAny, {}, false);
  b.world.arrive(1, back());
  for (const Out& sent : b.world.take()) {
    auto frame = on_the_wire(sent);
    frame[frame.size() - 30] ^= 1;
    a.receive(frame);
    EXPECT_EQ(a.world.drops(DropReason::esp_failed_authentication), 1u);
    a.receive(on_the_wire(sent));
    EXPECT_EQ(a.take().size(), 1u);
    a.receive(on_the_wire(sent));
    EXPECT_EQ(a.world.drops(DropReason::esp_replayed), 1u);
  }
  EXPECT_TRUE(a.take().empty());
  a.world.expect_balance();
}

// The NIC keeps its keys a moment longer than the last Peer lives: what it opens then must not go on, nor be quoted.
TEST(EngineInline, WhatANicOpensIsRefusedAlsoWhenNoPeerIsLeft) {
  WithNic a(0);
  Gateway b(1, 1, 1, 1, crypto::CryptoUse::kAny, {}, false);
  b.world.arrive(1, back());
  const auto sent = b.world.take();
  for (flow::RouteSpec& each : a.world.routes)
    if (each.prefix == net("10.2.0.0/16")) each.next_hops = {{0, ip("198.51.100.2")}};
  a.deleted = true;
  a.publish();
  for (const Out& each : sent) a.receive(on_the_wire(each));
  EXPECT_EQ(a.nic->fake()->decrypted(), 1u);
  EXPECT_EQ(a.world.drops(DropReason::esp_inline_unknown), 1u);
  EXPECT_TRUE(a.take().empty());
}

// A NIC's word counts only where it was given the key.
TEST(EngineInline, WhatWasOpenedWithoutAKeyOfOursIsDropped) {
  WithNic a(0, 1, 1, {}, {1});
  Gateway b(1, 1, 1, 1, crypto::CryptoUse::kAny, {}, false);
  b.world.arrive(1, back());
  for (const Out& sent : b.world.take()) a.receive(on_the_wire(sent), RTE_MBUF_F_RX_SEC_OFFLOAD);
  EXPECT_EQ(a.world.drops(DropReason::esp_inline_unknown), 1u);
  // Not ours, or no ESP at all: it would go on with its inside in clear.
  a.receive(udp(to_gateway(0), "198.51.100.2", 1, "10.1.0.5", 2, 50), RTE_MBUF_F_RX_SEC_OFFLOAD);
  EXPECT_EQ(a.world.drops(DropReason::esp_inline_unknown), 2u);
  EXPECT_TRUE(a.take().empty());
  a.world.expect_balance();
}

TEST(EngineInline, WhatWaitsForANicLeavesByNoOther) {
  WithNic a(0);
  a.world.arrive(1, there());
  for (const auto& [port, m] : a.world.collect()) {
    a.world.state().transmit.send(1, m);
    a.world.state().transmit.flush_all();
  }
  EXPECT_EQ(a.world.drops(DropReason::esp_inline_strayed), 1u);
  EXPECT_TRUE(a.world.collect().empty());
}

TEST(EngineInline, NewAssociationsTakeTheirKeysAndOldOnesGiveThemBack) {
  WithNic a(0);
  Gateway b(1, 1, 1, 1, crypto::CryptoUse::kAny, {}, false);
  for (uint32_t round = 1; round <= 5; ++round) {
    const auto next = [&](const Gateway& of, uint32_t spi) {
      std::vector<crypto::SaSpec> specs;
      specs.push_back(of.spec(spi));
      return specs;
    };
    const uint32_t spi = kSpi[1] + 0x100 * round;
    ASSERT_TRUE(b.associations.stage_inbound(0, round, next(b, spi)).ok());
    b.associations.commit();
    ASSERT_TRUE(a.associations.stage_outbound(0, next(a, spi)).ok());
    a.associations.commit();
    EXPECT_EQ(carried(a, b, there()), 1u);
    EXPECT_EQ(a.nic->fake()->encrypted(), round);
    std::this_thread::sleep_for(std::chrono::nanoseconds(kDrain));
    a.associations.tidy();
    EXPECT_EQ(a.nic->fake()->keys(), 2u);
  }
}

TEST(EngineInline, APortThatGoesTakesItsKeysAlong) {
  WithNic a(0);
  Gateway b(1, 1, 1, 1, crypto::CryptoUse::kAny, {}, false);
  EXPECT_EQ(carried(a, b, there()), 1u);
  a.associations.remove_port(kFabric);
  EXPECT_EQ(a.nic->fake()->keys(), 0u);
  EXPECT_STREQ(a.facts(crypto::Direction::kOutbound).path, "cpu");
  EXPECT_EQ(carried(a, b, there()), 1u);
  EXPECT_EQ(a.nic->fake()->encrypted(), 1u);
  a.associations.add_port(a.nic);
  EXPECT_EQ(carried(a, b, there()), 1u);
  EXPECT_EQ(a.nic->fake()->encrypted(), 2u);
}

// Probes by a path of their own are the CPU's, and the sequence numbers are one row.
TEST(EngineInline, ProbesGoByTheCpu) {
  WithNic a(0);
  flow::ProbeCommand probe;
  probe.peer = 0;
  probe.path = 0;
  a.world.command(0, probe);
  for (int i = 0; i < 4; ++i) a.world.round();
  EXPECT_EQ(a.take().size(), 1u);
  EXPECT_EQ(a.nic->fake()->encrypted(), 0u);
  EXPECT_EQ(a.facts(crypto::Direction::kOutbound).packets, 1u);
}

// As in every capture, what the fabric carries in cipher is not in it in clear.
TEST(EngineInline, CapturesShowNoMoreThanTheWire) {
  WithNic a(0);
  flow::CaptureCommand command;
  auto filter = compile_filter("esp");
  ASSERT_TRUE(filter.ok());
  command.filter = filter->get();
  command.points = static_cast<uint8_t>(flow::CapturePoint::kTx);
  command.snap_length = 2000;
  a.world.command(0, command);
  a.world.arrive(1, there());
  EXPECT_EQ(a.take().size(), 1u);
  CapturedFrame frame;
  ASSERT_TRUE(a.world.state().watch.captured(0).pop(frame));
  EXPECT_EQ(frame.copy->data_len, 14 + 20 + 16);
  rte_pktmbuf_free(frame.copy);
  flow::CaptureCommand end;
  a.world.command(0, end);
}

}  // namespace
}  // namespace penstock::engine::test
