#include "requests/schedule.h"

#include <gtest/gtest.h>

#include <map>

#include "requests/sizes.h"

namespace penstock::requests {
namespace {

TEST(Schedule, ConstantArrivalsDoNotDrift) {
  for (const double rate : {0.5, 3.0, 7.0, 999.9, 1e6}) {
    const base::Nanos length = rate < 10 ? 1000 * base::kNanosPerSecond : 2 * base::kNanosPerSecond;
    const auto all = schedule(Spacing::kConstant, rate, length, 1);
    ASSERT_EQ(all.size(), static_cast<size_t>(std::ceil(rate * static_cast<double>(length) / 1e9 - 1e-9))) << rate;
    for (size_t k = 0; k < all.size(); ++k)
      ASSERT_NEAR(static_cast<double>(all[k]), static_cast<double>(k) / rate * 1e9, 1.0) << rate << " " << k;
  }
}

TEST(Schedule, PoissonGapsAreExponential) {
  const double rate = 10'000;
  const auto all = schedule(Spacing::kPoisson, rate, 20 * base::kNanosPerSecond, 7);
  EXPECT_NEAR(static_cast<double>(all.size()), 200'000, 5 * std::sqrt(200'000.0));
  // Chi-square over ten classes that are equally likely: 27.9 is exceeded once in a thousand seeds.
  std::vector<uint64_t> seen(10);
  for (size_t k = 1; k < all.size(); ++k) {
    ASSERT_GE(all[k], all[k - 1]);
    const double share = 1 - std::exp(-static_cast<double>(all[k] - all[k - 1]) / 1e9 * rate);
    ++seen[std::min<size_t>(9, static_cast<size_t>(share * 10))];
  }
  const double expected = static_cast<double>(all.size() - 1) / 10;
  double square = 0;
  for (const uint64_t n : seen)
    square += (static_cast<double>(n) - expected) * (static_cast<double>(n) - expected) / expected;
  EXPECT_LT(square, 27.9);
}

TEST(Schedule, SharesTogetherAreTheWhole) {
  for (const Spacing spacing : {Spacing::kConstant, Spacing::kPoisson})
    for (uint32_t of = 1; of <= 5; ++of) {
      const auto whole = schedule(spacing, 7777, base::kNanosPerSecond, 3);
      size_t all = 0;
      for (uint32_t index = 0; index < of; ++index) {
        const Share share{.index = index, .of = of};
        const auto own = schedule(spacing, 7777, base::kNanosPerSecond, 3, share);
        all += own.size();
        for (size_t n = 0; n < own.size(); ++n) ASSERT_EQ(own[n], whole[share.nth(n)]);
      }
      EXPECT_EQ(all, whole.size());
      for (uint32_t count = 0; count <= 11; ++count) {
        uint32_t sum = 0;
        for (uint32_t index = 0; index < of; ++index) sum += Share{.index = index, .of = of}.of_all(count);
        EXPECT_EQ(sum, count);
      }
    }
}

TEST(Schedule, TheSeedDecides) {
  const auto a = schedule(Spacing::kPoisson, 1000, base::kNanosPerSecond, 3);
  EXPECT_EQ(a, schedule(Spacing::kPoisson, 1000, base::kNanosPerSecond, 3));
  EXPECT_NE(a, schedule(Spacing::kPoisson, 1000, base::kNanosPerSecond, 4));
}

TEST(Schedule, IsBounded) {
  EXPECT_TRUE(fits(1e6, 60 * base::kNanosPerSecond));
  EXPECT_FALSE(fits(1e6, 68 * base::kNanosPerSecond));
}

TEST(Sizes, ComeInTheirShares) {
  Sizes sizes;
  sizes.clear();
  sizes.add(64, 64, 7);
  sizes.add(100, 109, 3);
  proxy::Random random(5);
  std::map<uint64_t, int> seen;
  for (int i = 0; i < 100'000; ++i) ++seen[sizes.pick(random)];
  EXPECT_EQ(seen.size(), 11u);
  EXPECT_NEAR(seen[64], 70'000, 700);
  for (uint64_t size = 100; size < 110; ++size) EXPECT_NEAR(seen[size], 3000, 300) << size;
  EXPECT_EQ(sizes.largest(), 109u);
  EXPECT_EQ(Sizes(5).pick(random), 5u);
}

}  // namespace
}  // namespace penstock::requests
