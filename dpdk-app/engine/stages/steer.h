// Steer: where every packet that is still undecided goes: to the gateway, to a next hop, back with an error, or
// nowhere. TTL and MTU are judged here, while the packet is still as the sender wrote it.
#pragma once

#include "engine/packet.h"
#include "engine/worker_state.h"

namespace penstock::engine {

struct Steer {
  static constexpr const char* kName = "steer";
  static bool wanted(const Burst&, const WorkerState&) { return true; }
  static void run(Burst& burst, WorkerState& w);
};

}  // namespace penstock::engine
