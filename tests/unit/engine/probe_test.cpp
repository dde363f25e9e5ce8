// Probes between two gateways, through their tunnel: asked by one path, answered by the same, judged by the control
// thread.
#include "engine/probe.h"

#include "unit/engine/mesh_world.h"

namespace penstock::engine::test {
namespace {

using flow::DropReason;

void probe(Gateway& from, uint8_t path, uint32_t sequence, uint16_t size = 0) {
  flow::ProbeCommand command;
  command.size = size;
  command.peer = 0;
  command.path = path;
  command.sequence = sequence;
  from.world.command(0, command);
  for (int i = 0; i < 4; ++i) from.world.round();
}

// All that is on the way arrives at the other side; how many packets that were.
unsigned deliver(Gateway& from, Gateway& to) {
  const auto sent = from.world.take();
  for (const Out& each : sent) to.arrive(0, on_the_wire(each));
  return static_cast<unsigned>(sent.size());
}

std::vector<flow::Event> answers(Gateway& gateway) {
  std::vector<flow::Event> out;
  for (unsigned id = 0; id < gateway.world.state().workers; ++id) {
    auto& events = gateway.world.state(id).events;
    while (const flow::Event* event = events.front()) {
      if (event->kind == flow::EventKind::kProbeAnswer) out.push_back(*event);
      events.release();
    }
  }
  return out;
}

struct Case {
  unsigned workers, out_lanes, in_lanes;
  crypto::CryptoUse use = crypto::CryptoUse::kAny;
};
class Probes : public testing::TestWithParam<Case> {};

TEST_P(Probes, AreAnsweredByTheOtherSide) {
  const Case c = GetParam();
  Gateway a(0, c.workers, c.out_lanes, c.in_lanes, c.use), b(1, c.workers, c.in_lanes, c.out_lanes, c.use);
  for (uint32_t sequence = 7; sequence < 12; ++sequence) {
    probe(a, 0, sequence);
    const auto request = a.world.take();
    ASSERT_EQ(request.size(), 1u);
    EXPECT_EQ(request[0].headers.protocol, wire::kProtocolEsp);
    b.arrive(0, on_the_wire(request[0]));
    const auto answer = b.world.take();
    ASSERT_EQ(answer.size(), 1u);
    EXPECT_EQ(answer[0].headers.protocol, wire::kProtocolEsp);
    EXPECT_EQ(answer[0].dst, ip("198.51.100.1"));
    EXPECT_EQ(answer[0].frame.size(), request[0].frame.size());
    a.arrive(0, on_the_wire(answer[0]));
    EXPECT_TRUE(a.world.take().empty());
    const auto seen = answers(a);
    ASSERT_EQ(seen.size(), 1u);
    EXPECT_EQ(seen[0].peer, 0);
    EXPECT_EQ(seen[0].path, 0);
    EXPECT_EQ(seen[0].sequence, sequence);
    EXPECT_GT(seen[0].round_trip, 0u);
    EXPECT_LT(seen[0].round_trip, 60 * base::kNanosPerSecond);
  }
  EXPECT_TRUE(answers(b).empty());
  a.world.expect_balance();
  b.world.expect_balance();
}

INSTANTIATE_TEST_SUITE_P(Workers, Probes,
                         testing::Values(Case{1, 1, 1}, Case{2, 2, 2}, Case{3, 1, 1}, Case{3, 2, 3},
                                         Case{2, 1, 2, crypto::CryptoUse::kQueues}),
                         [](const auto& test) {
                           return std::to_string(test.param.workers) + "workers" +
                                  std::to_string(test.param.out_lanes) + "and" + std::to_string(test.param.in_lanes) +
                                  (test.param.use == crypto::CryptoUse::kQueues ? "queued" : "");
                         });

// A second way, over another link and the other family.
void second_path(Gateway& gateway, unsigned n) {
  const std::string own = "2001:db8:f::" + std::to_string(n + 1), other = "2001:db8:f::" + std::to_string(2 - n);
  gateway.world.routes.push_back({net("2001:db8:f::/64"), flow::RouteKind::kConnected, {{2, {}}}, {}});
  gateway.world.routes.push_back({net((own + "/128").c_str()), flow::RouteKind::kLocal, {{2, {}}}, {}});
  gateway.peer.paths.push_back({ip(own.c_str()), ip(other.c_str()), 0, 1500, 1500});
  gateway.publish();
  gateway.world.resolve(2, other.c_str());
}

void take_path(Gateway& gateway, size_t index) {
  const flow::PeerPath& path = gateway.peer.paths[index];
  gateway.peer.local = path.local;
  gateway.peer.remote = path.remote;
  gateway.peer.path_mtu = path.path_mtu;
  gateway.publish();
}

TEST(ProbePaths, EachGoesAndIsAnsweredByItsOwn) {
  Gateway a(0, 2, 2, 2), b(1, 2, 2, 2);
  second_path(a, 0);
  second_path(b, 1);
  probe(a, 1, 5);
  const auto request = a.world.take();
  ASSERT_EQ(request.size(), 1u);
  EXPECT_EQ(request[0].port, 2);
  EXPECT_EQ(request[0].src, ip("2001:db8:f::1"));
  EXPECT_EQ(request[0].dst, ip("2001:db8:f::2"));
  auto frame = request[0].frame;
  const auto to = to_gateway(2).dst;
  std::copy(to.bytes.begin(), to.bytes.end(), frame.begin());
  b.arrive(2, frame);
  const auto answer = b.world.take();
  ASSERT_EQ(answer.size(), 1u);
  EXPECT_EQ(answer[0].port, 2);
  EXPECT_EQ(answer[0].dst, ip("2001:db8:f::1"));
  // Data goes by the path in use, before and after a probe by another.
  a.arrive(1, udp(to_gateway(1), "10.1.0.5", 1000, "10.2.0.5", 53));
  const auto data = a.world.take();
  ASSERT_EQ(data.size(), 1u);
  EXPECT_EQ(data[0].dst, ip("198.51.100.2"));
}

TEST(ProbePaths, AnotherPathKeepsTheSequenceNumber) {
  Gateway a(0, 1, 1, 1), b(1, 1, 1, 1);
  second_path(a, 0);
  second_path(b, 1);
  uint32_t last = 0;
  for (const size_t path : {0, 1, 0, 1}) {
    take_path(a, path);
    a.arrive(1, udp(to_gateway(1), "10.1.0.5", 1000, "10.2.0.5", 53, 100));
    const auto sent = a.world.take();
    ASSERT_EQ(sent.size(), 1u);
    EXPECT_EQ(sent[0].dst, a.peer.paths[path].remote);
    EXPECT_EQ(sent[0].src, a.peer.paths[path].local);
    const uint32_t sequence = base::load_be32(sent[0].frame.data() + (path == 0 ? 34 : 54) + 4);
    EXPECT_EQ(sequence, last + 1);
    last = sequence;
    auto frame = sent[0].frame;
    const uint16_t port = path == 0 ? 0 : 2;
    const auto to = to_gateway(port).dst;
    std::copy(to.bytes.begin(), to.bytes.end(), frame.begin());
    b.arrive(port, frame);
    EXPECT_EQ(b.world.take().size(), 1u);  // no replay, no wrong tag
  }
}

// As long as the longest data packet of that size; the path is believed to carry less, and data stays within that.
TEST(ProbePaths, APaddedOneIsAsLongAsAskedAndItsAnswerIsShort) {
  for (const size_t workers : {1, 3}) {
    Gateway a(0, static_cast<unsigned>(workers), 1, 1), b(1, 1, 1, 1);
    second_path(a, 0);
    second_path(b, 1);
    for (flow::PeerPath& path : a.peer.paths) path.path_mtu = 1280;
    take_path(a, 0);
    for (const uint8_t path : {uint8_t{0}, uint8_t{1}}) {
      for (const uint16_t size : {uint16_t{1280}, uint16_t{1371}, uint16_t{1500}}) {
        probe(a, path, 100u + size, size);
        const auto request = a.world.take();
        ASSERT_EQ(request.size(), 1u) << size;
        EXPECT_LE(request[0].frame.size(), 14u + size);
        EXPECT_GT(request[0].frame.size(), 14u + size - 4);
        if (path == 0) {
          EXPECT_EQ(request[0].frame[14 + 6], 0x40) << "don't fragment";
        }
        auto frame = request[0].frame;
        const uint16_t port = path == 0 ? 0 : 2;
        const auto to = to_gateway(port).dst;
        std::copy(to.bytes.begin(), to.bytes.end(), frame.begin());
        b.arrive(port, frame);
        const auto answer = b.world.take();
        ASSERT_EQ(answer.size(), 1u);
        EXPECT_LT(answer[0].frame.size(), 200u);
        frame = answer[0].frame;
        const auto back = to_gateway(port).dst;
        std::copy(back.bytes.begin(), back.bytes.end(), frame.begin());
        a.arrive(port, frame);
        EXPECT_TRUE(a.world.take().empty());
        const auto seen = answers(a);
        ASSERT_EQ(seen.size(), 1u);
        EXPECT_EQ(seen[0].sequence, 100u + size);
      }
    }
    a.arrive(1, udp(to_gateway(1), "10.1.0.5", 1000, "10.2.0.5", 53, 1300, true));
    for (const Out& told : a.world.take()) EXPECT_EQ(told.headers.icmp_code, wire::kIcmpFragmentationNeeded);
    EXPECT_EQ(b.world.drops(DropReason::probe_malformed), 0u);
    a.world.expect_balance();
    b.world.expect_balance();
  }
}

TEST(ProbePaths, TheSmallerPathTellsSoInside) {
  Gateway a(0, 1, 1, 1);
  a.peer.path_mtu = 1000;
  a.publish();
  a.world.arrive(1, udp(to_gateway(1), "10.1.0.5", 1000, "10.2.0.5", 53, 1200, true));
  const auto told = a.world.take();
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].headers.icmp_code, wire::kIcmpFragmentationNeeded);
  EXPECT_EQ(base::load_be16(told[0].frame.data() + told[0].headers.l4_offset + 6),
            a.associations.overhead(0)->inner_mtu(1000, false));
  a.world.arrive(1, udp(to_gateway(1), "10.1.0.5", 1000, "10.2.0.5", 53, 1200, false));
  const auto pieces = a.world.take();
  ASSERT_EQ(pieces.size(), 2u);
  for (const Out& piece : pieces) EXPECT_LE(piece.frame.size(), 14u + 1000);
}

