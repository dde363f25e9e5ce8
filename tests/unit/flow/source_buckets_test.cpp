#include "flow/source_buckets.h"

#include <gtest/gtest.h>

#include <random>
#include <thread>

namespace penstock::flow {
namespace {

constexpr base::Cycles kHz = 1'000'000'000;

TEST(SourceBuckets, HoldsTheRateOfEachSource) {
  SourceBuckets buckets(1000);
  const Rate rate = Rate::of(1000, 10, kHz);
  for (uint64_t source = 1; source <= 50; ++source) {
    unsigned passed = 0;
    for (base::Cycles now = kHz; now < 2 * kHz; now += kHz / 5000)
      passed += buckets.take(source * 0x9e3779b97f4a7c15, rate, 1, now) == BucketResult::kPass;
    EXPECT_NEAR(passed, 1010, 2);
  }
}

TEST(SourceBuckets, WorkersShareOneBucket) {
  SourceBuckets buckets(1000);
  const Rate rate = Rate::of(1000, 10, kHz);
  // One clock, as workers of one machine have.
  std::atomic<base::Cycles> now{kHz};
  std::atomic<unsigned> passed{0};
  const auto worker = [&] {
    while (now.load() < 2 * kHz) passed += buckets.take(77, rate, 1, now.fetch_add(kHz / 20000)) == BucketResult::kPass;
  };
  std::thread first(worker), second(worker);
  first.join();
  second.join();
  EXPECT_LE(passed.load(), 1030u);
  EXPECT_GE(passed.load(), 990u);
}

TEST(SourceBuckets, FullIsSaidAndTimeFreesPlaces) {
  SourceBuckets buckets(8);
  const Rate rate = Rate::of(1, 1, kHz);
  unsigned full = 0;
  for (uint64_t id = 1; id <= 64; ++id) full += buckets.take(id << 20, rate, 1, kHz) == BucketResult::kTableFull;
  EXPECT_EQ(full, 64 - buckets.capacity());
  EXPECT_EQ(buckets.count_some(1000, kHz), buckets.capacity());
  for (uint64_t id = 65; id <= 64 + buckets.capacity(); ++id)
    EXPECT_EQ(buckets.take(id << 20, rate, 1, 3 * kHz), BucketResult::kPass);
}

TEST(SourceBuckets, AnotherRateHoldsAtOnce) {
  SourceBuckets buckets(100);
  const Rate slow = Rate::of(1, 10, kHz), fast = Rate::of(1e6, 1000, kHz);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(buckets.take(5, slow, 1, kHz), BucketResult::kPass);
  EXPECT_EQ(buckets.take(5, slow, 1, kHz), BucketResult::kOver);
  EXPECT_EQ(buckets.take(5, fast, 1, kHz), BucketResult::kOver);  // owes one burst of the new rate, no more
  EXPECT_EQ(buckets.take(5, fast, 1, kHz + kHz / 1000), BucketResult::kPass);
}

}  // namespace
}  // namespace penstock::flow
