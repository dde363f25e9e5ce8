#include "requests/crew.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <set>

namespace penstock::requests {
namespace {

// A server whose rounds are counted, and which knows the thread of its last one.
class Counted : public ServerPart {
 public:
  bool act(base::Nanos) override {
    thread = std::this_thread::get_id();
    rounds.fetch_add(1);
    return true;
  }
  base::Nanos due() const override { return kNever; }
  int waits_on() const override { return -1; }
  void begin() override { tally_ = {}; }
  ServerTally tally() const override { return tally_; }

  std::atomic<uint64_t> rounds = 0;
  std::atomic<std::thread::id> thread;

 private:
  ServerTally tally_;
};

std::vector<unsigned> cores(size_t count) {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  ::sched_getaffinity(0, sizeof allowed, &allowed);
  unsigned first = 0;
  while (!CPU_ISSET(first, &allowed)) ++first;
  return std::vector<unsigned>(count, first);  // one core is enough to tell threads apart
}

TEST(Crew, DoesAJobOnEveryWorkersThread) {
  for (const size_t count : {1u, 2u, 5u}) {
    std::vector<std::unique_ptr<Counted>> parts;
    std::vector<std::unique_ptr<Worker>> workers;
    for (size_t n = 0; n < count; ++n) {
      parts.push_back(std::make_unique<Counted>());
      workers.push_back(std::make_unique<Worker>(nullptr, parts.back().get()));
    }
    Crew crew(workers, cores(count));
    for (int turn = 0; turn < 20; ++turn) {
      std::vector<std::thread::id> seen(count);
      crew.all([&](Worker& worker, size_t number) {
        EXPECT_EQ(&worker, workers[number].get());
        seen[number] = std::this_thread::get_id();
      });
      EXPECT_EQ(seen[0], std::this_thread::get_id());
      EXPECT_EQ(std::set(seen.begin(), seen.end()).size(), count);
    }
    for (size_t n = 1; n < count; ++n) {
      while (parts[n]->rounds == 0) std::this_thread::yield();
      EXPECT_NE(parts[n]->thread.load(), std::this_thread::get_id());
    }
  }
}

TEST(Crew, IsOverWhenAllAre) {
  Counted first, second;
  std::vector<std::unique_ptr<Worker>> workers;
  workers.push_back(std::make_unique<Worker>(nullptr, &first));
  workers.push_back(std::make_unique<Worker>(nullptr, &second));
  Crew crew(workers, cores(2));
  const base::Nanos now = base::monotonic_now();
  crew.all([&](Worker& worker, size_t) { worker.begin({.begin = now, .from = now, .to = now, .end = now}); });
  EXPECT_FALSE(workers[0]->over());
  while (!workers[1]->over()) std::this_thread::yield();
  EXPECT_FALSE(crew.over());  // its own thread has had no round
  crew.first().turn(now, now, -1);
  EXPECT_TRUE(crew.over());
}

TEST(Meter, TheBusiestOfSeveralIsTheLimit) {
  Meter idle, busy, all;
  idle.add(1000, false, false);
  busy.add(900, true, false);
  busy.add(100, false, false);
  all.merge(idle);
  all.merge(busy);
  EXPECT_DOUBLE_EQ(all.busy(), 0.9);
  EXPECT_EQ(all.resolution(1), 1000u);
}

}  // namespace
}  // namespace penstock::requests
