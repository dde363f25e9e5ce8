#include "flow/tcp_state.h"

#include <algorithm>

namespace penstock::flow {

namespace {

// What a segment is to the machine; other flags (PSH, URG, ECE, CWR) do not matter.
enum class Kind : uint8_t { kSyn, kSynAck, kFin, kAck, kRst, kImpossible };

Kind kind_of(uint8_t flags) {
  switch (flags & (kTcpSyn | kTcpAck | kTcpFin | kTcpRst)) {
    case kTcpSyn:
      return Kind::kSyn;
    case kTcpSyn | kTcpAck:
      return Kind::kSynAck;
    case kTcpFin | kTcpAck:
      return Kind::kFin;
    case kTcpAck:
      return Kind::kAck;
    case kTcpRst:
    case kTcpRst | kTcpAck:
      return Kind::kRst;
    default:
      return Kind::kImpossible;  // null, FIN without ACK, SYN with FIN or RST: scans
  }
}

// Segments further away than this from what was seen pass, but teach nothing and end nothing: larger than any window in
// use, small enough that a blind guess has to be lucky (1 in 32) only to move numbers that then must still be met
// exactly.
constexpr uint32_t kReach = 1u << 26;
// What may lie between an acknowledgment of a handshake and the end of what was sent: data in the SYN (RFC 7413), or
// the server's first flight. A blind guess of the number succeeds once in 65536 times.
constexpr uint32_t kFirstFlight = 65535;

bool before(uint32_t a, uint32_t b) { return static_cast<int32_t>(a - b) < 0; }
bool near(uint32_t a, uint32_t b) { return a - b <= kReach || b - a <= kReach; }

uint32_t end_of(const TcpSegment& s) {
  return s.sequence + s.length + ((s.flags & kTcpSyn) ? 1 : 0) + ((s.flags & kTcpFin) ? 1 : 0);
}

uint8_t end_bit(unsigned side) { return side == 0 ? kSeenEnd0 : kSeenEnd1; }
uint8_t acked_bit(unsigned side) { return side == 0 ? kSeenAcked0 : kSeenAcked1; }
uint8_t fin_bit(unsigned side) { return side == 0 ? kSeenFin0 : kSeenFin1; }

void begin(TcpTrack t, unsigned side, const TcpSegment& s) {
  t.window[side].end = end_of(s);
  t.seen |= end_bit(side);
}

// Remembers how far `side` has sent (nothing comes after its FIN) and how far it acknowledges the other.
void learn(TcpTrack t, unsigned side, const TcpSegment& s) {
  const uint32_t end = end_of(s);
  TcpWindow& own = t.window[side];
  if (!(t.seen & end_bit(side))) {
    begin(t, side, s);
  } else if (!(t.seen & fin_bit(side)) && before(own.end, end) && near(own.end, end)) {
    own.end = end;
  }
  if (!(s.flags & kTcpAck)) return;
  TcpWindow& other = t.window[1 - side];
  const uint32_t ack = s.acknowledgment;
  if (!(t.seen & acked_bit(1 - side))) {
    other.acked = ack;
    t.seen |= acked_bit(1 - side);
  } else if (before(other.acked, ack) && near(other.acked, ack)) {
    other.acked = ack;
  }
}

bool is_plausible_fin(TcpTrack t, unsigned side, const TcpSegment& s) {
  return !(t.seen & end_bit(side)) || near(t.window[side].end, end_of(s));
}

// The side has sent FIN and the other has acknowledged it.
bool has_finished(TcpTrack t, unsigned side) {
  const uint8_t needed = fin_bit(side) | acked_bit(side);
  return (t.seen & needed) == needed && !before(t.window[side].acked, t.window[side].end);
}

FollowResult reset(TcpTrack t, unsigned side, const TcpSegment& s) {
  if (t.state == FlowStateId::kTcpSynSent && side == 1) {
    // RFC 9293 §3.10.7.3: the answer to a SYN resets only if it acknowledges it.
    if (!(s.flags & kTcpAck) || s.acknowledgment != t.window[0].end) return FollowResult::kInvalid;
    t.state = FlowStateId::kTcpClose;
    return FollowResult::kAccept;
  }
  const bool knows_end = t.seen & end_bit(side), knows_acked = t.seen & acked_bit(side);
  const TcpWindow& window = t.window[side];
  // RFC 5961 §3.2: the receiver closes on the sequence number it expects next: the last it acknowledged, or, when its
  // acknowledgment is still under way, the end of what was sent.
  if ((knows_acked && s.sequence == window.acked) || (knows_end && s.sequence == window.end)) {
    t.state = FlowStateId::kTcpClose;
    return FollowResult::kAccept;
  }
  if (!knows_end && !knows_acked) return FollowResult::kAccept;  // nothing to judge it by, nothing to change
  const uint32_t low = knows_acked ? window.acked : window.end - kReach;
  const uint32_t high = (knows_end ? window.end : window.acked) + kReach;
  // Inside the window it may draw a challenge ACK and then the exact one.
  return s.sequence - low <= high - low ? FollowResult::kAccept : FollowResult::kInvalid;
}

FollowResult accept(TcpTrack t, unsigned side, const TcpSegment& s, FlowStateId next) {
  learn(t, side, s);
  t.state = next;
  return FollowResult::kAccept;
}

FollowResult accept_fin(TcpTrack t, unsigned side, const TcpSegment& s) {
  accept(t, side, s, FlowStateId::kTcpFinWait);
  t.seen |= fin_bit(side);
  return FollowResult::kAccept;
}

FollowResult in_syn_sent(TcpTrack t, unsigned side, const TcpSegment& s, Kind kind) {
  if (side == 0) {
    if (kind != Kind::kSyn) return FollowResult::kInvalid;
    begin(t, 0, s);  // sent again, maybe with another sequence number
    return FollowResult::kAccept;
  }
  if (kind == Kind::kSyn) return accept(t, 1, s, FlowStateId::kTcpSynSent2);
  // An answer to an older SYN passes and changes nothing: the client will reset it.
  if (kind == Kind::kSynAck && t.window[0].end - s.acknowledgment <= kFirstFlight)
    return accept(t, 1, s, FlowStateId::kTcpSynReceived);
  return kind == Kind::kFin ? FollowResult::kInvalid : FollowResult::kAccept;
}

FollowResult in_syn_sent2(TcpTrack t, unsigned side, const TcpSegment& s, Kind kind) {
  if (kind == Kind::kSyn) return FollowResult::kAccept;  // sent again
  if (kind == Kind::kSynAck && s.acknowledgment == t.window[1 - side].end)
    return accept(t, side, s, FlowStateId::kTcpSynReceived);
  return FollowResult::kInvalid;
}

FollowResult in_syn_received(TcpTrack t, unsigned side, const TcpSegment& s, Kind kind) {
  switch (kind) {
    case Kind::kSyn:
      return side == 0 ? FollowResult::kAccept : FollowResult::kInvalid;  // sent again
    case Kind::kSynAck:
      return FollowResult::kAccept;  // sent again; or the second of a simultaneous open
    case Kind::kAck:
    case Kind::kFin:
      if (side == 1) return kind == Kind::kFin ? accept_fin(t, 1, s) : accept(t, 1, s, FlowStateId::kTcpSynReceived);
      // Who has not seen the SYN+ACK does not know this number: embryonic flows cannot be made established blindly.
      if (t.window[1].end - s.acknowledgment > kFirstFlight) return FollowResult::kInvalid;
      return kind == Kind::kFin ? accept_fin(t, 0, s) : accept(t, 0, s, FlowStateId::kTcpEstablished);
    case Kind::kRst:
    case Kind::kImpossible:
      break;
  }
  return FollowResult::kInvalid;
}

FollowResult in_established(TcpTrack t, unsigned side, const TcpSegment& s, Kind kind) {
  switch (kind) {
    // A host that lost its state begins again: the other side answers with a challenge ACK (RFC 9293 §3.10.7.4), which
    // draws the exact RST. Neither direction's numbers may be believed until then.
    case Kind::kSyn:
      return FollowResult::kAccept;
    case Kind::kSynAck:
      return side == 1 ? FollowResult::kAccept : FollowResult::kInvalid;  // sent again
    case Kind::kFin:
      return is_plausible_fin(t, side, s) ? accept_fin(t, side, s) : FollowResult::kAccept;
    case Kind::kAck:
      return accept(t, side, s, FlowStateId::kTcpEstablished);
    case Kind::kRst:
    case Kind::kImpossible:
      break;
  }
  return FollowResult::kInvalid;
}

// FIN_WAIT, CLOSE_WAIT, LAST_ACK: one or both sides have sent FIN.
FollowResult in_closing(TcpTrack t, unsigned side, const TcpSegment& s, Kind kind) {
  if (kind == Kind::kSyn || kind == Kind::kSynAck) return FollowResult::kAccept;  // as in established
  if (kind == Kind::kFin && !is_plausible_fin(t, side, s)) return FollowResult::kAccept;
  learn(t, side, s);
  if (kind == Kind::kFin) t.seen |= fin_bit(side);
  const bool both = (t.seen & kSeenFin0) && (t.seen & kSeenFin1);
  if (has_finished(t, 0) && has_finished(t, 1)) {
    t.state = FlowStateId::kTcpTimeWait;
  } else if (both) {
    t.state = FlowStateId::kTcpLastAck;
  } else if (has_finished(t, 0) || has_finished(t, 1)) {
    t.state = FlowStateId::kTcpCloseWait;
  }
  return FollowResult::kAccept;
}

// TIME_WAIT and CLOSE.
FollowResult in_ended(TcpTrack t, unsigned side, const TcpSegment& s, Kind kind) {
  if (kind == Kind::kSyn) return FollowResult::kReopen;
  if (kind == Kind::kSynAck && side == 0) return FollowResult::kInvalid;
  return accept(t, side, s, t.state);
}

FollowResult follow_one_way(TcpTrack t, const TcpSegment& s, Kind kind) {
  switch (kind) {
    case Kind::kRst:
      if (s.sequence == t.window[0].end) t.state = FlowStateId::kTcpClose;
      return FollowResult::kAccept;
    case Kind::kSyn:
      // The server may have finished long ago where we cannot see it: after a FIN a SYN begins anew.
      return t.state == FlowStateId::kTcpSynReceived || t.state == FlowStateId::kTcpEstablished ? FollowResult::kAccept
                                                                                                : FollowResult::kReopen;
    case Kind::kFin:
      return accept(t, 0, s, t.state == FlowStateId::kTcpClose ? t.state : FlowStateId::kTcpFinWait);
    case Kind::kAck:
      return accept(t, 0, s, t.state == FlowStateId::kTcpSynReceived ? FlowStateId::kTcpEstablished : t.state);
    case Kind::kSynAck:
    case Kind::kImpossible:
      break;
  }
  return FollowResult::kInvalid;
}

}  // namespace

const char* to_string(FlowStateId state) {
  switch (state) {
    case FlowStateId::kNone:
      return "none";
    case FlowStateId::kTcpSynSent:
      return "syn_sent";
    case FlowStateId::kTcpSynReceived:
      return "syn_recv";
    case FlowStateId::kTcpEstablished:
      return "established";
    case FlowStateId::kTcpFinWait:
      return "fin_wait";
    case FlowStateId::kTcpCloseWait:
      return "close_wait";
    case FlowStateId::kTcpLastAck:
      return "last_ack";
    case FlowStateId::kTcpTimeWait:
      return "time_wait";
    case FlowStateId::kTcpClose:
      return "close";
    case FlowStateId::kTcpSynSent2:
      return "syn_sent2";
    case FlowStateId::kUdp:
      return "udp";
    case FlowStateId::kUdpStream:
      return "udp_stream";
    case FlowStateId::kIcmp:
      return "icmp";
    case FlowStateId::kOther:
      return "other";
    case FlowStateId::kOtherStream:
      return "other_stream";
    case FlowStateId::kCount:
      break;
  }
  return "?";
}

StateTimeouts::StateTimeouts(const Timeouts& seconds) {
  const auto set = [&](FlowStateId state, uint32_t value) {
    by_state[static_cast<size_t>(state)] =
        static_cast<base::Millis>(std::min<uint64_t>(uint64_t{value} * 1000, kLongestTimeout));
  };
  set(FlowStateId::kTcpSynSent, seconds.tcp_syn_sent);
  set(FlowStateId::kTcpSynSent2, seconds.tcp_syn_sent);
  set(FlowStateId::kTcpSynReceived, seconds.tcp_syn_received);
  set(FlowStateId::kTcpEstablished, seconds.tcp_established);
  set(FlowStateId::kTcpFinWait, seconds.tcp_fin_wait);
  set(FlowStateId::kTcpCloseWait, seconds.tcp_close_wait);
  set(FlowStateId::kTcpLastAck, seconds.tcp_last_ack);
  set(FlowStateId::kTcpTimeWait, seconds.tcp_time_wait);
  set(FlowStateId::kTcpClose, seconds.tcp_close);
  set(FlowStateId::kUdp, seconds.udp);
  set(FlowStateId::kUdpStream, seconds.udp_stream);
  set(FlowStateId::kIcmp, seconds.icmp);
  set(FlowStateId::kOther, seconds.other);
  set(FlowStateId::kOtherStream, seconds.other);
}

FlowStateId open_tcp(const TcpSegment& segment, PickUp pick_up, Sides sides, uint8_t& seen, TcpWindow (&window)[2]) {
  FlowStateId state = FlowStateId::kNone;
  switch (kind_of(segment.flags)) {
    case Kind::kSyn:
      state = sides == Sides::kBoth ? FlowStateId::kTcpSynSent : FlowStateId::kTcpSynReceived;
      break;
    case Kind::kAck:
      if (pick_up == PickUp::kLoose) state = FlowStateId::kTcpEstablished;
      break;
    case Kind::kFin:
      if (pick_up == PickUp::kLoose) state = FlowStateId::kTcpFinWait;
      break;
    case Kind::kSynAck:
    case Kind::kRst:
    case Kind::kImpossible:
      break;
  }
  if (state == FlowStateId::kNone) return state;
  seen = state == FlowStateId::kTcpFinWait ? kSeenFin0 : 0;
  window[0] = window[1] = {};
  learn({state, seen, window}, 0, segment);
  return state;
}

FollowResult follow_tcp(TcpTrack track, unsigned direction, const TcpSegment& segment, Sides sides) {
  const Kind kind = kind_of(segment.flags);
  if (kind == Kind::kImpossible) return FollowResult::kInvalid;
  if (sides == Sides::kOriginalOnly) return follow_one_way(track, segment, kind);
  if (kind == Kind::kRst) return reset(track, direction, segment);
  switch (track.state) {
    case FlowStateId::kTcpSynSent:
      return in_syn_sent(track, direction, segment, kind);
    case FlowStateId::kTcpSynSent2:
      return in_syn_sent2(track, direction, segment, kind);
    case FlowStateId::kTcpSynReceived:
      return in_syn_received(track, direction, segment, kind);
    case FlowStateId::kTcpEstablished:
      return in_established(track, direction, segment, kind);
    case FlowStateId::kTcpFinWait:
    case FlowStateId::kTcpCloseWait:
    case FlowStateId::kTcpLastAck:
      return in_closing(track, direction, segment, kind);
    case FlowStateId::kTcpTimeWait:
    case FlowStateId::kTcpClose:
      return in_ended(track, direction, segment, kind);
    case FlowStateId::kNone:
    case FlowStateId::kUdp:
    case FlowStateId::kUdpStream:
    case FlowStateId::kIcmp:
    case FlowStateId::kOther:
    case FlowStateId::kOtherStream:
    case FlowStateId::kCount:
      break;
  }
  return FollowResult::kInvalid;  // not a TCP flow
}

FlowStateId open_other(uint8_t protocol) {
  constexpr uint8_t kIcmp = 1, kUdp = 17, kIcmpv6 = 58;
  switch (protocol) {
    case kUdp:
      return FlowStateId::kUdp;
    case kIcmp:
    case kIcmpv6:
      return FlowStateId::kIcmp;
    default:
      return FlowStateId::kOther;
  }
}

}  // namespace penstock::flow
