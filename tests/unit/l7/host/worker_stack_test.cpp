// Packets to connections and back, through a worker's whole pipeline: who gets what, and what leaves by which way.
#include "l7/host/worker_stack.h"

#include "unit/engine/world.h"
#include "unit/l7/proxy/rig.h"
#include "wire/checksum.h"
#include "wire/tcp_options.h"

namespace penstock::host {
namespace {

using engine::test::ip;
using engine::test::Out;
using engine::test::to_gateway;
using engine::test::World;

constexpr uint8_t kSyn = wire::kTcpSyn, kAck = wire::kTcpAck, kPush = wire::kTcpPsh;
constexpr const char *kClient = "198.51.100.2", *kHere = "198.51.100.1", *kServer = "10.0.1.11";

// Listens on 198.51.100.1:80; everything but /large, which is answered with 3000 bytes, goes to 10.0.1.11:8080.
struct Gateway {
  explicit Gateway(unsigned workers = 1) : world(workers) {
    for (unsigned i = 0; i < workers; ++i)
      world.worker(i).set_host(std::make_unique<WorkerStack>(Sizes{.connections = 1024}, world.state(i),
                                                             tcp::HashKey{1, i}, i, base::monotonic_now()));
    proxy::ConfigBuilder builder;
    builder.http().addresses = {ip(kHere)};
    config::Filters large;
    large.direct = std::make_shared<const config::DirectResponse>(
        config::DirectResponse{.status = 200, .content_type = "text/plain", .body = std::string(3000, 'x')});
    builder.route("/large", builder.action({.backends = {}, .filters = builder.filters(large)}));
    builder.route("/", builder.action(proxy::ConfigBuilder::to(builder.cluster(1))));
    builder.config().clusters[0].endpoints[0].address = ip(kServer);
    builder.config().listeners.resize(1);
    auto config = builder.build();
    for (unsigned i = 1; i < workers; ++i) {
      auto scratch = config->tables[0]->make_scratch();
      builder.config().scratches.emplace_back();
      builder.config().scratches.back().push_back(std::move(*scratch));
    }
    world.next.l7 = config;
    auto listeners = std::make_shared<flow::ListenerTable>();
    listeners->add(ip(kHere), 80);
    listeners->seal();
    world.next.listeners = listeners;
    world.publish();
    world.resolve(0, kClient);
    world.resolve(1, kServer);
    world.take();
  }
  ~Gateway() { world.expect_balance(); }

