// From the workers' counters and the names of the live generation to a Snapshot.
//
// Threads: collect() from any thread, several at once; Baselines::on_publish() from the control thread. Reads only.
// Cost: about a millisecond per 5,000 endpoints.
#pragma once

#include <array>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "control/telemetry/snapshot.h"
#include "flow/counters.h"
#include "flow/generation.h"

namespace penstock::telemetry {

// The counts of one slot summed over the workers, in an order that the readers in collect.cpp know.
using Numbers = std::array<uint64_t, 6>;

// A slot is given to another object after a while, but the workers' counters of it go on. What a slot had counted when
// its present owner appeared is remembered here and taken off.
class Baselines {
 public:
  enum Table : uint8_t { kServices, kEndpoints, kRules, kLimits, kEgresses, kMirrors, kTables };

  // `next` follows `before` (null: the first). Unchanged services are skipped by their pointers.
  void on_publish(const flow::Generation* before, const flow::Generation& next,
                  const std::vector<const flow::WorkerCounters*>& counters);
  // By table and slot; what is not in it is zero.
  using Marks = std::array<std::unordered_map<uint32_t, Numbers>, kTables>;
  Marks marks() const;  // a copy: most slots never had another owner

 private:
  void mark(Table table, uint32_t slot, const std::vector<const flow::WorkerCounters*>& counters);

  mutable std::mutex mutex_;
  Marks marks_;
};

struct Source {
  std::shared_ptr<const flow::Generation> generation;  // null: nothing is published yet
  std::vector<const flow::WorkerCounters*> counters;   // by worker
  const Baselines* baselines = nullptr;
  std::vector<std::string> stages;
  // Filled in by the caller; collect() adds the counts to `workers`.
  std::vector<WorkerStats> workers;
  std::vector<PortStats> ports;
  std::vector<HealthStats> health;
  ControlStats control;
  base::Nanos monotonic = 0, wall = 0, started = 0;
};

Snapshot collect(Source source);

}  // namespace penstock::telemetry
