// Commands from gRPC's threads to the workers: given, waited for, collected. A worker that does not answer within
// kWorkerPatience is stuck or stopped; what it was given stays with it (Orphanage) until it is done.
#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "control/loop/dataplane.h"

namespace penstock::api {

constexpr base::Nanos kWorkerPatience = 2'000'000'000;

// Waits without burning the core that the worker may need.
inline bool wait_for(const flow::Command& command, base::Nanos patience = kWorkerPatience) {
  const base::Nanos deadline = base::monotonic_now() + patience;
  while (!command.done()) {
    if (base::monotonic_now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::microseconds(20));
  }
  return true;
}

inline bool submit(loop::Dataplane& dataplane, unsigned worker, flow::Command& command) {
  const base::Nanos deadline = base::monotonic_now() + kWorkerPatience;
  while (!dataplane.submit(worker, &command)) {
    if (base::monotonic_now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::microseconds(50));
  }
  return true;
}

// Keeps what workers still hold. Any thread. What they hold at its end is left to them: the process ends then.
class Orphanage {
 public:
  ~Orphanage() { sweep(); }

  template <typename C>
  void take(std::unique_ptr<C> command) {
    const std::lock_guard lock(mutex_);
    sweep();
    commands_.push_back({command.release(), [](flow::Command* each) { delete static_cast<C*>(each); }});
  }

 private:
  struct Orphan {
    flow::Command* command;
    void (*free)(flow::Command*);
  };
  void sweep() {
    std::erase_if(commands_, [](const Orphan& each) {
      const bool done = each.command->done();
      if (done) each.free(each.command);
      return done;
    });
  }

  std::mutex mutex_;
  std::vector<Orphan> commands_;
};

}  // namespace penstock::api
