// What may travel in clear, and what may not: the demands of peers (Peer spec.encryption), of prefixes (Node
// spec.mesh.encrypt) and of interfaces (their `encrypt`). The strictest counts. Worker's thread; reads the generation,
// writes verdicts. What the gateways themselves need (ESP, agreeing on keys, path MTUs) passes all the same;
// kinds.proto and mesh.proto list it. Costs a route look-up per packet that arrives in clear, only where somebody
// demands anything; for packets that leave the answer is in their next hop.
#pragma once

#include "engine/packet.h"
#include "engine/worker_state.h"

namespace penstock::engine {

// Into whose tunnel a route leads; kNoPeer: into none.
uint16_t peer_of(const flow::Generation& g, uint32_t route);
// Who demands that packets by this route be encrypted, as flow::NextHop::demand; 0: nobody.
uint16_t demand_of(const flow::Generation& g, uint32_t route);

// Drops what came in clear, or is about to leave so from a kernel twin, though it must be encrypted. Before anything
// touches the flow that a packet pretends to belong to.
void refuse_clear(Burst& burst, const WorkerState& w);

// `p` is about to leave in clear by p.out though `demand` or that interface wants it encrypted: true if it may, as the
// gateway's own part of a tunnel; else it is dropped. `own`: the gateway made it.
bool leaves_all_the_same(Packet& p, const WorkerState& w, uint16_t demand, bool own);

// A copy of `p` would leave in clear where its original may not.
bool must_not_be_copied(const Packet& p, const WorkerState& w, const flow::MirrorRule& rule);

}  // namespace penstock::engine
