// Decrypt: ESP to one of our tunnel ends (RFC 4303 §3.4, RFC 3948) goes to the worker that its SPI names; there the
// inner packet takes the place of the outer one, and goes on, or to the owner of its flow. What comes in clear from
// behind a peer that must encrypt ends here, before it could touch the flow that it pretends to belong to.
#pragma once

#include "engine/packet.h"
#include "engine/worker_state.h"

namespace penstock::engine {

struct Decrypt {
  static constexpr const char* kName = "decrypt";
  static bool wanted(const Burst&, const WorkerState& w) {
    return w.has_peers || w.refuses_clear || w.inline_ports.load(std::memory_order_relaxed);
  }
  static void run(Burst& burst, WorkerState& w);
};

// The name under which a packet refused by ESP is dropped.
flow::DropReason drop_reason_of(crypto::EspVerdict verdict);

// Why the inner packet of this frame may not have come from the tunnel of `peer`; kNone: it may.
flow::DropReason refused_inside(const flow::Generation& g, uint16_t peer, const uint8_t* frame, const wire::Headers& h);

// Of what was refused so: a probe, whose addresses are those of the tunnel itself. kNone: it was one, and is taken.
flow::DropReason reconsider(flow::DropReason reason, WorkerState& w, rte_mbuf* m, const wire::Headers& h);
// What the identity header of a packet from `peer` means here; kNone: `identity` is set.
flow::DropReason identify_inside(const flow::Generation& g, uint16_t peer, uint32_t number, flow::Identity& identity);

// Makes the inner packet, at which the buffer begins and which `headers` describe, a frame of the interface `in`.
// False: no headroom.
bool frame_inner(rte_mbuf* m, const flow::Interface& in, wire::Headers& headers);

}  // namespace penstock::engine
