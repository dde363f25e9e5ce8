// RFC 9406: when the first slow start becomes conservative, ends, or goes on.
#include "l7/tcp/hystart.h"

#include <gtest/gtest.h>

namespace penstock::tcp {
namespace {

constexpr uint32_t kMss = 1000;
constexpr base::Nanos kMs = 1'000'000;

// A sender whose rounds have ten acknowledgements each.
struct Sender {
  HyStart hystart;
  Seq una = 0;
  bool left = false;

  uint32_t round(base::Nanos rtt) {
    uint32_t grown = 0;
    const Seq next = una + 10 * kMss;
    while (before(una, next)) {
      una += kMss;
      const auto growth = hystart.on_ack(kMss, kMss, una, una + 10 * kMss, rtt, false);
      grown += growth.bytes;
      left = left || growth.leave;
    }
    return grown;
  }
};

TEST(HyStart, EvenRoundTripsDoubleTheWindow) {
  Sender s;
  for (int i = 0; i < 20; ++i) EXPECT_EQ(s.round(20 * kMs), 10 * kMss);
  EXPECT_FALSE(s.left);
}

TEST(HyStart, GrowingRoundTripsEndIt) {
  Sender s;
  s.round(20 * kMs);
  s.round(20 * kMs);
  EXPECT_LT(s.round(25 * kMs), 10 * kMss);  // from the eighth sample on a quarter
  EXPECT_EQ(s.round(25 * kMs), 10 * kMss / 4);
  for (int i = 0; i < 2; ++i) s.round(25 * kMs);
  EXPECT_FALSE(s.left);
  for (int i = 0; i < 3; ++i) s.round(25 * kMs);
  EXPECT_TRUE(s.left);
}

TEST(HyStart, NoiseLetsItGoOn) {
  Sender s;
  s.round(20 * kMs);
  s.round(20 * kMs);
  s.round(30 * kMs);
  s.round(21 * kMs);  // shorter than when it became careful
  EXPECT_EQ(s.round(21 * kMs), 10 * kMss);
  for (int i = 0; i < 10; ++i) s.round(21 * kMs);
  EXPECT_FALSE(s.left);
}

TEST(HyStart, LessThanFourMillisecondsMeanNothing) {
  Sender s;
  for (int i = 0; i < 10; ++i) EXPECT_EQ(s.round(kMs + static_cast<base::Nanos>(i) * 3 * kMs), 10 * kMss);
  EXPECT_FALSE(s.left);
}

TEST(HyStart, AStretchedAcknowledgementCountsForEightSegments) {
  HyStart h;
  EXPECT_EQ(h.on_ack(100 * kMss, kMss, 100 * kMss, 200 * kMss, 0, false).bytes, 8 * kMss);
  EXPECT_EQ(h.on_ack(100 * kMss, kMss, 200 * kMss, 300 * kMss, 0, true).bytes, 100 * kMss) << "paced";
}

}  // namespace
}  // namespace penstock::tcp
