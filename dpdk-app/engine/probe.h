// Probes of paths to other gateways: STAMP (RFC 8762 §4.1, §4.2.1) in UDP between the ends of a tunnel, inside it.
//
// A request may be padded (RFC 8972 §4.1), to ask whether the path carries outer datagrams of a certain length: it is
// as long as the longest data packet that fits such a datagram, and may be longer than the path is said to carry.
//
// A request goes from our address of the path to the peer's, port kProbePort to kStampPort; its outer addresses are the
// same two. Whoever decrypts it answers by the same path: stateless, without the padding, never to an answer. An
// answer that is for us becomes an event for the control thread, which knows what was asked (control/liveness), with
// the round trip as it was here: from the round that sent the request to the round that got the answer. Nobody outside
// can forge either: both are authenticated by ESP, and their inner addresses must be ends of that peer's tunnel. Times
// are this gateway's monotonic clock in the PTP format (§4.1.1), said to be unsynchronised.
//
// Called for probes only. Failure: a drop reason.
#pragma once

#include "engine/worker_state.h"

namespace penstock::engine {

constexpr uint16_t kStampPort = 862;            // RFC 8762 §4: of the side that answers
constexpr uint16_t kProbePort = 61862;          // ours
constexpr size_t kStampLength = 44;             // unauthenticated mode; ESP authenticates
constexpr size_t kStampTlvLength = 4;           // RFC 8972 §4: flags, type, length
constexpr uint8_t kStampExtraPadding = 1;       // §4.1
constexpr uint32_t kAnswersPerSecond = 50'000;  // per worker: 1000 peers with two paths each, and as much again
constexpr uint32_t kAnswersOfPeer = 1'000;      // of those: so that none takes the others' share

// By a path to a peer of this generation; what cannot be made counts as dropped.
void send_probe(WorkerState& w, const flow::ProbeCommand& command);

// A decrypted packet that its addresses and ports say is a probe.
bool is_probe(const flow::PeerTable& peers, const uint8_t* frame, const wire::Headers& h);

// Answers or reports it. kNone: the buffer is taken; else it is the caller's to drop.
flow::DropReason take_probe(WorkerState& w, rte_mbuf* m, const wire::Headers& h, uint16_t from_peer);

}  // namespace penstock::engine
