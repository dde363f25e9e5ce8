// What opening a flow shares between services and egress: whether it may begin, where it goes, and entering it in the
// table. Each refuses by a verdict on the packet.
#pragma once

#include <span>
#include <vector>

#include "engine/worker_state.h"
#include "flow/nat_pool.h"

namespace penstock::engine {

// Ports the gateway translates to on its own addresses; from 61000 on they are for its own conversations (health
// checks).
constexpr flow::PortRange kNatPorts{1024, 60999};

// Mid-stream pickup: a segment without SYN may open a flow only where the same choice comes out as before (Maglev
// without source NAT), so that connections survive a restart of the gateway.
bool begins_connection(const Packet& p);

// Everything that may refuse a new flow before tables are touched. False: the packet has its verdict.
bool admit_flow(Packet& p, WorkerState& w);
bool admit_connection(Packet& p, WorkerState& w, std::span<const uint32_t> slots);

// Enters the flow in the table and tells the workers at which its packets arrive. Null: dropped by name.
flow::Flow* insert(Packet& p, WorkerState& w, const flow::FlowKey& reply, flow::FlowMode mode);

// The packet goes where its flow goes; without a route there it is lost by name. What is not translated is judged by
// its own route: local, blackhole, prohibited.
void take_hop(Packet& p);

// Index of the next hop towards an address; kNone32: not forwarded there.
uint32_t hop_towards(const WorkerState& w, const base::IpAddress& destination, uint32_t hash);

// Where packets of this direction go: the destination after translation, or the server behind a rewritten frame or
// tunnel.
const base::IpAddress& target_of(const flow::Flow& f, unsigned direction);
void set_hops(flow::Flow& f, const WorkerState& w, uint32_t hash);

// The first address of the interface through which `destination` is reached; unspecified: none.
base::IpAddress masquerade_address(const WorkerState& w, const base::IpAddress& destination, uint32_t hash);

bool holds(const std::vector<base::Prefix>& prefixes, const base::IpAddress& address);

}  // namespace penstock::engine
