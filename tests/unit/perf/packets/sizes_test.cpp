// Shares of drawn sizes by chi-square with a fixed seed; sequences in order.
#include "packets/sizes.h"

#include <gtest/gtest.h>

#include <map>

namespace penstock::load {
namespace {

// Pearson's statistic of `draws` against the shares.
double chi_square(Sizes sizes, const std::map<uint16_t, double>& shares, unsigned draws) {
  Random random(42);
  std::map<uint16_t, double> seen;
  for (unsigned i = 0; i < draws; ++i) ++seen[sizes.next(random)];
  double sum = 0;
  for (const auto& [size, count] : seen) EXPECT_TRUE(shares.contains(size)) << size;
  for (const auto& [size, share] : shares) {
    const double expected = share * draws;
    sum += (seen[size] - expected) * (seen[size] - expected) / expected;
  }
  return sum;
}

TEST(Sizes, WeightsAreShares) {
  const auto imix = Sizes::weighted({{64, 7}, {594, 4}, {1518, 1}});
  EXPECT_LT(chi_square(imix, {{64, 7 / 12.0}, {594, 4 / 12.0}, {1518, 1 / 12.0}}, 120'000), 13.8);  // 2 degrees, 0.1 %
  EXPECT_NEAR(imix.mean(), (7 * 64 + 4 * 594 + 1518) / 12.0, 1e-9);
  EXPECT_EQ(imix.least(), 64);
  EXPECT_EQ(imix.largest(), 1518);
}

TEST(Sizes, ARangeIsEven) {
  std::map<uint16_t, double> shares;
  for (uint16_t size = 64; size < 164; ++size) shares[size] = 0.01;
  EXPECT_LT(chi_square(Sizes::range(64, 163), shares, 100'000), 148.2);  // 99 degrees, 0.1 %
}

TEST(Sizes, AWeightOfNothingIsNeverDrawn) {
  auto sizes = Sizes::weighted({{64, 0}, {100, 5}, {200, 0}});
  Random random(1);
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(sizes.next(random), 100);
}

TEST(Sizes, ASequenceRepeatsInOrder) {
  auto sizes = Sizes::sequence({64, 128, 64});
  Random random(1);
  for (int i = 0; i < 9; ++i) EXPECT_EQ(sizes.next(random), i % 3 == 1 ? 128 : 64);
}

}  // namespace
}  // namespace penstock::load
