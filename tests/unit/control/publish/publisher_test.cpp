#include "control/publish/publisher.h"

#include <gtest/gtest.h>

#include <thread>

namespace penstock::publish {
namespace {

using flow::Generation;
using flow::GenerationSlot;

std::shared_ptr<Generation> generation(uint64_t number) {
  auto g = std::make_shared<Generation>();
  g->number = number;
  return g;
}

void adopt(GenerationSlot& slot, unsigned worker, uint64_t number) {
  slot.workers[worker].adopted_at = base::monotonic_now();
  slot.workers[worker].adopted = number;
}

TEST(Publisher, WithoutWorkersOnlyTheNewestStays) {
  GenerationSlot slot;
  Publisher publisher(workers_of(slot));
  EXPECT_EQ(publisher.retire(), 0u);
  EXPECT_EQ(publisher.live(), nullptr);
  auto first = generation(1);
  const std::weak_ptr<Generation> gone = first;
  publisher.publish(std::move(first));
  EXPECT_EQ(slot.current.load(), publisher.live().get());
  EXPECT_EQ(publisher.retire(), 0u);
  publisher.publish(generation(2));
  EXPECT_FALSE(gone.expired());
  EXPECT_EQ(publisher.retire(), 1u);
  EXPECT_TRUE(gone.expired());
  EXPECT_EQ(publisher.held(), 1u);
  EXPECT_TRUE(publisher.wait_adopted(0).empty());
}

TEST(Publisher, TheSlowestWorkerDecides) {
  GenerationSlot slot;
  Publisher publisher(workers_of(slot));
  slot.workers[0].running = slot.workers[3].running = true;
  for (uint64_t n = 1; n <= 5; ++n) publisher.publish(generation(n));
  EXPECT_EQ(publisher.retire(), 0u);  // nobody has adopted anything: a worker may hold any of them
  EXPECT_EQ(publisher.held(), 5u);
  adopt(slot, 0, 5);
  adopt(slot, 3, 2);
  EXPECT_EQ(publisher.retire(), 1u);
  EXPECT_EQ(publisher.held(), 4u);
  slot.workers[3].running = false;
  EXPECT_EQ(publisher.retire(), 4u);
  EXPECT_EQ(publisher.held(), 1u);
  EXPECT_EQ(publisher.live()->number, 5u);
}

TEST(Publisher, WaitTellsWhoAdoptedAndWhoDidNot) {
  GenerationSlot slot;
  Publisher publisher(workers_of(slot));
  slot.workers[0].running = slot.workers[1].running = true;
  publisher.publish(generation(1));
  adopt(slot, 0, 1);
  const auto late = publisher.wait_adopted(base::monotonic_now() + 2'000'000);
  ASSERT_EQ(late.size(), 2u);
  EXPECT_TRUE(late[0].adopted);
  EXPECT_FALSE(late[1].adopted);
  EXPECT_EQ(late[1].after, 0u);
  adopt(slot, 1, 1);
  const auto done = publisher.wait_adopted(base::monotonic_now() + base::kNanosPerSecond);
  ASSERT_EQ(done.size(), 2u);
  EXPECT_TRUE(done[0].adopted && done[1].adopted);
  EXPECT_EQ(done[1].worker, 1u);
  EXPECT_GE(done[1].after, done[0].after);
}

TEST(Publisher, AnythingCanStandBeforeTheSlot) {
  std::shared_ptr<const Generation> handed;
  std::vector<WorkerState> states = {{7, true, 1, 0}, {8, false, 0, 0}};
  Publisher publisher({[&](const auto& g) { handed = g; }, [&] { return states; }});
  publisher.publish(generation(1));
  publisher.publish(generation(2));
  EXPECT_EQ(handed->number, 2u);
  EXPECT_EQ(publisher.retire(), 0u);
  states[0].adopted = 2;
  EXPECT_EQ(publisher.retire(), 1u);
  ASSERT_EQ(publisher.wait_adopted(0).size(), 1u);
  EXPECT_EQ(publisher.wait_adopted(0)[0].worker, 7u);
}

// A worker as the engine has it: it reads all of what it adopted, and comes and goes.
void play_worker(GenerationSlot& slot, unsigned id, const std::atomic<bool>& stop, std::atomic<uint64_t>& rounds) {
  auto& mine = slot.workers[id];
  uint64_t sum = 0;
  while (!stop.load(std::memory_order_relaxed)) {
    mine.adopted.store(0, std::memory_order_release);
    mine.running.store(true, std::memory_order_seq_cst);
    for (int round = 0; round < 1000 && !stop.load(std::memory_order_relaxed); ++round) {
      const Generation* g = slot.current.load(std::memory_order_seq_cst);
      if (g != nullptr) {
        mine.adopted_at.store(base::monotonic_now(), std::memory_order_relaxed);
        mine.adopted.store(g->number, std::memory_order_release);
        for (const flow::EgressRule& rule : g->egresses) sum += rule.slot;
      }
      if (round % 16 == 0) std::this_thread::yield();
      rounds.fetch_add(1, std::memory_order_relaxed);
    }
    mine.running.store(false, std::memory_order_release);
  }
  EXPECT_NE(sum, 1u);
}

// For ThreadSanitizer and AddressSanitizer: nothing is freed under a reader.
TEST(Publisher, NothingIsFreedUnderAReader) {
  GenerationSlot slot;
  Publisher publisher(workers_of(slot));
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> rounds{0};
  std::vector<std::thread> workers;
  for (unsigned id = 0; id < 3; ++id) workers.emplace_back([&, id] { play_worker(slot, id, stop, rounds); });
  while (rounds.load() == 0) std::this_thread::yield();  // a busy machine may start the readers late
  for (uint64_t n = 1; n <= 2000; ++n) {
    auto g = generation(n);
    g->egresses.resize(20);
    for (auto& rule : g->egresses) rule.slot = 2;
    publisher.publish(std::move(g));
    if (n % 8 == 0) {
      for (const Adoption& adoption : publisher.wait_adopted(base::monotonic_now() + 5 * base::kNanosPerSecond))
        EXPECT_TRUE(adoption.adopted);
    }
    EXPECT_LT(publisher.retire(), n);
  }
  stop = true;
  for (std::thread& worker : workers) worker.join();
  EXPECT_EQ(publisher.retire(), 1999u);
  EXPECT_EQ(publisher.held(), 1u);
  EXPECT_GT(rounds.load(), 0u);
}

}  // namespace
}  // namespace penstock::publish
