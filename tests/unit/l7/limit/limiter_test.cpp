// The limiter against a naive bucket in floating point, exact counts in virtual time, several limits and workers.
#include "l7/limit/limiter.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "unit/l7/limit/requests.h"

namespace penstock::limit {
namespace {

using Kind = config::LimitComponent::Kind;
constexpr base::Nanos kSecond = base::kNanosPerSecond;
constexpr base::Nanos kStart = 1000 * kSecond;

struct Bench {
  explicit Bench(size_t workers = 1, size_t keys = 1024)
      : tables(std::make_shared<Tables>(tcp::HashKey{3, 4}, keys)), limiters() {
    for (size_t i = 0; i < workers; ++i) limiters.emplace_back(tables);
  }
  config::RequestLimit& add(double per_second, double burst, std::vector<config::LimitComponent> key = {},
                            std::vector<config::Match> matches = {}) {
    config::RequestLimit limit = requests.add(std::move(key), std::move(matches));
    limit.per_second = per_second;
    limit.burst = burst;
    list.push_back(static_cast<uint32_t>(config.all.size()));
    config.all.push_back(std::move(limit));
    return config.all.back();
  }
  void start() {
    requests.finish();
    adopt();
  }
  void adopt() {
    for (Limiter& each : limiters) each.adopt(config);
  }
  Decision ask(base::Nanos now, size_t worker = 0, const std::string& line = "GET /", const std::string& fields = "") {
    return limiters[worker].ask({list}, requests.subject(line, fields), now);
  }
  uint64_t passed(uint32_t limit) const { return sum(limit, &flow::LimitCounters::passed); }
  uint64_t exceeded(uint32_t limit) const { return sum(limit, &flow::LimitCounters::exceeded); }
  uint64_t sum(uint32_t limit, base::PacketCounter flow::LimitCounters::*which) const {
    uint64_t n = 0;
    for (const Limiter& each : limiters) n += (each.counters(config.all[limit].slot).*which).packets.read();
    return n;
  }

  Requests requests;
  config::RequestLimits config;
  std::vector<uint32_t> list;
  std::shared_ptr<Tables> tables;
  std::vector<Limiter> limiters;
};

// A token bucket as one would write it down.
struct Naive {
  double tokens, burst, per_second;
  base::Nanos last = kStart;
  bool take(base::Nanos now) {
    tokens = std::min(burst, tokens + per_second * static_cast<double>(now - last) / kSecond);
    last = now;
    if (tokens < 1) return false;
    tokens -= 1;
    return true;
  }
};

TEST(Limiter, BurstThenRateExactlyWithOneAndTwoWorkers) {
  for (const size_t workers : {1u, 2u}) {
    for (const auto& [rate, burst] :
         {std::pair{10.0, 5.0}, {3.0, 3.0}, {1.0 / 60, 7.0}, {10.0 / 3600, 10.0}, {999.0, 200.0}}) {
      for (const bool keyed : {false, true}) {
        Bench bench(workers);
        bench.add(rate, burst,
                  keyed ? std::vector<config::LimitComponent>{{Kind::kMethod}} : std::vector<config::LimitComponent>{});
        bench.start();
        unsigned passed = 0;
        for (unsigned i = 0; i < 3 * burst; ++i) passed += !bench.ask(kStart, i % workers).limited;
        EXPECT_EQ(passed, burst) << rate << " " << workers << " " << keyed;
        // An idle bucket's credit is gone; from now on one passes each 1/rate.
        const auto one = static_cast<base::Nanos>(kSecond / rate);
        passed = 0;
        for (base::Nanos at = one / 4; at <= 20 * one; at += one / 4)
          passed += !bench.ask(kStart + at, at / (one / 4) % workers).limited;
        EXPECT_NEAR(passed, 20, 1) << rate << " " << workers << " " << keyed;
      }
    }
  }
}

TEST(Limiter, RandomRequestsAgainstANaiveBucket) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 60; ++round) {
    const double rate = std::exp(std::uniform_real_distribution<double>(-3, 7)(random));
    const double burst = 1 + static_cast<double>(random() % 50);
    Bench bench(2);
    bench.add(rate, burst, {{Kind::kHeader, "k"}});
    bench.start();
    std::map<std::string, Naive> naive;
    std::map<std::string, int> difference;
    base::Nanos now = kStart;
    for (int i = 0; i < 2000; ++i) {
      now += static_cast<base::Nanos>(std::exponential_distribution<double>(rate)(random) * kSecond / 2);
      const std::string key = std::to_string(random() % 3);
      const auto at = naive.try_emplace(key, Naive{burst, burst, rate, now}).first;
      difference[key] += at->second.take(now) - !bench.ask(now, random() % 2, "GET /", "k: " + key).limited;
      // A bucket that owes nothing lets one more through than floats that are a hair below one.
      ASSERT_LE(std::abs(difference[key]), 1) << "rate " << rate << " burst " << burst << " request " << i;
    }
  }
}

