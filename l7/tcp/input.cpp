// RFC 9293 §3.10.7.3 and §3.10.7.4 in their order: SYN-SENT, then for all other states sequence number, RST, SYN.
#include "l7/tcp/connection.h"

namespace penstock::tcp {

namespace {

constexpr uint16_t kMinMss = 88;          // 40 bytes of options must leave room for data; smaller offers are attacks
constexpr uint32_t kUnscaledMax = 65535;  // RFC 9293 §3.1
constexpr base::Nanos kPawsValid = 24ULL * 86400 * base::kNanosPerSecond;  // RFC 7323 §5.5

}  // namespace

uint8_t scale_for(uint32_t buffer) {
  uint8_t scale = 0;
  while (scale < kMaxWindowScale && buffer >> scale > kUnscaledMax) ++scale;
  return scale;
}

PeerOffer offer_of(const Segment& syn) {
  PeerOffer offer;
  offer.irs = syn.seq;
  offer.window = syn.window;
  offer.mss = syn.options.mss;
  offer.window_scale = syn.options.window_scale;
  offer.sack = syn.options.sack_permitted;
  offer.timestamps = syn.options.has_timestamps;
  offer.ts_value = syn.options.ts_value;
  // RFC 3168 §6.1.1: asked for with both flags, agreed with ECE alone (both would be a reflection of ours).
  offer.ecn = syn.has(wire::kTcpEce) && syn.has(wire::kTcpAck) != syn.has(wire::kTcpCwr);
  return offer;
}

void Connection::start(const Opening& opening, base::Nanos now) {
  const Tuning& t = shared_->tuning;
  iss_ = snd_una_ = snd_nxt_ = recover_ = opening.isn;
  ts_offset_ = opening.ts_offset;
  local_mss_ = opening.mss != 0 ? std::min(opening.mss, t.mss) : t.mss;
  mss_ = std::min(local_mss_, t.default_mss);
  nagle_ = t.nagle;
  sack_ = t.sack;
  timestamps_ = t.timestamps;
  scaled_ = t.window_scale;
  ecn_ = t.ecn;
  receive_scale_ = scaled_ ? scale_for(t.receive_buffer) : 0;
  user_timeout_ = t.user_timeout;
  keepalive_idle_ = t.keepalive_idle;
  progress_at_ = now;
}

void Connection::open(const Opening& opening, base::Nanos now) {
  start(opening, now);
  congestion_.start(shared_->tuning.congestion, mss_);
  state_ = State::kSynSent;
}

void Connection::learn(const PeerOffer& offer) {
  const Tuning& t = shared_->tuning;
  irs_ = offer.irs;
  rcv_nxt_ = last_ack_sent_ = irs_ + 1;
  rcv_edge_ = rcv_nxt_ + std::min(t.receive_buffer, kUnscaledMax);
  mss_ = std::min(local_mss_, offer.mss != 0 ? std::max(offer.mss, kMinMss) : t.default_mss);
  scaled_ = scaled_ && offer.window_scale != kNoWindowScale;
  send_scale_ = scaled_ ? std::min(offer.window_scale, kMaxWindowScale) : 0;
  if (!scaled_) receive_scale_ = 0;
  sack_ = sack_ && offer.sack;
  timestamps_ = timestamps_ && offer.timestamps;
  ts_recent_ = offer.ts_value;
  ecn_ = ecn_ && offer.ecn;
  snd_wnd_ = max_snd_wnd_ = offer.window;  // of a SYN: never scaled (RFC 7323 §2.2)
  snd_wl1_ = irs_;
  snd_wl2_ = snd_una_;
  congestion_.start(t.congestion, mss_);
}

void Connection::accept(const Opening& opening, const PeerOffer& offer, base::Nanos now) {
  start(opening, now);
  passive_ = true;
  learn(offer);
  ts_recent_at_ = now;
  state_ = State::kSynReceived;
}

void Connection::accept_cookie(const Opening& opening, const PeerOffer& offer, base::Nanos now) {
  accept(opening, offer, now);
  snd_nxt_ = iss_ + 1;
}

void Connection::on_segment(const Segment& s, base::Nanos now) {
  shared_->count(Count::kSegmentsIn);
  if (state_ == State::kClosed) return;
  if (state_ == State::kSynSent) return in_syn_sent(s, now);
  if (!check_timestamps(s, now)) return;
  if (!acceptable(s)) {
    shared_->count(Count::kOutsideWindow);
    if (s.has(wire::kTcpRst)) return;
    if (state_ == State::kTimeWait && s.has(wire::kTcpFin)) life_at_ = now + shared_->tuning.time_wait;
    if (s.length() != 0 && before(s.seq, rcv_nxt_)) duplicate_ = {s.seq, earlier(s.end(), rcv_nxt_)};
    // Bytes, probes and keepalives are answered always; anything else could be answered back for ever.
    if (s.length() != 0 || s.seq == rcv_nxt_ - 1 || shared_->challenges.take(now)) ack_now_ = true;
    // §3.10.7.4: with a window of zero the ACK of a segment that stands right is still valid.
    if (s.seq == rcv_nxt_ && rcv_edge_ == rcv_nxt_ && !s.has(wire::kTcpSyn)) check_ack(s, now);
    return;
  }
  // RFC 7323 §4.3: only segments that include the last byte acknowledged may move TS.Recent.
  if (timestamps_ && s.options.has_timestamps && at_or_before(s.seq, last_ack_sent_) &&
      (at_or_after(s.options.ts_value, ts_recent_) || now - ts_recent_at_ > kPawsValid)) {
    ts_recent_ = s.options.ts_value;
    ts_recent_at_ = now;
  }
  if (!check_reset(s, now) || !check_syn(s, now) || !check_ack(s, now)) return;
  if (ecn_) {  // RFC 3168 §6.1.3
    if (s.has(wire::kTcpCwr)) ecn_echo_ = false;
    if (s.ecn == Ecn::kCe) ecn_echo_ = ack_now_ = true;
  }
  keepalive_sent_ = 0;
  if (keepalive_idle_ != 0) keepalive_at_ = now + keepalive_idle_;
  take_text(s, now);
  take_fin(now);
}

// §3.10.7.3.
void Connection::in_syn_sent(const Segment& s, base::Nanos now) {
  const bool acks = s.has(wire::kTcpAck);
  if (acks && (at_or_before(s.ack, iss_) || after(s.ack, snd_nxt_))) {
    shared_->count(Count::kUnacceptableAck);
    if (!s.has(wire::kTcpRst)) owe_reset(s.ack, false);
    return;
  }
  if (s.has(wire::kTcpRst)) {
    if (acks) return end_with(End::kRefused);
    shared_->count(Count::kResetIgnored);
    return;
  }
  if (!s.has(wire::kTcpSyn)) return;
  learn(offer_of(s));
  ts_recent_at_ = now;
  if (!acks) {  // simultaneous open: our SYN again, now with its ACK
    state_ = State::kSynReceived;
    scoreboard_.mark_first_lost(shared_->records);
    force_ = true;
    return;
  }
  if (syn_sent_count_ > 1) {
    rtt_.after_syn_loss();
    congestion_.limit_to_one_segment();
  }
  take_ack(s, now);
  ack_now_ = true;
  establish(now);
  Segment rest = s;  // §3.10.7.3 fifth: text and FIN count, one number behind the SYN
  rest.seq += 1;
  rest.flags = static_cast<uint8_t>(s.flags & ~wire::kTcpSyn);
  take_text(rest, now);
  take_fin(now);
}

bool Connection::check_timestamps(const Segment& s, base::Nanos now) {
  if (!timestamps_ || s.has(wire::kTcpRst)) return true;
  if (!s.options.has_timestamps) {
    shared_->count(Count::kMissingTimestamps);
    return false;
  }
  if (at_or_after(s.options.ts_value, ts_recent_) || now - ts_recent_at_ > kPawsValid) return true;
  shared_->count(Count::kPawsRejected);
  if (s.length() != 0 || shared_->challenges.take(now)) ack_now_ = true;
  return false;
}

bool Connection::acceptable(const Segment& s) const {
  const uint32_t window = rcv_edge_ - rcv_nxt_;
  const uint32_t length = s.length();
  // A pure ACK at the very edge comes from a peer that filled the window: its ACK must count ("special allowance").
  if (length == 0) return within(s.seq, rcv_nxt_, rcv_edge_ + (s.has(wire::kTcpRst) && window != 0 ? 0 : 1));
  return window != 0 && (within(s.seq, rcv_nxt_, rcv_edge_) || within(s.seq + length - 1, rcv_nxt_, rcv_edge_));
}

void Connection::challenge(Count why, base::Nanos now) {
  shared_->count(why);
  if (shared_->challenges.take(now)) {
    ack_now_ = true;
  } else {
    shared_->count(Count::kChallengesSuppressed);
  }
}

// RFC 5961 §3.2: only the exact number resets; RFC 1337: TIME-WAIT is not ended by one.
bool Connection::check_reset(const Segment& s, base::Nanos now) {
  if (!s.has(wire::kTcpRst)) return true;
  if (state_ == State::kTimeWait) {
    shared_->count(Count::kResetIgnored);
  } else if (s.seq != rcv_nxt_) {
    challenge(Count::kResetIgnored, now);
  } else if (state_ == State::kSynReceived) {
    end_with(passive_ ? End::kReturned : End::kRefused);
  } else if (state_ == State::kClosing || state_ == State::kLastAck) {
    end_with(End::kFinished);  // both sides had said all they wanted
  } else {
    end_with(End::kReset);
  }
  return false;
}

bool Connection::check_syn(const Segment& s, base::Nanos now) {
  if (!s.has(wire::kTcpSyn)) return true;
  if (state_ == State::kSynReceived && passive_) {
    end_with(End::kReturned);
  } else {
    challenge(Count::kSynChallenged, now);  // RFC 5961 §4.2
  }
  return false;
}

bool Connection::may_give_way(const Segment& syn) const {
  if (state_ != State::kTimeWait || !syn.has(wire::kTcpSyn) || syn.has(wire::kTcpAck) || syn.has(wire::kTcpRst)) {
    return false;
  }
  // RFC 6191 §2: a newer timestamp, or with equal or no timestamps a sequence number beyond the old incarnation's.
  if (timestamps_ && syn.options.has_timestamps && syn.options.ts_value != ts_recent_) {
    return after(syn.options.ts_value, ts_recent_);
  }
  return after(syn.seq, rcv_nxt_);
}

void Connection::establish(base::Nanos now) {
  state_ = State::kEstablished;
  events_ |= kConnected | kWritable;
  progress_at_ = now;
  if (keepalive_idle_ != 0) keepalive_at_ = now + keepalive_idle_;
  if (finish_early_) state_ = State::kFinWait1;
}

void Connection::owe_reset(Seq seq, bool with_ack) {
  reset_owed_ = true;
  reset_seq_ = seq;
  reset_with_ack_ = with_ack;
}

void Connection::end_with(End why) {
  state_ = State::kClosed;
  end_ = why;
  events_ |= kEnded;
  send_.clear(shared_->chunks);
  scoreboard_.clear(shared_->records);
  reassembly_.clear(shared_->ranges);
  retransmit_at_ = reorder_at_ = ack_at_ = keepalive_at_ = life_at_ = hold_at_ = 0;
  ack_now_ = waits_ = window_probe_ = tail_probe_ = keepalive_due_ = false;
  dup_acks_owed_ = 0;
}

void Connection::release() {
  end_with(end_);
  receive_.clear(shared_->chunks);
  events_ = 0;
}

}  // namespace penstock::tcp
