// Source NAT of flows that leave: which rule takes them, their mappings, hairpins, and what stays out.
#pragma once

#include "engine/worker_state.h"

namespace penstock::engine {

// The rule that takes a packet leaving by `out`; null: none.
const flow::EgressRule* egress_for(const Packet& p, const WorkerState& w, flow::InterfaceId out);

// Whether the address is in a pool.
bool is_nat_address(const WorkerState& w, const base::IpAddress& address);

// Whether a packet to the gateway's own address may be meant for an inside host behind it.
bool is_hairpin_to_own_address(const Packet& p, const WorkerState& w);

// First packet of a flow that `rule` takes: sets p.flow and p.next_hop, or a verdict.
void open_egress(Packet& p, WorkerState& w, const flow::EgressRule& rule);

// A packet to one of our NAT addresses that no flow knows. From inside it is a hairpin (RFC 4787 REQ-9): both sides are
// translated. From outside it is refused: only answers come in (address- and port-dependent filtering, RFC 4787 §5).
void open_towards_nat(Packet& p, WorkerState& w);

// The flow may not go on as it is: its rule is gone, its outside address left the pool, its destination the allow-list.
bool is_egress_outdated(const flow::Flow& f, const WorkerState& w);

}  // namespace penstock::engine
