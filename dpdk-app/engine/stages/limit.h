// Limit: token buckets of the interface, the service, the rule, the destination prefix and the exact entry, in this
// order. Limits of new connections per second are taken where flows are opened (tracking.cpp).
#pragma once

#include "engine/packet.h"
#include "engine/worker_state.h"

namespace penstock::engine {

struct Limit {
  static constexpr const char* kName = "limit";
  static bool wanted(const Burst&, const WorkerState& w) { return w.generation->limits->any || w.exact.size() != 0; }
  static void run(Burst& burst, WorkerState& w);
};

}  // namespace penstock::engine
