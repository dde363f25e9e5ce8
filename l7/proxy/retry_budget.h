// How many of a cluster's requests may be retries: Gateway API's retryConstraint, of each worker.
//
// Requests and retries are counted in this interval and the one before, of which as much counts as the last `interval`
// still covers. `least` retries in `least_interval` are always allowed: a bucket that is filled evenly.
// Memory: one table by the stable slots of clusters, made once. Thread: the worker's. It allocates nothing.
#pragma once

#include <algorithm>
#include <memory>

#include "l7/config/resilience.h"
#include "l7/proxy/limits.h"

namespace penstock::proxy {

class RetryBudgets {
 public:
  explicit RetryBudgets(const Limits& limits) : states_(std::make_unique<State[]>(limits.cluster_slots)) {}

  void note_request(uint32_t cluster, const config::RetryBudget& budget, base::Nanos now) {
    State& state = states_[cluster];
    turn(state, budget, now);
    ++state.now.requests;
  }

  // True: one more retry is made.
  bool spend(uint32_t cluster, const config::RetryBudget& budget, base::Nanos now) {
    State& state = states_[cluster];
    turn(state, budget, now);
    // Each side is a sum of this interval and the part of the one before, in interval-ths.
    const base::Nanos rest = budget.interval - (now - state.began);
    const auto sum = [&](uint32_t before, uint32_t current) {
      return static_cast<unsigned __int128>(before) * rest + static_cast<unsigned __int128>(current) * budget.interval;
    };
    const bool in_share = (sum(state.before.retries, state.now.retries) + budget.interval) * 100 <=
                          sum(state.before.requests, state.now.requests) * budget.percent;
    if (!in_share && !take_least(state, budget, now)) return false;
    ++state.now.retries;
    return true;
  }

 private:
  struct Numbers {
    uint32_t requests = 0, retries = 0;
  };
  struct State {
    base::Nanos began = 0;
    Numbers before, now;
    base::Nanos least_at = 0;  // when the bucket will be full again
  };

  static void turn(State& state, const config::RetryBudget& budget, base::Nanos now) {
    if (now - state.began < budget.interval) return;
    const bool next = now - state.began < 2 * budget.interval;
    state.before = next ? state.now : Numbers{};
    state.now = {};
    state.began = next ? state.began + budget.interval : now;
  }

  // GCRA: a retry takes least_interval / least.
  static bool take_least(State& state, const config::RetryBudget& budget, base::Nanos now) {
    if (budget.least == 0) return false;
    const base::Nanos each = std::max<base::Nanos>(1, budget.least_interval / budget.least);
    const base::Nanos at = std::max(state.least_at, now);
    if (at + each > now + budget.least_interval) return false;
    state.least_at = at + each;
    return true;
  }

  std::unique_ptr<State[]> states_;
};

}  // namespace penstock::proxy