// Routes prefer another peer, which would not know the flow. A packet to that one has no association here.
TEST(MeshReturn, AnswersGoBackIntoTheTunnelThatTheFlowCameOutOf) {
  Gateway a(0, 1, 1, 1), b(1, 1, 1, 1);
  flow::Limit counts;  // something needs flows
  counts.per_second = 1e6;
  counts.burst = 1e6;
  counts.rate = flow::Rate::of(1e6, 1e6, base::cycles_per_second());
  counts.unit = flow::LimitUnit::kConnections;
  b.world.limits.by_slot.push_back(counts);
  flow::Peer other = b.peer;
  other.slot = 1;
  other.name = "default/preferred";
  b.more = {other};
  b.world.routes.push_back({net("10.1.0.0/16"), flow::RouteKind::kGateway, {{.peer = 1}}, {}});  // the last wins
  b.publish();
  const auto ask = [&](uint16_t port) {
    a.arrive(1, udp(to_gateway(1), "10.1.0.5", port, "10.2.0.5", 53));
    EXPECT_EQ(deliver(a, b), 1u);
    EXPECT_EQ(b.world.take().size(), 1u);
  };
  const auto answered = [&](uint16_t port) {
    b.arrive(1, udp(to_gateway(1), "10.2.0.5", 53, "10.1.0.5", port));
    return b.world.take().size();
  };
  ask(1000);
  EXPECT_EQ(answered(1000), 1u);
  EXPECT_EQ(answered(1001), 0u);  // a flow that begins here: by the routes
  EXPECT_EQ(b.world.drops(DropReason::no_association), 1u);
  b.publish();  // another generation
  EXPECT_EQ(answered(1000), 1u);
  b.peer.up = false;  // dead: by the routes
  b.publish();
  EXPECT_EQ(answered(1000), 0u);
  b.peer.up = true;
  b.publish();
  EXPECT_EQ(answered(1000), 1u);
  ask(1001);  // the flow that began here is not taken over
  EXPECT_EQ(answered(1001), 0u);
}

