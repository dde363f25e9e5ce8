// Departures against exact arithmetic; the exponential gaps by their distribution.
#include "packets/schedule.h"

#include <gtest/gtest.h>
#include <pcap/pcap.h>

#include <cstdio>
#include <vector>

namespace penstock::load {
namespace {

constexpr Cycles kHz = 2'600'000'000, kStart = 123'456'789'012;

TEST(Schedule, ConstantIsExactAfterManyPackets) {
  for (const uint64_t pps : {1ull, 3ull, 7'777ull, 14'880'952ull, 999'999'937ull}) {
    StreamSpec spec;
    Schedule schedule;
    schedule.start(spec, static_cast<double>(pps), kStart, kHz, 1);
    for (uint64_t k = 0; k < 3'000'000; ++k, schedule.advance()) {
      const auto offset = static_cast<Uint128>(schedule.next() - kStart) * pps, exact = static_cast<Uint128>(k) * kHz;
      ASSERT_LE(2 * (offset > exact ? offset - exact : exact - offset), pps) << k;  // no other cycle is nearer
    }
  }
}

TEST(Schedule, RemainingIsWhatAdvanceWouldGive) {
  StreamSpec spec;
  Schedule schedule;
  schedule.start(spec, 7777, kStart, kHz, 1);
  const Cycles end = kStart + kHz / 3;
  uint64_t left = schedule.remaining(end);
  EXPECT_EQ(left, 2593u);  // ceil(7777 / 3)
  for (; schedule.next() < end; schedule.advance()) --left;
  EXPECT_EQ(left, 0u);
  EXPECT_EQ(schedule.remaining(end), 0u);
}

TEST(Schedule, TheNumberOfDeparturesIsRightAtAnyFrequency) {
  for (const Cycles hz : {2'099'999'123ull, 2'600'000'001ull, 3'123'456'789ull})
    for (const uint64_t pps : {20'000ull, 400'000ull, 7'000'000ull}) {
      StreamSpec spec;
      Schedule schedule;
      schedule.start(spec, static_cast<double>(pps), kStart, hz, 1);
      const Cycles end = kStart + hz / 10;
      const uint64_t at_start = schedule.remaining(end);
      uint64_t departed = 0;
      for (; schedule.next() < end; schedule.advance(), ++departed)
        ASSERT_EQ(schedule.remaining(end), pps / 10 - departed) << hz << " " << pps;
      EXPECT_EQ(departed, pps / 10) << hz << " " << pps;
      EXPECT_EQ(at_start, departed);
    }
}

TEST(Schedule, BurstsLeaveTogetherAtTheMeanRate) {
  StreamSpec spec;
  spec.spacing = {Spacing::kBurst, 32};
  Schedule schedule;
  schedule.start(spec, 1000, kStart, kHz, 1);
  for (uint64_t k = 0; k < 3200; ++k, schedule.advance())
    ASSERT_NEAR(static_cast<double>(schedule.next() - kStart), static_cast<double>(k / 32 * 32 * kHz) / 1000, 1) << k;
}

TEST(Schedule, PoissonGapsAreExponential) {
  StreamSpec spec;
  spec.spacing.kind = Spacing::kPoisson;
  Schedule schedule;
  constexpr double kRate = 1e6, kMean = kHz / kRate;
  schedule.start(spec, kRate, kStart, kHz, 5);
  constexpr int kGaps = 100'000, kBins = 20;
  std::vector<double> bins(kBins);
  double sum = 0;
  for (int i = 0; i < kGaps; ++i) {
    const Cycles before = schedule.next();
    schedule.advance();
    const auto gap = static_cast<double>(schedule.next() - before);
    sum += gap;
    ++bins[std::min<size_t>(kBins - 1,
                            static_cast<size_t>((1 - std::exp(-gap / kMean)) * kBins))];  // even, if exponential
  }
  EXPECT_NEAR(sum / kGaps / kMean, 1, 0.015);
  double chi = 0;
  for (const double n : bins) chi += (n - kGaps / kBins) * (n - kGaps / kBins) / (kGaps / kBins);
  EXPECT_LT(chi, 43.8);  // 19 degrees, 0.1 %
}

TEST(Schedule, PoissonIsTheSameForTheSameSeed) {
  StreamSpec spec;
  spec.spacing.kind = Spacing::kPoisson;
  Schedule one, same, other;
  one.start(spec, 1000, kStart, kHz, 5);
  same.start(spec, 1000, kStart, kHz, 5);
  other.start(spec, 1000, kStart, kHz, 6);
  for (Schedule* each : {&one, &same, &other}) each->advance();
  EXPECT_EQ(one.next(), same.next());
  EXPECT_NE(one.next(), other.next());
}

// Three packets at 0, 1 and 4 ms: a period of 6 ms with the mean gap behind the last.
std::shared_ptr<const Replay> recording() {
  const std::string file = testing::TempDir() + "schedule_test.pcap";
  pcap_t* dead = pcap_open_dead(DLT_EN10MB, 65535);
  pcap_dumper_t* out = pcap_dump_open(dead, file.c_str());
  const u_char frame[60] = {};
  for (const int micros : {0, 1000, 4000}) {
    const pcap_pkthdr head{.ts = {.tv_sec = 7, .tv_usec = micros}, .caplen = 60, .len = 60};
    pcap_dump(reinterpret_cast<u_char*>(out), &head, frame);
  }
  pcap_dump_close(out);
  pcap_close(dead);
  auto replay = Replay::open(file);
  std::remove(file.c_str());
  return replay ? *replay : nullptr;
}

TEST(Schedule, RecordedTimesAreKeptScaledAndRepeated) {
  StreamSpec spec;
  spec.recorded_times = true;
  spec.replay = recording();
  ASSERT_NE(spec.replay, nullptr);
  EXPECT_EQ(spec.replay->period(), 6'000'000u);
  for (const double speed : {1.0, 2.0}) {
    Schedule schedule;
    schedule.start(spec, speed * 500, kStart, 1'000'000'000, 1);  // 3 packets in 6 ms; cycles are nanoseconds
    for (const double millis : {0, 1, 4, 6, 7, 10, 12}) {
      EXPECT_NEAR(static_cast<double>(schedule.next() - kStart), millis * 1e6 / speed, 1);
      schedule.advance();
    }
  }
  // A round begins at the cycle nearest to its time, whatever the clock's rate: n rounds hold 3n packets.
  for (Cycles hz = 2'400'000'001; hz < 2'400'000'200; ++hz) {
    Schedule schedule;
    schedule.start(spec, 3.0 * 1e9 / 6e6, kStart, hz, 1);
    for (int i = 0; i < 300; ++i) schedule.advance();
    EXPECT_EQ(schedule.next() - kStart, (hz * 6 + 5) / 10) << hz;  // 100 rounds of 6 ms
  }
  spec.loop = false;
  Schedule once;
  once.start(spec, 500, kStart, kHz, 1);
  for (int i = 0; i < 3; ++i) once.advance();
  EXPECT_EQ(once.next(), Schedule::kNever);
}

}  // namespace
}  // namespace penstock::load
