// Exact: programmed entries (Flows.Program) by 5-tuple and interface, then by 5-tuple alone. An entry decides before
// any rule or service does.
#pragma once

#include "engine/packet.h"
#include "engine/worker_state.h"

namespace penstock::engine {

struct Exact {
  static constexpr const char* kName = "exact";
  static bool wanted(const Burst&, const WorkerState& w) { return w.exact.size() != 0; }
  static void run(Burst& burst, WorkerState& w);
};

}  // namespace penstock::engine
