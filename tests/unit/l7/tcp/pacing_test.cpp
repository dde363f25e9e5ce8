// Pacing: its arithmetic against 128 bits, its rate against a list of what was sent; what it is for: fewer packets lost
// in short queues.
#include "l7/tcp/pacing.h"

#include <gtest/gtest.h>

#include "unit/l7/tcp/link.h"

namespace penstock::tcp::test {
namespace {

using Wide = unsigned __int128;

constexpr base::Nanos kMicrosecond = 1000;
constexpr base::Nanos kTick = base::Nanos{1} << TimerWheel::kTickBits;

// Numerator and denominator of the gain.
std::pair<unsigned, unsigned> gain_of(const Pacing::Path& p) { return p.doubling ? std::pair{2, 1} : std::pair{6, 5}; }

Wide exact_time(uint32_t bytes, const Pacing::Path& p) {
  const auto [up, down] = gain_of(p);
  return Wide{bytes} * p.rtt * down / (Wide{p.window} * up);
}

Wide exact_bytes(base::Nanos time, const Pacing::Path& p) {
  const auto [up, down] = gain_of(p);
  return Wide{time} * p.window * up / (Wide{p.rtt} * down);
}

double rate_of(const Pacing::Path& p) {  // bytes per second
  const auto [up, down] = gain_of(p);
  return 1e9 * up * p.window / (static_cast<double>(p.rtt) * down);
}

double elapsed(base::Nanos from, base::Nanos to) { return static_cast<double>(to - from) / 1e9; }

TEST(Pacing, TheRateIsTheWindowByTheRoundTrip) {
  const Pacing::Path slow_start{.window = 10'000, .rtt = 100 * kMillisecond, .doubling = true};
  EXPECT_EQ(Pacing::time_of(1000, slow_start), 5 * kMillisecond);
  EXPECT_EQ(Pacing::bytes_in(kMillisecond, slow_start), 200U);
  const Pacing::Path avoidance{.window = 10'000, .rtt = 100 * kMillisecond, .doubling = false};
  EXPECT_EQ(Pacing::time_of(1200, avoidance), 10 * kMillisecond);
  EXPECT_EQ(Pacing::bytes_in(kMillisecond, avoidance), 120U);
}

TEST(Pacing, NoWindowOrRoundTripOverflows) {
  std::mt19937_64 r(7);
  const auto below = [&r](uint64_t bits) { return r() >> (63 - r() % bits); };  // any order of magnitude
  for (int i = 0; i < 200'000; ++i) {
    const Pacing::Path p{.window = static_cast<uint32_t>(std::clamp<uint64_t>(below(31), 88, 1U << 31)),
                         .rtt = std::clamp<base::Nanos>(below(36), kMicrosecond, kMaxRto),
                         .doubling = r() % 2 == 0};
    const auto bytes = static_cast<uint32_t>(below(17)) + 1;
    ASSERT_TRUE(Wide{Pacing::time_of(bytes, p)} == exact_time(bytes, p)) << bytes << " " << p.window << " " << p.rtt;
    ASSERT_TRUE(Wide{Pacing::bytes_in(Pacing::kTogether, p)} == exact_bytes(Pacing::kTogether, p))
        << p.window << " " << p.rtt;
  }
}

TEST(Pacing, WhatLeavesTogetherIsSegmentsOfAMillisecondAndTwoAtLeast) {
  std::mt19937_64 r(8);
  for (int i = 0; i < 100'000; ++i) {
    const Pacing::Path p{.window = static_cast<uint32_t>(r() % (1U << (r() % 30 + 1))) + 88,
                         .rtt = r() % (base::Nanos{1} << (r() % 20 + 16)) + 1,
                         .doubling = r() % 2 == 0};
    const auto segment = static_cast<uint32_t>(r() % 9000 + 88);
    const auto bytes = static_cast<uint32_t>(r() % 65'000) + 1;
    const uint32_t got = Pacing().together(bytes, segment, p);
    const Wide most = exact_bytes(Pacing::kTogether, p);
    ASSERT_LE(got, bytes);
    ASSERT_GE(got, std::min(bytes, 2 * segment));
    if (got == bytes) {
      ASSERT_TRUE(bytes <= 2 * segment || exact_time(bytes, p) <= Pacing::kTogether);
    } else {
      ASSERT_EQ(got % segment, 0U);
      ASSERT_TRUE(got == 2 * segment || (got <= most && got + segment > std::min<Wide>(most, bytes)));
    }
  }
}

// Probes and first segments of recoveries go out of turn, however many: what comes next waits a round trip at most.
TEST(Pacing, NobodyWaitsLongerThanARoundTrip) {
  const Pacing::Path p{.window = 10'000, .rtt = 20 * kMillisecond, .doubling = false};
  Pacing pacing;
  for (int i = 0; i < 100; ++i) {
    pacing.on_sent(10'000, p, base::kNanosPerSecond);
    EXPECT_LE(pacing.free_at(), base::kNanosPerSecond + p.rtt);
  }
}

// Whoever sends whenever it may, woken late by up to two ticks: never more than the rate and the bursts that are
// allowed, and in the long run no less than the rate.
TEST(Pacing, TheRateIsKeptByThoseWhoAreLate) {
  std::mt19937_64 r(9);
  for (int i = 0; i < 300; ++i) {
    const Pacing::Path p{.window = static_cast<uint32_t>(r() % (1U << (r() % 12 + 10))) + 3000,
                         .rtt = Pacing::kLeastRtt + r() % (base::Nanos{1} << (r() % 8 + 20)),
                         .doubling = r() % 2 == 0};
    constexpr uint32_t kSegment = 1448;
    Pacing pacing;
    base::Nanos now = base::kNanosPerSecond + r() % kMillisecond;
    const base::Nanos begin = now;
    const uint32_t burst = r() % 2 ? 14'600 : 0;
    if (burst != 0) pacing.begin(burst, now);
    uint64_t sent = 0, trains = 0;
    for (int turns = 0; turns < 2000; ++turns) {
      while (pacing.may_send(kSegment, now)) {
        const uint32_t bytes = pacing.together(16 * kSegment, kSegment, p);
        pacing.on_sent(bytes, p, now);
        sent += bytes;
        ++trains;                                      // the time of each is rounded down to a nanosecond
        const double millisecond = rate_of(p) / 1000;  // of credit, and of what leaves together
        const double most = millisecond + burst + std::max(millisecond, 2.0 * kSegment) + 1;
        ASSERT_LE(static_cast<double>(sent), rate_of(p) * elapsed(begin, now + trains) + most);
      }
      now = std::max(now, pacing.free_at() + r() % (2 * kTick));
    }
    ASSERT_GE(static_cast<double>(sent), 0.999 * rate_of(p) * elapsed(begin + 2 * kTick, now));
  }
}

// ---- connections over a link of 20 ms: a host that sends trains, woken by the timer wheel

struct Outcome {
  uint64_t overflowed = 0, paced = 0;
  base::Nanos took = 0;
};

LinkPlan shallow(uint64_t bytes_per_second, unsigned packets) {
  return {.bytes_per_second = bytes_per_second,
          .queue = packets * 1500 * base::kNanosPerSecond / bytes_per_second,
          .train = 16,
          .ticks = true};
}

// `count` answers of `bytes` each over one connection, each when the one before is acknowledged.
Outcome answers(const LinkPlan& plan, bool pacing, unsigned count, uint64_t bytes, CongestionKind kind) {
  Tuning tuning;
  tuning.pacing = pacing;
  tuning.congestion = kind;
  tuning.receive_buffer = tuning.send_buffer = 1024 * 1024;
  Link link(1, plan, tuning, tuning);
  End2& a = link.a();
  a.more = true;
  link.connect();
  const base::Nanos begin = link.now();
  const base::Nanos until = begin + 1000 * base::kNanosPerSecond;
  for (unsigned i = 0; i < count; ++i) {
    a.to_send += bytes;
    link.pump(0);
    while ((link.b().got.size() < a.to_send || a.c.snd_una() != a.c.snd_nxt()) && link.step(until)) {
    }
  }
  EXPECT_EQ(link.b().got.size(), a.to_send);
  return {a.overflowed, a.shared.counted(Count::kPaced), link.now() - begin};
}

// 60 KB over 100 Mbit/s: a quarter of what the path holds, but two to eight times what its queue does.
TEST(PacedLink, AnswersLoseLessInShortQueues) {
  struct Row {
    unsigned queue;  // packets
    uint64_t lost, lost_paced;
  };
  for (const Row& row : {Row{10, 76, 1}, Row{20, 21, 0}, Row{40, 2, 0}}) {
    const LinkPlan plan = shallow(12'500'000, row.queue);
    const Outcome off = answers(plan, false, 50, 60'000, CongestionKind::kCubic);
    const Outcome on = answers(plan, true, 50, 60'000, CongestionKind::kCubic);
    EXPECT_EQ(off.overflowed, row.lost) << row.queue << " packets";
    EXPECT_EQ(on.overflowed, row.lost_paced) << row.queue << " packets";
    EXPECT_EQ(off.paced, 0U);
    EXPECT_LT(on.took, off.took / 2) << row.queue << " packets";
  }
}

// What is sent without end is spaced by its ACKs already.
TEST(PacedLink, BulkIsAsFast) {
  for (const unsigned queue : {10U, 40U}) {
    const LinkPlan plan = shallow(2'500'000, queue);
    const Outcome off = answers(plan, false, 1, 4'000'000, CongestionKind::kCubic);
    const Outcome on = answers(plan, true, 1, 4'000'000, CongestionKind::kCubic);
    EXPECT_LT(on.took, off.took * 11 / 10) << queue;
    EXPECT_LT(on.overflowed, off.overflowed * 12 / 10 + 1) << queue;
  }
}

// Ten segments and what is less: not a moment later.
TEST(PacedLink, ShortAnswersAreNotSlower) {
  const LinkPlan plan{.train = 16, .ticks = true};
  const Outcome off = answers(plan, false, 20, 14'000, CongestionKind::kCubic);
  const Outcome on = answers(plan, true, 20, 14'000, CongestionKind::kCubic);
  EXPECT_EQ(on.took, off.took);
  EXPECT_EQ(on.paced, 0U);
}

// The window doubles to what the buffers hold; half a round trip to spread it is what the last bytes wait.
TEST(PacedLink, LongAnswersTakeHalfARoundTripMore) {
  const LinkPlan plan{.train = 16, .ticks = true};
  const Outcome off = answers(plan, false, 20, 200'000, CongestionKind::kCubic);
  const Outcome on = answers(plan, true, 20, 200'000, CongestionKind::kCubic);
  EXPECT_GT(on.paced, 0U);
  EXPECT_LT(on.took, off.took + 20 * 11 * kMillisecond);
}

TEST(PacedLink, IsSwitchedOffWhileBytesWait) {
  Tuning tuning;
  Link link(1, LinkPlan{.ticks = true}, tuning, tuning);
  End2& a = link.a();
  a.to_send = 1'000'000;
  link.connect();
  while (a.shared.counted(Count::kPaced) == 0 && link.step(100 * base::kNanosPerSecond)) {
  }
  a.shared.tuning.pacing = false;
  while (link.b().got.size() < 1'000'000 && link.step(100 * base::kNanosPerSecond)) {
  }
  EXPECT_EQ(link.b().got.size(), 1'000'000U);
  EXPECT_EQ(a.shared.counted(Count::kPaced), 1U);
}

}  // namespace
}  // namespace penstock::tcp::test
