// What a worker decides about flows: opening them (service, endpoint, NAT), judging them again in a new generation,
// ageing, and telling other workers which packets belong here. Slow path of the hot path: once per flow, not per
// packet.
#pragma once

#include "engine/mesh.h"
#include "engine/worker_state.h"

namespace penstock::engine {

// What the first packet of a flow makes of it; state kNone: it cannot be a first packet.
struct FirstPacket {
  flow::FlowStateId state = flow::FlowStateId::kNone;
  uint8_t seen = 0;
  flow::TcpWindow window[2];
};
FirstPacket first_packet(const Packet& p, bool both_sides);

// The packet belongs to what the table found: sets flow, direction and cached decisions, follows its state, or sends it
// to the worker that has the flow.
void attach(Packet& p, WorkerState& w, const flow::FlowMatch& match);

// Counts the packet at its service, endpoint or egress rule.
void count_flow(const Packet& p, WorkerState& w);

// What the end of a flow means to others: gauges, NAT mappings, steer entries of other workers. A notice that finds its
// ring full is lost, and the other worker's steer entry stays until it times out: it leads here, where the packet is a
// first one.
void forget_flow(WorkerState& w, flow::Flow& f);

// The packet's flow is still the one it was found to belong to. Flows end in the middle of a burst (an endpoint went
// down, a connection begins anew, a full table makes room) while other packets of the burst point to them, and their
// place may have been taken by another.
bool still_has_flow(const Packet& p);

// The packet quoted in an ICMP error went the other way: its key turned round is that of packets that come from where
// the error comes from. False: no readable quote of the same family.
bool quoted_key(const Packet& p, flow::FlowKey& key);

// First packet of a flow (p.flow is null). Sets p.flow and p.next_hop, or a verdict, or leaves the packet untracked.
void open_flow(Packet& p, WorkerState& w);

// First packet of `p.flow` in this generation: endpoint state, routes. May drop the packet or move the flow.
void judge_again(Packet& p, WorkerState& w);

// Takes over what another worker announced.
void apply_notice(WorkerState& w, const SteerNotice& notice);

// Bounded ageing of every table; at most once a millisecond.
void age(WorkerState& w);

// Explain: a copy of another worker's flow. False: no room.
bool import_flow(WorkerState& w, const flow::TrackedFlowView& view);

// The checksum differences of a translated flow's two directions.
void set_deltas(flow::Flow& f);

// A flow as it is shown outside; find: by either of its keys.
void fill_view(const WorkerState& w, const flow::Flow& f, flow::TrackedFlowView& out);
bool find_flow_view(WorkerState& w, const flow::FlowKey& key, flow::TrackedFlowView& out);

// Gauges of tables, for readers on other threads.
void publish_gauges(WorkerState& w);

void drop_held_fragments(WorkerState& w, flow::DropReason reason);

}  // namespace penstock::engine
