// The search for a path's MTU in virtual time, over underlays that carry so much and lose so many.
#include "control/liveness/mtu_search.h"

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <random>

#include "control/liveness/machine.h"

namespace penstock::liveness {
namespace {

constexpr base::Nanos kMs = kMillisecond;
constexpr base::Nanos kSecond = base::kNanosPerSecond;

// A path that carries datagrams of up to `carries` bytes, without a word, and loses others by chance.
struct Way {
  Machine machine;
  base::Nanos now = 1'000'000 * kMs;
  uint16_t carries;
  double loss = 0;
  bool answers_padded = true, up = true;
  base::Nanos round_trip = 1 * kMs;
  std::mt19937 random{7};
  std::multimap<base::Nanos, std::pair<Probe, base::Nanos>> flying;
  std::vector<std::pair<base::Nanos, uint16_t>> mtus;  // each change of what is used
  std::map<uint16_t, unsigned> asked;                  // by size

  explicit Way(uint16_t carried, uint16_t ceiling = 1500, bool v4 = true) : carries(carried) {
    machine.set(7, {}, {v4 ? base::IpAddress::v4(0xc0000201) : *base::IpAddress::parse("2001:db8::1")}, now, {ceiling});
  }
  PathStatus path() const { return machine.paths(7)[0]; }
  void run(base::Nanos span) {
    const base::Nanos end = now + span;
    for (;;) {
      base::Nanos next = *machine.deadline();
      if (!flying.empty()) next = std::min(next, flying.begin()->first);
      if (next > end) break;
      now = std::max(now, next);
      while (!flying.empty() && flying.begin()->first <= now) {
        const auto [probe, at] = flying.begin()->second;
        machine.on_answer(probe.peer, probe.path, probe.sequence, flying.begin()->first - at, now);
        flying.erase(flying.begin());
      }
      machine.on_deadline(now);
      while (const auto probe = machine.next_probe()) {
        if (probe->size != 0) ++asked[probe->size];
        const bool lost = std::uniform_real_distribution<>(0, 1)(random) < loss;
        if (up && !lost && probe->size <= carries && (probe->size == 0 || answers_padded))
          flying.emplace(now + round_trip, std::pair{*probe, now});
      }
      while (const auto change = machine.next_change())
        if (change->kind == Change::Kind::kMtu) mtus.emplace_back(now, path().mtu);
    }
    now = end;
  }
};

TEST(MtuSearch, WhatIsConfiguredIsConfirmedAndAskedAboutAgain) {
  Way w(1500);
  EXPECT_EQ(w.path().mtu, 1500);
  EXPECT_EQ(w.path().confirmed_mtu, 0);
  w.run(kSecond);
  EXPECT_EQ(w.path().mtu_state, MtuState::kComplete);
  EXPECT_EQ(w.path().confirmed_mtu, 1500);
  w.run(9 * kSecond);
  EXPECT_TRUE(w.mtus.empty());
  EXPECT_EQ(w.asked.size(), 1u);  // of no other size
  EXPECT_NEAR(w.asked[1500], 10, 2);
}

TEST(MtuSearch, ANarrowPathIsFoundFromTheBeginning) {
  for (const uint16_t carries : {1496, 1450, 1400, 1281, 1204, 1200, 1000, 580, 576}) {
    Way w(carries);
    w.run(5 * kSecond);
    EXPECT_EQ(w.path().mtu_state, MtuState::kComplete) << carries;
    EXPECT_LE(w.path().mtu, carries);
    EXPECT_GT(w.path().mtu, carries - kMtuStep);
    EXPECT_EQ(w.path().confirmed_mtu, w.path().mtu);
    ASSERT_EQ(w.mtus.size(), 1u) << carries;  // lowered once, not in steps
  }
}

TEST(MtuSearch, JumboFramesAndIpv6) {
  Way w(8950, 9000);
  w.run(8 * kSecond);
  EXPECT_EQ(w.path().mtu, 8948);
  Way v6(1400, 1500, false);
  v6.run(5 * kSecond);
  EXPECT_EQ(v6.path().mtu, 1400);
  for (const auto& [size, times] : v6.asked) EXPECT_GE(size, 1280);
}

TEST(MtuSearch, ABlackHoleIsFoundInBoundedTimeAndLeftAfterTheTimer) {
  Way w(1500);
  w.run(10 * kSecond);
  const base::Nanos cut = w.now;
  w.carries = 1300;
  w.run(20 * kSecond);
  ASSERT_EQ(w.mtus.size(), 1u);
  EXPECT_EQ(w.mtus[0].second, 1300);
  EXPECT_LE(w.mtus[0].first - cut, 4 * kSecond);
  w.run(kRaise - 30 * kSecond);
  w.carries = 1500;
  w.run(60 * kSecond);
  ASSERT_EQ(w.mtus.size(), 2u);
  EXPECT_EQ(w.mtus[1].second, 1500);
  EXPECT_GE(w.mtus[1].first - w.mtus[0].first, kRaise);
  w.carries = 1400;  // and again
  w.run(10 * kSecond);
  ASSERT_EQ(w.mtus.size(), 3u);
  EXPECT_EQ(w.mtus[2].second, 1400);
}

TEST(MtuSearch, ANarrowPathIsAskedSeldomForMore) {
  Way w(1300);
  w.run(10 * kSecond);
  w.asked.clear();
  w.run(3 * kRaise);
  ASSERT_EQ(w.mtus.size(), 1u);
  unsigned longer = 0;
  for (const auto& [size, times] : w.asked) longer += size > 1300 ? times : 0;
  EXPECT_GT(longer, 0u);
  EXPECT_LE(longer, 3u * 30);
}

TEST(MtuSearch, LossIsNotSize) {
  for (const double loss : {0.001, 0.01, 0.05, 0.1, 0.2, 0.3}) {
    Way w(1500);
    w.run(kSecond);
    w.loss = loss;
    w.run(6 * 3600 * kSecond);  // of a path that is up most of the time
    EXPECT_LE(w.mtus.size(), 2u) << loss;
    for (const auto& [at, mtu] : w.mtus) EXPECT_GE(mtu, 1480) << loss;
  }
}

TEST(MtuSearch, ABlackHoleIsFoundThroughLoss) {
  for (const double loss : {0.01, 0.05, 0.1}) {
    Way w(1500);
    w.loss = loss;
    w.run(20 * kSecond);
    const base::Nanos cut = w.now;
    w.carries = 1300;
    w.run(30 * kSecond);
    ASSERT_FALSE(w.mtus.empty()) << loss;
    EXPECT_LE(w.mtus.back().second, 1300);
    EXPECT_GE(w.mtus.back().second, 1250) << loss;
    EXPECT_LE(w.mtus.front().first - cut, 20 * kSecond);
  }
}

TEST(MtuSearch, APathThatIsDownSaysNothingAboutSizes) {
  Way w(1500);
  w.run(5 * kSecond);
  w.up = false;
  w.asked.clear();
  w.run(60 * kSecond);
  EXPECT_LE(w.asked[1500], 2u);
  EXPECT_TRUE(w.mtus.empty());
  w.up = true;
  w.carries = 1400;  // another way since
  w.run(10 * kSecond);
  EXPECT_EQ(w.path().mtu, 1400);
  w.up = false;
  w.run(5 * kSecond);
  EXPECT_EQ(w.path().mtu, 1400);
  w.up = true;
  w.carries = 1500;
  w.run(5 * kSecond);  // long before the timer
  EXPECT_EQ(w.path().mtu, 1500);
}

TEST(MtuSearch, APeerThatAnswersNoPaddedProbeKeepsWhatIsConfigured) {
  Way w(1500);
  w.answers_padded = false;
  w.run(200 * kSecond);
  EXPECT_EQ(w.path().mtu_state, MtuState::kError);
  EXPECT_EQ(w.path().mtu, 1500);
  EXPECT_TRUE(w.mtus.empty());
  unsigned all = 0;
  for (const auto& [size, times] : w.asked) all += times;
  EXPECT_LT(all, 60u);
  w.answers_padded = true;
  w.run(kErrorPause + kSecond);
  EXPECT_EQ(w.path().mtu_state, MtuState::kComplete);
}

TEST(MtuSearch, WhatARouterSaysIsTriedNext) {
  Way w(1500);
  w.run(5 * kSecond);
  w.carries = 1372;
  const base::Nanos cut = w.now;
  w.machine.on_too_big(7, base::IpAddress::v4(0xc0000201), 1372, w.now);
  w.run(10 * kSecond);
  ASSERT_EQ(w.mtus.size(), 1u);
  EXPECT_EQ(w.mtus[0].second, 1372);
  EXPECT_LE(w.mtus[0].first - cut, 2 * kSecond);
  // What nobody confirms changes nothing.
  w.machine.on_too_big(7, base::IpAddress::v4(0xc0000201), 600, w.now);
  w.machine.on_too_big(7, base::IpAddress::v4(0xc0000299), 600, w.now);
  w.machine.on_too_big(8, base::IpAddress::v4(0xc0000201), 600, w.now);
  w.run(10 * kSecond);
  EXPECT_EQ(w.path().mtu, 1372);
}

TEST(MtuSearch, AnotherCeilingBeginsAnewAndNoneEndsIt) {
  Way w(1500);
  w.run(5 * kSecond);
  const std::vector<base::IpAddress> address = {base::IpAddress::v4(0xc0000201)};
  w.machine.set(7, {}, address, w.now, {1400});
  EXPECT_EQ(w.path().mtu, 1400);
  w.run(5 * kSecond);
  EXPECT_EQ(w.path().confirmed_mtu, 1400);
  w.machine.set(7, {}, address, w.now);
  EXPECT_EQ(w.path().mtu_state, MtuState::kOff);
  w.asked.clear();
  w.run(60 * kSecond);
  EXPECT_TRUE(w.asked.empty());
  EXPECT_EQ(w.path().mtu, 0);
}

TEST(MtuSearch, ASlowPathIsGivenItsTime) {
  Way w(1400);
  w.round_trip = 300 * kMs;
  w.run(60 * kSecond);
  EXPECT_EQ(w.path().mtu, 1400);
  EXPECT_EQ(w.mtus.size(), 1u);
}

}  // namespace
}  // namespace penstock::liveness
