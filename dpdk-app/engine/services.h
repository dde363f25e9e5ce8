// Flows to virtual addresses: choosing an endpoint, and what a service makes of a first packet.
#pragma once

#include "engine/worker_state.h"

namespace penstock::engine {

// The first packet of a flow to `s`: sets p.flow and p.next_hop, or a verdict.
void open_service(Packet& p, WorkerState& w, const flow::ServiceEntry& s);

// A virtual address without a service on this port: answers echo like a host, refuses the rest like one.
void refuse_virtual(Packet& p, WorkerState& w);

// The flow may not go on as it is: its service or endpoint is gone, or its endpoint down.
bool is_service_outdated(const flow::Flow& f, const flow::ServiceTable& services);

// Whether `s` is the service that the flow was opened for: a slot may have gone to another one since.
bool is_of(const flow::ServiceEntry& s, const flow::Flow& f);

}  // namespace penstock::engine
