// Mirror: copies of packets whose mirror matched (Filter found which), sampled and truncated, to an interface or in
// GRE/ERSPAN type II to a collector. The original never waits: without a buffer the copy is lost, and counted.
#pragma once

#include "engine/packet.h"
#include "engine/worker_state.h"

namespace penstock::engine {

struct Mirror {
  static constexpr const char* kName = "mirror";
  static bool wanted(const Burst&, const WorkerState& w) { return !w.generation->mirrors.empty(); }
  static void run(Burst& burst, WorkerState& w);
};

}  // namespace penstock::engine
