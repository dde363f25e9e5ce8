// Find: the tracked flow of every packet, in both directions; ICMP errors by the packet they quote. A flow that lives
// on another worker sends its packet there. Follows TCP state.
#pragma once

#include "engine/packet.h"
#include "engine/worker_state.h"

namespace penstock::engine {

struct Find {
  static constexpr const char* kName = "find";
  static bool wanted(const Burst& burst, const WorkerState& w) {
    return w.tracks || w.flows.size() != 0 || burst.has_fragments;
  }
  static void run(Burst& burst, WorkerState& w);
};

}  // namespace penstock::engine
