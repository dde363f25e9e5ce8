// Identify: whose packet it is that came in by an interface, from its address and MAC (flow/identity.h). On the worker
// that received it; hand-offs carry the answer (Carry::identity), and so does what comes out of a tunnel, which the
// decrypt stage has identified. Before the flow table: a forged packet must not touch the flow it pretends to belong
// to.
#pragma once

#include "engine/packet.h"
#include "engine/worker_state.h"

namespace penstock::engine {

struct Identify {
  static constexpr const char* kName = "identify";
  static bool wanted(const Burst& burst, const WorkerState& w) {
    return w.identifies && burst.origin == Origin::kDevice;
  }
  static void run(Burst& burst, WorkerState& w);
};

}  // namespace penstock::engine
