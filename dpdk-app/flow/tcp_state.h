// What state a tracked flow is in, and how each packet moves it. Pure: packet facts in, state out; no table, no clock.
//
// TCP, seen from the middle (both directions pass here). States are named as in Linux conntrack and have its timeouts:
//
//   none ──SYN──► syn_sent ──SYN+ACK──► syn_recv ──ACK──► established ──FIN──► fin_wait ──its ACK──► close_wait
//                   │  ▲                                                         │                      │
//                  SYN from the other side (simultaneous open): syn_sent2        └──other FIN──┬────────┘
//                                                                                              ▼
//   any ──RST that the receiver would accept──► close            time_wait ◄──ACK of it── last_ack
//   established ◄── mid-stream ACK (loose pick-up)               SYN over time_wait or close: kReopen
//
// A little of the window is kept (TcpWindow: two sequence numbers a side), enough that a blind attacker can neither
// reset a flow (RFC 5961 §3: only the exact sequence number closes, one inside the window passes and changes nothing,
// one outside is invalid), nor make one look established without having seen the SYN+ACK's sequence number. One-way
// flows (direct server return: only the client's packets pass here) have a shorter machine of their own.
//
// UDP becomes a stream when a reply was seen; ICMP stays; any other protocol likewise by reply.
// Not here: who is told (flow/flow_table.h keeps gauges), whether an invalid segment is dropped (the engine's choice).
#pragma once

#include <array>
#include <cstdint>

#include "base/time.h"
#include "flow/generation.h"

namespace penstock::flow {

enum class FlowStateId : uint8_t {
  kNone,            // not a flow
  kTcpSynSent,      // SYN seen
  kTcpSynReceived,  // SYN+ACK seen
  kTcpEstablished,
  kTcpFinWait,    // one side sent FIN
  kTcpCloseWait,  // the other side acknowledged it
  kTcpLastAck,    // both sides sent FIN
  kTcpTimeWait,   // both acknowledged
  kTcpClose,      // reset
  kTcpSynSent2,   // SYN from both sides, RFC 9293 §3.5 figure 7
  kUdp,           // one direction seen
  kUdpStream,     // both
  kIcmp,          // echo
  kOther,         // another protocol, one direction seen
  kOtherStream,   // both
  kCount
};
constexpr size_t kFlowStateIds = static_cast<size_t>(FlowStateId::kCount);

const char* to_string(FlowStateId state);  // "syn_sent", "established", "udp_stream", …

// Not proven to be wanted by the other side, or over: may make room for others when the table is full.
constexpr bool is_embryonic(FlowStateId state) {
  switch (state) {
    case FlowStateId::kTcpSynSent:
    case FlowStateId::kTcpSynReceived:
    case FlowStateId::kTcpSynSent2:
    case FlowStateId::kTcpTimeWait:
    case FlowStateId::kTcpClose:
    case FlowStateId::kUdp:
    case FlowStateId::kIcmp:
    case FlowStateId::kOther:
      return true;
    case FlowStateId::kNone:
    case FlowStateId::kTcpEstablished:
    case FlowStateId::kTcpFinWait:
    case FlowStateId::kTcpCloseWait:
    case FlowStateId::kTcpLastAck:
    case FlowStateId::kUdpStream:
    case FlowStateId::kOtherStream:
    case FlowStateId::kCount:
      return false;
  }
  return false;
}
constexpr bool is_established(FlowStateId state) { return state != FlowStateId::kNone && !is_embryonic(state); }
constexpr bool is_tcp(FlowStateId state) {
  return state >= FlowStateId::kTcpSynSent && state <= FlowStateId::kTcpSynSent2;
}

// Idle time after which a flow ends, by state.
constexpr base::Millis kLongestTimeout = 20u * 24 * 3600 * 1000;  // 20 days: base::since() is right up to 24
struct StateTimeouts {
  std::array<base::Millis, kFlowStateIds> by_state{};

  StateTimeouts() : StateTimeouts(Timeouts{}) {}
  explicit StateTimeouts(const Timeouts& seconds);  // longer ones become kLongestTimeout
  base::Millis of(FlowStateId state) const { return by_state[static_cast<size_t>(state)]; }
};

enum : uint8_t { kTcpFin = 1, kTcpSyn = 2, kTcpRst = 4, kTcpPsh = 8, kTcpAck = 16, kTcpUrg = 32 };

struct TcpSegment {
  uint8_t flags = 0;
  uint32_t sequence = 0, acknowledgment = 0;
  uint32_t length = 0;  // payload bytes
};

// Of what one side sends.
struct TcpWindow {
  uint32_t end = 0;    // one past the highest sequence number sent
  uint32_t acked = 0;  // highest one acknowledged by the other side: the next it expects
};

// What of the windows is known, and which side began to close.
enum TcpSeen : uint8_t {
  kSeenEnd0 = 1,
  kSeenEnd1 = 2,  // window[side].end
  kSeenAcked0 = 4,
  kSeenAcked1 = 8,  // window[side].acked
  kSeenFin0 = 16,
  kSeenFin1 = 32,  // the side sent FIN
};

enum class FollowResult : uint8_t {
  kAccept,   // part of the flow
  kInvalid,  // no segment that this connection can have: nothing changed
  kReopen,   // a SYN that begins another connection: close this flow and treat the packet as a first one
};

// First packets: loose accepts a connection in its middle (after a restart, or moved here).
enum class PickUp : uint8_t { kSynOnly, kLoose };
// Whether both directions pass here.
enum class Sides : uint8_t { kBoth, kOriginalOnly };

struct TcpTrack {
  FlowStateId& state;
  uint8_t& seen;           // set of TcpSeen
  TcpWindow (&window)[2];  // by direction of sending: 0 original, 1 reply
};

// The state of a flow whose first packet this is; kNone: it cannot be one.
FlowStateId open_tcp(const TcpSegment& segment, PickUp pick_up, Sides sides, uint8_t& seen, TcpWindow (&window)[2]);
// A further packet in `direction` (0 original, 1 reply).
FollowResult follow_tcp(TcpTrack track, unsigned direction, const TcpSegment& segment, Sides sides);

// Protocols without connections.
FlowStateId open_other(uint8_t protocol);
inline FlowStateId follow_other(FlowStateId state, unsigned direction) {
  if (direction == 0) return state;
  if (state == FlowStateId::kUdp) return FlowStateId::kUdpStream;
  if (state == FlowStateId::kOther) return FlowStateId::kOtherStream;
  return state;
}

}  // namespace penstock::flow
