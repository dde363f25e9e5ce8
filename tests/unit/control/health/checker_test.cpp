#include "control/health/checker.h"

#include <gtest/gtest.h>

#include <random>

#include "control/health/packet.h"
#include "wire/build.h"
#include "wire/headers.h"

namespace penstock::health {
namespace {

using base::IpAddress;
using model::HealthCheckKind;

constexpr base::Nanos kMilli = 1'000'000;

IpAddress ip(const char* text) { return IpAddress::parse(text).value(); }

// What the endpoint got and how it answers.
struct Heard {
  Flow flow;  // seen from the gateway
  Segment segment;
};

class HealthTest : public ::testing::Test {
 protected:
  HealthTest()
      : checker_(1, [](const IpAddress& to) -> std::optional<IpAddress> {
          if (to == ip("203.0.113.1")) return std::nullopt;
          return to.is_v4() ? ip("10.0.1.1") : ip("2001:db8:1::1");
        }) {}

  Target target(HealthCheckKind kind, const char* address = "10.0.1.11", uint16_t port = 80) {
    Target out;
    out.key = {{"default", "web"}, ip(address), port};
    out.check.kind = kind;
    return out;
  }

  void step(base::Nanos by) {
    const auto end = now_ + by;
    while (checker_.deadline() && *checker_.deadline() <= end) {
      now_ = std::max(now_, *checker_.deadline());
      checker_.on_deadline(now_);
      if (server_) serve();
    }
    now_ = end;
  }
  // What was sent, read as the endpoint reads it.
  std::vector<Heard> sent() {
    std::vector<Heard> out;
    while (auto packet = checker_.next_packet()) out.push_back(hear(packet->frame));
    return out;
  }
  static Heard hear(const std::vector<uint8_t>& frame) {
    wire::Headers h;
    EXPECT_EQ(wire::parse(frame, static_cast<uint32_t>(frame.size()), wire::Ipv4Checksum::kVerify, h),
              wire::ParseError::kNone);
    Heard heard;
    const uint8_t* at = frame.data() + h.l2_length;
    heard.flow.local = h.family == 4 ? IpAddress::v4_from(at + 12) : IpAddress::v6_from(at + 8);
    heard.flow.remote = h.family == 4 ? IpAddress::v4_from(at + 16) : IpAddress::v6_from(at + 24);
    heard.flow.local_port = h.src_port;
    heard.flow.remote_port = h.dst_port;
    heard.flow.protocol = h.protocol;
    const uint8_t* l4 = frame.data() + h.l4_offset;
    if (h.protocol == 6) {
      heard.segment.tcp_flags = h.tcp_flags;
      heard.segment.seq = base::load_be32(l4 + 4);
      heard.segment.ack = base::load_be32(l4 + 8);
    }
    if (h.protocol == 1 || h.protocol == 58) heard.segment.echo_sequence = base::load_be16(l4 + 6);
    heard.segment.payload.assign(reinterpret_cast<const char*>(frame.data()) + h.payload_offset,
                                 h.end - h.payload_offset);
    return heard;
  }
  // A packet from the endpoint of `flow`.
  bool answer(const Flow& flow, const Segment& segment) {
    if (flow.protocol == 1 || flow.protocol == 58) {
      uint8_t buffer[512];
      const size_t length = wire::build_echo(buffer, {.link = wire::Link{},
                                                      .ip = {.src = flow.remote, .dst = flow.local},
                                                      .reply = true,
                                                      .id = flow.local_port,
                                                      .sequence = segment.echo_sequence});
      return checker_.on_packet({buffer, length}, now_);
    }
    const Flow mirrored{flow.remote, flow.local, flow.remote_port, flow.local_port, flow.protocol};
    return checker_.on_packet(encode(mirrored, segment), now_);
  }
  Heard only(std::vector<Heard> heard) {
    EXPECT_EQ(heard.size(), 1u);
    return heard.empty() ? Heard{} : heard[0];
  }
  Heard start(const Target& t) {
    EXPECT_TRUE(checker_.set(t, now_));
    step(10 * kMilli);
    return only(sent());
  }
  void refuse(const Heard& syn) { answer(syn.flow, {wire::kTcpRst | wire::kTcpAck, 0, syn.segment.seq + 1}); }
  void accept(const Heard& syn, uint32_t seq = 500) {
    answer(syn.flow, {wire::kTcpSyn | wire::kTcpAck, seq, syn.segment.seq + 1});
  }
  // A server that accepts (up) or refuses every connection.
  void serve() {
    while (auto packet = checker_.next_packet()) {
      const auto heard = hear(packet->frame);
      if (!(heard.segment.tcp_flags & wire::kTcpSyn)) continue;
      if (*server_)
        accept(heard);
      else
        refuse(heard);
    }
  }
  std::vector<Change> changes() {
    std::vector<Change> out;
    while (auto change = checker_.next_change()) out.push_back(*change);
    return out;
  }
  Status status() { return checker_.statuses().at(0); }

