// What leaves next: a reset, the handshake, what was lost, probes, new bytes and FIN, an ACK — in this order.
// Bytes wait for their turn (pacing.h), but for the first of a recovery and probes; all other segments never do.
// Sender-side silly window avoidance and Nagle follow RFC 9293 §3.8.6.2.1 and §3.7.4.
#include "l7/tcp/connection.h"

namespace penstock::tcp {

namespace {

constexpr base::Nanos kPoolPause = 10 * kMillisecond;  // how long to wait when no record was free
constexpr uint32_t kMaxOffload = 65535 - 60 - 60;      // payload that fits one IP datagram with its headers
constexpr uint32_t kLeastHalved = 536;  // a window below the default MSS (RFC 9293 §3.7.1) is used whole

}  // namespace

bool Connection::next_segment(const Plan& plan, base::Nanos now, Outgoing& out) {
  bool some = false;
  if (reset_owed_) {
    some = emit_reset(out, now);
  } else if (state_ == State::kClosed) {
    return false;
  } else if (!synchronized()) {
    some = emit_handshake(now, out);
  } else if (hold_at_ == 0) {
    some = emit_retransmission(plan, now, out) || emit_probe(now, out) || emit_new(plan, now, out);
  }
  if (!some && state_ >= State::kSynReceived) some = emit_ack(now, out);
  if (some) {
    on_sent(out, now);
  } else if (retransmit_at_ == 0 && (outstanding() || something_to_send())) {
    arm_retransmit(now);
  }
  return some;
}

void Connection::on_sent(const Outgoing& out, base::Nanos now) {
  shared_->count(Count::kSegmentsOut);
  if (out.length != 0 && paces()) {
    pacing_.on_sent(out.length, path(), now);
    waits_ = false;
  }
  if (out.length != 0 || (out.flags & (wire::kTcpSyn | wire::kTcpFin)) != 0) last_sent_at_ = now;
  if (!(out.flags & wire::kTcpAck) || (out.flags & wire::kTcpRst)) return;
  last_ack_sent_ = out.ack;
  ack_now_ = false;
  ack_at_ = 0;
  ack_owed_bytes_ = 0;
  if (out.options.sack_count != 0 || !sack_) duplicate_ = {};
}

bool Connection::emit_reset(Outgoing& out, base::Nanos) {
  reset_owed_ = false;
  out = Outgoing{};
  out.seq = reset_seq_;
  out.flags = wire::kTcpRst;
  if (reset_with_ack_) {
    out.flags |= wire::kTcpAck;
    out.ack = rcv_nxt_;
  }
  return true;
}

// SYN or SYN,ACK: the first time, or when it is lost.
bool Connection::emit_handshake(base::Nanos now, Outgoing& out) {
  const bool fresh = snd_nxt_ == iss_;
  SentRecord* again = fresh ? nullptr : scoreboard_.next_lost(shared_->records, 1);
  if (!fresh && again == nullptr) return false;
  if (fresh && !scoreboard_.push(shared_->records, iss_, iss_ + 1, now)) {
    shared_->count(Count::kPoolEmpty);
    hold_at_ = now + kPoolPause;
    return false;
  }
  if (again != nullptr) {
    scoreboard_.on_retransmit(*again, now);
    shared_->count(Count::kRetransmitted);
  }
  snd_nxt_ = iss_ + 1;
  if (syn_sent_count_ < 255) ++syn_sent_count_;
  force_ = false;
  const bool answer = state_ == State::kSynReceived;
  out = Outgoing{};
  out.seq = iss_;
  out.flags = wire::kTcpSyn;
  out.options.mss = local_mss_;
  if (scaled_) out.options.window_scale = receive_scale_;
  out.options.sack_permitted = sack_;
  out.options.has_timestamps = timestamps_;
  out.options.ts_value = timestamp(now);
  out.window = static_cast<uint16_t>(std::min<uint32_t>(shared_->tuning.receive_buffer, 65535));
  if (answer) {
    out.flags |= wire::kTcpAck;
    out.ack = rcv_nxt_;
    out.options.ts_echo = ts_recent_;
  }
  // RFC 3168 §6.1.1; without it after the first loss: some paths drop it (§6.1.1.1).
  if (ecn_ && syn_sent_count_ > 1) ecn_ = false;
  if (ecn_) out.flags |= answer ? wire::kTcpEce : wire::kTcpEce | wire::kTcpCwr;
  arm_retransmit(now);
  return true;
}

void Connection::head(Outgoing& out, base::Nanos now, bool with_sack) {
  out.seq = acceptable_seq();
  out.ack = rcv_nxt_;
  out.flags = wire::kTcpAck | (ecn_echo_ ? wire::kTcpEce : 0);
  out.ecn = Ecn::kNotEct;
  out.window = advertise();
  out.options = Options{};
  out.length = 0;
  out.segment_size = 0;
  out.piece_count = 0;
  if (timestamps_) {
    out.options.has_timestamps = true;
    out.options.ts_value = timestamp(now);
    out.options.ts_echo = ts_recent_;
  }
  if (!sack_ || !with_sack) return;
  auto& o = out.options;
  const uint8_t room = timestamps_ ? 3 : 4;
  if (duplicate_.begin != duplicate_.end) o.sack[o.sack_count++] = duplicate_;
  o.sack_count += reassembly_.report(shared_->ranges, &o.sack[o.sack_count], room - o.sack_count);
}

uint32_t Connection::payload_room(const Outgoing& out) const {
  const uint32_t room = mss_ - static_cast<uint32_t>(options_length(out.options));
  // A window that never held two segments: half of it, or each would wait for a delayed ACK.
  return max_snd_wnd_ > kLeastHalved ? std::min(room, max_snd_wnd_ / 2) : room;
}

Pacing::Path Connection::path() const {
  const uint32_t window = congestion_.window();
  return {.window = std::max({window, snd_nxt_ - snd_una_, uint32_t{mss_}}),
          .rtt = std::clamp(rtt_.smoothed(), base::Nanos{1}, kMaxRto),
          .doubling = window < congestion_.threshold() / 2};
}

// How many of `bytes`, which could leave, leave together now, in segments of `room`. 0: they wait for their turn.
uint32_t Connection::take_turn(uint32_t bytes, uint32_t room, base::Nanos now) {
  if (!paces() || congestion_.window() <= Congestion::initial_window(mss_)) return bytes;
  if (pacing_.may_send(std::min(bytes, room), now)) return pacing_.together(bytes, room, path());
  if (!waits_) shared_->count(Count::kPaced);
  waits_ = true;
  return 0;
}

// Payload and flags of [begin, end) of the sequence space.
void Connection::fill(Outgoing& out, Seq begin, Seq end) {
  out.seq = begin;
  Seq data_end = end;
  if (fin_sent_ && after(end, fin_seq())) {
    data_end = fin_seq();
    out.flags |= wire::kTcpFin;
  }
  size_t pieces = 0;
  out.length = static_cast<uint32_t>(
      send_.read(shared_->chunks, offset_of(begin), data_end - begin, out.pieces.data(), kMaxPieces, pieces));
  out.piece_count = static_cast<uint16_t>(pieces);
  out.segment_size = static_cast<uint16_t>(payload_room(out));
  if (out.length != 0 && offset_of(data_end) == written_) out.flags |= wire::kTcpPsh;
}

bool Connection::resend(SentRecord* record, base::Nanos now, Outgoing& out) {
  if (record == nullptr) return false;
  fill(out, record->begin, record->end);
  if (recovery_ == Recovery::kFast) congestion_.on_recovery_sent(record->length());
  scoreboard_.on_retransmit(*record, now);
  shared_->count(Count::kRetransmitted);
  force_ = false;
  if (retransmit_at_ == 0) arm_retransmit(now);
  return true;
}

bool Connection::emit_retransmission(const Plan&, base::Nanos now, Outgoing& out) {
  if (scoreboard_.lost() == 0 || snd_wnd_ == 0) return false;
  head(out, now, true);
  SentRecord* record = scoreboard_.next_lost(shared_->records, payload_room(out));
  if (record == nullptr) return false;
  if (at_or_after(record->begin, snd_una_ + snd_wnd_)) return false;  // the peer took its window back
  if (!force_) {
    if (pipe() != 0 && pipe() + record->length() > congestion_.window()) return false;
    const bool bytes = !fin_sent_ || record->begin != fin_seq();
    if (bytes && take_turn(record->length(), record->length(), now) == 0) return false;
  }
  return resend(record, now, out);
}

bool Connection::send_new(Outgoing& out, uint32_t bytes, bool fin, base::Nanos now) {
  const Seq begin = snd_nxt_;
  const Seq end = begin + bytes + (fin ? 1 : 0);
  if (begin == end) return false;
  if (!scoreboard_.push(shared_->records, begin, end, now)) {
    shared_->count(Count::kPoolEmpty);
    hold_at_ = now + kPoolPause;
    return false;
  }
  if (!outstanding()) progress_at_ = now;
  if (fin) fin_sent_ = true;
  fill(out, begin, end);
  snd_nxt_ = end;
  if (recovery_ == Recovery::kFast) congestion_.on_recovery_sent(bytes);
  if (ecn_ && bytes != 0) {
    out.ecn = Ecn::kEct0;
    if (ecn_reduced_) out.flags |= wire::kTcpCwr;
    ecn_reduced_ = false;
  }
  if (retransmit_at_ == 0 || retransmit_kind_ == Timer::kTailProbe) arm_retransmit(now);
  return true;
}

// §3.8.6.2.1: less than a segment waits when the window cut it, or when an answer is due anyway (Nagle).
bool Connection::held_back(uint32_t bytes, uint32_t available, uint32_t room) const {
  if (bytes >= room) return false;
  if (bytes < available) return outstanding() || bytes < std::max(max_snd_wnd_ / 2, 1U);
  return nagle_ && outstanding() && !fin_wanted();
}

bool Connection::emit_new(const Plan& plan, base::Nanos now, Outgoing& out) {
  if (!may_send_data() || fin_sent_) return false;
  const uint64_t queued = unsent();
  const bool fin = fin_wanted();
  if (queued == 0 && !fin) return false;
  const uint32_t sent = snd_nxt_ - snd_una_;
  const uint32_t usable = snd_wnd_ > sent ? snd_wnd_ - sent : 0;
  if (usable == 0) return false;
  if (!outstanding()) {
    if (last_sent_at_ != 0 && now - last_sent_at_ > rtt_.rto()) congestion_.restart_after_idle();
    pacing_.begin(Congestion::initial_window(mss_), now);
  }
  head(out, now, true);
  const uint32_t room = payload_room(out);
  const uint32_t most = std::max(std::min<uint32_t>(plan.max_segments, kMaxOffload / room) * room, room);
  const auto available = static_cast<uint32_t>(std::min<uint64_t>(queued, 1U << 30));
  uint32_t bytes = std::min({available, usable, most});
  const uint32_t window = congestion_.window();
  const uint32_t free = window > pipe() ? window - pipe() : 0;
  if (bytes > free) {  // whole segments only, but one when nothing is in the network
    const uint32_t whole = free / room * room;
    if (whole == 0 && pipe() != 0) return false;
    bytes = whole != 0 ? whole : std::min(bytes, room);
  }
  if (bytes > room && bytes < available) bytes = bytes / room * room;
  if (bytes != 0) {
    if (held_back(bytes, available, room)) return false;
    bytes = take_turn(bytes, room, now);
    if (bytes == 0) return false;
  }
  return send_new(out, bytes, fin && bytes == queued && usable > bytes, now);
}

bool Connection::emit_probe(base::Nanos now, Outgoing& out) {
  if (window_probe_ || tail_probe_) {
    const bool tail = tail_probe_;
    window_probe_ = tail_probe_ = false;
    head(out, now, true);
    const uint32_t room = payload_room(out);
    const uint32_t sent = snd_nxt_ - snd_una_;
    const uint32_t usable = snd_wnd_ > sent ? snd_wnd_ - sent : 0;
    const auto queued = static_cast<uint32_t>(std::min<uint64_t>(unsent(), room));
    const bool fresh = tail ? something_to_send() && usable >= std::max(queued, 1U) : scoreboard_.empty();
    if (tail) tail_probe_again_ = !fresh;
    if (!fresh)
      return resend(tail ? scoreboard_.last(shared_->records, room)
                         : scoreboard_.first(shared_->records, std::clamp(snd_wnd_, 1U, room)),
                    now, out);
    const uint32_t bytes = std::min(queued, std::max(usable, 1U));
    return send_new(out, bytes, bytes == 0, now);
  }
  if (!keepalive_due_) return false;
  keepalive_due_ = false;
  shared_->count(Count::kKeepalives);
  head(out, now, true);
  out.seq = snd_nxt_ - 1;
  return true;
}

bool Connection::emit_ack(base::Nanos now, Outgoing& out) {
  if (dup_acks_owed_ != 0) {
    --dup_acks_owed_;
  } else if (!ack_now_) {
    return false;
  }
  head(out, now, true);
  return true;
}

}  // namespace penstock::tcp