TEST(Limiter, FastSharesStayWithinAChunkAWorker) {
  Bench bench(2);
  bench.add(100'000, 1000);
  bench.start();
  unsigned passed = 0;
  for (base::Nanos at = 0; at < kSecond; at += 2000) passed += !bench.ask(kStart + at, at / 2000 % 2).limited;
  EXPECT_NEAR(passed, 101'000, 250);
}

TEST(Limiter, AllAreAskedAndNoneIsChargedInVain) {
  Bench bench(2);
  bench.add(1, 100);
  bench.add(1, 100, {{Kind::kHeader, "k"}});
  bench.add(5000, 5000);
  bench.add(1, 3, {{Kind::kPath}});
  bench.start();
  for (int i = 0; i < 50; ++i) bench.ask(kStart, i % 2, "GET /", "k: 1");
  EXPECT_EQ(bench.passed(3), 3u);
  EXPECT_EQ(bench.exceeded(3), 47u);
  for (const uint32_t other : {0u, 1u, 2u}) {
    EXPECT_EQ(bench.passed(other), 3u);
    EXPECT_EQ(bench.exceeded(other), 0u);
  }
  unsigned passed = 0;  // other paths: the limits of 100 have lost 3, and not 50
  for (int i = 0; i < 200; ++i) passed += !bench.ask(kStart, i % 2, "GET /p" + std::to_string(i), "k: 1").limited;
  EXPECT_EQ(passed, 97u);
}

TEST(Limiter, ShadowCountsAndRefusesNothing) {
  Bench bench;
  bench.add(1, 2).shadow = true;
  bench.start();
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(bench.ask(kStart).limited);
  EXPECT_EQ(bench.passed(0), 2u);
  EXPECT_EQ(bench.exceeded(0), 0u);
  EXPECT_EQ(bench.limiters[0].counters(bench.config.all[0].slot).shadowed.read(), 8u);
}

TEST(Limiter, OnlyWhatMatchesAndHasEveryComponent) {
  Bench bench;
  config::Match post;
  post.method = http::Method::kPost;
  post.path.value = "/api";
  post.headers = {{"X-Kind", "b.*", true}};
  bench.add(1, 1, {{Kind::kHeader, "k"}}, {post});
  bench.start();
  for (int i = 0; i < 5; ++i) {
    EXPECT_FALSE(bench.ask(kStart, 0, "GET /api", "x-kind: bulk\nk: 1").limited);
    EXPECT_FALSE(bench.ask(kStart, 0, "POST /apis", "x-kind: bulk\nk: 1").limited);
    EXPECT_FALSE(bench.ask(kStart, 0, "POST /api", "x-kind: small\nk: 1").limited);
    EXPECT_FALSE(bench.ask(kStart, 0, "POST /api", "x-kind: bulk").limited);
  }
  EXPECT_EQ(bench.passed(0), 0u);
  EXPECT_FALSE(bench.ask(kStart, 0, "POST /api/x", "x-kind: bulk\nk: 1").limited);
  EXPECT_TRUE(bench.ask(kStart, 0, "POST /api/y", "x-kind: bulk\nk: 1").limited);
}

TEST(Limiter, SaysWhatIsLeftAndWhenToComeBack) {
  Bench bench;
  bench.add(2, 4).headers = true;
  bench.add(100, 100).headers = true;
  bench.start();
  Decision decision = bench.ask(kStart);
  ASSERT_NE(decision.shown, nullptr);
  EXPECT_EQ(decision.shown->slot, bench.config.all[0].slot) << "the one with least left";
  EXPECT_EQ(decision.remaining, 3u);
  EXPECT_NEAR(static_cast<double>(decision.reset), 0.5e9, 1e6);
  for (int i = 0; i < 3; ++i) decision = bench.ask(kStart);
  EXPECT_EQ(decision.remaining, 0u);
  decision = bench.ask(kStart);
  EXPECT_TRUE(decision.limited);
  EXPECT_NEAR(static_cast<double>(decision.retry_after), 0.5e9, 2e6);
  EXPECT_TRUE(bench.ask(kStart + decision.retry_after - 2'000'000).limited);
  EXPECT_FALSE(bench.ask(kStart + decision.retry_after).limited);
}

TEST(Limiter, AnotherRateHoldsAtOnceAndBucketsSurvive) {
  for (const bool keyed : {false, true}) {
    Bench bench(2);
    bench.add(1, 50,
              keyed ? std::vector<config::LimitComponent>{{Kind::kMethod}} : std::vector<config::LimitComponent>{});
    bench.start();
    for (int i = 0; i < 50; ++i) EXPECT_FALSE(bench.ask(kStart, i % 2).limited);
    bench.adopt();  // another generation, the same limit
    EXPECT_TRUE(bench.ask(kStart, 0).limited);
    bench.config.all[0].per_second = 10;
    bench.config.all[0].burst = 10;
    bench.adopt();
    EXPECT_TRUE(bench.ask(kStart, 0).limited) << "owes one burst of the new rate, and no more";
    unsigned passed = 0;
    for (int i = 0; i < 30; ++i) passed += !bench.ask(kStart + kSecond, i % 2).limited;
    EXPECT_EQ(passed, 10u) << keyed;
  }
}

// Slots are given out again: whoever has one next begins with its own burst.
TEST(Limiter, AnotherLimitInAnOldSlotOwesNothing) {
  for (const bool keyed : {false, true}) {
    Bench bench(2);
    bench.add(0.001, 5,
              keyed ? std::vector<config::LimitComponent>{{Kind::kMethod}} : std::vector<config::LimitComponent>{});
    bench.start();
    for (int i = 0; i < 8; ++i) EXPECT_EQ(bench.ask(kStart, i % 2).limited, i >= 5);
    bench.config.all[0].name = "shop/other";
    bench.adopt();
    for (int i = 0; i < 8; ++i) EXPECT_EQ(bench.ask(kStart, i % 2).limited, i >= 5);
  }
}

TEST(Limiter, AFullTableRefusesAndSaysSo) {
  Bench bench(1, 64);
  bench.add(0.01, 1, {{Kind::kPath}});
  bench.start();
  unsigned full = 0;
  for (int i = 0; i < 1000; ++i) {
    const Decision decision = bench.ask(kStart, 0, "GET /" + std::to_string(i));
    EXPECT_EQ(decision.limited, decision.table_full);
    full += decision.table_full;
  }
  EXPECT_EQ(full, 1000 - bench.tables->keyed.capacity());
  EXPECT_FALSE(bench.ask(kStart + 101 * kSecond, 0, "GET /x").limited);
}

}  // namespace
}  // namespace penstock::limit
