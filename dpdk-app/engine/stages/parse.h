// Parse: reads the headers, finds the interface, and refuses what no host may send (RFC 1812 §5.2.2, §5.3.7; RFC 8200).
// ARP and neighbour discovery go to the control thread from here; frames of kernel twins go straight to their port.
#pragma once

#include "engine/packet.h"
#include "engine/worker_state.h"
#include "wire/headers.h"

namespace penstock::engine {

// The packet path's name of what the parser found.
flow::DropReason reason_of(wire::ParseError error);

// What no host may send, by its addresses and options; kNone: nothing is wrong. Of an IP packet.
flow::DropReason forbidden(const Packet& p);

// Neighbour discovery as only a host on the same link can send it (RFC 4861 §7.1.1, RFC 6980).
inline bool is_neighbour_discovery(const wire::Headers& h) {
  return h.family == 6 && h.protocol == wire::kProtocolIcmpv6 && h.icmp_type >= wire::kNdRouterSolicit &&
         h.icmp_type <= wire::kNdRedirect && h.hop_limit == wire::kNdHopLimit && !h.is(wire::kIsFragment);
}

struct Parse {
  static constexpr const char* kName = "parse";
  static bool wanted(const Burst&, const WorkerState&) { return true; }
  static void run(Burst& burst, WorkerState& w);
};

}  // namespace penstock::engine
