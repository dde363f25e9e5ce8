// The stage list: runs stages in order over a burst, and does the counting, cycle sampling and tracing for them, so
// that stage bodies contain none of it.
//
// A stage is a type with
//   static constexpr const char* kName;
//   static bool wanted(const Burst&, const WorkerState&);   // cheap; false skips the stage for this burst
//   static void run(Burst&, WorkerState&);
// It reads the generation, writes the burst and its worker's state, decides by writing a verdict, calls no other stage.
#pragma once

#include <array>
#include <cstddef>

#include "base/time.h"
#include "engine/packet.h"
#include "engine/worker_state.h"

namespace penstock::engine {

constexpr uint64_t kSampleEvery = 64;  // rounds; reading the cycle counter twice a stage costs about 1 % then

template <size_t kFirst, typename... Stages>
struct StageList {
  static constexpr size_t kCount = sizeof...(Stages);
  static constexpr std::array<const char*, kCount> kNames = {Stages::kName...};
  static_assert(kFirst + kCount <= flow::kMaxStages);

  static void run(Burst& burst, WorkerState& w) {
    const bool sample = w.round % kSampleEvery == 0;
    size_t index = kFirst;
    (run_one<Stages>(index++, sample, burst, w), ...);
  }

 private:
  template <typename Stage>
  static void run_one(size_t index, bool sample, Burst& burst, WorkerState& w) {
    if (!Stage::wanted(burst, w)) return;
    flow::StageCounters& counters = w.counters->stages[index];
    counters.packets.add(burst.count);
    if (!sample) {
      Stage::run(burst, w);
    } else {
      const base::Cycles start = base::read_cycles();
      Stage::run(burst, w);
      counters.sampled_cycles.add(base::read_cycles() - start);
      counters.sampled_packets.add(burst.count);
    }
    if (burst.tracing) [[unlikely]]
      record_trace(index, index + 1 == kFirst + kCount, burst, w);
  }
};

}  // namespace penstock::engine
