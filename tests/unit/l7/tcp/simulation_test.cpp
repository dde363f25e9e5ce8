// Two of our connections over a hostile link, many seeds: bytes out are a prefix of bytes in, both sides finish, memory
// comes back, nothing waits without a deadline, and segments per byte are bounded. A failing seed is printed.
// PENSTOCK_SEEDS=N: more or fewer than the usual 10,000; PENSTOCK_SEED=N: this one alone.
#include <gtest/gtest.h>

#include <cstdlib>

#include "unit/l7/tcp/link.h"

namespace penstock::tcp::test {
namespace {

uint64_t from_environment(const char* name, uint64_t usual) {
  const char* asked = std::getenv(name);
  return asked != nullptr ? std::strtoull(asked, nullptr, 10) : usual;
}

bool is_prefix(const std::vector<uint8_t>& got, int side) {
  for (size_t i = 0; i < got.size(); ++i)
    if (got[i] != pattern(i, side)) return false;
  return true;
}

bool done(const Connection& c) { return c.state() == State::kClosed || c.state() == State::kTimeWait; }

struct World {
  LinkPlan plan;
  Tuning a, b;
  uint64_t up, down;
};

World world(uint64_t seed) {
  std::mt19937_64 r(seed * 7919 + 1);
  World w;
  w.plan.loss = static_cast<double>(r() % 11) / 100;
  w.plan.duplicate = r() % 3 == 0 ? 0.03 : 0;
  w.plan.corrupt = r() % 3 == 0 ? 0.01 : 0;
  w.plan.reorder = r() % 2 ? static_cast<double>(r() % 50) / 100 : 0;
  w.plan.mark = r() % 4 == 0 ? 0.05 : 0;
  w.plan.delay = (r() % 100 + 1) * kMillisecond / 2;
  w.plan.reorder_by = r() % (30 * kMillisecond) + 1;
  w.plan.bytes_per_second = r() % 2 ? 50'000 + r() % 5'000'000 : 0;
  w.plan.mtu = r() % 8 == 0 ? 1300 : 1500;
  if (r() % 8 == 0) {  // the path changes under way: a router tells, or a black hole does not
    w.plan.later_mtu = 600 + static_cast<uint32_t>(r() % 900);
    w.plan.mtu_changes_at = (1000 + r() % 1000) * kMillisecond;
    w.plan.icmp = r() % 2;
  }
  for (Tuning* t : {&w.a, &w.b}) {
    t->sack = r() % 4 != 0;
    t->timestamps = r() % 3 != 0;
    t->window_scale = r() % 4 != 0;
    t->ecn = r() % 2;
    t->nagle = r() % 2;
    t->congestion = r() % 2 ? CongestionKind::kCubic : CongestionKind::kNewReno;
    t->receive_buffer = r() % 4 == 0 ? 1000 + static_cast<uint32_t>(r() % 5000) : 64 * 1024 << r() % 3;
    t->mss = r() % 4 == 0 ? 536 : 1460;
    t->user_timeout = 3'600'000 * kMillisecond;
    t->connect_timeout = 3'600'000 * kMillisecond;
  }
  w.up = r() % 60'000;
  w.down = r() % 3 ? r() % 200'000 : 0;
  w.a.pacing = r() % 2;
  w.b.pacing = r() % 2;
  w.plan.train = r() % 2 ? 16 : 1;
  w.plan.ticks = r() % 2;
  return w;
}

std::string look(Link& l) {
  std::string text;
  for (End2* e : {&l.a(), &l.b()}) {
    text += std::string(to_string(e->c.state())) + " " + to_string(e->c.end()) + " got " +
            std::to_string(e->got.size()) + " sent " + std::to_string(e->sent) + " una-nxt " +
            std::to_string(e->c.snd_nxt() - e->c.snd_una()) + " wnd " + std::to_string(e->c.peer_window()) +
            " packets " + std::to_string(e->packets) + " lost " + std::to_string(e->c.scoreboard().lost()) + " pipe " +
            std::to_string(e->c.scoreboard().in_flight()) + " cwnd " + std::to_string(e->c.congestion().window()) +
            "; ";
  }
  return text + "at " + std::to_string(l.now() / kMillisecond) + " ms";
}

void run(uint64_t seed) {
  const World w = world(seed);
  Link link(seed, w.plan, w.a, w.b);
  link.a().to_send = w.up;
  link.b().to_send = w.down;
  link.connect();
  const base::Nanos until = 4'000 * base::kNanosPerSecond;
  size_t steps = 0;
  while (!(done(link.a().c) && done(link.b().c)) && link.step(until)) {
    ASSERT_LT(++steps, 400'000U) << "seed " << seed << " " << look(link);
    for (End2* e : {&link.a(), &link.b()}) {
      if (e->c.snd_una() != e->c.snd_nxt() && !done(e->c)) {
        ASSERT_NE(e->c.deadline(), Connection::kNever)
            << "outstanding, no deadline; seed " << seed << " " << look(link);
      }
    }
  }
  ASSERT_TRUE(done(link.a().c) && done(link.b().c)) << "seed " << seed << " " << look(link);
  ASSERT_EQ(link.a().got.size(), w.down) << "seed " << seed << " " << look(link);
  ASSERT_EQ(link.b().got.size(), w.up) << "seed " << seed << " " << look(link);
  ASSERT_TRUE(is_prefix(link.a().got, 1) && is_prefix(link.b().got, 0)) << "seed " << seed;
  // At 10 % loss each byte is sent about 1.2 times, each segment acknowledged at most once; small windows send small
  // ones.
  const uint64_t bytes = w.up + w.down;
  const uint64_t least = std::min({uint64_t{w.a.mss} - 40, uint64_t{w.b.mss} - 40, uint64_t{w.a.receive_buffer} / 2,
                                   uint64_t{w.b.receive_buffer} / 2, uint64_t{496}});
  ASSERT_LT(link.a().packets + link.b().packets, 200 + 6 * bytes / least) << "seed " << seed << " " << look(link);
  for (End2* e : {&link.a(), &link.b()}) {
    e->c.release();
    ASSERT_EQ(e->shared.chunks.taken() + e->shared.records.taken() + e->shared.ranges.taken(), 0U) << "seed " << seed;
  }
}

TEST(Simulation, EverySeedFinishes) {
  const uint64_t only = from_environment("PENSTOCK_SEED", 0);
  const uint64_t last = only != 0 ? only : from_environment("PENSTOCK_SEEDS", 10'000);
  for (uint64_t seed = only != 0 ? only : 1; seed <= last; ++seed) {
    run(seed);
    if (HasFatalFailure()) FAIL() << "again, alone: PENSTOCK_SEED=" << seed;
  }
}

// A megabyte over 10 Mbit/s with 20 ms each way: near the link's rate without loss, and a fair share with loss.
TEST(Simulation, ThroughputOfACleanLink) {
  Link link(1, LinkPlan{.bytes_per_second = 1'250'000}, {}, {});
  link.a().to_send = 1'000'000;
  link.connect();
  while (link.b().got.size() < 1'000'000 && link.step(100 * base::kNanosPerSecond)) {
  }
  EXPECT_EQ(link.b().got.size(), 1'000'000U);
  EXPECT_LT(link.now() - base::kNanosPerSecond, 1'300 * kMillisecond) << look(link);
}

}  // namespace
}  // namespace penstock::tcp::test
