// Filter: the ordered access rules, first match wins; then the default action of the interface. An established flow
// keeps its decision until the next generation, unless some rule looks at what differs within a flow.
#pragma once

#include "engine/packet.h"
#include "engine/worker_state.h"

namespace penstock::engine {

struct Filter {
  static constexpr const char* kName = "filter";
  static bool wanted(const Burst&, const WorkerState& w) { return w.filters; }
  static void run(Burst& burst, WorkerState& w);
};

}  // namespace penstock::engine
