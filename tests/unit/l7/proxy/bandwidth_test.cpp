// Content under limits of bandwidth and throttled answers: how long it takes, that all of it arrives, who shares.
#include "unit/l7/proxy/limited_config.h"

namespace penstock::proxy {
namespace {

using Measure = config::RequestLimit::Measure;

config::RequestLimit bandwidth(Measure measure, double bits, double burst = 65536) {
  config::RequestLimit limit;
  limit.name = "shop/bw";
  limit.slot = 5;
  limit.measure = measure;
  limit.per_second = bits;
  limit.burst = burst;
  return limit;
}

// The time until the connection has brought so many bytes of content, a backend or client that sends at once.
base::Nanos time_for(Rig& rig, uint32_t id, size_t bytes, std::string& got) {
  const base::Nanos began = rig.now;
  while (body_of(got).size() < bytes && rig.now - began < 600 * base::kNanosPerSecond) {
    rig.pass(5 * kMs);
    got += rig.take(id);
  }
  return rig.now - began;
}

TEST(Bandwidth, OfAnswers) {
  Rig rig(limited({bandwidth(Measure::kResponseContent, 800'000)}));  // 100 kB/s, 8 kB of them at once
  const uint32_t client = rig.client();
  rig.send(client, get("/"));
  rig.take(rig.backend());
  const std::string body(60'000, 'x');
  rig.send(rig.backend(), answer(200, body));
  std::string got = rig.take(client);
  EXPECT_EQ(status_of(got), 200);
  EXPECT_LE(body_of(got).size(), 8192u);
  const base::Nanos took = time_for(rig, client, body.size(), got);
  EXPECT_EQ(body_of(got), body);
  EXPECT_NEAR(static_cast<double>(took), 0.518e9, 0.03e9);
  EXPECT_EQ(rig.proxy.limiter().counters(5).passed.bytes.read(), body.size());
  EXPECT_GT(rig.proxy.limiter().counters(5).exceeded.packets.read(), 0u);
  EXPECT_EQ(rig.record().bytes_sent, body.size());
  rig.expect_no_leak();
}

TEST(Bandwidth, OfRequests) {
  Rig rig(limited({bandwidth(Measure::kRequestContent, 800'000)}));
  const uint32_t client = rig.client();
  const std::string body(60'000, 'y');
  rig.send(client, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n" + body);
  const uint32_t backend = rig.backend();
  std::string got = rig.take(backend);
  const base::Nanos took = time_for(rig, backend, body.size(), got);
  EXPECT_EQ(body_of(got), body);
  EXPECT_NEAR(static_cast<double>(took), 0.518e9, 0.03e9);
  rig.send(backend, answer(200, "ok"));
  EXPECT_EQ(status_of(rig.take(client)), 200) << "answers are not slowed down";
  rig.expect_no_leak();
}

TEST(Bandwidth, IsShared) {
  Rig rig(limited({bandwidth(Measure::kResponseContent, 800'000)}));
  const uint32_t one = rig.client(), two = rig.client();
  const std::string body(30'000, 'x');
  std::string first, second;
  for (const uint32_t client : {one, two}) {
    rig.send(client, get("/"));
    rig.take(rig.backend());
    rig.send(rig.backend(), answer(200, body));
  }
  const base::Nanos began = rig.now;
  while (body_of(first).size() < body.size() || body_of(second).size() < body.size()) {
    ASSERT_LT(rig.now - began, 10 * base::kNanosPerSecond);
    rig.pass(5 * kMs);
    first += rig.take(one), second += rig.take(two);
  }
  EXPECT_NEAR(static_cast<double>(rig.now - began), 0.518e9, 0.05e9);
  rig.expect_no_leak();
}

// Chunks of every size, an end by closing, and an empty answer: the pause is nobody's end.
TEST(Bandwidth, EveryFraming) {
  Rig rig(limited({bandwidth(Measure::kResponseContent, 80'000, 8192)}));
  std::string chunked = "HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (int i = 0; i < 300; ++i) chunked += "9\r\nqqqqqqqqq\r\n";
  chunked += "0\r\nx-last: 1\r\n\r\n";
  const uint32_t client = rig.client();
  rig.send(client, get("/"));
  rig.take(rig.backend());
  rig.send(rig.backend(), chunked);
  std::string got;
  for (int i = 0; i < 2000 && !has(got, "0\r\n"); ++i) rig.pass(5 * kMs), got += rig.take(client);
  EXPECT_TRUE(has(got, "x-last: 1")) << got.substr(got.size() > 60 ? got.size() - 60 : 0);
  EXPECT_EQ(std::count(got.begin(), got.end(), 'q'), 2700);
  rig.send(client, get("/"));
  rig.take(rig.backend());
  rig.send(rig.backend(), "HTTP/1.1 200 X\r\n\r\n" + std::string(3000, 'z'));
  rig.finish(rig.backend());
  got.clear();
  for (int i = 0; i < 2000 && std::count(got.begin(), got.end(), 'z') < 3000; ++i)
    rig.pass(5 * kMs), got += rig.take(client);
  EXPECT_EQ(std::count(got.begin(), got.end(), 'z'), 3000);
  rig.pass(5 * kMs);
  rig.expect_no_leak();
}

TEST(Bandwidth, AChangeInTheMiddle) {
  auto slow = bandwidth(Measure::kResponseContent, 8'000, 8192);
  Rig rig(limited({slow}));
  const uint32_t client = rig.client();
  rig.send(client, get("/"));
  rig.take(rig.backend());
  rig.send(rig.backend(), answer(200, std::string(50'000, 'x')));
  rig.pass(kMs);
  std::string got = rig.take(client);
  EXPECT_LT(body_of(got).size(), 2000u);
  rig.adopt(plain_config());  // the limit is no more
  EXPECT_LT(time_for(rig, client, 50'000, got), base::kNanosPerSecond);
  EXPECT_EQ(body_of(got).size(), 50'000u);
}

// What an upgrade carries afterwards, or a TCP listener.
struct Tunnel {
  explicit Tunnel(Rig& rig, bool tcp = false) : client(rig.client(tcp ? 1 : 0)) {
    if (tcp) {
      backend = rig.backend();
      return;
    }
    rig.send(client, get("/", "Connection: upgrade\r\nUpgrade: x\r\n"));
    backend = rig.backend();
    rig.take(backend);
    rig.send(backend, "HTTP/1.1 101 Go\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n");
    EXPECT_EQ(status_of(rig.take(client)), 101);
  }
  uint32_t client, backend = 0;
};

// The time until so many bytes have come.
base::Nanos time_for_bytes(Rig& rig, uint32_t id, size_t bytes, std::string& got) {
  const base::Nanos began = rig.now;
  got += rig.take(id);
  while (got.size() < bytes && rig.now - began < 600 * base::kNanosPerSecond) {
    rig.pass(5 * kMs);
    got += rig.take(id);
  }
  return rig.now - began;
}

TEST(Bandwidth, OfTunnelsBothWays) {
  for (const bool tcp : {false, true}) {
    for (const bool up : {false, true}) {
      Rig rig(limited({bandwidth(up ? Measure::kRequestContent : Measure::kResponseContent, 800'000)}));
      const Tunnel ends(rig, tcp);
      const std::string bytes(60'000, 'z');
      const uint32_t from = up ? ends.client : ends.backend, to = up ? ends.backend : ends.client;
      rig.send(to, bytes);  // the other way nothing is slow
      std::string got;
      EXPECT_EQ(time_for_bytes(rig, from, bytes.size(), got), 0u);
      EXPECT_EQ(got, bytes);
      rig.send(from, bytes);
      rig.finish(from);  // an end does not overtake what waits
      got.clear();
      const base::Nanos took = time_for_bytes(rig, to, bytes.size(), got);
      EXPECT_EQ(got, bytes);
      EXPECT_NEAR(static_cast<double>(took), 0.518e9, 0.03e9) << tcp << up;
      EXPECT_TRUE(rig.net.at(to).finished || rig.over(to));
      EXPECT_EQ(rig.proxy.limiter().counters(5).passed.bytes.read(), bytes.size());
      EXPECT_GE(rig.proxy.limiter().counters(5).passed.packets.read(), 1u);
      rig.finish(to);
      rig.expect_no_leak();
      const AccessRecord record = rig.record();
      EXPECT_EQ(record.bytes_received, bytes.size());
      EXPECT_EQ(record.bytes_sent, bytes.size());
    }
  }
}

// Who must wait is not idle, who says nothing is.
TEST(Bandwidth, ATunnelThatWaitsIsNotIdle) {
  const auto slow = bandwidth(Measure::kResponseContent, 8000, 8192);
  auto config = std::const_pointer_cast<route::L7Config>(limited({slow}));
  config->listeners[0].timeouts.stream = 2 * base::kNanosPerSecond;
  Rig rig(config);
  const Tunnel ends(rig);
  rig.send(ends.backend, std::string(6000, 'z'));  // 5 s, in pauses of half a second and more
  std::string got;
  EXPECT_GT(time_for_bytes(rig, ends.client, 6000, got), 4 * base::kNanosPerSecond);
  EXPECT_EQ(got.size(), 6000u);
  rig.pass(3 * base::kNanosPerSecond);
  EXPECT_TRUE(rig.over(ends.client));
  EXPECT_EQ(rig.flags(), "SI");
}

TEST(Bandwidth, AResetEndsATunnelThatWaits) {
  Rig rig(limited({bandwidth(Measure::kResponseContent, 8000)}));
  const Tunnel ends(rig);
  rig.send(ends.backend, std::string(60'000, 'z'));
  rig.reset(ends.client);
  EXPECT_TRUE(rig.over(ends.backend));
  rig.expect_no_leak();
}

TEST(Fault, ThrottlesEachAnswerForItself) {
  config::Filters filters;
  filters.fault = config::Fault{.throttle_bits = 800'000, .throttle_per_million = 1'000'000};
  ConfigBuilder builder;
  builder.route("/", builder.action(ConfigBuilder::to(builder.cluster(1), builder.filters(filters))));
  Rig rig(builder.build());
  const uint32_t client = rig.client();
  rig.send(client, get("/"));
  rig.take(rig.backend());
  rig.send(rig.backend(), answer(200, std::string(50'000, 'x')));
  std::string got = rig.take(client);
  EXPECT_NEAR(static_cast<double>(time_for(rig, client, 50'000, got)), 0.45e9, 0.06e9);
  EXPECT_EQ(body_of(got).size(), 50'000u);
  rig.expect_no_leak();
}

TEST(Fault, ResetsTheClient) {
  for (const base::Nanos delay : {base::Nanos{0}, 50 * kMs}) {
    config::Filters filters;
    filters.fault = config::Fault{.headers = {{"x-fault", "yes"}},
                                  .delay = delay,
                                  .delay_per_million = delay != 0 ? 1'000'000u : 0,
                                  .reset_per_million = 1'000'000};
    ConfigBuilder builder;
    builder.route("/", builder.action(ConfigBuilder::to(builder.cluster(1), builder.filters(filters))));
    Rig rig(builder.build());
    const uint32_t client = rig.client();
    for (const char* fields : {"", "X-Fault: no\r\n"})
      EXPECT_EQ(status_of(rig.exchange(client, get("/", fields), answer(200, "ok"))), 200);
    rig.send(client, get("/", "X-Fault: yes\r\n"));
    if (delay != 0) {
      EXPECT_FALSE(rig.over(client));
      rig.pass(delay + 10 * kMs);
    }
    EXPECT_TRUE(rig.over(client));
    EXPECT_EQ(rig.take(client), "");
    const AccessRecord record = rig.record();
    EXPECT_EQ(Rig::letters(record.flags), delay != 0 ? "DI,FI" : "FI");
    EXPECT_EQ(record.status, 0);
    rig.expect_no_leak();
  }
}

}  // namespace
}  // namespace penstock::proxy