// What the other side can send when it is hostile: it has the keys.
struct Hostile {
  Gateway a{0, 1, 1, 1}, b{1, 1, 1, 1};
  // From `a`, through the tunnel, as it is.
  void send(const char* src, uint16_t src_port, const char* dst, uint16_t dst_port, size_t length,
            std::vector<uint8_t> tlv = {}) {
    std::vector<uint8_t> payload(length);
    std::copy(tlv.begin(), tlv.end(), payload.begin() + kStampLength);
    std::vector<uint8_t> frame(200 + length);
    frame.resize(wire::build_udp(frame, {.link = wire::Link{},
                                         .ip = {.src = ip(src), .dst = ip(dst)},
                                         .src_port = src_port,
                                         .dst_port = dst_port,
                                         .payload = payload}));
    rte_mbuf* m = rte_pktmbuf_alloc(test_pool());
    std::memcpy(rte_pktmbuf_append(m, static_cast<uint16_t>(frame.size())), frame.data(), frame.size());
    m->ol_flags = 0;
    carry_of(m) = Carry{};
    carry_of(m).to_peer = 0;
    add_own(a.world.state(), m);
    a.world.state().counters->generated.add(1);
    a.world.round();
    ASSERT_EQ(deliver(a, b), 1u);
  }
};

