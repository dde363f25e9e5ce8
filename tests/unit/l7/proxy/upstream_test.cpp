// Which endpoint serves, which connection carries, who waits, and what is tried again.
#include <map>

#include "unit/l7/proxy/rig.h"

namespace penstock::proxy {
namespace {

using Connect = FakeNet::Connect;

// Requests one after the other; how many each endpoint got.
std::map<uint32_t, int> spread(Rig& rig, int requests) {
  std::map<uint32_t, int> got;
  const uint32_t client = rig.client();
  for (int i = 0; i < requests; ++i) {
    rig.send(client, get("/"));
    for (const uint32_t id : rig.net.connects)
      if (!rig.take(id).empty()) {
        ++got[rig.net.at(id).endpoint.slot];
        rig.send(id, answer(200, ""));
      }
    rig.take(client);
  }
  return got;
}

TEST(Upstream, RoundRobinInTurnAndByWeight) {
  ConfigBuilder even;
  even.route("/", even.action(ConfigBuilder::to(even.cluster(3))));
  Rig rig(even.build());
  EXPECT_EQ(spread(rig, 30), (std::map<uint32_t, int>{{0, 10}, {1, 10}, {2, 10}}));
  EXPECT_EQ(rig.net.connects.size(), 3u);

  ConfigBuilder uneven;
  uneven.route("/", uneven.action(ConfigBuilder::to(uneven.cluster(3))));
  uneven.config().clusters[0].endpoints[1].weight = 4;
  Rig weighted(uneven.build());
  EXPECT_EQ(spread(weighted, 60), (std::map<uint32_t, int>{{0, 10}, {1, 40}, {2, 10}}));
}

TEST(Upstream, RandomFollowsWeightsAndLeavesOutTheIll) {
  ConfigBuilder builder;
  builder.route("/", builder.action(ConfigBuilder::to(builder.cluster(3, {}, config::Balancing::kRandom))));
  builder.config().clusters[0].endpoints[0].weight = 3;
  builder.config().clusters[0].endpoints[2].usable = false;
  Rig rig(builder.build());
  auto got = spread(rig, 2000);
  EXPECT_EQ(got.size(), 2u);
  EXPECT_NEAR(got[0], 1500, 80);
}

TEST(Upstream, LeastRequestPrefersTheIdle) {
  ConfigBuilder builder;
  builder.route("/", builder.action(ConfigBuilder::to(builder.cluster(2, {}, config::Balancing::kLeastRequest))));
  Rig rig(builder.build());
  std::map<uint32_t, int> got;
  for (int i = 0; i < 40; ++i) {
    rig.send(rig.client(), get("/"));  // none is answered
    ++got[rig.net.at(rig.backend()).endpoint.slot];
  }
  EXPECT_NEAR(got[0], 20, 5);
}

TEST(Upstream, BackendsByWeight) {
  ConfigBuilder builder;
  config::Action action;
  action.backends = {{builder.cluster(1), 9, config::kNoFilters}, {builder.cluster(1), 1, config::kNoFilters}};
  builder.route("/", builder.action(action));
  Rig rig(builder.build());
  auto got = spread(rig, 1000);
  EXPECT_NEAR(got[1], 100, 30);
  EXPECT_EQ(got[0] + got[1], 1000);
}

TEST(Upstream, LimitsOfConnectionsAndOfThoseWhoWait) {
  ConfigBuilder builder;
  builder.route("/", builder.action(ConfigBuilder::to(builder.cluster(1, {.connections = 1, .pending = 2}))));
  Rig rig(builder.build());
  std::vector<uint32_t> clients;
  for (int i = 0; i < 4; ++i) {
    clients.push_back(rig.client());
    rig.send(clients.back(), get("/" + std::to_string(i)));
  }
  EXPECT_EQ(status_of(rig.take(clients[3])), 503);
  EXPECT_EQ(rig.flags(), "UO");
  EXPECT_EQ(rig.proxy.counters().of(Count::pool_waits), 2u);
  const PoolCounters& pool = *rig.proxy.counters().pool(0);
  EXPECT_EQ(pool.counts[static_cast<size_t>(ClusterCount::waits)].read(), 2u);
  EXPECT_EQ(pool.counts[static_cast<size_t>(ClusterCount::overflows)].read(), 1u);
  const ClusterState& state = rig.proxy.clusters().cluster(0);
  EXPECT_EQ(state.requests.read(), 3u);
  EXPECT_EQ(state.waiting.read(), 2u);
  EXPECT_EQ(state.connections.read(), 1u);
  EXPECT_EQ(state.idle.read(), 0u);
  EXPECT_EQ(rig.net.connects.size(), 1u);
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(rig.take(rig.backend()).starts_with("GET /" + std::to_string(i)));
    rig.send(rig.backend(), answer(200, std::to_string(i)));
    EXPECT_EQ(body_of(rig.take(clients[static_cast<size_t>(i)])), std::to_string(i));
  }
  EXPECT_EQ(state.requests.read() + state.waiting.read(), 0u);
  EXPECT_EQ(state.connections.read(), 1u);
  EXPECT_EQ(state.idle.read(), 1u);
  // One that waits leaves; one whose connection breaks makes room.
  rig.send(clients[0], get("/a"));
  rig.send(clients[1], get("/b"));
  rig.send(clients[2], get("/c"));
  rig.reset(clients[1]);
  const uint32_t broken = rig.backend();
  rig.reset(broken);
  EXPECT_NE(rig.backend(), broken);  // a kept one: /a is sent again
  EXPECT_TRUE(rig.take(rig.backend()).starts_with("GET /a"));
  const uint32_t second = rig.backend();
  rig.reset(second);
  EXPECT_EQ(status_of(rig.take(clients[0])), 503);
  EXPECT_NE(rig.backend(), second);
  EXPECT_TRUE(rig.take(rig.backend()).starts_with("GET /c"));
  rig.send(rig.backend(), answer(200, "c"));
  EXPECT_EQ(body_of(rig.take(clients[2])), "c");
  rig.expect_no_leak();
}

TEST(Upstream, ALimitOfRequests) {
  ConfigBuilder builder;
  builder.route("/", builder.action(ConfigBuilder::to(builder.cluster(1, {.requests = 1}))));
  Rig rig(builder.build());
  const uint32_t one = rig.client(), other = rig.client();
  rig.send(one, get("/"));
  rig.send(other, get("/"));
  EXPECT_EQ(status_of(rig.take(other)), 503);
  EXPECT_EQ(rig.flags(), "UO");
  rig.send(rig.backend(), answer(200, "1"));
  EXPECT_EQ(body_of(rig.take(one)), "1");
  EXPECT_EQ(body_of(rig.exchange(other, get("/"), answer(200, "2"))), "2");
}

TEST(Upstream, AConnectionServesSoManyRequests) {
  ConfigBuilder builder;
  builder.route("/", builder.action(ConfigBuilder::to(builder.cluster(1, {.requests_per_connection = 2}))));
  builder.http().requests_per_connection = 4;
  Rig rig(builder.build());
  const uint32_t client = rig.client();
  for (int i = 0; i < 4; ++i) {
    rig.send(client, get("/"));
    EXPECT_EQ(has(rig.take(rig.backend()), "connection: close\r\n"), i % 2 == 1);
    rig.send(rig.backend(), answer(200, ""));
    EXPECT_EQ(has(rig.take(client), "connection: close\r\n"), i == 3);
  }
  EXPECT_EQ(rig.net.connects.size(), 2u);
  EXPECT_TRUE(rig.over(client));
}

TEST(Upstream, AnIdleConnectionOfAnotherEndpointMakesRoom) {
  ConfigBuilder builder;
  builder.route("/", builder.action(ConfigBuilder::to(builder.cluster(2, {.connections = 1}))));
  Rig rig(builder.build());
  const uint32_t client = rig.client();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(body_of(rig.exchange(client, get("/"), answer(200, "ok"))), "ok");
  EXPECT_EQ(rig.net.connects.size(), 3u);
  EXPECT_EQ(rig.proxy.upstreams(), 1u);
}

// RFC 9112 9.3.1: a kept connection may have been closed while the request was on its way.
TEST(Upstream, AStaleConnectionIsNoFailure) {
  Rig rig;
  const uint32_t client = rig.client();
  rig.exchange(client, get("/"), answer(200, ""));
  const uint32_t stale = rig.backend();
  rig.send(client, get("/again"));
  rig.finish(stale);
  EXPECT_NE(rig.backend(), stale);
  rig.send(rig.backend(), answer(200, "fresh"));
  EXPECT_EQ(body_of(rig.take(client)), "fresh");
  EXPECT_EQ(rig.proxy.counters().of(Count::stale_retries), 1u);
  // Nobody knows whether a POST was done.
  rig.send(client, "POST / HTTP/1.1\r\nHost: a\r\n\r\n");
  rig.finish(rig.backend());
  EXPECT_EQ(status_of(rig.take(client)), 503);
  EXPECT_EQ(rig.flags(), "UC");
}

class Retries : public testing::Test {
 protected:
  Rig& make(config::Retry retry, uint32_t endpoints = 2) {
    ConfigBuilder builder;
    config::Action action = ConfigBuilder::to(builder.cluster(endpoints));
    action.retry = std::move(retry);
    builder.route("/", builder.action(action));
    rig_ = std::make_unique<Rig>(builder.build());
    return *rig_;
  }
  std::unique_ptr<Rig> rig_;
};

TEST_F(Retries, ByStatusAtAnotherEndpointAfterABackoff) {
  Rig& rig = make({.attempts = 2, .backoff = 100 * kMs, .codes = {503, 429}});
  const uint32_t client = rig.client();
  rig.send(client, get("/"));
  const uint32_t first = rig.backend();
  rig.send(first, answer(503, "busy"));
  EXPECT_TRUE(rig.over(first));
  EXPECT_EQ(rig.take(client), "");
  rig.pass(99 * kMs);
  EXPECT_EQ(rig.backend(), first);
  rig.pass(52 * kMs);
  ASSERT_NE(rig.backend(), first);
  EXPECT_NE(rig.net.at(rig.backend()).endpoint.slot, rig.net.at(first).endpoint.slot);
  EXPECT_TRUE(rig.take(rig.backend()).starts_with("GET / "));
  rig.send(rig.backend(), answer(200, "saved"));
  EXPECT_EQ(body_of(rig.take(client)), "saved");
  const AccessRecord record = rig.record();
  EXPECT_EQ(record.tries, 2);
  EXPECT_EQ(rig.letters(record.flags), "-");
}

TEST_F(Retries, TheLastAnswerIsTheClients) {
  Rig& rig = make({.attempts = 1, .backoff = 0, .codes = {503}});
  const uint32_t client = rig.client();
  rig.send(client, get("/"));
  rig.send(rig.backend(), answer(503, "a"));
  rig.send(rig.backend(), answer(503, "b"));
  const std::string response = rig.take(client);
  EXPECT_EQ(status_of(response), 503);
  EXPECT_EQ(body_of(response), "b");
  EXPECT_EQ(rig.flags(), "URX");
}

TEST_F(Retries, ConnectFailuresOfAnyRequestNothingOfWhichWasSent) {
  Rig& rig = make({.attempts = 1, .backoff = 0});
  rig.net.outcomes = {Connect::kRefuses, Connect::kAccepts};
  const uint32_t client = rig.client();
  rig.send(client, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
  EXPECT_EQ(body_of(rig.take(rig.backend())), "abc");
  rig.send(rig.backend(), answer(200, "ok"));
  EXPECT_EQ(body_of(rig.take(client)), "ok");
  rig.net.outcomes = {Connect::kRefuses, Connect::kRefuses};
  rig.reset(rig.backend());
  rig.send(client, get("/"));
  EXPECT_EQ(status_of(rig.take(client)), 503);
  EXPECT_EQ(rig.flags(), "UF,URX");
}

TEST_F(Retries, ResetsOnlyOfIdempotentRequests) {
  Rig& rig = make({.attempts = 1, .backoff = 0});
  const uint32_t client = rig.client();
  rig.send(client, get("/"));
  rig.reset(rig.backend());
  rig.send(rig.backend(), answer(200, "second"));
  EXPECT_EQ(body_of(rig.take(client)), "second");
  rig.reset(rig.backend());
  rig.send(client, "POST / HTTP/1.1\r\nHost: a\r\n\r\n");
  const size_t before = rig.net.connects.size();
  rig.reset(rig.backend());
  EXPECT_EQ(status_of(rig.take(client)), 503);
  EXPECT_EQ(rig.net.connects.size(), before);
}

std::string put(const std::string& content, const std::string& method = "PUT") {
  return method + " / HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(content.size()) + "\r\n\r\n" + content;
}

// By an answer, a reset, and the time of a try; with a length and in chunks; and the connection serves on.
TEST_F(Retries, ContentIsSentAgain) {
  for (const char* request : {"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabcdef",
                              "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: x\r\n\r\n"
                              "6\r\nabcdef\r\n0\r\nx: y\r\n\r\n",
                              "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"})
    for (int how = 0; how < 3; ++how) {
      ConfigBuilder builder;
      config::Action action = ConfigBuilder::to(builder.cluster(2));
      action.retry = {.attempts = 1, .backoff = 0, .codes = {503}};
      action.timeouts = {.request = 0, .backend = 100 * kMs};
      builder.route("/", builder.action(action));
      Rig rig(builder.build());
      const uint32_t client = rig.client();
      rig.send(client, request);
      const uint32_t first = rig.backend();
      const std::string asked = rig.take(first);
      if (how == 0) rig.send(first, answer(503, "busy"));
      if (how == 1) rig.reset(first);
      if (how == 2) rig.pass(101 * kMs);
      ASSERT_NE(rig.backend(), first) << request;
      EXPECT_EQ(rig.take(rig.backend()), asked);
      rig.send(rig.backend(), answer(200, "saved"));
      EXPECT_EQ(body_of(rig.take(client)), "saved");
      EXPECT_EQ(rig.record().tries, 2);
      EXPECT_EQ(rig.proxy.held_bodies(), 0u);
      EXPECT_EQ(body_of(rig.exchange(client, get("/"), answer(200, "next"))), "next");
      rig.expect_no_leak();
    }
}

TEST_F(Retries, ContentThatStillComesFollowsWhatIsKept) {
  Rig& rig = make({.attempts = 2, .backoff = 0});
  const uint32_t client = rig.client();
  rig.send(client, "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc");
  EXPECT_EQ(body_of(rig.take(rig.backend())), "abc");
  rig.reset(rig.backend());
  EXPECT_EQ(body_of(rig.take(rig.backend())), "abc");
  rig.send(client, "def");
  EXPECT_EQ(rig.take(rig.backend()), "def");
  rig.reset(rig.backend());
  rig.send(client, "ghi");
  EXPECT_EQ(body_of(rig.take(rig.backend())), "abcdefghi");
  rig.send(rig.backend(), answer(200, "ok"));
  EXPECT_EQ(body_of(rig.take(client)), "ok");
  EXPECT_EQ(rig.record().bytes_received, 9u);
}

// The endpoint's window is smaller than what is kept: it goes out piece by piece.
TEST_F(Retries, ContentIsSentAgainAsThereIsRoom) {
  Rig& rig = make({.attempts = 1, .backoff = 0});
  const std::string content(kReplayBytes, 'x');
  const uint32_t client = rig.client();
  rig.net.window = 1000;
  rig.send(client, put(content));
  std::string got;
  const auto take_all = [&](uint32_t from) {
    for (std::string more = rig.take(from); !more.empty(); more = rig.take(from)) got += more;
  };
  take_all(rig.backend());
  EXPECT_EQ(body_of(got), content);
  got.clear();
  rig.reset(rig.backend());
  take_all(rig.backend());
  EXPECT_EQ(body_of(got), content);
  rig.send(rig.backend(), answer(200, "ok"));
  EXPECT_EQ(body_of(rig.take(client)), "ok");
}

TEST_F(Retries, NeverWithContentThatIsGoneOrMayNotBeSentTwice) {
  Rig& rig = make({.attempts = 3, .backoff = 0, .codes = {500}});
  const std::string much(kReplayBytes + 1, 'x');
  const std::string chunked =
      "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n10001\r\n" + much + "\r\n0\r\n\r\n";
  for (const std::string& request : {put(much), chunked, put("abc", "POST")}) {
    const uint32_t client = rig.client();
    const size_t before = rig.net.connects.size() + 1;
    rig.send(client, request);
    ASSERT_EQ(rig.net.connects.size(), before);
    rig.take(rig.backend());
    rig.send(rig.backend(), answer(500, "no"));
    EXPECT_EQ(status_of(rig.take(client)), 500);
    rig.reset(rig.backend());
    EXPECT_EQ(rig.net.connects.size(), before);
    EXPECT_EQ(rig.proxy.held_bodies(), 0u);
  }
}

// Half of the buffers are kept for inspections.
TEST_F(Retries, ContentIsNotKeptWhenBuffersAreFew) {
  ConfigBuilder builder;
  config::Action action = ConfigBuilder::to(builder.cluster(2));
  action.retry = {.attempts = 1, .backoff = 0};
  builder.route("/", builder.action(action));
  Limits limits = small_limits();
  limits.held_bodies = 2;
  Rig rig(builder.build(), limits);
  const uint32_t one = rig.client(), two = rig.client();
  rig.send(one, put("one"));
  const uint32_t first = rig.backend();
  rig.send(two, put("two"));
  EXPECT_EQ(rig.proxy.held_bodies(), 1u);
  rig.reset(rig.backend());
  EXPECT_EQ(status_of(rig.take(two)), 503);
  rig.reset(first);
  EXPECT_EQ(body_of(rig.take(rig.backend())), "one");
}

TEST_F(Retries, ATryThatTakesTooLong) {
  ConfigBuilder builder;
  config::Action action = ConfigBuilder::to(builder.cluster(2));
  action.retry = {.attempts = 1, .backoff = 0};
  action.timeouts = {.request = 1000 * kMs, .backend = 100 * kMs};
  builder.route("/", builder.action(action));
  Rig rig(builder.build());
  const uint32_t client = rig.client();
  rig.send(client, get("/"));
  rig.pass(101 * kMs);
  EXPECT_EQ(rig.net.connects.size(), 2u);
  rig.pass(101 * kMs);
  EXPECT_EQ(status_of(rig.take(client)), 504);
  EXPECT_EQ(rig.flags(), "UT,URX");
}

TEST(Upstream, TcpConnectionsTryAnotherEndpoint) {
  ConfigBuilder builder;
  config::Action action = ConfigBuilder::to(builder.cluster(2));
  action.retry = {.attempts = 1, .backoff = 0};
  builder.action(action);
  Rig rig(builder.build());
  rig.net.outcomes = {Connect::kRefuses, Connect::kAccepts};
  const uint32_t client = rig.client(1);
  rig.send(client, "hello");
  EXPECT_EQ(rig.take(rig.backend()), "hello");
  rig.net.outcomes = {Connect::kRefuses, Connect::kRefuses};
  const uint32_t other = rig.client(1);
  EXPECT_TRUE(rig.net.at(other).aborted);
  EXPECT_EQ(rig.flags(), "UF,URX");
}

}  // namespace
}  // namespace penstock::proxy
