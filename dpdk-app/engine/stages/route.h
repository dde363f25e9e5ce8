// Route: longest-prefix match of destinations that no flow has answered yet, and the reverse-path check (RFC 3704) of
// sources on interfaces that ask for it. Only looks up: Steer decides.
#pragma once

#include "engine/packet.h"
#include "engine/worker_state.h"

namespace penstock::engine {

struct Route {
  static constexpr const char* kName = "route";
  static bool wanted(const Burst&, const WorkerState&) { return true; }
  static void run(Burst& burst, WorkerState& w);
};

}  // namespace penstock::engine
