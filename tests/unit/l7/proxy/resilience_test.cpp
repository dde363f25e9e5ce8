// What a cluster says of failures, told in requests: ejection, retries and their budget, the longest time, connections
// that are opened ahead.
#include <map>

#include "unit/l7/proxy/rig.h"

namespace penstock::proxy {
namespace {

using Connect = FakeNet::Connect;
using base::kNanosPerSecond;

class Resilience : public testing::Test {
 protected:
  // "/" to a cluster of so many endpoints; the builder stays, for changes.
  Rig& make(uint32_t endpoints, config::Resilience rules, config::Retry of_route = {}, config::Timeouts timeouts = {},
            config::ClusterLimits limits = {}) {
    config::Action action = ConfigBuilder::to(builder.cluster(endpoints, limits));
    action.retry = std::move(of_route);
    action.timeouts = timeouts;
    builder.route("/", builder.action(action));
    if (rules.retry) rules.retry->seal();
    builder.config().clusters[0].resilience = std::move(rules);
    rig_ = std::make_unique<Rig>(builder.build());
    return *rig_;
  }
  // The connection that has a request for its endpoint.
  static uint32_t asked(Rig& rig) {
    for (const uint32_t id : rig.net.connects)
      if (rig.net.at(id).upstream && !rig.net.at(id).released && !rig.take(id).empty()) return id;
    ADD_FAILURE() << "nobody was asked";
    return rig.backend();
  }
  // One request, answered by what `status` says of the endpoint that got it; the endpoint.
  uint32_t ask(Rig& rig, uint32_t client, const std::map<uint32_t, int>& status) {
    rig.send(client, get("/"));
    const uint32_t id = asked(rig), slot = rig.net.at(id).endpoint.slot;
    rig.send(id, answer(status.contains(slot) ? status.at(slot) : 200, ""));
    rig.take(client);
    return slot;
  }
  std::map<uint32_t, int> spread(Rig& rig, int requests, const std::map<uint32_t, int>& status) {
    std::map<uint32_t, int> got;
    const uint32_t client = rig.client();
    for (int i = 0; i < requests; ++i) ++got[ask(rig, client, status)];
    return got;
  }
  uint64_t count(Count what) { return rig_->proxy.counters().of(what); }