TEST(ProbeHostile, WhatIsNoProbeHasAName) {
  Hostile h;
  const char *a = "198.51.100.1", *b = "198.51.100.2";
  for (const size_t length : {0, 1, 43, 45, 1000}) h.send(a, 4000, b, kStampPort, length);
  EXPECT_EQ(h.b.world.drops(DropReason::probe_malformed), 5u);
  h.send(a, kStampPort, b, kStampPort, kStampLength);  // an answer to an answer
  h.send(a, kStampPort, b, 4000, kStampLength);        // an answer that nobody asked for
  EXPECT_EQ(h.b.world.drops(DropReason::probe_malformed), 7u);
  h.send(a, 4000, b, kStampPort, 100, {0x80, 1, 0, 51});  // 52 bytes of padding are there
  h.send(a, 4000, b, kStampPort, 100, {0x80, 1, 0, 53});
  h.send(a, 4000, b, kStampPort, 100, {0x80, 2, 0, 52});  // another TLV
  EXPECT_EQ(h.b.world.drops(DropReason::probe_malformed), 10u);
  h.send(a, 4000, b, kStampPort, 100, {0x80, 1, 0, 52});
  h.send(a, 4000, b, kStampPort, 48, {0, 1, 0, 0});
  EXPECT_EQ(h.b.world.take().size(), 2u);
  h.send("198.51.100.77", 4000, b, kStampPort, kStampLength);  // would be answered to somebody else
  EXPECT_EQ(h.b.world.drops(DropReason::probe_unknown_path), 1u);
  h.send("10.1.0.5", 4000, b, kStampPort, kStampLength);  // a workload's: an ordinary packet to the gateway
  h.send(a, 4000, "10.2.0.5", kStampPort, kStampLength);  // not to the end of the tunnel
  EXPECT_EQ(h.b.world.drops(DropReason::esp_selector_mismatch), 1u);
  h.b.world.take();
  EXPECT_TRUE(answers(h.b).empty());
  h.send(a, 4000, b, kStampPort, kStampLength);
  EXPECT_EQ(h.b.world.take().size(), 1u);
  h.b.world.expect_balance();
}

TEST(ProbeHostile, AFloodOfAnswersIsBounded) {
  Hostile h;
  for (int i = 0; i < 6000; ++i) h.send("198.51.100.1", kStampPort, "198.51.100.2", kProbePort, kStampLength);
  EXPECT_GT(h.b.world.drops(DropReason::probe_limited), 0u);  // the ring of events, or the rate
  h.b.world.expect_balance();
}

TEST(ProbeHostile, InClearItIsAnOrdinaryPacket) {
  Gateway b(1, 1, 1, 1);
  b.world.arrive(0, udp(to_gateway(0), "198.51.100.1", 4000, "198.51.100.2", kStampPort, kStampLength));
  b.world.arrive(0, udp(to_gateway(0), "198.51.100.1", kStampPort, "198.51.100.2", kProbePort, kStampLength));
  EXPECT_TRUE(answers(b).empty());
  for (const Out& each : b.world.take()) EXPECT_NE(each.headers.protocol, wire::kProtocolEsp);
}

TEST(ProbePaths, WhatHasGoneIsNotProbed) {
  Gateway a(0, 1, 1, 1);
  probe(a, 3, 1);
  EXPECT_TRUE(a.world.take().empty());
  a.associations.remove(0);
  a.associations.commit();
  probe(a, 0, 1);
  EXPECT_TRUE(a.world.take().empty());
  EXPECT_EQ(a.world.drops(DropReason::no_association), 1u);
  a.world.expect_balance();
}

}  // namespace
}  // namespace penstock::engine::test
