// Token buckets against an ideal one in long double, over random arrivals and the extremes of rates.
#include "flow/token_bucket.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace penstock::flow {
namespace {

constexpr base::Cycles kHz = 2'500'000'000;
constexpr base::Cycles kStart = 123'456'789'012'345;

struct IdealBucket {
  long double rate, burst, hz, tokens = burst;
  base::Cycles last = kStart;

  // Tokens after the time that passed; then whether `units` may pass by the same rule.
  bool would_take(uint32_t units, base::Cycles now) {
    tokens = std::min(burst, tokens + (now - last) * rate / hz);
    last = now;
    return tokens >= units || tokens >= burst;
  }
  bool is_close(uint32_t units, long double slack) const {
    return std::fabs(tokens - units) <= slack || std::fabs(tokens - burst) <= slack;
  }
};

struct Shape {
  const char* name;
  double per_second, burst;
  uint32_t least_units, most_units;
};

const Shape kShapes[] = {
    {"one packet a second", 1, 1, 1, 1},
    {"ten packets a second, burst 3", 10, 3, 1, 1},
    {"1 kpps", 1000, 5, 1, 1},
    {"100 Mpps", 1e8, 5e5, 1, 1},
    {"64 kbit/s", 64e3, 12'000, 480, 12'000},
    {"1 Gbit/s, burst below a packet", 1e9, 1000, 480, 72'000},
    {"10 Gbit/s", 1e10, 5e7, 480, 12'000},
    {"100 Gbit/s", 1e11, 5e8, 480, 72'000},
    {"10 Tbit/s", 1e13, 5e10, 480, 72'000},
};

TEST(TokenBucket, DecidesAsTheIdealBucketOverRandomArrivals) {
  for (const Shape& shape : kShapes) {
    SCOPED_TRACE(shape.name);
    std::mt19937_64 random(7);
    const Rate rate = Rate::of(shape.per_second, shape.burst, kHz);
    TokenBucket bucket;
    IdealBucket ideal{shape.per_second, shape.burst, kHz};
    base::Cycles now = kStart;
    const double mean_units = (shape.least_units + shape.most_units) / 2.0;
    long double passed = 0, ideal_passed = 0;
    unsigned disagreed = 0, close = 0;
    for (int i = 0; i < 200'000; ++i) {
      // Phases of 1000 arrivals at a third of the rate, at the rate and at three times the rate.
      const double load = (i / 1000) % 3 == 0 ? 0.33 : (i / 1000) % 3 == 1 ? 1 : 3;
      std::exponential_distribution<double> gap(load * shape.per_second / mean_units / kHz);
      now += static_cast<base::Cycles>(gap(random));
      const uint32_t units = std::uniform_int_distribution<uint32_t>(shape.least_units, shape.most_units)(random);
      const bool want = ideal.would_take(units, now);
      // Whole cycles are the grain of a decision; where they cannot tell, the ideal follows the bucket.
      const bool is_close = ideal.is_close(units, 3 * shape.per_second / kHz + 1e-6L * shape.burst);
      const bool got = bucket.take(rate, units, now);
      if (got != want) ++(is_close ? close : disagreed);
      if (got) passed += units, ideal.tokens -= units;
      if (want) ideal_passed += units;
    }
    EXPECT_EQ(disagreed, 0u);
    EXPECT_LT(close, 2000u);
    EXPECT_NEAR(static_cast<double>(passed / ideal_passed), 1, 1e-3);
  }
}

TEST(TokenBucket, IsExactOverOneSecondUnderOverload) {
  for (const Shape& shape : kShapes) {
    if (shape.per_second < 1000) continue;
    SCOPED_TRACE(shape.name);
    const Rate rate = Rate::of(shape.per_second, shape.burst, kHz);
    TokenBucket bucket;
    const uint32_t units = shape.least_units;
    // Three times the rate, from the moment when the burst is used up.
    const double gap = kHz * static_cast<double>(units) / shape.per_second / 3;
    const double arrivals = std::min(kHz / gap, 20e6);  // a shorter while where a second is too many packets to count
    const double window = arrivals * gap;
    double time = 0;
    long double passed = 0;
    base::Cycles now = kStart;
    while (bucket.take(rate, units, now)) {
    }
    for (; time < window; time += gap)
      if (bucket.take(rate, units, now + static_cast<base::Cycles>(time))) passed += units;
    const double expected = shape.per_second * window / kHz;
    EXPECT_NEAR(static_cast<double>(passed) / expected, 1, 1e-3 + units / expected);
  }
}

TEST(TokenBucket, LowRatesAreExactToThePacket) {
  const Rate rate = Rate::of(1, 1, kHz);
  TokenBucket bucket;
  unsigned passed = 0;
  for (base::Cycles t = 0; t <= 1000 * kHz; t += kHz / 7) passed += bucket.take(rate, 1, kStart + t);
  EXPECT_GE(passed, 875u);  // asked 7 times a second off the beat: each grant may wait one step
  EXPECT_LE(passed, 1001u);
  TokenBucket dense;
  passed = 0;
  for (base::Cycles t = 0; t <= 100 * kHz; t += 12'500) passed += dense.take(rate, 1, kStart + t);
  EXPECT_GE(passed, 100u);
  EXPECT_LE(passed, 101u);
}

TEST(TokenBucket, IdleBucketHoldsItsBurstAndNoMore) {
  const Rate rate = Rate::of(1000, 64, kHz);
  TokenBucket bucket;
  for (const base::Cycles idle : {0ull, 1ull, 3600ull}) {
    const base::Cycles now = kStart + idle * kHz;
    unsigned passed = 0;
    while (bucket.take(rate, 1, now)) ++passed;
    EXPECT_EQ(passed, 64u);
    EXPECT_FALSE(bucket.is_full(now));
    EXPECT_TRUE(bucket.is_full(now + kHz));
  }
}

TEST(TokenBucket, PacketLargerThanTheBurstPassesWhenFullAndIsPaidFor) {
  const Rate rate = Rate::of(8000, 800, kHz);
  TokenBucket bucket;
  unsigned passed = 0;
  for (base::Cycles t = 0; t < 100 * kHz; t += kHz / 1000) passed += bucket.take(rate, 8000, kStart + t);
  EXPECT_EQ(passed, 100u);
}

TEST(TokenBucket, ChangedRateHoldsAtOnce) {
  TokenBucket bucket;
  const Rate slow = Rate::of(1, 100, kHz);
  while (bucket.take(slow, 1, kStart)) {
  }
  const Rate fast = Rate::of(1e6, 5000, kHz);
  unsigned passed = 0;
  for (base::Cycles t = 0; t < kHz; t += kHz / 2'000'000) passed += bucket.take(fast, 1, kStart + t);
  EXPECT_NEAR(passed, 1e6, 1e3);
  // And back: the fast rate's debt is at most the slow one's burst.
  const base::Cycles later = kStart + kHz;
  EXPECT_FALSE(bucket.take(Rate::of(1, 2, kHz), 1, later) && bucket.take(Rate::of(1, 2, kHz), 1, later) &&
               bucket.take(Rate::of(1, 2, kHz), 1, later));
}

TEST(Rate, TakesWhatDoesNotFitToTheNearestThatDoes) {
  const double nan = std::nan(""), inf = INFINITY;
  for (const double speed : {0.0, -1.0, 1e-300, nan, inf, 1e300, 1.0}) {
    for (const double burst : {0.0, -5.0, nan, inf, 1e300, 1.0}) {
      for (const base::Cycles hz : {1'000'000'000ull, 8'000'000'000ull}) {
        const Rate rate = Rate::of(speed, burst, hz);
        EXPECT_GE(rate.cost, 1u);
        EXPECT_GE(rate.burst, 1u);
        EXPECT_LE(rate.burst, 1ull << 62);
        TokenBucket bucket;
        EXPECT_TRUE(bucket.take(rate, 1, kStart));
        SharedBucket shared;
        EXPECT_EQ(shared.claim(rate, 1, kStart), 1u);
        EXPECT_GE(rate.chunk(hz), 1u);
      }
    }
  }
}

// Workers with rounds of uneven length ask one shared bucket. `demand` is each worker's share of the offered packets.
struct Simulation {
  Rate rate;
  uint32_t chunk;
  SharedBucket shared;
  std::vector<LocalShare> shares;
  std::vector<long double> passed;
  uint64_t claims = 0;

  Simulation(const Rate& r, size_t workers) : rate(r), chunk(r.chunk(kHz)), shares(workers), passed(workers) {}

  // Offers `load` times the rate from `from` for `seconds`, in units of `units`.
  void run(base::Cycles from, double seconds, double per_second, double load, uint32_t units,
           const std::vector<double>& demand) {
    std::mt19937_64 random(11);
    std::vector<double> owed(shares.size());
    const double round = std::clamp(kHz * units / per_second, 20e-6 * kHz, 0.01 * kHz);
    for (double t = 0; t < seconds * kHz; t += round) {
      for (size_t w = 0; w < shares.size(); ++w) {
        // A worker's clock is what it read at the start of its round: up to a round old.
        const double age = std::uniform_real_distribution<double>(0, round)(random);
        const auto now = from + static_cast<base::Cycles>(std::max(0.0, t - age));
        owed[w] += demand[w] * load * per_second * round / kHz;
        for (; owed[w] >= units; owed[w] -= units) {
          const bool asks = shares[w].units < units && now >= shares[w].retry_at;
          claims += asks;
          if (shares[w].take(shared, rate, chunk, units, now)) passed[w] += units;
        }
      }
    }
  }
  long double sum() const {
    long double all = 0;
    for (const long double p : passed) all += p;
    return all;
  }
};

TEST(SharedBucket, TwoWorkersGetTheRateTogether) {
  struct Case {
    double per_second, seconds;
    uint32_t units;
  };
  for (const Case& c : {Case{1000, 20, 1}, Case{100'000, 4, 1}, Case{2e6, 1, 1}, Case{1e6, 20, 12'000},
                        Case{1e8, 4, 12'000}, Case{1e10, 1, 12'000}, Case{1e11, 0.5, 72'000}}) {
    for (const auto& demand :
         {std::vector<double>{0.5, 0.5}, std::vector<double>{0.9, 0.1}, std::vector<double>{1, 0}}) {
      SCOPED_TRACE(std::to_string(c.per_second) + " units/s, first worker's share " + std::to_string(demand[0]));
      // A bucket of one packet loses what drips in while it waits for the next: at low rates give it a few.
      const double burst = std::max<double>(c.per_second * 0.005, 4.0 * c.units);
      Simulation sim(Rate::of(c.per_second, burst, kHz), 2);
      sim.run(kStart, c.seconds, c.per_second, 2.5, c.units, demand);
      const double expected = c.per_second * c.seconds + burst;
      EXPECT_NEAR(static_cast<double>(sim.sum()) / expected, 1, 0.005 + 2 * c.units / expected);
      EXPECT_LT(sim.claims, 2 * 2100 * c.seconds + 100) << "claims a second";
      for (const LocalShare& share : sim.shares) EXPECT_LE(share.units, sim.chunk + c.units);
    }
  }
}

TEST(SharedBucket, UnderTheRateNothingIsRefused) {
  Simulation sim(Rate::of(1e6, 5000, kHz), 2);
  sim.run(kStart, 1, 1e6, 0.95, 1, {0.7, 0.3});
  EXPECT_NEAR(static_cast<double>(sim.sum()), 0.95e6, 100);
}

TEST(SharedBucket, LowRatesAreExactToThePacket) {
  for (const double per_second : {1.0, 10.0}) {
    Simulation sim(Rate::of(per_second, 2, kHz), 2);
    EXPECT_EQ(sim.chunk, 1u);
    sim.run(kStart, 100, per_second, 20, 1, {0.5, 0.5});
    EXPECT_NEAR(static_cast<double>(sim.sum()), 100 * per_second + 2, 1);
    EXPECT_EQ(sim.shares[0].units + sim.shares[1].units, 0u);
  }
}

TEST(SharedBucket, NextAtIsWhenAClaimCanSucceed) {
  SharedBucket shared;
  const Rate rate = Rate::of(10, 4, kHz);
  EXPECT_EQ(shared.claim(rate, 100, kStart), 4u);
  EXPECT_EQ(shared.claim(rate, 100, kStart), 0u);
  const base::Cycles at = shared.next_at(rate);
  EXPECT_EQ(shared.claim(rate, 1, at - 10), 0u);
  EXPECT_EQ(shared.claim(rate, 1, at + 10), 1u);
  EXPECT_NEAR(static_cast<double>(at - kStart), kHz / 10, 10);
}

TEST(SharedBucket, ChangedRateHoldsAtOnce) {
  Simulation sim(Rate::of(1, 1000, kHz), 2);
  sim.run(kStart, 0.5, 1000, 10, 1, {0.5, 0.5});  // runs up a debt of 1000 s
  sim.rate = Rate::of(1e6, 5000, kHz);
  sim.chunk = sim.rate.chunk(kHz);
  const long double before = sim.sum();
  sim.run(kStart + kHz / 2, 0.5, 1e6, 2, 1, {0.5, 0.5});
  EXPECT_NEAR(static_cast<double>(sim.sum() - before), 0.5e6, 0.01e6);
  // Down again: what was claimed at the old rate is not kept beyond a chunk of the new one.
  sim.rate = Rate::of(10, 1, kHz);
  sim.chunk = sim.rate.chunk(kHz);
  const long double at_change = sim.sum();
  sim.run(kStart + kHz, 10, 1000, 2, 1, {0.5, 0.5});
  EXPECT_NEAR(static_cast<double>(sim.sum() - at_change), 100, 5);
}

// Real threads over a virtual time that both advance: no unit is given twice.
TEST(SharedBucket, TwoThreadsNeverTakeMoreThanThereIs) {
  const double per_second = 1e7;
  const Rate rate = Rate::of(per_second, 50'000, kHz);
  SharedBucket shared;
  std::atomic<base::Cycles> clock{kStart};
  uint64_t passed[2] = {};
  const auto work = [&](unsigned w) {
    LocalShare share;
    const uint32_t chunk = rate.chunk(kHz);
    for (;;) {
      const base::Cycles now = clock.fetch_add(100, std::memory_order_relaxed);
      if (now - kStart >= kHz) return;
      for (int i = 0; i < 2; ++i) passed[w] += share.take(shared, rate, chunk, 1, now);
    }
  };
  std::thread other(work, 1u);
  work(0);
  other.join();
  const double all = static_cast<double>(passed[0] + passed[1]);
  EXPECT_LE(all, per_second + 50'000 + 10);
  EXPECT_GE(all, per_second * 0.98);
}

}  // namespace
}  // namespace penstock::flow
