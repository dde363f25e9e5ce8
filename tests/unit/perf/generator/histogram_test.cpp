// Buckets that cover every value once, and percentiles against a sorted list.
#include "generator/histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace penstock::load {
namespace {

TEST(Histogram, BucketsFollowEachOtherWithoutGapOrOverlap) {
  for (uint32_t i = 0; i < Histogram::kBuckets; ++i) {
    const uint64_t last = Histogram::upper_bound(i);
    ASSERT_EQ(Histogram::index_of(last), i);
    if (i + 1 < Histogram::kBuckets) {
      ASSERT_EQ(Histogram::index_of(last + 1), i + 1);
    }
    const uint64_t first = i == 0 ? 0 : Histogram::upper_bound(i - 1) + 1;
    ASSERT_LE((last - first) * 128, last) << i;  // as fine as promised
  }
  EXPECT_EQ(Histogram::upper_bound(Histogram::kBuckets - 1), Histogram::kLargest);
  EXPECT_EQ(Histogram::index_of(UINT64_MAX), Histogram::kBuckets - 1);
}

TEST(Histogram, PercentilesAreThoseOfTheValuesWithinABucket) {
  std::mt19937_64 random(3);
  std::vector<uint64_t> values;
  Histogram histogram;
  for (int i = 0; i < 50'000; ++i) {
    values.push_back(random() >> (20 + random() % 40));
    histogram.add(values.back());
  }
  std::ranges::sort(values);
  for (const double share : {0.5, 0.9, 0.99, 0.999, 0.9999, 1.0}) {
    const auto rank = static_cast<size_t>(std::ceil(share * 50'000)) - 1;
    const uint64_t told = histogram.percentile(share);
    EXPECT_GE(told, values[rank]) << share;
    EXPECT_EQ(Histogram::index_of(told), Histogram::index_of(values[rank])) << share;
  }
  EXPECT_EQ(histogram.percentile(1), values.back());
}

TEST(Histogram, MergedIsAsIfAllWereAddedToOne) {
  Histogram one, two, all;
  for (uint64_t i = 0; i < 1000; ++i) {
    (i % 3 == 0 ? one : two).add(i * i);
    all.add(i * i);
  }
  one.merge(two);
  EXPECT_EQ(one.to_json(), all.to_json());
}

TEST(Histogram, NothingIsNothing) {
  Histogram histogram;
  EXPECT_EQ(histogram.percentile(0.99), 0u);
  histogram.add(7);
  histogram.clear();
  EXPECT_EQ(histogram.to_json(), Histogram().to_json());
  EXPECT_EQ(histogram.to_json()["min"], 0);
}

}  // namespace
}  // namespace penstock::load
