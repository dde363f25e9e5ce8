// IP-in-IP to servers that decapsulate (service mode `ipip`): RFC 2003 for IPv4, RFC 2473 for IPv6 outer headers.
// The outer source is the egress interface's prefix with low bits taken from the flow's hash, so that the server's NIC,
// which sees only outer headers, spreads the flows over its queues.
#pragma once

#include "engine/packet.h"
#include "engine/worker_state.h"
#include "flow/flow_table.h"
#include "wire/headers.h"

namespace penstock::engine {

// Bytes the packet grows by on its way out: 0, 20 or 40.
inline uint16_t tunnel_overhead(const Packet& p) {
  if (p.flow == nullptr || p.flow->mode != flow::FlowMode::kIpip || p.direction != 0) return 0;
  return p.flow->reply.src.is_v4() ? wire::kIpv4MinLength : wire::kIpv6Length;
}

// Puts the outer header before the packet and makes `p.headers` describe it. False: no headroom.
bool encapsulate(Packet& p, const WorkerState& w);

}  // namespace penstock::engine
