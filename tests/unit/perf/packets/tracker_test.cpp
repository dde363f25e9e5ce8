// The window of bits against a set that remembers everything.
#include "packets/tracker.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <vector>

#include "packets/random.h"

namespace penstock::load {
namespace {

struct Oracle {
  std::set<uint64_t> seen;
  uint64_t received = 0, duplicated = 0, reordered = 0;

  void add(uint64_t sequence) {
    if (!seen.empty() && sequence < *seen.rbegin() && !seen.contains(sequence)) ++reordered;
    if (seen.insert(sequence).second)
      ++received;
    else
      ++duplicated;
  }
};

TEST(Tracker, AgreesWithTheOracleOnAnyOrder) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    Random random(seed);
    std::vector<uint64_t> arrivals;
    for (uint64_t n = 0; n < 20'000; ++n) {
      if (random.below(10) == 0) continue;  // lost
      for (uint64_t copies = random.below(20) == 0 ? 2 : 1; copies != 0; --copies) arrivals.push_back(n);
    }
    const uint64_t reach = 1ull << (seed % 14);  // how far packets are displaced
    for (size_t i = 0; i + reach < arrivals.size(); ++i) std::swap(arrivals[i], arrivals[i + random.below(reach)]);
    Tracker tracker;
    Oracle oracle;
    for (const uint64_t n : arrivals) {
      tracker.add(n);
      oracle.add(n);
    }
    EXPECT_EQ(tracker.received, oracle.received) << seed;
    EXPECT_EQ(tracker.duplicated, oracle.duplicated) << seed;
    EXPECT_EQ(tracker.reordered, oracle.reordered) << seed;
    EXPECT_EQ(tracker.ancient, 0u);
  }
}

TEST(Tracker, CountsOnAcrossManyWindows) {
  Tracker tracker;
  for (uint64_t n = 0; n < 5 * Tracker::kWindow; ++n)
    if (n % 1000 != 999) {
      ASSERT_TRUE(tracker.add(n));
    }
  EXPECT_EQ(tracker.received, 5 * Tracker::kWindow - 5 * Tracker::kWindow / 1000);
  EXPECT_EQ(tracker.expected(), 5 * Tracker::kWindow);
}

TEST(Tracker, WhatIsBehindTheWindowIsAncientAndNothingElse) {
  Tracker tracker;
  tracker.add(Tracker::kWindow + 10);
  EXPECT_FALSE(tracker.add(10));
  EXPECT_TRUE(tracker.add(11));  // the last one inside
  EXPECT_FALSE(tracker.add(11));
  EXPECT_EQ(tracker.ancient, 1u);
  EXPECT_EQ(tracker.reordered, 1u);
  EXPECT_EQ(tracker.duplicated, 1u);
  EXPECT_EQ(tracker.received, 2u);
}

TEST(Tracker, AJumpForgetsWhatTheWindowNoLongerHolds) {
  Tracker tracker;
  for (uint64_t n = 0; n < 100; ++n) tracker.add(n);
  EXPECT_TRUE(tracker.add(10 * Tracker::kWindow));
  EXPECT_TRUE(tracker.add(9 * Tracker::kWindow + 50));  // stands where 50 stood
}

TEST(Tracker, BeginsAnew) {
  Tracker tracker;
  tracker.add(5);
  tracker.restart();
  EXPECT_TRUE(tracker.add(5));
  EXPECT_EQ(tracker.received, 1u);
}

}  // namespace
}  // namespace penstock::load
