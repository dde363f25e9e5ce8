#include "flow/bounded_map.h"

#include <gtest/gtest.h>

#include <random>
#include <unordered_map>
#include <vector>

#include "flow/key.h"

namespace penstock::flow {
namespace {

struct Number {
  uint64_t value = 0;
  bool operator==(const Number&) const = default;
};
struct Payload {
  uint64_t a = 1, b = 2;
};

uint64_t keyed(uint64_t value) { return mix(value ^ 0x9e3779b97f4a7c15, 0xbf58476d1ce4e5b9); }

using Map = BoundedMap<Number, Payload>;

TEST(BoundedMap, FindsWhatWasInserted) {
  Map map(100);
  EXPECT_EQ(map.find({7}, keyed(7)), nullptr);
  Payload* made = map.insert({7}, keyed(7));
  ASSERT_NE(made, nullptr);
  EXPECT_EQ(made->b, 2u);
  made->a = 70;
  EXPECT_EQ(map.find({7}, keyed(7)), made);
  EXPECT_EQ(map.find_or_insert({7}, keyed(7))->a, 70u);
  EXPECT_TRUE(map.erase({7}, keyed(7)));
  EXPECT_FALSE(map.erase({7}, keyed(7)));
  EXPECT_EQ(map.size(), 0u);
  EXPECT_EQ(map.insert({7}, keyed(7))->a, 1u) << "a reused entry is a fresh value";
}

TEST(BoundedMap, HoldsItsCapacityAndNoMore) {
  for (const uint32_t capacity : {1u, 2u, 3u, 10u, 1000u, 4096u}) {
    Map map(capacity);
    uint32_t inserted = 0;
    for (uint64_t i = 0; i < capacity; ++i) inserted += map.insert({i}, keyed(i)) != nullptr;
    EXPECT_EQ(inserted, capacity);
    EXPECT_EQ(map.insert({~0ull}, keyed(~0ull)), nullptr);
    for (uint64_t i = 0; i < capacity; ++i) ASSERT_NE(map.find({i}, keyed(i)), nullptr);
  }
}

// The worst load that the index is sized for: 2^20 entries are exactly 4/5 of its slots.
TEST(BoundedMap, FillsAMillionWithoutRefusal) {
  constexpr uint32_t kMillion = 1u << 20;
  Map map(kMillion);
  uint32_t refused = 0;
  for (uint64_t i = 0; i < kMillion; ++i) refused += map.insert({i}, keyed(i)) == nullptr;
  EXPECT_LE(refused, 1u);
  // And keeps on at that load while entries come and go.
  std::mt19937_64 random(5);
  uint64_t next = kMillion;
  std::vector<uint64_t> live(kMillion);
  for (uint64_t i = 0; i < kMillion; ++i) live[i] = i;
  for (int i = 0; i < 1'000'000; ++i) {
    uint64_t& victim = live[random() % kMillion];
    if (!map.erase({victim}, keyed(victim))) continue;
    victim = next++;
    refused += map.insert({victim}, keyed(victim)) == nullptr;
  }
  EXPECT_LE(refused, 5u);
}

class AgainstModel : public testing::TestWithParam<uint64_t> {};

// Any mix of operations does what std::unordered_map does; the hash loses bits so that buckets overflow.
TEST_P(AgainstModel, BehavesLikeUnorderedMap) {
  const uint64_t hash_mask = GetParam();
  std::mt19937_64 random(hash_mask + 1);
  constexpr uint32_t kCapacity = 500;
  Map map(kCapacity);
  std::unordered_map<uint64_t, uint64_t> model;
  for (int i = 0; i < 200'000; ++i) {
    const uint64_t key = random() % 800;
    const uint64_t hash = keyed(key) & hash_mask;
    switch (random() % 4) {
      case 0: {
        const Payload* found = map.find({key}, hash);
        ASSERT_EQ(found != nullptr, model.contains(key));
        if (found != nullptr) {
          ASSERT_EQ(found->a, model[key]);
        }
        break;
      }
      case 1:
        ASSERT_EQ(map.erase({key}, hash), model.erase(key) == 1);
        break;
      default: {
        if (model.contains(key)) break;
        Payload* made = map.insert({key}, hash);
        if (made == nullptr) break;  // full, or its buckets are
        made->a = model[key] = random();
      }
    }
    ASSERT_EQ(map.size(), model.size());
  }
  size_t seen = 0;
  for (uint32_t n = 0; n < map.high(); ++n)
    map.at(n, [&](const Number& key, Payload& value) {
      ++seen;
      EXPECT_EQ(model.at(key.value), value.a);
    });
  EXPECT_EQ(seen, model.size());
}
INSTANTIATE_TEST_SUITE_P(Hashes, AgainstModel,
                         testing::Values(~0ull, 0xffff00000000000full, 0x0003000000000003ull, 0x000000000000003full));

TEST(BoundedMap, KeysThatAllCollideAreBoundedAndHarmToNobodyElse) {
  Map map(100'000);
  constexpr uint64_t kSame = 0x1234567812345678;
  uint32_t taken = 0;
  for (uint64_t i = 0; i < 10'000; ++i) taken += map.insert({i}, kSame) != nullptr;
  EXPECT_GE(taken, BucketIndex::kSlots);
  EXPECT_LE(taken, 2 * BucketIndex::kSlots) << "two buckets, then refused";
  EXPECT_EQ(map.size(), taken);
  uint32_t others = 0;
  for (uint64_t i = 100'000; i < 150'000; ++i) others += map.insert({i}, keyed(i)) != nullptr;
  EXPECT_EQ(others, 50'000u);
}

TEST(BoundedMap, SweepVisitsEachEntryOnceACycleAndErases) {
  Map map(1000);
  for (uint64_t i = 0; i < 1000; ++i) map.insert({i}, keyed(i));
  std::vector<int> visits(1000);
  for (int call = 0; call < 100; ++call)
    map.sweep(10, [&](const Number& key, Payload&) {
      ++visits[key.value];
      return key.value % 3 != 0;
    });
  for (const int v : visits) ASSERT_EQ(v, 1);
  EXPECT_EQ(map.size(), 666u);
  for (uint64_t i = 0; i < 1000; ++i) ASSERT_EQ(map.find({i}, keyed(i)) != nullptr, i % 3 != 0);
  map.sweep(5000, [](const Number&, Payload&) { return false; });
  EXPECT_EQ(map.size(), 0u);
}

TEST(BoundedMap, AnEmptyMapOfAMillionCostsNothing) {
  const Map map(1u << 20);
  EXPECT_LT(map.resident_bytes(), 1u << 20);
  EXPECT_GT(map.bytes(), 30u << 20);
}

}  // namespace
}  // namespace penstock::flow
