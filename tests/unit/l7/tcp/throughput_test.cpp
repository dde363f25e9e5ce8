// Golden table: what one connection gets out of 20 Mbit/s, in virtual time, by loss, round trip and congestion control.
// A change of the stack that moves a figure by more than a quarter must be meant, and then the table is changed with
// it: PENSTOCK_TCP_GOLDEN=1 prints the table anew.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>

#include "unit/l7/tcp/link.h"

namespace penstock::tcp::test {
namespace {

constexpr uint64_t kLinkRate = 2'500'000;  // bytes per second
constexpr uint64_t kBytes = 4'000'000;
constexpr unsigned kRuns = 3;

struct Row {
  CongestionKind kind;
  double loss;
  unsigned rtt_ms;
  double mbit;  // golden
};

// Mean of a few seeds: payload bits per virtual second until the last byte is there.
double throughput(const Row& row) {
  double sum = 0;
  for (unsigned seed = 1; seed <= kRuns; ++seed) {
    Tuning tuning;
    tuning.congestion = row.kind;
    tuning.receive_buffer = tuning.send_buffer = 1024 * 1024;
    const LinkPlan plan{
        .loss = row.loss, .delay = row.rtt_ms * kMillisecond / 2, .bytes_per_second = kLinkRate, .mtu = 1500};
    Link link(seed, plan, tuning, tuning);
    link.a().to_send = kBytes;
    const base::Nanos begin = link.now();
    link.connect();
    while (link.b().got.size() < kBytes && link.step(begin + 3600 * base::kNanosPerSecond)) {
    }
    EXPECT_EQ(link.b().got.size(), kBytes);
    sum += static_cast<double>(kBytes) * 8e3 / static_cast<double>(link.now() - begin);
  }
  return sum / kRuns;
}

constexpr CongestionKind kReno = CongestionKind::kNewReno;
constexpr CongestionKind kCubic = CongestionKind::kCubic;
// clang-format off
constexpr Row kTable[] = {
    {kReno, 0, 1, 19.55},
    {kReno, 0, 20, 18.19},
    {kReno, 0, 100, 14.00},
    {kReno, 0.001, 1, 19.55},
    {kReno, 0.001, 20, 18.37},
    {kReno, 0.001, 100, 12.67},
    {kReno, 0.01, 1, 19.55},
    {kReno, 0.01, 20, 8.44},
    {kReno, 0.01, 100, 1.90},
    {kReno, 0.05, 1, 14.14},
    {kReno, 0.05, 20, 3.22},
    {kReno, 0.05, 100, 0.66},
    {kCubic, 0, 1, 19.55},
    {kCubic, 0, 20, 18.19},
    {kCubic, 0, 100, 14.10},
    {kCubic, 0.001, 1, 19.55},
    {kCubic, 0.001, 20, 18.69},
    {kCubic, 0.001, 100, 14.25},
    {kCubic, 0.01, 1, 19.55},
    {kCubic, 0.01, 20, 10.30},
    {kCubic, 0.01, 100, 2.41},
    {kCubic, 0.05, 1, 15.37},
    {kCubic, 0.05, 20, 3.01},
    {kCubic, 0.05, 100, 0.67},
};
// clang-format on

TEST(Throughput, GoldenTable) {
  const bool print = std::getenv("PENSTOCK_TCP_GOLDEN") != nullptr;
  for (const Row& row : kTable) {
    const double got = throughput(row);
    if (print) {
      std::printf("    {%s, %g, %u, %.2f},\n", row.kind == kReno ? "kReno" : "kCubic", row.loss, row.rtt_ms, got);
      continue;
    }
    EXPECT_NEAR(got, row.mbit, row.mbit * 0.25)
        << (row.kind == kReno ? "NewReno" : "CUBIC") << ", loss " << row.loss << ", round trip " << row.rtt_ms << " ms";
  }
}

}  // namespace
}  // namespace penstock::tcp::test
