// Steer: where every packet that is still undecided goes: to the gateway, to a next hop, back with an error, or
// nowhere. TTL and MTU are judged here, while the packet is still as the sender wrote it.
#pragma once

#include "engine/packet.h"
#include "engine/worker_state.h"

namespace penstock::engine {

struct Steer {
  static constexpr const char* kName = "steer";
  static bool wanted(const Burst&, const WorkerState&) { return true; }
  static void run(Burst& burst, WorkerState& w);
};

// A rule gives packets like this to the kernel behind the interface. What came out of a tunnel is none: the kernel's
// answer would leave in clear.
bool is_exception(const Packet& p, const flow::Interface& in);
// To a multicast or broadcast address.
bool to_group(const Packet& p);

}  // namespace penstock::engine
