// Workers on a core each: the first is the caller's thread, every other has one of its own, which begins with this
// object and ends with it. What they are asked to do they do between two rounds, each on its own thread.
//
// Nothing is shared while they run: a round costs one load of a flag that is written only when there is something to
// do. Borrowed: the workers.
#pragma once

#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "requests/worker.h"

namespace penstock::requests {

class Crew {
 public:
  // `cores`: of the workers, if there are any; the caller's thread is where it is to be.
  Crew(std::vector<std::unique_ptr<Worker>>& workers, const std::vector<unsigned>& cores);
  ~Crew();
  Crew(const Crew&) = delete;
  Crew& operator=(const Crew&) = delete;

  size_t size() const { return workers_.size(); }
  Worker& first() { return *workers_[0]; }
  bool over() const;  // of all
  // Returns when all have done it, in no order; the number is the worker's.
  void all(const std::function<void(Worker&, size_t)>& job);

 private:
  struct Member {
    int wake = -1;  // readable: there is a job
    std::atomic<uint64_t> asked = 0, done = 0;
    std::thread thread;
  };
  void work(Member& member, size_t number, unsigned core);

  std::vector<std::unique_ptr<Worker>>& workers_;
  std::vector<std::unique_ptr<Member>> members_;  // of all workers but the first
  const std::function<void(Worker&, size_t)>* job_ = nullptr;
  uint64_t jobs_ = 0;
  bool ended_ = false;  // with the last job
};

}  // namespace penstock::requests
