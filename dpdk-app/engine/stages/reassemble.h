// Reassemble: virtual reassembly. Later fragments learn the ports of the first and then take its way; those that come
// before the first wait for it. Nothing is put together: fragments leave as fragments.
#pragma once

#include "engine/packet.h"
#include "engine/worker_state.h"

namespace penstock::engine {

struct Reassemble {
  static constexpr const char* kName = "reassemble";
  static bool wanted(const Burst& burst, const WorkerState&) { return burst.has_fragments; }
  static void run(Burst& burst, WorkerState& w);
};

}  // namespace penstock::engine
