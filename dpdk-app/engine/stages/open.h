// Open: the first packet of a flow. Service and endpoint, source NAT, or plain tracking; and for a flow that is seen
// for the first time in this generation: is everything it stands on still there? The decisions are in
// engine/tracking.h.
#pragma once

#include "engine/packet.h"
#include "engine/worker_state.h"

namespace penstock::engine {

struct Open {
  static constexpr const char* kName = "open";
  static bool wanted(const Burst&, const WorkerState& w) { return w.tracks || w.flows.size() != 0; }
  static void run(Burst& burst, WorkerState& w);
};

}  // namespace penstock::engine
