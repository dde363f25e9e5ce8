#include "flow/source_buckets.h"

#include <gtest/gtest.h>

#include <array>
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

// Without exchanges the answers are the same.
TEST(SourceBuckets, OneTakerGetsWhatManyWould) {
  SourceBuckets one(256, SourceBuckets::Takers::kOne), many(256);
  std::mt19937_64 random(7);
  std::array<unsigned, 3> seen{};
  base::Cycles now = 1'000'000;
  for (int i = 0; i < 200'000; ++i) {
    now += random() % 2000;
    const uint64_t id = (random() % 400 + 1) * 0x9e3779b97f4a7c15 | 1;
    const Rate rate = Rate::of(static_cast<double>(1000 + random() % 3 * 1000), 5, kHz);
    const auto units = static_cast<uint32_t>(1 + random() % 3);
    const BucketResult result = one.take(id, rate, units, now);
    ASSERT_EQ(result, many.take(id, rate, units, now)) << i;
    ++seen[static_cast<size_t>(result)];
  }
  EXPECT_GT(seen[static_cast<size_t>(BucketResult::kPass)], 1000u);
  EXPECT_GT(seen[static_cast<size_t>(BucketResult::kOver)], 1000u);
}

}  // namespace
}  // namespace penstock::flow
