// Emit: the end of the list. Every packet leaves the burst here: to a device, another worker, the control thread, the
// kernel twin, or into exactly one drop counter.
#pragma once

#include "engine/packet.h"
#include "engine/worker_state.h"

namespace penstock::engine {

struct Emit {
  static constexpr const char* kName = "emit";
  static bool wanted(const Burst&, const WorkerState&) { return true; }
  static void run(Burst& burst, WorkerState& w);
};

}  // namespace penstock::engine
