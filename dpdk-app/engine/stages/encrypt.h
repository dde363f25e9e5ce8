// Encrypt: packets whose way leads to a peer go into its tunnel (RFC 4303 §3.3): fragmented before, where they are too
// long and may be (RFC 4301 §8.2); then the outer packet takes the place of the inner one, on its way through the
// underlay. A worker without an association of the peer gives the packet to one that has; while the gateways agree on
// keys it waits.
#pragma once

#include "engine/packet.h"
#include "engine/worker_state.h"

namespace penstock::engine {

struct Encrypt {
  static constexpr const char* kName = "encrypt";
  static bool wanted(const Burst&, const WorkerState& w) { return w.has_peers; }
  static void run(Burst& burst, WorkerState& w);
};

// Packets whose peer has keys by now take the own-packet list again; those that waited too long are dropped.
void release_waiting(WorkerState& w);
void drop_waiting(WorkerState& w, flow::DropReason reason);

// Makes the datagram at which the buffer begins a frame for the own-packet list. False: no headroom.
bool frame_own(rte_mbuf* m);

}  // namespace penstock::engine
