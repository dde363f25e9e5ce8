// Resolve: next hop to MAC address, VLAN tag on or off, fragments cut. A packet whose next hop is not resolved yet
// waits in its neighbour's queue (finished but for the destination MAC).
#pragma once

#include "engine/packet.h"
#include "engine/worker_state.h"

namespace penstock::engine {

struct Resolve {
  static constexpr const char* kName = "resolve";
  static bool wanted(const Burst&, const WorkerState&) { return true; }
  static void run(Burst& burst, WorkerState& w);
};

}  // namespace penstock::engine
