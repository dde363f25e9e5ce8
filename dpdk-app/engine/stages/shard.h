// Shard: a packet whose flow belongs to another worker goes there over the mesh. Devices that spread by our key have
// already delivered it to its owner; for all others this computes the same hash in software.
#pragma once

#include "engine/packet.h"
#include "engine/worker_state.h"

namespace penstock::engine {

struct Shard {
  static constexpr const char* kName = "shard";
  static bool wanted(const Burst& burst, const WorkerState& w) {
    return w.workers > 1 && burst.origin == Origin::kDevice;
  }
  static void run(Burst& burst, WorkerState& w);
};

}  // namespace penstock::engine
