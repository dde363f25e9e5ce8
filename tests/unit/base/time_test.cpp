// base/time.h, base/counter.h and base/bytes.h: the small numbers.
#include "base/time.h"

#include <gtest/gtest.h>

#include "base/bytes.h"
#include "base/counter.h"

namespace penstock::base {
namespace {

TEST(Time, SinceIsRightAcrossTheWrap) {
  EXPECT_EQ(since(100, 150), 50u);
  EXPECT_EQ(since(100, 100), 0u);
  EXPECT_EQ(since(150, 100), 0u);  // the future
  EXPECT_EQ(since(0xffffff00u, 0x100u), 0x200u);
  EXPECT_EQ(since(0x100u, 0xffffff00u), 0u);
  EXPECT_EQ(since(0, 0x7fffffffu), 0x7fffffffu);
}

TEST(Time, ClocksAdvance) {
  const Nanos before = monotonic_now();
  const Cycles cycles = read_cycles();
  EXPECT_GT(cycles_per_second(), 100'000'000u);
  EXPECT_GT(monotonic_now(), before);
  EXPECT_GT(read_cycles(), cycles);
  EXPECT_GT(wall_now(), 1'600'000'000 * kNanosPerSecond);
}

TEST(Counter, AddsAndSets) {
  Counter counter;
  counter.add(3);
  counter.add(4);
  EXPECT_EQ(counter.read(), 7u);
  counter.set(1);
  EXPECT_EQ(counter.read(), 1u);
  PacketCounter packets;
  packets.add(60);
  packets.add(1500);
  EXPECT_EQ(packets.packets.read(), 2u);
  EXPECT_EQ(packets.bytes.read(), 1560u);
}

TEST(Bytes, BigEndianAtAnyAlignment) {
  uint8_t raw[16] = {};
  store_be64(raw + 1, 0x0102030405060708);
  EXPECT_EQ(raw[1], 1);
  EXPECT_EQ(raw[8], 8);
  EXPECT_EQ(load_be16(raw + 2), 0x0203);
  EXPECT_EQ(load_be32(raw + 3), 0x03040506u);
  EXPECT_EQ(load_be64(raw + 1), 0x0102030405060708u);
}

}  // namespace
}  // namespace penstock::base
