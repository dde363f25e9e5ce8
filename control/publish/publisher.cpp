#include "control/publish/publisher.h"

#include <algorithm>
#include <ctime>

namespace penstock::publish {

namespace {

// A worker in traffic adopts within microseconds; one asleep (adaptive idle) within its sleep, at most a few
// milliseconds. Looking more often would only take its core's time on a small machine.
constexpr base::Nanos kLookEvery = 50'000;

void sleep_for(base::Nanos time) {
  const timespec t{0, static_cast<long>(time)};
  nanosleep(&t, nullptr);
}

}  // namespace

Workers workers_of(flow::GenerationSlot& slot) {
  Workers workers;
  workers.hand_over = [&slot](const auto& generation) {
    slot.current.store(generation.get(), std::memory_order_seq_cst);
  };
  workers.states = [&slot] {
    std::vector<WorkerState> states;
    for (unsigned id = 0; id < slot.workers.size(); ++id) {
      const auto& worker = slot.workers[id];
      // After the store of `current`: a worker that is not running yet will see it.
      if (!worker.running.load(std::memory_order_seq_cst)) continue;
      const uint64_t adopted = worker.adopted.load(std::memory_order_acquire);
      states.push_back({id, true, adopted, worker.adopted_at.load(std::memory_order_relaxed)});
    }
    return states;
  };
  return workers;
}

void Publisher::publish(std::shared_ptr<const flow::Generation> generation) {
  held_.push_back(std::move(generation));
  published_at_ = base::monotonic_now();
  workers_.hand_over(held_.back());
}

std::vector<Adoption> Publisher::wait_adopted(base::Nanos deadline) const {
  const uint64_t newest = held_.empty() ? 0 : held_.back()->number;
  for (;;) {
    std::vector<Adoption> adoptions;
    bool all = true;
    for (const WorkerState& worker : workers_.states()) {
      if (!worker.running) continue;
      const bool adopted = worker.adopted >= newest;
      all &= adopted;
      const bool later = adopted && worker.adopted_at > published_at_;
      adoptions.push_back({worker.id, adopted, later ? worker.adopted_at - published_at_ : 0});
    }
    const base::Nanos now = base::monotonic_now();
    if (all || now >= deadline) return adoptions;
    sleep_for(std::min(kLookEvery, deadline - now));
  }
}

uint64_t Publisher::retire() {
  if (held_.empty()) return 0;
  uint64_t oldest = held_.back()->number;
  for (const WorkerState& worker : workers_.states())
    if (worker.running) oldest = std::min(oldest, worker.adopted);
  while (held_.front()->number < oldest) held_.pop_front();
  return oldest == 0 ? 0 : oldest - 1;
}

}  // namespace penstock::publish