  Checker checker_;
  base::Nanos now_ = 1'000'000'000;
  std::optional<bool> server_;
};

TEST_F(HealthTest, TcpConnects) {
  const auto syn = start(target(HealthCheckKind::kTcp));
  EXPECT_EQ(syn.segment.tcp_flags, wire::kTcpSyn);
  EXPECT_EQ(syn.flow.local, ip("10.0.1.1"));
  EXPECT_EQ(syn.flow.remote_port, 80);
  EXPECT_GE(syn.flow.local_port, kFirstLocalPort);
  EXPECT_EQ(checker_.health(target(HealthCheckKind::kTcp).key), Health::kUnknown);
  now_ += 3 * kMilli;
  accept(syn);
  const auto reset = only(sent());
  EXPECT_EQ(reset.segment.tcp_flags, wire::kTcpRst | wire::kTcpAck);
  EXPECT_EQ(reset.segment.seq, syn.segment.seq + 1);
  EXPECT_EQ(reset.segment.ack, 501u);
  const auto out = changes();
  ASSERT_EQ(out.size(), 1u);
  EXPECT_EQ(out[0].health, Health::kUp);
  EXPECT_EQ(status().succeeded, 1u);
}

TEST_F(HealthTest, FirstRefusalIsDown) {
  refuse(start(target(HealthCheckKind::kTcp)));
  EXPECT_EQ(checker_.health(target(HealthCheckKind::kTcp).key), Health::kDown);
  EXPECT_EQ(status().last_failure, "connection refused");
  EXPECT_EQ(checker_.down(), 1u);
}

TEST_F(HealthTest, ForgedAnswersAreIgnored) {
  const auto syn = start(target(HealthCheckKind::kTcp));
  answer(syn.flow, {wire::kTcpRst | wire::kTcpAck, 0, syn.segment.seq + 77});
  answer(syn.flow, {wire::kTcpSyn | wire::kTcpAck, 0, syn.segment.seq});
  answer(syn.flow, {wire::kTcpSyn, 0, 0});
  EXPECT_EQ(checker_.health(target(HealthCheckKind::kTcp).key), Health::kUnknown);
  Flow other = syn.flow;
  other.local_port = static_cast<uint16_t>(other.local_port + 1);
  EXPECT_FALSE(answer(other, {wire::kTcpSyn | wire::kTcpAck, 0, syn.segment.seq + 1}));
}

TEST_F(HealthTest, SynIsSentAgainAndThenItIsATimeout) {
  start(target(HealthCheckKind::kTcp));
  step(990 * kMilli);
  const auto again = sent();
  ASSERT_EQ(again.size(), 2u);
  EXPECT_EQ(again[0].segment.tcp_flags, wire::kTcpSyn);
  step(20 * kMilli);
  EXPECT_EQ(status().last_failure, "timeout");
  EXPECT_EQ(checker_.health(target(HealthCheckKind::kTcp).key), Health::kDown);
}

TEST_F(HealthTest, RiseAndFall) {
  auto t = target(HealthCheckKind::kTcp);
  t.check.interval_milliseconds = 1000;
  t.check.rise = 2;
  t.check.fall = 3;
  server_ = true;
  checker_.set(t, now_);
  step(5000 * kMilli);
  EXPECT_EQ(checker_.health(t.key), Health::kUp);
  changes();
  server_ = false;
  const auto failed_before = status().failed;
  while (checker_.health(t.key) == Health::kUp) step(100 * kMilli);
  EXPECT_EQ(status().failed - failed_before, 3u);
  server_ = true;
  const auto succeeded_before = status().succeeded;
  while (checker_.health(t.key) == Health::kDown) step(100 * kMilli);
  EXPECT_EQ(status().succeeded - succeeded_before, 2u);
  const auto out = changes();
  ASSERT_EQ(out.size(), 2u);
  EXPECT_EQ(out[0].health, Health::kDown);
  EXPECT_EQ(out[1].health, Health::kUp);
  EXPECT_EQ(checker_.down(), 0u);
}

TEST_F(HealthTest, IntervalHasJitterButKeepsItsMean) {
  auto t = target(HealthCheckKind::kTcp);
  t.check.interval_milliseconds = 100;
  server_ = true;
  checker_.set(t, now_);
  step(100'000 * kMilli);
  EXPECT_NEAR(static_cast<double>(status().succeeded), 1000, 30);
}

TEST_F(HealthTest, HttpReadsTheStatusLine) {
  auto t = target(HealthCheckKind::kHttp);
  t.check.path = "/ready";
  t.check.host = "web.example";
  const auto syn = start(t);
  accept(syn);
  const auto get = only(sent());
  EXPECT_EQ(get.segment.tcp_flags, wire::kTcpAck | wire::kTcpPsh);
  EXPECT_EQ(get.segment.payload,
            "GET /ready HTTP/1.1\r\nHost: web.example\r\nUser-Agent: penstock-health\r\nConnection: close\r\n\r\n");
  const auto acked = static_cast<uint32_t>(get.segment.seq + get.segment.payload.size());
  answer(get.flow, {wire::kTcpAck, 501, acked, 0, "HTTP/1.1 2"});
  EXPECT_EQ(only(sent()).segment.ack, 511u);
  answer(get.flow, {wire::kTcpAck, 509, acked, 0, " 204 No Content\r\nServer: x\r\n"});  // overlaps what came before
  EXPECT_EQ(only(sent()).segment.tcp_flags, wire::kTcpRst | wire::kTcpAck);
  EXPECT_EQ(checker_.health(t.key), Health::kUp);
}

TEST_F(HealthTest, HttpStatusOutOfRange) {
  auto t = target(HealthCheckKind::kHttp, "2001:db8:1::11", 8080);
  const auto syn = start(t);
  accept(syn);
  const auto get = only(sent());
  EXPECT_NE(get.segment.payload.find("Host: [2001:db8:1::11]:8080\r\n"), std::string::npos);
  const auto acked = static_cast<uint32_t>(get.segment.seq + get.segment.payload.size());
  answer(get.flow, {wire::kTcpAck, 520, acked, 0, "later"});  // out of order: asked for again
  EXPECT_EQ(only(sent()).segment.ack, 501u);
  answer(get.flow, {wire::kTcpAck, 501, acked, 0, "HTTP/1.0 503\r\n"});
  sent();
  EXPECT_EQ(status().last_failure, "HTTP status 503");
}

TEST_F(HealthTest, HttpSegmentedByteByByteUpsAndGetIsSentAgain) {
  auto t = target(HealthCheckKind::kHttp);
  const auto syn = start(t);
  accept(syn);
  const auto get = only(sent());
  step(700 * kMilli);
  const auto again = sent();
  ASSERT_GE(again.size(), 1u);
  EXPECT_EQ(again[0].segment.payload, get.segment.payload);
  const auto acked = static_cast<uint32_t>(get.segment.seq + get.segment.payload.size());
  uint32_t seq = 501;
  for (const char c : std::string("HTTP/1.1 200 OK\r\n"))
    answer(get.flow, {wire::kTcpAck, seq++, acked, 0, std::string(1, c)});
  sent();
  EXPECT_EQ(checker_.health(t.key), Health::kUp);
}

TEST_F(HealthTest, HttpWithoutAnAnswer) {
  struct Case {
    Segment segment;
    const char* failure;
  };
  const auto flags = static_cast<uint8_t>(wire::kTcpFin | wire::kTcpAck);
  for (const auto& [segment, failure] :
       {Case{{flags, 501, 0}, "connection closed before an HTTP status line"},
        Case{{wire::kTcpRst, 501, 0}, "connection reset before an HTTP status line"},
        Case{{wire::kTcpAck, 501, 0, 0, std::string(1100, 'x')}, "no HTTP status line in the first bytes"},
        Case{{wire::kTcpAck, 501, 0, 0, "SSH-2.0-OpenSSH\r\n"}, "the answer is not HTTP/1"}}) {
    auto t = target(HealthCheckKind::kHttp);
    const auto syn = start(t);
    accept(syn);
    const auto get = only(sent());
    Segment reply = segment;
    reply.ack = static_cast<uint32_t>(get.segment.seq + get.segment.payload.size());
    answer(get.flow, reply);
    sent();
    EXPECT_EQ(status().last_failure, failure);
    checker_.remove(t.key);
    changes();
  }
}

TEST_F(HealthTest, UdpRequestAndResponse) {
  auto t = target(HealthCheckKind::kUdp, "10.0.1.11", 53);
  t.check.send = "ping";
  t.check.expect = "po";
  t.check.interval_milliseconds = 100;
  t.check.timeout_milliseconds = 50;
  const auto ping = start(t);
  EXPECT_EQ(ping.segment.payload, "ping");
  answer(ping.flow, {.payload = "pong"});
  EXPECT_EQ(checker_.health(t.key), Health::kUp);
  step(110 * kMilli);
  const auto second = only(sent());
  answer(second.flow, {.payload = "no"});
  EXPECT_EQ(status().last_failure, "the UDP answer does not begin with the expected bytes");
}

TEST_F(HealthTest, UnreachableIsAFailureAtOnce) {
  auto t = target(HealthCheckKind::kUdp, "10.0.1.11", 53);
  checker_.set(t, now_);
  step(10 * kMilli);
  auto packet = checker_.next_packet();
  ASSERT_TRUE(packet.has_value());
  uint8_t buffer[1500];
  size_t length = wire::build_icmp_error(buffer, {.link = wire::Link{},
                                                  .src = ip("10.0.1.11"),
                                                  .type = wire::kIcmpUnreachable,
                                                  .code = wire::kIcmpPortUnreachable,
                                                  .original = base::Bytes(packet->frame).subspan(14)});
  EXPECT_TRUE(checker_.on_packet({buffer, length}, now_));
  EXPECT_EQ(status().last_failure, "ICMP: port unreachable");
  EXPECT_EQ(checker_.health(t.key), Health::kDown);
}

TEST_F(HealthTest, UnreachableAboutAnotherSegmentIsIgnored) {
  auto t = target(HealthCheckKind::kTcp);
  checker_.set(t, now_);
  step(10 * kMilli);
  auto packet = checker_.next_packet();
  ASSERT_TRUE(packet.has_value());
  auto forged = packet->frame;
  base::store_be32(forged.data() + 34 + wire::kTcpSeqAt, base::load_be32(forged.data() + 34 + wire::kTcpSeqAt) + 5000);
  for (const auto& original : {forged, packet->frame}) {
    EXPECT_EQ(status().failed, 0u);
    uint8_t buffer[1500];
    const size_t length = wire::build_icmp_error(buffer, {.link = wire::Link{},
                                                          .src = ip("10.0.1.254"),
                                                          .type = wire::kIcmpUnreachable,
                                                          .code = wire::kIcmpHostUnreachable,
                                                          .original = base::Bytes(original).subspan(14)});
    checker_.on_packet({buffer, length}, now_);
  }
  EXPECT_EQ(status().last_failure, "ICMP: host unreachable");
}

TEST_F(HealthTest, EchoBothFamilies) {
  for (const char* address : {"10.0.1.11", "2001:db8:1::11"}) {
    auto t = target(HealthCheckKind::kIcmp, address);
    const auto echo = start(t);
    answer(echo.flow, {.echo_sequence = static_cast<uint16_t>(echo.segment.echo_sequence + 1)});
    EXPECT_EQ(checker_.health(t.key), Health::kUnknown);
    answer(echo.flow, {.echo_sequence = echo.segment.echo_sequence});
    EXPECT_EQ(checker_.health(t.key), Health::kUp);
    checker_.remove(t.key);
  }
}

TEST_F(HealthTest, WithoutAWayItFailsInWords) {
  checker_.set(target(HealthCheckKind::kTcp, "203.0.113.1"), now_);
  step(100 * kMilli);
  EXPECT_TRUE(sent().empty());
  EXPECT_EQ(status().last_failure, "no route, or no address of this family on the way");
  EXPECT_EQ(checker_.health(target(HealthCheckKind::kTcp, "203.0.113.1").key), Health::kDown);
}

TEST_F(HealthTest, ChangesOfTheCheckKeepWhatIsKnown) {
  auto t = target(HealthCheckKind::kTcp);
  accept(start(t));
  sent();
  t.check.port = 9000;
  const auto syn = start(t);
  EXPECT_EQ(syn.flow.remote_port, 9000);
  EXPECT_EQ(checker_.health(t.key), Health::kUp);
  checker_.remove(t.key);
  EXPECT_EQ(checker_.size(), 0u);
  EXPECT_FALSE(checker_.deadline().has_value());
  EXPECT_FALSE(answer(syn.flow, {wire::kTcpSyn | wire::kTcpAck, 0, syn.segment.seq + 1}));
}

TEST_F(HealthTest, TwoServicesMayCheckTheSameEndpoint) {
  auto a = target(HealthCheckKind::kTcp), b = a;
  b.key.service.name = "other";
  checker_.set(a, now_);
  checker_.set(b, now_);
  step(10 * kMilli);
  const auto syns = sent();
  ASSERT_EQ(syns.size(), 2u);
  EXPECT_NE(syns[0].flow.local_port, syns[1].flow.local_port);
  accept(syns[0]);
  refuse(syns[1]);
  EXPECT_EQ(checker_.health(a.key), Health::kUp);
  EXPECT_EQ(checker_.health(b.key), Health::kDown);
}

TEST_F(HealthTest, TenThousandEndpointsAreSpreadOverTheirInterval) {
  server_ = std::nullopt;
  for (uint32_t i = 0; i < 10000; ++i) {
    Target t = target(HealthCheckKind::kTcp);
    t.key.address = IpAddress::v4(0x0a010000u + i);
    checker_.set(t, now_);
  }
  size_t most = 0, all = 0;
  for (int i = 0; i < 2000; ++i) {  // 2 s in steps of 1 ms
    step(kMilli);
    size_t now = 0;
    while (auto packet = checker_.next_packet()) {
      const auto heard = hear(packet->frame);
      if (!(heard.segment.tcp_flags & wire::kTcpSyn)) continue;
      accept(heard);
      ++now;
    }
    most = std::max(most, now);
    all += now;
  }
  EXPECT_GE(all, 10000u);
  EXPECT_LE(most, 60u);
  EXPECT_EQ(checker_.down(), 0u);
}

TEST_F(HealthTest, MangledPacketsNeverHurt) {
  auto t = target(HealthCheckKind::kHttp);
  const auto syn = start(t);
  const Flow mirrored{syn.flow.remote, syn.flow.local, syn.flow.remote_port, syn.flow.local_port, 6};
  const auto good = encode(mirrored, {wire::kTcpSyn | wire::kTcpAck, 1, syn.segment.seq + 1, 0, "HTTP/1.1 200 OK\r\n"});
  std::mt19937 random(5);
  for (int i = 0; i < 50000; ++i) {
    auto frame = good;
    for (unsigned n = random() % 5; n > 0; --n)
      frame[14 + random() % (frame.size() - 14)] = static_cast<uint8_t>(random());
    if (random() % 4 == 0) frame.resize(random() % frame.size());
    checker_.on_packet(frame, now_);
    step(kMilli);
    while (checker_.next_packet()) {
    }
    while (checker_.next_change()) {
    }
  }
}

}  // namespace
}  // namespace penstock::health
