// What one core does: rounds of its clients and of its servers, and its part of a trial. It sleeps where everything it
// waits for can wake it.
//
// Borrowed: the parts, which outlive it. One thread's, but over(), which others may ask. Time: CLOCK_MONOTONIC, read
// once a round.
#pragma once

#include <atomic>
#include <vector>

#include "requests/part.h"

namespace penstock::requests {

class Worker {
 public:
  Worker(ClientPart* clients, ServerPart* servers);

  // A round, and if there was nothing to do, sleep until `until` at the latest, or until `wake` is readable.
  // Gives the time behind it.
  base::Nanos turn(base::Nanos now, base::Nanos until, int wake);
  bool woken() const { return woken_; }  // in the last turn, by `wake`

  // A trial. prepare() may take long and comes before.
  void prepare(const Load& load);
  void begin(const Window& window);
  void stop(base::Nanos now);
  bool over() const { return over_.load(std::memory_order_acquire); }
  Interval take_interval();  // since the last time

  struct Result {
    ClientTally clients;
    ServerTally servers;
    Meter meter;
    void merge(const Result& other);
  };
  Result finish(base::Nanos now);

 private:
  bool round(base::Nanos now);
  void watch(base::Nanos now);
  bool rest(base::Nanos now, base::Nanos until, int wake);

  ClientPart* clients_;
  ServerPart* servers_;
  std::vector<Part*> parts_;
  Window window_;
  bool under_way_ = false;  // a trial
  bool counting_ = false;
  bool woken_ = false;
  std::atomic<bool> over_ = false;
  Meter meter_;
};

}  // namespace penstock::requests
