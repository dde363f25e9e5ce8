// The lines between the generator and whoever started it (perf/LAB.md, "Generators"): a trial's command as a Plan, and
// what was counted as events. Not for the hot path: these allocate.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "packets/node.h"
#include "packets/spec.h"
#include "packets/worker.h"

namespace penstock::load {

// With faults ("trial.seconds") the plan is not to be used.
Plan read_plan(const nlohmann::json& command, const Spec& spec, std::vector<Fault>& faults);

nlohmann::json ready_event(const Worker& worker, const Clock& clock);
nlohmann::json trial_event(const Plan& plan, bool stopped, const Worker& worker, const Worker::Outcome& outcome);

// The samples of one trial: each of the time since the one before.
class Samples {
 public:
  explicit Samples(const Plan& plan) : plan_(plan), next_(plan.sample) {}

  bool due(const Worker& worker) const { return plan_.sample > 0 && worker.elapsed() >= next_; }
  nlohmann::json take(Worker& worker);

 private:
  const Plan& plan_;
  double next_;
  uint64_t sent_ = 0, received_ = 0, missing_ = 0;
};

}  // namespace penstock::load
