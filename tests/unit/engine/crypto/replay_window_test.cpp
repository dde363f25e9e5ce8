// The window against an oracle that remembers every number it was ever told, and the RFC's own cases.
#include "engine/crypto/replay_window.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

namespace penstock::crypto {
namespace {

using Place = ReplayWindow::Place;

// All numbers ever marked, and the definition: new if above the top, else inside the window and never marked.
struct Oracle {
  uint64_t size;
  uint64_t top = 0;
  std::set<uint64_t> seen;

  Place place_of(uint64_t sequence) const {
    if (sequence == 0) return Place::kZero;
    if (sequence + size <= top) return Place::kTooOld;
    return seen.contains(sequence) ? Place::kSeen : Place::kNew;
  }
  void mark(uint64_t sequence) {
    seen.insert(sequence);
    top = std::max(top, sequence);
  }
};

class Windows : public testing::TestWithParam<uint32_t> {};

TEST_P(Windows, AgreesWithASetOfAllNumbers) {
  const uint32_t size = GetParam();
  std::mt19937_64 random(size);
  // Starts: the beginning, just below 2^32 (the window spans two subspaces), and far out.
  for (const uint64_t start : {uint64_t{0}, (uint64_t{1} << 32) - 300, (uint64_t{7} << 32) - 2, uint64_t{1} << 40}) {
    ReplayWindow window(size, true);
    Oracle oracle{size, 0, {}};
    if (start > 0) {
      // Brought there by authentic packets: one jump below 2^31 each.
      for (uint64_t at = 0; at < start;) {
        at = std::min(start, at + (uint64_t{1} << 31) - 1);
        if (at > (uint64_t{1} << 34)) at = start;  // mark() trusts a whole number
        ASSERT_EQ(window.mark(at), Place::kNew);
        oracle.mark(at);
      }
    }
    for (int i = 0; i < 20000; ++i) {
      const uint64_t kind = random() % 100;
      int64_t step = static_cast<int64_t>(random() % (2 * size)) - static_cast<int64_t>(size) - size / 2;
      if (kind < 50) step = static_cast<int64_t>(random() % 3);
      if (kind == 99) step = static_cast<int64_t>(random() % (20 * size));
      if (step < 0 && oracle.top < static_cast<uint64_t>(-step)) continue;
      const uint64_t sequence = oracle.top + static_cast<uint64_t>(step);
      const auto found = window.find(static_cast<uint32_t>(sequence));
      if (oracle.place_of(sequence) != Place::kTooOld) {
        ASSERT_EQ(found.sequence, sequence) << i;
        ASSERT_EQ(found.place, oracle.place_of(sequence)) << i << " " << sequence << " top " << oracle.top;
      } else {
        // Too old for the window: with ESN its low bits mean the next subspace, which the ICV will not confirm.
        ASSERT_NE(found.sequence, sequence);
      }
      ASSERT_EQ(window.mark(sequence), oracle.place_of(sequence)) << i;
      if (oracle.place_of(sequence) == Place::kNew) oracle.mark(sequence);
      ASSERT_EQ(window.top(), oracle.top);
    }
  }
}

TEST_P(Windows, WithoutExtensionOldNumbersAreTooOld) {
  const uint32_t size = GetParam();
  std::mt19937 random(size + 1);
  ReplayWindow window(size, false);
  Oracle oracle{size, 0, {}};
  for (int i = 0; i < 20000; ++i) {
    const auto sequence = static_cast<uint32_t>(std::max<int64_t>(
        0, static_cast<int64_t>(oracle.top) + static_cast<int64_t>(random() % (3 * size)) - 2 * size));
    ASSERT_EQ(window.find(sequence).place, oracle.place_of(sequence)) << i;
    ASSERT_EQ(window.mark(sequence), oracle.place_of(sequence)) << i;
    if (oracle.place_of(sequence) == Place::kNew) oracle.mark(sequence);
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, Windows, testing::Values(64u, 128u, 192u, 1024u, 4032u, 4096u));

TEST(ReplayWindow, ZeroIsNeverValid) {
  ReplayWindow window(64, false);
  EXPECT_EQ(window.find(0).place, Place::kZero);
  EXPECT_EQ(window.mark(0), Place::kZero);
}

TEST(ReplayWindow, WithoutOneEveryNumberButZeroIsNew) {
  ReplayWindow window(0, false);
  for (const uint32_t number : {5u, 5u, 1u, 0xffffffffu, 5u, 2u}) {
    const auto found = window.find(number);
    EXPECT_EQ(found.place, ReplayWindow::Place::kNew);
    EXPECT_EQ(window.mark(found.sequence), ReplayWindow::Place::kNew);
  }
  EXPECT_EQ(window.find(0).place, ReplayWindow::Place::kZero);
}

TEST(ReplayWindow, TheFirstPacketOfAllStaysInTheFirstSubspace) {
  const ReplayWindow window(64, true);
  EXPECT_EQ(window.find(1).sequence, 1u);
  EXPECT_EQ(window.find(0xffffffff).sequence, 0xffffffffu) << "there is no subspace below the first";
}

TEST(ReplayWindow, AppendixA2CaseBReachesIntoTheSubspaceBelow) {
  ReplayWindow window(64, true);
  const uint64_t top = (uint64_t{5} << 32) + 10;  // Tl < W - 1
  EXPECT_EQ(window.mark(top), Place::kNew);
  EXPECT_EQ(window.find(11).sequence, (uint64_t{5} << 32) + 11);
  EXPECT_EQ(window.find(9).sequence, (uint64_t{5} << 32) + 9);
  EXPECT_EQ(window.find(0xffffffff).sequence, (uint64_t{4} << 32) + 0xffffffff);
  EXPECT_EQ(window.find(0xffffffff - 52).sequence, (uint64_t{4} << 32) + 0xffffffff - 52) << "the oldest inside";
  EXPECT_EQ(window.find(0xffffffff - 53).sequence, (uint64_t{5} << 32) + 0xffffffff - 53) << "one older: ahead";
}

TEST(ReplayWindow, AppendixA2CaseAWrapsAhead) {
  ReplayWindow window(64, true);
  EXPECT_EQ(window.mark(0xffffffff), Place::kNew);
  EXPECT_EQ(window.find(0).sequence, uint64_t{1} << 32);
  EXPECT_EQ(window.find(0xffffffff).place, Place::kSeen);
  EXPECT_EQ(window.find(0xffffffff - 63).place, Place::kNew);
  EXPECT_EQ(window.find(0xffffffff - 64).sequence, (uint64_t{1} << 32) + 0xffffffff - 64);
}

TEST(ReplayWindow, ADuplicateInFlightIsCaughtByMark) {
  ReplayWindow window(64, true);
  const auto first = window.find(7);
  const auto second = window.find(7);
  EXPECT_EQ(first.place, Place::kNew);
  EXPECT_EQ(second.place, Place::kNew);
  EXPECT_EQ(window.mark(first.sequence), Place::kNew);
  EXPECT_EQ(window.mark(second.sequence), Place::kSeen);
}

}  // namespace
}  // namespace penstock::crypto
