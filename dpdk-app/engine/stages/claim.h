// Claim: TCP to the gateway's own addresses that this worker's connections or listeners take (engine/local_host.h), and
// ICMP errors about what they sent.
// After Route, which knows what is local; before Filter, which lets answers of known connections pass, and Open, which
// makes no flow for them.
#pragma once

#include "engine/packet.h"
#include "engine/worker_state.h"

namespace penstock::engine {

struct Claim {
  static constexpr const char* kName = "claim";
  static bool wanted(const Burst&, const WorkerState& w) { return w.terminates; }
  static void run(Burst& burst, WorkerState& w);
};

}  // namespace penstock::engine
