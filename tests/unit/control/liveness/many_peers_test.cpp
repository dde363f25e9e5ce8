// Thousands of peers: how many probes, how evenly, and how soon one that dies is noticed all the same.
#include <gtest/gtest.h>

#include <functional>

#include "control/liveness/machine.h"

namespace penstock::liveness {
namespace {

constexpr base::Nanos kMs = kMillisecond;

struct Mesh {
  Machine machine;
  base::Nanos now = 1'000'000 * kMs;
  std::function<bool(const Probe&)> answers = [](const Probe&) { return true; };
  std::vector<Probe> flying;
  unsigned short_probes = 0, padded = 0, most_in_one_ms = 0;
  std::vector<std::pair<base::Nanos, Change>> changes;

  explicit Mesh(unsigned peers, unsigned paths = 1, uint16_t mtu = 0) {
    for (unsigned n = 0; n < peers; ++n) {
      std::vector<base::IpAddress> addresses;
      for (unsigned i = 0; i < paths; ++i) addresses.push_back(base::IpAddress::v4(0x0a000000 + (n << 4) + i));
      machine.set(static_cast<uint16_t>(n), {}, addresses, now, std::vector<uint16_t>(paths, mtu));
    }
  }
  // As the control thread: a look every millisecond, answers first.
  void run(unsigned milliseconds) {
    for (unsigned ms = 0; ms < milliseconds; ++ms) {
      now += kMs;
      for (const Probe& probe : flying) machine.on_answer(probe.peer, probe.path, probe.sequence, kMs / 2, now);
      flying.clear();
      machine.on_deadline(now);
      unsigned burst = 0;
      while (const auto probe = machine.next_probe()) {
        ++burst;
        ++(probe->size == 0 ? short_probes : padded);
        if (answers(*probe)) flying.push_back(*probe);
      }
      most_in_one_ms = std::max(most_in_one_ms, burst);
      while (const auto change = machine.next_change()) changes.emplace_back(now, *change);
    }
  }
  void forget() {
    short_probes = padded = most_in_one_ms = 0;
    changes.clear();
  }
};

TEST(ManyPeers, AThousandAreProbedAsAskedAndEvenly) {
  Mesh mesh(1000, 1, 1500);
  EXPECT_EQ(mesh.machine.stretch(), 1);
  mesh.run(100);
  EXPECT_LE(mesh.most_in_one_ms, 100u);  // from the first moment on
  mesh.run(3000);
  mesh.forget();
  mesh.run(1000);
  EXPECT_NEAR(mesh.short_probes, 20'000, 500);
  EXPECT_NEAR(mesh.padded, 1000, 100);  // one a second and path
  EXPECT_LE(mesh.most_in_one_ms, 60u);
  EXPECT_TRUE(mesh.changes.empty());
}

// A control thread that stood still: nothing is lost by that, and the burst that it has to send is none.
TEST(ManyPeers, AfterAPauseTheyAreSpreadAsBefore) {
  Mesh mesh(1000);
  mesh.run(4000);
  for (unsigned pause = 0; pause < 5; ++pause) {
    mesh.now += 70 * kMs;
    mesh.forget();
    mesh.run(200);
    EXPECT_LE(mesh.most_in_one_ms, kProbesAtOnce);
    mesh.forget();
    mesh.run(1000);
    EXPECT_LE(mesh.most_in_one_ms, 60u);
    EXPECT_NEAR(mesh.short_probes, 20'000, 600);
    EXPECT_TRUE(mesh.changes.empty());
  }
}

TEST(ManyPeers, BeyondTheBoundIntervalsAreStretched) {
  Mesh mesh(4000, 2);
  EXPECT_NEAR(mesh.machine.stretch(), 4 * 1.2, 0.01);
  EXPECT_NEAR(static_cast<double>(mesh.machine.interval(7)), 4.8 * 50 * kMs, 1.0 * kMs);
  mesh.run(3000);
  mesh.forget();
  mesh.run(2000);
  EXPECT_LE(mesh.short_probes, 2 * kProbesPerSecond * 1.02);
  EXPECT_GE(mesh.short_probes, 2 * kProbesPerSecond * 0.95);
  for (uint16_t n = 100; n < 4000; ++n) mesh.machine.remove(n);
  EXPECT_EQ(mesh.machine.stretch(), 1);
}

TEST(ManyPeers, TheDeathOfOneIsNoticedInTime) {
  for (const unsigned peers : {1u, 100u, 1000u, 2000u, 4000u}) {
    Mesh mesh(peers);
    mesh.run(4000);
    mesh.forget();
    mesh.answers = [](const Probe& probe) { return probe.peer != 0; };
    const base::Nanos cut = mesh.now;
    mesh.run(1500);
    ASSERT_FALSE(mesh.changes.empty()) << peers;
    // After the next probe the interval is that of the user again.
    const auto stretched = static_cast<base::Nanos>(50 * kMs * mesh.machine.stretch());
    EXPECT_LE(mesh.changes.front().first - cut, stretched + 250 * kMs) << peers;
    if (peers <= 1000) {
      EXPECT_LE(mesh.changes.front().first - cut, 220 * kMs);
    }
    for (const auto& [at, change] : mesh.changes) EXPECT_EQ(change.peer, 0);
  }
}

TEST(ManyPeers, HalfOfAThousandDieWithinOneInterval) {
  Mesh mesh(1000);
  mesh.run(4000);
  mesh.forget();
  mesh.answers = [](const Probe& probe) { return probe.peer % 2 == 0; };
  const base::Nanos cut = mesh.now;
  mesh.run(1000);
  unsigned died = 0;
  base::Nanos first = UINT64_MAX, last = 0;
  for (const auto& [at, change] : mesh.changes)
    if (change.kind == Change::Kind::kPeer) {
      ++died;
      first = std::min(first, at);
      last = std::max(last, at);
    }
  EXPECT_EQ(died, 500u);
  EXPECT_LE(last - cut, 220 * kMs);
  EXPECT_LE(last - first, 60 * kMs);
}

}  // namespace
}  // namespace penstock::liveness