  // From the client, to the port, at the worker that owns the flow; what leaves because of it.
  std::vector<Out> say(uint8_t flags, uint32_t seq, uint32_t ack, std::string_view text = "", uint16_t port = 80) {
    std::vector<uint8_t> frame(2000);
    wire::TcpPacket p;
    p.link = to_gateway(0);
    p.ip = {.src = ip(kClient), .dst = ip(kHere)};
    p.src_port = client_port;
    p.dst_port = port;
    p.seq = seq;
    p.ack = ack;
    p.flags = flags;
    p.window = 65535;
    p.mss = flags & kSyn ? 1460 : 0;
    p.payload = {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
    frame.resize(wire::build_tcp(frame, p));
    world.arrive(0, frame);
    return world.take();
  }
  // 3000 bytes; what leaves because of it stays where it is.
  void ask_for_large(uint32_t next) {
    std::vector<uint8_t> frame(2000);
    constexpr std::string_view kRequest = "GET /large HTTP/1.1\r\nHost: x\r\n\r\n";
    wire::TcpPacket p;
    p.link = to_gateway(0);
    p.ip = {.src = ip(kClient), .dst = ip(kHere)};
    p.src_port = client_port;
    p.dst_port = 80;
    p.seq = 1001;
    p.ack = next;
    p.flags = kAck | kPush;
    p.window = 65535;
    p.payload = {reinterpret_cast<const uint8_t*>(kRequest.data()), kRequest.size()};
    frame.resize(wire::build_tcp(frame, p));
    world.arrive(0, frame);
  }
  // The client's connection; its next number is 1001.
  uint32_t connect() {
    const auto out = say(kSyn, 1000, 0);
    EXPECT_EQ(out.size(), 1u);
    return out.size() == 1 ? tcp_of(out[0]).seq + 1 : 0;
  }
  static tcp::Segment tcp_of(const Out& out) {
    tcp::Segment s;
    const auto& h = out.headers;
    EXPECT_TRUE(tcp::parse_segment({out.frame.data() + h.l4_offset, static_cast<size_t>(h.end - h.l4_offset)},
                                   tcp::Ecn::kNotEct, s));
    EXPECT_EQ(wire::verify_l4(out.frame, h), wire::ChecksumState::kGood);
    return s;
  }
  tcp::Stack& stack(unsigned worker = 0) { return static_cast<WorkerStack*>(world.state(worker).host)->stack(); }

  World world;
  uint16_t client_port = 4000;
};

TEST(WorkerStack, AListenerAnswersWithTheSegmentSizeOfTheWayBack) {
  Gateway g;
  const auto out = g.say(kSyn, 1000, 0);
  ASSERT_EQ(out.size(), 1u);
  const tcp::Segment s = Gateway::tcp_of(out[0]);
  EXPECT_EQ(s.flags & (kSyn | kAck), kSyn | kAck);
  EXPECT_EQ(s.ack, 1001u);
  EXPECT_EQ(s.options.mss, 1460);
  EXPECT_EQ(out[0].port, 0);
  EXPECT_EQ(g.world.state().counters->terminated.read(), 1u);
}

TEST(WorkerStack, WhatNobodyListensForIsRefusedByTheEngine) {
  Gateway g;
  const auto out = g.say(kSyn, 1000, 0, "", 81);
  ASSERT_EQ(out.size(), 1u);
  EXPECT_TRUE(Gateway::tcp_of(out[0]).has(wire::kTcpRst));
  EXPECT_EQ(g.world.state().counters->terminated.read(), 0u);
}

TEST(WorkerStack, AWrongChecksumIsDroppedByName) {
  Gateway g;
  auto frame = engine::test::tcp(to_gateway(0), kClient, 4000, kHere, 80, kSyn);
  frame.back() ^= 1;
  g.world.arrive(0, frame);
  EXPECT_TRUE(g.world.take().empty());
  EXPECT_EQ(g.world.drops(flow::DropReason::bad_l4_checksum), 1u);
}

TEST(WorkerStack, AccessRulesJudgeWhoConnects) {
  Gateway g;
  flow::FilterRule rule;
  rule.action = flow::FilterAction::kDeny;
  rule.matches = {{.src = engine::test::net("198.51.100.0/24"), .dst = engine::test::net("0.0.0.0/0"), .protocol = 6}};
  g.world.rules = {rule};
  g.world.publish();
  EXPECT_TRUE(g.say(kSyn, 1000, 0).empty());
  EXPECT_EQ(g.world.drops(flow::DropReason::filter_denied), 1u);
  EXPECT_EQ(g.stack().connections(), 0u);
}

TEST(WorkerStack, TheAnswerOfAnEndpointReachesTheWorkerThatAsked) {
  for (uint16_t port = 4000; port < 4016; ++port) {
    Gateway g(2);
    g.client_port = port;
    const uint32_t next = g.connect();
    const auto out = g.say(kAck | kPush, 1001, next, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    const auto asked = std::find_if(out.begin(), out.end(), [](const Out& each) { return each.port == 1; });
    ASSERT_NE(asked, out.end());
    EXPECT_EQ(asked->src, ip("10.0.1.1"));
    EXPECT_EQ(asked->dst, ip(kServer));
    EXPECT_EQ(asked->headers.dst_port, 8080);
    EXPECT_TRUE(Gateway::tcp_of(*asked).has(kSyn));
    const flow::FlowKey back{.src = ip(kServer),
                             .dst = ip("10.0.1.1"),
                             .src_port = 8080,
                             .dst_port = asked->headers.src_port,
                             .protocol = 6};
    const unsigned owner = flow::owner_of(flow::owner_hash(back), 2);
    EXPECT_EQ(g.stack(owner).connections(), 2u) << "both of the exchange";
    EXPECT_EQ(g.stack(1 - owner).connections(), 0u);
  }
}

TEST(WorkerStack, AnErrorOfIcmpShortensSegments) {
  Gateway g;
  const uint32_t next = g.connect();
  const auto out = g.say(kAck | kPush, 1001, next, "GET /large HTTP/1.1\r\nHost: x\r\n\r\n");
  const auto large = std::find_if(out.begin(), out.end(), [](const Out& each) { return each.frame.size() > 1400; });
  ASSERT_NE(large, out.end());
  std::vector<uint8_t> error(600);
  wire::IcmpErrorPacket packet;
  packet.link = to_gateway(0);
  packet.src = ip("198.51.100.77");
  packet.type = wire::kIcmpUnreachable;
  packet.code = wire::kIcmpFragmentationNeeded;
  packet.mtu = 600;
  packet.original = base::Bytes(large->frame).subspan(14);
  error.resize(wire::build_icmp_error(error, packet));
  g.world.arrive(0, error);
  const auto again = g.world.take();
  ASSERT_FALSE(again.empty());
  for (const Out& each : again) EXPECT_LE(each.frame.size(), 614u);
  EXPECT_EQ(Gateway::tcp_of(again[0]).seq, Gateway::tcp_of(*large).seq);
}

TEST(WorkerStack, AnErrorThatQuotesWhatIsNotInFlightChangesNothing) {
  Gateway g;
  const uint32_t next = g.connect();
  auto quoted = engine::test::tcp({}, kHere, 80, kClient, 4000, kAck, next + 100'000, 1001, 1000);
  std::vector<uint8_t> error(600);
  wire::IcmpErrorPacket packet;
  packet.link = to_gateway(0);
  packet.src = ip("198.51.100.77");
  packet.type = wire::kIcmpUnreachable;
  packet.code = wire::kIcmpFragmentationNeeded;
  packet.mtu = 600;
  packet.original = base::Bytes(quoted).subspan(14);
  error.resize(wire::build_icmp_error(error, packet));
  g.world.arrive(0, error);
  const auto out = g.say(kAck | kPush, 1001, next, "GET /large HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_TRUE(std::any_of(out.begin(), out.end(), [](const Out& each) { return each.frame.size() > 1400; }));
}

// RFC 1122 4.2.3.9: who asks an endpoint whose host or router refuses hears of it at once, and not when the time to
// connect is over. Codes that may pass by change nothing.
TEST(WorkerStack, AnErrorOfIcmpEndsAnOpening) {
  for (const auto& [code, ends] :
       {std::pair<uint8_t, bool>{0, false}, {1, false}, {2, true}, {3, true}, {9, true}, {13, true}}) {
    Gateway g;
    const uint32_t next = g.connect();
    const auto out = g.say(kAck | kPush, 1001, next, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    const auto asked = std::find_if(out.begin(), out.end(), [](const Out& each) { return each.port == 1; });
    ASSERT_NE(asked, out.end());
    std::vector<uint8_t> error(600);
    wire::IcmpErrorPacket packet;
    packet.link = to_gateway(1);
    packet.src = ip("10.0.1.254");
    packet.type = wire::kIcmpUnreachable;
    packet.code = code;
    packet.original = base::Bytes(asked->frame).subspan(14);
    error.resize(wire::build_icmp_error(error, packet));
    g.world.arrive(1, error);
    const auto after = g.world.take();
    const bool answered = std::any_of(after.begin(), after.end(), [](const Out& each) {
      constexpr std::string_view kSaid = "HTTP/1.1 503 ";
      return each.port == 0 &&
             std::search(each.frame.begin(), each.frame.end(), kSaid.begin(), kSaid.end()) != each.frame.end();
    });
    EXPECT_EQ(answered, ends) << unsigned{code};
    EXPECT_EQ(g.stack().shared().counted(ends ? tcp::Count::kUnreachableEnded : tcp::Count::kUnreachableNoted), 1u);
  }
}

// What a device is to cut leaves as one packet, with all that the device has to know (rte_mbuf.h).
TEST(WorkerStack, ADeviceThatCutsGetsTheWholeSegment) {
  Gateway g;
  const uint32_t next = g.connect();
  g.world.state().ports[0].checksums = g.world.state().ports[0].segments = true;
  g.world.publish();
  g.ask_for_large(next);
  std::string content;
  unsigned long_ones = 0;
  for (const auto& [port, m] : g.world.collect()) {
    ASSERT_TRUE(m->ol_flags & RTE_MBUF_F_TX_TCP_CKSUM);
    ASSERT_EQ(m->l2_len + m->l3_len + m->l4_len + 0u, 14u + 20u + 20u);
    std::string bytes(m->pkt_len, 0);
    const auto* read = rte_pktmbuf_read(m, 0, m->pkt_len, bytes.data());
    if (read != bytes.data()) std::memcpy(bytes.data(), read, m->pkt_len);
    content += bytes.substr(54);
    const auto* frame = reinterpret_cast<const uint8_t*>(bytes.data());
    const bool cut = m->ol_flags & RTE_MBUF_F_TX_TCP_SEG;
    const uint32_t length = m->pkt_len - 34;
    EXPECT_EQ(base::load_raw<uint16_t>(frame + 34 + wire::kTcpChecksumAt),
              wire::fold(wire::sum_pseudo_header(ip(kHere), ip(kClient), wire::kProtocolTcp, cut ? 0 : length)));
    if (cut) {
      ++long_ones;
      EXPECT_EQ(m->tso_segsz, 1460);
      EXPECT_TRUE(m->ol_flags & RTE_MBUF_F_TX_IP_CKSUM);
      EXPECT_EQ(base::load_be16(frame + 14 + wire::kIpv4TotalLengthAt), m->pkt_len - 14);
    }
    rte_pktmbuf_free(m);
  }
  EXPECT_EQ(long_ones, 1u);
  EXPECT_EQ(g.world.state().counters->interfaces[0].tx.packets.read(), 1u + 3u) << "the SYN, and what the device makes";
  EXPECT_TRUE(content.ends_with(std::string(3000, 'x')));
}

TEST(WorkerStack, WhatOnePortWouldFinishDoesNotLeaveByAnother) {
  Gateway g;
  const auto frame = engine::test::tcp({}, kHere, 80, kClient, 4000, kAck);
  rte_mbuf* m = rte_pktmbuf_alloc(engine::test::test_pool());
  std::memcpy(rte_pktmbuf_append(m, static_cast<uint16_t>(frame.size())), frame.data(), frame.size());
  engine::carry_of(m) = engine::Carry{};
  m->ol_flags |= RTE_MBUF_F_TX_TCP_CKSUM | RTE_MBUF_F_TX_IPV4;
  g.world.state().counters->generated.add(1);
  engine::add_own(g.world.state(), m);
  EXPECT_EQ(g.say(kSyn, 1000, 0).size(), 1u);
  EXPECT_EQ(g.world.drops(flow::DropReason::offload_refused), 1u);
}

TEST(WorkerStack, PacingIsSwitchedWhileConnectionsAreOpen) {
  Gateway g;
  g.connect();
  EXPECT_TRUE(g.stack().shared().tuning.pacing);
  g.world.next.settings.tcp_pacing = false;
  g.world.publish();
  EXPECT_FALSE(g.stack().shared().tuning.pacing);
}

TEST(WorkerStack, AListenerThatWentAcceptsNoMoreAndItsConnectionsEndInPeace) {
  Gateway g;
  const uint32_t next = g.connect();
  const auto before = g.say(kAck | kPush, 1001, next, "GET /large HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_GE(before.size(), 3u);
  g.world.next.l7 = nullptr;
  g.world.next.listeners = std::make_shared<flow::ListenerTable>();
  g.world.publish();
  bool finished = false;
  for (const Out& each : g.world.take()) finished |= Gateway::tcp_of(each).has(wire::kTcpFin);
  EXPECT_TRUE(finished);
  g.client_port = 4001;
  const auto out = g.say(kSyn, 1000, 0);
  ASSERT_EQ(out.size(), 1u);
  EXPECT_TRUE(Gateway::tcp_of(out[0]).has(wire::kTcpRst));
}

}  // namespace
}  // namespace penstock::host
