// base/spsc_ring.h: order, fullness, in-place slots; nothing lost or repeated between two threads.
#include "base/spsc_ring.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <thread>

namespace penstock::base {
namespace {

TEST(SpscRing, FirstInFirstOut) {
  SpscRing<int> ring(3);
  EXPECT_EQ(ring.capacity(), 4u);
  int out = -1;
  EXPECT_FALSE(ring.pop(out));
  for (int round = 0; round < 10; ++round) {
    for (int i = 0; i < 4; ++i) EXPECT_TRUE(ring.push(round * 10 + i));
    EXPECT_FALSE(ring.push(99));
    EXPECT_EQ(ring.size(), 4u);
    EXPECT_EQ(ring.room(), 0u);
    for (int i = 0; i < 4; ++i) {
      ASSERT_TRUE(ring.pop(out));
      EXPECT_EQ(out, round * 10 + i);
    }
    EXPECT_TRUE(ring.empty());
  }
}

TEST(SpscRing, SlotsInPlace) {
  SpscRing<int> ring(2);
  EXPECT_EQ(ring.front(), nullptr);
  *ring.reserve() = 7;
  EXPECT_TRUE(ring.empty());  // not yet committed
  ring.commit();
  *ring.reserve() = 8;
  ring.commit();
  EXPECT_EQ(ring.reserve(), nullptr);
  ASSERT_NE(ring.front(), nullptr);
  EXPECT_EQ(*ring.front(), 7);
  ring.release();
  EXPECT_EQ(*ring.front(), 8);
  EXPECT_EQ(ring.room(), 1u);
}

TEST(SpscRing, TwoThreads) {
  constexpr uint64_t kCount = 200'000;
  SpscRing<uint64_t> ring(64);
  std::thread producer([&] {
    for (uint64_t i = 0; i < kCount;) {
      if (ring.push(i)) {
        ++i;
      } else {
        std::this_thread::yield();
      }
    }
  });
  uint64_t expected = 0;
  while (expected < kCount) {
    uint64_t value;
    if (!ring.pop(value)) {
      std::this_thread::yield();
      continue;
    }
    if (value != expected) break;
    ++expected;
  }
  producer.join();
  EXPECT_EQ(expected, kCount);
  EXPECT_TRUE(ring.empty());
}

}  // namespace
}  // namespace penstock::base
