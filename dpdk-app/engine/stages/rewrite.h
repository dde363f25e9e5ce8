// Rewrite: everything that changes the packet: NAT both ways (also inside ICMP errors), TTL, DSCP, MSS clamp, IP-in-IP.
// Checksums are updated by difference (RFC 1624), never recomputed.
#pragma once

#include "engine/packet.h"
#include "engine/worker_state.h"

namespace penstock::engine {

struct Rewrite {
  static constexpr const char* kName = "rewrite";
  static bool wanted(const Burst&, const WorkerState&) { return true; }
  static void run(Burst& burst, WorkerState& w);
};

}  // namespace penstock::engine
