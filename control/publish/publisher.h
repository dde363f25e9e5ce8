// Hands generations to the workers and keeps each one alive until no worker can read it any more.
//
// A worker reads `current` at the beginning of a round, works by that generation, and says afterwards which number it
// adopted: it may hold any generation from that number to the newest. So what is older than the oldest number said by a
// running worker is free, and nothing younger is.
//
//   publish(g) → wait_adopted(deadline) → retire()
//
// Memory: owns the generations. Dropping the last reference to one frees its route tables and filters, which happens in
// retire(), on the thread that calls it. Threads: one (control); workers only touch their words of the slot. A worker
// says `running` before it reads `current` for the first time, both sequentially consistent, and withdraws it after its
// last look. Times: CLOCK_MONOTONIC. A worker that does not move keeps generations alive; it never blocks others.
// Destroy it after the workers have stopped.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "base/time.h"
#include "flow/generation.h"

namespace penstock::publish {

struct WorkerState {
  unsigned id = 0;
  bool running = false;
  uint64_t adopted = 0;  // generation number
  base::Nanos adopted_at = 0;
};

// The workers as the publisher sees them: the slot they share, or something that stands before it.
struct Workers {
  std::function<void(const std::shared_ptr<const flow::Generation>&)> hand_over;
  std::function<std::vector<WorkerState>()> states;
};
Workers workers_of(flow::GenerationSlot& slot);  // the slot outlives the result

struct Adoption {
  unsigned worker = 0;
  bool adopted = false;   // in time
  base::Nanos after = 0;  // from publish() to the worker's adoption
};

class Publisher {
 public:
  explicit Publisher(Workers workers) : workers_(std::move(workers)) {}
  Publisher(const Publisher&) = delete;

  // Numbers rise from one call to the next.
  void publish(std::shared_ptr<const flow::Generation> generation);
  // Until every running worker has adopted the newest generation, or the deadline. One entry for each running worker.
  std::vector<Adoption> wait_adopted(base::Nanos deadline) const;
  // Frees what no worker reads and returns the newest number that is free (0: none). Cheap when there is nothing to do.
  uint64_t retire();

  std::shared_ptr<const flow::Generation> live() const { return held_.empty() ? nullptr : held_.back(); }
  size_t held() const { return held_.size(); }  // the live one included

 private:
  Workers workers_;
  std::deque<std::shared_ptr<const flow::Generation>> held_;  // ascending numbers
  base::Nanos published_at_ = 0;
};

}  // namespace penstock::publish
