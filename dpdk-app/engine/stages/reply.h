// Reply: answers packets to the gateway itself (echo) and rejected ones (ICMP errors, TCP resets), at a bounded rate.
// Answers are new packets that take the own-packet list at the end of the round. RFC 792, 1122 §3.2.2, 1812 §4.3, 4443.
#pragma once

#include "engine/packet.h"
#include "engine/worker_state.h"

namespace penstock::engine {

struct Reply {
  static constexpr const char* kName = "reply";
  static bool wanted(const Burst&, const WorkerState& w) { return w.has_replies; }
  static void run(Burst& burst, WorkerState& w);
};

// Host unreachable (RFC 1812 §5.2.7.1, RFC 4443 §3.1) for a finished frame whose next hop did not answer; frees it.
void answer_unreachable(WorkerState& w, rte_mbuf* frame);

}  // namespace penstock::engine