  ConfigBuilder builder;
  std::unique_ptr<Rig> rig_;
};

config::Resilience ejecting(config::OutlierDetection rules) {
  config::Resilience out;
  out.outliers = rules;
  return out;
}
config::Resilience retrying(config::RetryRules rules) {
  config::Resilience out;
  out.retry = std::move(rules);
  return out;
}

TEST_F(Resilience, AnEndpointThatAnswersErrorsIsLeftOutAndComesBack) {
  Rig& rig = make(3, ejecting({.consecutive_5xx = 5, .base_ejection = 30 * kNanosPerSecond}));
  auto got = spread(rig, 60, {{1, 500}});
  EXPECT_EQ(got[1], 5);
  EXPECT_EQ(got[0] + got[2], 55);
  EXPECT_EQ(rig.proxy.upstreams(), 2u);  // its kept connection is closed
  EXPECT_EQ(rig.proxy.outliers().counters(1)->by_reason[0].read(), 1u);
  rig.pass(30 * kNanosPerSecond + kMs);
  got = spread(rig, 30, {});
  EXPECT_EQ(got, (std::map<uint32_t, int>{{0, 10}, {1, 10}, {2, 10}}));
}

TEST_F(Resilience, WhenAllAreEjectedAllServe) {
  Rig& rig = make(2, ejecting({.consecutive_5xx = 2, .max_ejection_percent = 100}));
  auto got = spread(rig, 40, {{0, 500}, {1, 503}});
  EXPECT_EQ(got.count(kNone), 0u);
  EXPECT_EQ(got[0] + got[1], 40);
  EXPECT_EQ(rig.flags(), "-");  // the endpoints' own answers
  EXPECT_GT(got[0], 15);
}

TEST_F(Resilience, FailuresWithoutAnAnswerEject) {
  Rig& rig = make(2, ejecting({.consecutive_5xx = 3, .max_ejection_percent = 50}), {.attempts = 1, .backoff = 0});
  rig.net.outcomes = {Connect::kRefuses, Connect::kAccepts};
  EXPECT_EQ(spread(rig, 20, {})[1], 20);  // retries hide it
  EXPECT_EQ(rig.net.connects.size(), 4u);
  EXPECT_TRUE(rig.proxy.outliers().is_ejected(0));
}

TEST_F(Resilience, TimeoutsAndResetsEject) {
  Rig& rig = make(2, ejecting({.consecutive_5xx = 2, .max_ejection_percent = 50}), {}, {.backend = 100 * kMs});
  const uint32_t client = rig.client();
  for (int i = 0; i < 3; ++i) {  // to 0, 1, 0
    rig.send(client, get("/"));
    if (rig.net.at(rig.backend()).endpoint.slot == 0) {
      rig.pass(101 * kMs);
      EXPECT_EQ(status_of(rig.take(client)), 504);
    } else {
      rig.send(rig.backend(), answer(200, ""));
    }
    rig.take(client);
  }
  EXPECT_EQ(spread(rig, 10, {})[1], 10);
  // In the middle of an answer, twice: but one of two may be ejected at a time.
  rig.pass(31 * kNanosPerSecond);
  int broken = 0;
  while (broken < 2) {
    const uint32_t other = rig.client();
    rig.send(other, get("/"));
    for (const uint32_t id : rig.net.connects) {
      if (rig.net.at(id).released || rig.take(id).empty()) continue;
      if (rig.net.at(id).endpoint.slot == 1) {
        rig.send(id, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab");
        rig.reset(id);
        ++broken;
      } else {
        rig.send(id, answer(200, ""));
      }
    }
  }
  // Each 200 before the break began a new run.
  EXPECT_FALSE(rig.proxy.outliers().is_ejected(1));
}

TEST_F(Resilience, TcpConnectionsEject) {
  builder.config().listeners[1].action = 0;
  Rig& rig = make(2, ejecting({.consecutive_5xx = 2, .max_ejection_percent = 50}), {.attempts = 1, .backoff = 0});
  rig.net.outcomes = {Connect::kRefuses, Connect::kAccepts};
  for (int i = 0; i < 8; ++i) {
    const uint32_t client = rig.client(1);
    rig.send(client, "x");
    EXPECT_EQ(rig.take(rig.backend()), "x");
  }
  EXPECT_EQ(rig.net.connects.size(), 10u);
}

TEST_F(Resilience, EjectionsOutliveAConfiguration) {
  Rig& rig = make(2, ejecting({.consecutive_5xx = 1, .max_ejection_percent = 50}));
  spread(rig, 2, {{0, 500}});
  ConfigBuilder again;
  again.route("/", again.action(ConfigBuilder::to(again.cluster(3))));
  again.config().clusters[0].resilience = builder.config().clusters[0].resilience;
  rig.adopt(again.build());
  EXPECT_EQ(spread(rig, 10, {}).count(0), 0u);
  ConfigBuilder without;
  without.route("/", without.action(ConfigBuilder::to(without.cluster(3))));
  rig.adopt(without.build());
  EXPECT_GT(spread(rig, 10, {})[0], 2);
}

TEST_F(Resilience, RetriesByTheClustersConditions) {
  Rig& rig = make(2, retrying({.attempts = 1, .backoff = 0, .on = config::kOn5xx}));
  const uint32_t client = rig.client();
  rig.send(client, get("/"));
  rig.send(asked(rig), answer(500, "no"));
  rig.send(asked(rig), answer(200, "saved"));
  EXPECT_EQ(body_of(rig.take(client)), "saved");
  rig.send(client, get("/"));
  rig.reset(asked(rig));
  rig.send(asked(rig), answer(200, "saved"));
  EXPECT_EQ(body_of(rig.take(client)), "saved");
  rig.send(client, "POST / HTTP/1.1\r\nHost: a\r\n\r\n");  // was perhaps done
  rig.send(asked(rig), answer(500, "no"));
  EXPECT_EQ(status_of(rig.take(client)), 500);
  EXPECT_EQ(rig.flags(), "-");
}

TEST_F(Resilience, OnlyByThoseConditions) {
  Rig& rig = make(2, retrying({.attempts = 1, .backoff = 0, .on = config::kOnRetriable4xx, .codes = {418}}));
  const uint32_t client = rig.client();
  for (const auto& [status, again] : {std::pair{500, false}, {409, true}, {418, true}, {404, false}}) {
    rig.send(client, get("/"));
    rig.send(asked(rig), answer(status, ""));
    if (again) rig.send(asked(rig), answer(200, ""));
    EXPECT_EQ(status_of(rig.take(client)), again ? 200 : status);
  }
  for (const uint32_t id : rig.net.connects) rig.finish(id);
  rig.net.outcomes = {Connect::kRefuses, Connect::kRefuses};
  const size_t before = rig.net.connects.size();
  rig.send(client, get("/"));
  EXPECT_EQ(status_of(rig.take(client)), 503);
  EXPECT_EQ(rig.net.connects.size(), before + 1);
}

TEST_F(Resilience, TheRoutesOwnNumbersCount) {
  Rig& rig = make(2, retrying({.attempts = 3, .backoff = 1000 * kMs, .on = config::kOnGatewayError}),
                  {.attempts = 1, .backoff = 0, .codes = {500}, .given = true});
  const uint32_t client = rig.client();
  for (const int status : {500, 502}) {
    rig.send(client, get("/"));
    rig.send(asked(rig), answer(status, "a"));
    rig.send(asked(rig), answer(status, "b"));
    EXPECT_EQ(body_of(rig.take(client)), "b");
    EXPECT_EQ(rig.flags(), "URX");
  }
}

TEST_F(Resilience, ByHeaderFieldAndNotIdempotent) {
  Rig& rig = make(2, retrying({.attempts = 1, .backoff = 0, .headers = {"x-try-again"}, .non_idempotent = true}));
  const uint32_t client = rig.client();
  rig.send(client, "POST / HTTP/1.1\r\nHost: a\r\n\r\n");
  rig.send(asked(rig), answer(200, "no", "X-Try-Again: please\r\n"));
  rig.send(asked(rig), answer(200, "yes"));
  EXPECT_EQ(body_of(rig.take(client)), "yes");
}

TEST_F(Resilience, ATryMayTakeSoLong) {
  Rig& rig = make(2, retrying({.attempts = 1, .backoff = 0, .on = config::kOnReset, .try_timeout = 100 * kMs}));
  const uint32_t client = rig.client();
  rig.send(client, get("/"));
  rig.pass(101 * kMs);
  EXPECT_EQ(rig.net.connects.size(), 2u);
  rig.send(rig.backend(), answer(200, "second"));
  EXPECT_EQ(body_of(rig.take(client)), "second");
}

// A first try that takes 100 ms is set aside.
struct Hedging : Resilience {
  Rig& begin(config::ClusterLimits limits = {}, const std::string& request = get("/")) {
    config::RetryRules rules{
        .attempts = 1, .backoff = 0, .on = config::kOnReset, .try_timeout = 100 * kMs, .hedge = true};
    Rig& rig = make(2, retrying(rules), {}, {}, limits);
    client = rig.client();
    rig.send(client, request);
    first = rig.backend();
    rig.pass(101 * kMs);
    second = rig.backend();
    EXPECT_NE(first, second);
    EXPECT_EQ(rig.over(first), limits.connections == 1);
    return rig;
  }
  uint32_t client = 0, first = 0, second = 0;
};

TEST_F(Hedging, TheSecondIsFaster) {
  Rig& rig = begin();
  rig.send(second, answer(200, "second"));
  EXPECT_EQ(body_of(rig.take(client)), "second");
  EXPECT_TRUE(rig.over(first));
  EXPECT_EQ(count(Count::hedges), 1u);
  EXPECT_EQ(count(Count::hedges_won), 0u);
}

TEST_F(Hedging, TheFirstIsFasterAfterAll) {
  Rig& rig = begin();
  rig.send(first, answer(200, "first"));
  EXPECT_EQ(body_of(rig.take(client)), "first");
  EXPECT_TRUE(rig.over(second));
  EXPECT_EQ(count(Count::hedges_won), 1u);
  rig.send(client, get("/"));  // by the connection that answered
  rig.send(first, answer(200, "again"));
  EXPECT_EQ(body_of(rig.take(client)), "again");
}

// Content that the second try has got in part only, when the first is heard after all.
TEST_F(Hedging, WithContent) {
  const std::string content(3000, 'x');
  const std::string request = "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 3000\r\n\r\n" + content;
  Rig& rig = begin({}, request);
  EXPECT_EQ(body_of(rig.take(first)), content);
  EXPECT_EQ(body_of(rig.take(second)), content);
  rig.send(second, answer(200, "second"));
  EXPECT_EQ(body_of(rig.take(client)), "second");
  EXPECT_EQ(rig.proxy.held_bodies(), 0u);

  const uint32_t kept = second;
  rig.send(client, request);
  first = rig.net.at(kept).out.empty() ? rig.backend() : kept;
  EXPECT_EQ(body_of(rig.take(first)), content);
  rig.net.window = rig.net.at(kept).window = 1000;
  rig.pass(101 * kMs);
  second = first == kept ? rig.backend() : kept;
  ASSERT_NE(second, first);
  rig.send(first, answer(200, "first"));
  EXPECT_EQ(body_of(rig.take(client)), "first");
  EXPECT_TRUE(rig.over(second));
  EXPECT_EQ(body_of(rig.exchange(client, get("/"), answer(200, ""))), "");
  rig.expect_no_leak();
}

TEST_F(Hedging, WhoHasBegunIsNotLeftForTheOther) {
  Rig& rig = begin();
  rig.send(second, "HTTP/1.1 200 OK\r\nConte");
  rig.send(first, answer(200, "first"));
  EXPECT_TRUE(rig.over(first));
  rig.send(second, "nt-Length: 6\r\n\r\nsecond");
  EXPECT_EQ(body_of(rig.take(client)), "second");
}

TEST_F(Hedging, OneThatBreaksLeavesTheOther) {
  Rig& rig = begin();
  rig.reset(second);
  rig.send(first, answer(200, "first"));
  EXPECT_EQ(body_of(rig.take(client)), "first");
}

TEST_F(Hedging, OneThatTalksRubbishLeavesTheOtherAndNoTrace) {
  Rig& rig = begin();
  rig.send(second, "rubbish\r\n\r\n");
  rig.send(first, answer(200, "first"));
  EXPECT_EQ(body_of(rig.take(client)), "first");
  EXPECT_EQ(rig.record().refusal, h1::Refusal::kNone);
}

TEST_F(Hedging, OneSetAsideMayBreak) {
  Rig& rig = begin();
  rig.reset(first);
  rig.send(second, answer(200, "second"));
  EXPECT_EQ(body_of(rig.take(client)), "second");
}

TEST_F(Hedging, NeitherAnswers) {
  Rig& rig = begin();
  rig.pass(101 * kMs);
  EXPECT_EQ(status_of(rig.take(client)), 504);
  EXPECT_TRUE(rig.over(first));
  EXPECT_TRUE(rig.over(second));
}

// With one connection allowed the first try gives way, as it would without hedging.
TEST_F(Hedging, ItsOwnConnectionIsNotWaitedFor) {
  Rig& rig = begin({.connections = 1});
  rig.send(second, answer(200, "second"));
  EXPECT_EQ(body_of(rig.take(client)), "second");
}

TEST_F(Hedging, TheClientGoes) {
  Rig& rig = begin();
  rig.reset(client);
  EXPECT_TRUE(rig.over(first));
  EXPECT_TRUE(rig.over(second));
}

TEST_F(Resilience, RetryAfterIsWaitedForWithinBounds) {
  const base::Nanos most = 3 * kNanosPerSecond;
  Rig& rig = make(2, retrying({.attempts = 1, .backoff = 10 * kMs, .codes = {503}, .max_retry_after = most}), {},
                  {.request = 10 * kNanosPerSecond});
  const uint32_t client = rig.client();
  const auto begin = [&](const std::string& after) {
    rig.send(client, get("/"));
    rig.send(asked(rig), answer(503, "busy", "Retry-After: " + after + "\r\n"));
  };
  begin("2");
  rig.pass(1999 * kMs);
  EXPECT_EQ(rig.net.connects.size(), 1u);
  rig.pass(2 * kMs);
  rig.send(asked(rig), answer(200, "in time"));
  EXPECT_EQ(body_of(rig.take(client)), "in time");
  for (const std::string after : {"4", "99999999999999999999", "3600"}) {  // longer than it is worth
    begin(after);
    EXPECT_EQ(status_of(rig.take(client)), 503) << after;
  }
  // No number, and nobody knows the time of the day: the back-off.
  for (const std::string after : {"Wed, 21 Oct 2026 07:28:00 GMT", "-5", "2x"}) {
    begin(after);
    EXPECT_EQ(rig.take(client), "") << after;
    rig.pass(16 * kMs);
    rig.send(asked(rig), answer(200, "ok"));
    EXPECT_EQ(body_of(rig.take(client)), "ok") << after;
  }
}

TEST_F(Resilience, RetryAfterMayBeADate) {
  builder.config().session_keys.clock = std::make_shared<const std::atomic<uint32_t>>(784111777);
  Rig& rig = make(1, retrying({.attempts = 1, .backoff = 0, .codes = {503}, .max_retry_after = 3 * kNanosPerSecond}));
  const uint32_t client = rig.client();
  const auto begin = [&](const std::string& after) {
    rig.send(client, get("/"));
    rig.send(asked(rig), answer(503, "busy", "Retry-After: " + after + "\r\n"));
  };
  begin("Sun, 06 Nov 1994 08:49:39 GMT");
  const size_t before = rig.net.connects.size();
  rig.pass(1999 * kMs);
  EXPECT_EQ(rig.net.connects.size(), before);
  rig.pass(2 * kMs);
  rig.send(asked(rig), answer(200, "in time"));
  EXPECT_EQ(body_of(rig.take(client)), "in time");
  for (const std::string after : {"Sun, 06 Nov 1994 08:49:41 GMT", "Fri, 31 Dec 9999 23:59:59 GMT"}) {
    begin(after);
    EXPECT_EQ(status_of(rig.take(client)), 503) << after;
  }
  for (const std::string after : {"Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:36 GMT", "Sun, 06 Nov"}) {
    begin(after);
    rig.pass(kMs);
    rig.send(asked(rig), answer(200, "at once"));
    EXPECT_EQ(body_of(rig.take(client)), "at once") << after;
  }
}

TEST_F(Resilience, ABudgetBoundsRetries) {
  config::Resilience rules = retrying({.attempts = 1, .backoff = 0, .codes = {503}});
  rules.budget = config::RetryBudget{.percent = 20, .interval = 10 * kNanosPerSecond, .least = 0};
  Rig& rig = make(1, rules);
  const uint32_t client = rig.client();
  for (int i = 0; i < 100; ++i) {
    rig.send(client, get("/"));
    const uint64_t before = count(Count::retries);
    rig.send(asked(rig), answer(503, ""));
    if (count(Count::retries) != before) rig.send(asked(rig), answer(503, ""));
    EXPECT_EQ(status_of(rig.take(client)), 503);
  }
  EXPECT_EQ(count(Count::retries), 20u);
  EXPECT_EQ(count(Count::retries_over_budget), 80u);
  const PoolCounters& pool = *rig.proxy.counters().pool(0);
  EXPECT_EQ(pool.counts[static_cast<size_t>(ClusterCount::retries)].read(), 20u);
  EXPECT_EQ(pool.counts[static_cast<size_t>(ClusterCount::retries_over_budget)].read(), 80u);
  EXPECT_EQ(rig.proxy.counters().of(kOverflow), 80u);
}

TEST_F(Resilience, TheLongestTimeEndsWhateverMoves) {
  config::Resilience rules;
  rules.max_stream = 1000 * kMs;
  Rig& rig = make(1, rules);
  const uint32_t client = rig.client();
  rig.send(client, get("/"));
  rig.pass(1001 * kMs);
  EXPECT_EQ(status_of(rig.take(client)), 504);
  EXPECT_EQ(rig.flags(), "UMSDR");

  rig.send(client, get("/", "Connection: upgrade\r\nUpgrade: websocket\r\n"));
  rig.send(rig.backend(), "HTTP/1.1 101 Go\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
  for (int i = 0; i < 9; ++i) {
    rig.pass(110 * kMs);
    rig.send(client, "frame");
    EXPECT_FALSE(rig.over(client));
  }
  rig.pass(11 * kMs);
  EXPECT_TRUE(rig.over(client));
  EXPECT_EQ(rig.flags(), "UMSDR");

  const uint32_t tcp = rig.client(1);
  rig.send(tcp, "x");
  rig.pass(1001 * kMs);
  EXPECT_TRUE(rig.over(tcp));
  EXPECT_EQ(rig.flags(), "UMSDR");
  rig.expect_no_leak();
}

TEST_F(Resilience, ConnectionsAreOpenedAhead) {
  config::Resilience rules;
  rules.preconnect_percent = 150;
  Rig& rig = make(1, rules, {}, {}, {.connections = 4});
  std::vector<uint32_t> clients;
  for (int i = 0; i < 2; ++i) {
    clients.push_back(rig.client());
    rig.send(clients.back(), get("/"));
  }
  EXPECT_EQ(rig.net.connects.size(), 3u);  // for two requests
  EXPECT_EQ(count(Count::preconnects), 2u);
  EXPECT_EQ(count(Count::reuses), 1u);  // the second took the one that was ready
  for (int i = 0; i < 3; ++i) {
    clients.push_back(rig.client());
    rig.send(clients.back(), get("/"));
  }
  EXPECT_EQ(rig.net.connects.size(), 4u);  // the limit holds
  for (int turn = 0; turn < 2; ++turn)
    for (const uint32_t id : rig.net.connects)
      if (!rig.take(id).empty()) rig.send(id, answer(200, ""));
  for (const uint32_t client : clients) EXPECT_EQ(status_of(rig.take(client)), 200);
  rig.expect_no_leak();
  rig.pass(130 * kNanosPerSecond);
  EXPECT_EQ(rig.proxy.upstreams(), 0u);
}

TEST_F(Resilience, OneAheadThatFailsOrTakesTooLongIsGone) {
  config::Resilience rules = ejecting({.consecutive_5xx = 1, .max_ejection_percent = 100});
  rules.preconnect_percent = 200;
  Rig& rig = make(1, rules, {}, {}, {.connect_timeout = 1000 * kMs});
  const uint32_t client = rig.client();
  rig.net.outcomes = {Connect::kHangs};
  rig.net.send(client, get("/"));
  rig.run();
  EXPECT_EQ(rig.net.connects.size(), 2u);
  rig.pass(1001 * kMs);
  EXPECT_EQ(status_of(rig.take(client)), 503);
  EXPECT_EQ(count(Count::preconnect_failures), 1u);
  EXPECT_EQ(rig.proxy.upstreams(), 0u);
  rig.net.outcomes = {Connect::kRefuses};
  rig.send(client, get("/"));
  EXPECT_EQ(count(Count::preconnect_failures), 2u);
  EXPECT_EQ(rig.proxy.upstreams(), 0u);
  rig.expect_no_leak();
}

}  // namespace
}  // namespace penstock::proxy
