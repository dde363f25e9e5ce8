// How fast the cycle counter goes, from two readings of two clocks.
#include "packets/clock.h"

#include <gtest/gtest.h>

namespace penstock::load {
namespace {

TEST(Calibration, IsExactAndNotRounded) {
  const Calibration::Instant from{.cycles = 5, .nanos = 7};
  for (const Cycles hz : {2'599'998'123ull, 1'000'000'001ull, 5'123'456'789ull})
    for (const uint64_t seconds : {1ull, 3600ull})
      EXPECT_EQ(Calibration::hz(from, {from.cycles + hz * seconds, from.nanos + seconds * 1'000'000'000}), hz);
}

TEST(Calibration, TakesItsTimeAndReadingsGoForward) {
  const Calibration::Instant before = Calibration::read();
  const Calibration calibration;
  EXPECT_GT(calibration.hz(), 0u);
  const Calibration::Instant after = Calibration::read();
  EXPECT_GE(after.nanos - before.nanos, Calibration::kLeastNanos);
  EXPECT_GT(after.cycles, before.cycles);
}

}  // namespace
}  // namespace penstock::load
