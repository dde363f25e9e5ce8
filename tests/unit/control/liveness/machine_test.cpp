// Probes in virtual time: a hostile or honest underlay answers them or not.
#include "control/liveness/machine.h"

#include <gtest/gtest.h>

#include <functional>
#include <random>

namespace penstock::liveness {
namespace {

constexpr base::Nanos kMs = kMillisecond;

// One peer, slot 7. `delay` says after how long a probe of a path is answered; nothing: it is lost.
struct Underlay {
  Machine machine;
  base::Nanos now = 1'000'000 * kMs;
  std::function<std::optional<base::Nanos>(const Probe&)> delay = [](const Probe&) { return 1 * kMs; };
  std::multimap<base::Nanos, std::pair<Probe, base::Nanos>> flying;  // by arrival; sent at
  std::vector<std::pair<base::Nanos, Change>> changes;
  std::map<uint8_t, unsigned> sent;

  explicit Underlay(unsigned paths, Settings settings = {}) {
    std::vector<base::IpAddress> addresses;
    for (unsigned i = 0; i < paths; ++i) addresses.push_back(base::IpAddress::v4(0xc0000201 + i));
    machine.set(7, settings, addresses, now);
  }
  void run(base::Nanos span) {
    const base::Nanos end = now + span;
    for (;;) {
      base::Nanos next = *machine.deadline();
      if (!flying.empty()) next = std::min(next, flying.begin()->first);
      if (next > end) break;
      now = std::max(now, next);
      step();
    }
    now = end;
  }
  void step() {
    while (!flying.empty() && flying.begin()->first <= now) {
      const auto [probe, at] = flying.begin()->second;
      machine.on_answer(probe.peer, probe.path, probe.sequence, flying.begin()->first - at, now);
      flying.erase(flying.begin());
    }
    machine.on_deadline(now);
    while (const auto probe = machine.next_probe()) {
      ++sent[probe->path];
      if (const auto after = delay(*probe)) flying.emplace(now + *after, std::pair{*probe, now});
    }
    while (const auto change = machine.next_change()) changes.emplace_back(now, *change);
  }
  std::optional<base::Nanos> when(Change::Kind kind, bool up) const {
    for (const auto& [at, change] : changes)
      if (change.kind == kind && change.up == up) return at;
    return std::nullopt;
  }
};

TEST(Liveness, AnAnswerMakesAPathUpAndMeasuresIt) {
  Underlay u(1);
  EXPECT_EQ(u.machine.paths(7)[0].state, PathState::kUnknown);
  u.run(1000 * kMs);
  const PathStatus path = u.machine.paths(7)[0];
  EXPECT_EQ(path.state, PathState::kUp);
  EXPECT_TRUE(path.active);
  EXPECT_EQ(path.round_trip, 1 * kMs);
  EXPECT_EQ(path.loss, 0);
  EXPECT_NEAR(u.sent[0], 20, 1);
  EXPECT_FALSE(u.when(Change::Kind::kPeer, false));
}

TEST(Liveness, DownAfterThreeLostProbesAndUpAgainAfterTheHoldDown) {
  Underlay u(1);
  u.run(1000 * kMs);
  const base::Nanos cut = u.now;
  u.delay = [](const Probe&) { return std::optional<base::Nanos>(); };
  u.run(1000 * kMs);
  const auto down = u.when(Change::Kind::kPeer, false);
  ASSERT_TRUE(down);
  EXPECT_LE(*down - cut, 200 * kMs);  // from the first lost one 150
  EXPECT_GE(*down - cut, 150 * kMs);
  EXPECT_FALSE(u.machine.is_up(7));
  EXPECT_GT(u.machine.paths(7)[0].loss, 0.3);
  u.changes.clear();
  const base::Nanos back = u.now;
  u.delay = [](const Probe&) { return 2 * kMs; };
  u.run(2000 * kMs);
  const auto up = u.when(Change::Kind::kPeer, true);
  ASSERT_TRUE(up);
  EXPECT_GE(*up - back, kHoldDown);
  EXPECT_LE(*up - back, kHoldDown + 400 * kMs);
}

TEST(Liveness, APeerThatNeverAnsweredIsDownAfterItsFirstChance) {
  Underlay u(1);
  u.delay = [](const Probe&) { return std::optional<base::Nanos>(); };
  u.run(900 * kMs);
  EXPECT_TRUE(u.machine.is_up(7));
  u.run(400 * kMs);
  EXPECT_FALSE(u.machine.is_up(7));
}

TEST(Liveness, TheNextGoodAddressTakesOverAndThePreferredOneReturns) {
  Underlay u(3);
  bool first = true, second = true;
  u.delay = [&](const Probe& p) -> std::optional<base::Nanos> {
    if ((p.path == 0 && !first) || (p.path == 1 && !second)) return std::nullopt;
    return 3 * kMs;
  };
  u.run(2000 * kMs);
  EXPECT_EQ(u.machine.active(7), 0);
  EXPECT_LT(u.sent[1], u.sent[0] / 3);  // seldom
  EXPECT_GT(u.sent[2], 5u);
  first = false;
  u.run(250 * kMs);
  EXPECT_EQ(u.machine.active(7), 1);
  second = false;
  u.run(250 * kMs);
  EXPECT_EQ(u.machine.active(7), 2);
  EXPECT_TRUE(u.machine.is_up(7));
  EXPECT_FALSE(u.when(Change::Kind::kPeer, false));
  first = true;
  u.run(900 * kMs);
  EXPECT_EQ(u.machine.active(7), 2);
  u.run(1000 * kMs);
  EXPECT_EQ(u.machine.active(7), 0);
}

TEST(Liveness, WhenAllAreDownTheLastGoodOneStays) {
  Underlay u(2);
  u.run(1000 * kMs);
  u.delay = [](const Probe& p) { return p.path == 0 ? std::optional<base::Nanos>() : 1 * kMs; };
  u.run(500 * kMs);
  EXPECT_EQ(u.machine.active(7), 1);
  u.delay = [](const Probe&) { return std::optional<base::Nanos>(); };
  u.run(2000 * kMs);
  EXPECT_EQ(u.machine.active(7), 1);
  EXPECT_FALSE(u.machine.is_up(7));
}

TEST(Liveness, AFlappingPathStaysDown) {
  Underlay u(1);
  u.run(500 * kMs);
  u.delay = [&](const Probe&) -> std::optional<base::Nanos> {  // 300 ms good, 300 ms bad
    if (u.now / (300 * kMs) % 2 == 0) return std::nullopt;
    return 1 * kMs;
  };
  u.run(10'000 * kMs);
  unsigned peer_changes = 0;
  for (const auto& [at, change] : u.changes) peer_changes += change.kind == Change::Kind::kPeer;
  EXPECT_EQ(peer_changes, 1u);
  EXPECT_FALSE(u.machine.is_up(7));
}

TEST(Liveness, ALongRoundTripIsNoLoss) {
  Underlay u(1);
  u.delay = [](const Probe&) { return 400 * kMs; };  // eight intervals
  u.run(5000 * kMs);
  EXPECT_EQ(u.machine.paths(7)[0].state, PathState::kUp);
  EXPECT_EQ(u.machine.paths(7)[0].loss, 0);
  EXPECT_NEAR(static_cast<double>(u.machine.paths(7)[0].round_trip), 400.0 * kMs, 1.0 * kMs);
}

TEST(Liveness, ASlowerUnderlayIsLearned) {
  Underlay u(1);
  u.run(1000 * kMs);
  u.delay = [](const Probe&) { return 300 * kMs; };
  u.run(5000 * kMs);
  EXPECT_EQ(u.machine.paths(7)[0].state, PathState::kUp);
}

TEST(Liveness, StandingStillLosesNothing) {
  Underlay u(1);
  u.run(1000 * kMs);
  for (int i = 0; i < 20; ++i) {  // the control thread compiles for half a second; answers wait in the ring
    u.now += 500 * kMs;
    u.step();
  }
  EXPECT_TRUE(u.machine.is_up(7));
  EXPECT_FALSE(u.when(Change::Kind::kPeer, false));
}

TEST(Liveness, ForgedAndRepeatedAnswersMeanNothing) {
  Underlay u(1);
  std::optional<Probe> seen;
  u.delay = [&](const Probe& p) {
    seen = p;
    return std::optional<base::Nanos>();
  };
  u.run(100 * kMs);
  u.machine.on_answer(7, 0, seen->sequence + 1, kMs, u.now);  // not sent yet
  u.machine.on_answer(7, 0, seen->sequence - kWindow, kMs, u.now);
  u.machine.on_answer(7, 9, seen->sequence, kMs, u.now);
  u.machine.on_answer(8, 0, seen->sequence, kMs, u.now);
  EXPECT_EQ(u.machine.paths(7)[0].state, PathState::kUnknown);
  u.machine.on_answer(7, 0, seen->sequence, kMs, u.now);
  u.machine.on_answer(7, 0, seen->sequence, kMs, u.now);
  EXPECT_EQ(u.machine.paths(7)[0].answered, 1u);
}

TEST(Liveness, AnotherAddressListKeepsWhatStays) {
  Underlay u(2);
  u.run(1000 * kMs);
  u.machine.set(7, {}, {base::IpAddress::v4(0xc0000205), base::IpAddress::v4(0xc0000201)}, u.now);
  EXPECT_EQ(u.machine.active(7), 1);
  EXPECT_EQ(u.machine.paths(7)[0].state, PathState::kUnknown);
  EXPECT_EQ(u.machine.paths(7)[1].state, PathState::kUp);
  u.flying.clear();
  u.run(500 * kMs);
  EXPECT_EQ(u.machine.active(7), 0);  // preferred and up
  u.machine.remove(7);
  EXPECT_TRUE(u.machine.is_up(7));
  EXPECT_TRUE(u.machine.paths(7).empty());
  EXPECT_FALSE(u.machine.deadline());
}

// Whatever is lost: the active path is never a down one while another is up; state follows from the rows of losses.
TEST(Liveness, RandomLoss) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    std::mt19937_64 chance(seed);
    Underlay u(4, {.interval = (10 + chance() % 90) * kMs, .misses = static_cast<unsigned>(1 + chance() % 5)});
    std::array<double, 4> loss{};
    u.delay = [&](const Probe& p) -> std::optional<base::Nanos> {
      if (static_cast<double>(chance() % 1000) < loss[p.path] * 1000) return std::nullopt;
      return (20 + chance() % 15) * kMs;
    };
    for (int phase = 0; phase < 30; ++phase) {
      for (double& each : loss) each = std::array{0.0, 0.1, 0.5, 1.0}[chance() % 4];
      u.run(chance() % 1500 * kMs);
      const auto paths = u.machine.paths(7);
      bool any = false, any_up = false;
      for (const PathStatus& path : paths) {
        any |= path.state != PathState::kDown;
        any_up |= path.state == PathState::kUp;
      }
      EXPECT_EQ(u.machine.is_up(7), any);
      if (any_up) {
        EXPECT_NE(paths[u.machine.active(7)].state, PathState::kDown);
      }
    }
    // All good: up, and the first is active again.
    loss = {};
    u.run(6000 * kMs);
    EXPECT_TRUE(u.machine.is_up(7));
    EXPECT_EQ(u.machine.active(7), 0);
  }
}

}  // namespace
}  // namespace penstock::liveness
