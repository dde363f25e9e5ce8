// RFC 9293 §3.10.7.4 fifth, check the ACK field, and what an ACK means for recovery (RFC 5681, 6582, 6675, 8985, 3168).
#include "l7/tcp/connection.h"

namespace penstock::tcp {

namespace {

constexpr uint8_t kDupThresh = 3;  // RFC 5681 §3.2

}  // namespace

bool Connection::check_ack(const Segment& s, base::Nanos now) {
  if (!s.has(wire::kTcpAck)) {
    shared_->count(Count::kNoAck);
    return false;
  }
  if (state_ == State::kSynReceived && !ack_handshake(s, now)) return false;
  // RFC 5961 §5.2: an ACK for what was never sent, or for what is too long ago.
  if (after(s.ack, snd_nxt_) || before(s.ack, snd_una_ - max_snd_wnd_)) {
    challenge(Count::kAckChallenged, now);
    return false;
  }
  if (at_or_after(s.ack, snd_una_)) take_ack(s, now);
  if (fin_sent_ && !outstanding()) after_own_fin_acked(now);
  return state_ != State::kClosed;
}

bool Connection::ack_handshake(const Segment& s, base::Nanos now) {
  if (at_or_before(s.ack, snd_una_) || after(s.ack, snd_nxt_)) {
    shared_->count(Count::kUnacceptableAck);
    owe_reset(s.ack, false);
    return false;
  }
  if (syn_sent_count_ > 1) {  // RFC 5681 §3.1 counts a lost SYN,ACK like a lost SYN
    rtt_.after_syn_loss();
    congestion_.limit_to_one_segment();
  }
  establish(now);
  return true;
}

void Connection::take_ack(const Segment& s, base::Nanos now) {
  const uint32_t acked = s.ack - snd_una_;
  const uint32_t old_window = snd_wnd_;
  const bool probing = snd_wnd_ == 0;
  const bool handshake = snd_una_ == iss_;
  AckTally tally;
  scoreboard_.acknowledge(shared_->records, s.ack, now, tally);
  if (acked != 0) advance_una(s.ack, now);
  if (sack_) take_sack(s, now, tally);
  if (tally.rtt != 0) {
    rtt_.sample(tally.rtt);
  } else if (acked != 0 && tally.retransmitted && timestamps_ && s.options.has_timestamps && s.options.ts_echo != 0) {
    const uint32_t elapsed = timestamp(now) - s.options.ts_echo;  // RFC 7323 §4: right for retransmissions too
    if (elapsed * kMillisecond <= kMaxRto)
      rtt_.sample(std::max<base::Nanos>(elapsed * kMillisecond, kClockGranularity));
  }
  const bool reopened = update_window(s, now);
  if (probing && !orphan_)
    progress_at_ = now;  // RFC 1122 §4.2.2.17: as long as probes are answered the connection stays
  take_ecn_echo(s, now);
  const bool duplicate = acked == 0 && s.length() == 0 && snd_wnd_ == old_window && outstanding();
  // After a timeout everything counts as lost: duplicates tell of earlier transmissions, not of what is in flight.
  if (duplicate && !sack_ && recovery_ != Recovery::kLoss) {
    dup_acks_ = static_cast<uint8_t>(std::min(dup_acks_ + 1, 255));
    dup_bytes_ = std::min(dup_bytes_ + mss_, scoreboard_.in_flight());
    tally.delivered += mss_;
  }
  if (!handshake) recover(s, tally, acked, now);
  if (acked != 0 || tally.delivered != 0 || reopened || !outstanding()) arm_retransmit(now);
}

void Connection::advance_una(Seq ack, base::Nanos now) {
  const Seq data_end = fin_sent_ ? earlier(ack, fin_seq()) : ack;
  if (after(data_end, data_una())) {
    acked_ += data_end - data_una();
    events_ |= kWritable;
    if (acked_ == written_) {
      send_.clear(shared_->chunks);
    } else {
      send_.release_before(shared_->chunks, acked_);
    }
  }
  snd_una_ = ack;
  progress_at_ = now;
  timeouts_ = 0;
  rtt_.end_backoff();
}

bool Connection::update_window(const Segment& s, base::Nanos) {
  if (!before(snd_wl1_, s.seq) && (snd_wl1_ != s.seq || after(snd_wl2_, s.ack))) return false;
  const bool was_shut = snd_wnd_ == 0;
  snd_wnd_ = static_cast<uint32_t>(s.window) << (s.has(wire::kTcpSyn) ? 0 : send_scale_);
  max_snd_wnd_ = std::max(max_snd_wnd_, snd_wnd_);
  snd_wl1_ = s.seq;
  snd_wl2_ = s.ack;
  if (!was_shut || snd_wnd_ == 0) return false;
  // What was sent against a shut window (a probe) has been thrown away there.
  scoreboard_.mark_all_lost(shared_->records);
  rtt_.end_backoff();
  window_probe_ = false;
  return true;
}

void Connection::take_sack(const Segment& s, base::Nanos now, AckTally& tally) {
  SackBlock valid[kMaxSackBlocks];
  size_t count = 0;
  bool duplicate = false;
  for (size_t i = 0; i < s.options.sack_count; ++i) {
    const SackBlock& b = s.options.sack[i];
    if (!before(b.begin, b.end) || after(b.end, snd_nxt_)) continue;
    const bool inside_next = i == 0 && s.options.sack_count > 1 && at_or_after(b.begin, s.options.sack[1].begin) &&
                             at_or_before(b.end, s.options.sack[1].end);
    if (at_or_before(b.end, s.ack) || inside_next) {
      duplicate = duplicate || i == 0;  // RFC 2883 §4: D-SACK is the first block
    } else if (at_or_after(b.begin, snd_una_)) {
      valid[count++] = b;
    }
  }
  if (duplicate) scoreboard_.on_duplicate_sack();
  if (count != 0) scoreboard_.apply_sack(shared_->records, {valid, count}, now, tally);
  if (!tail_probe_out_ || before(s.ack, tail_probe_end_)) return;
  // RFC 8985 §7.4.2: the probe's episode is over; was something lost that only the probe repaired?
  tail_probe_out_ = false;
  if (tail_probe_again_ && !duplicate && after(s.ack, tail_probe_end_) && recovery_ == Recovery::kOpen && !reducing_) {
    congestion_.on_congestion(flight() + mss_, now);
    congestion_.reduce_at_once();
  }
}

void Connection::take_ecn_echo(const Segment& s, base::Nanos now) {
  if (reducing_ && at_or_after(s.ack, recover_)) reducing_ = false;
  if (!ecn_ || !s.has(wire::kTcpEce) || s.has(wire::kTcpSyn) || reducing_ || recovery_ != Recovery::kOpen) return;
  if (!outstanding()) return;
  shared_->count(Count::kEcnReductions);
  congestion_.on_congestion(flight(), now);
  congestion_.reduce_at_once();
  reducing_ = ecn_reduced_ = true;
  recover_ = snd_nxt_;
}

void Connection::recover(const Segment& s, const AckTally& tally, uint32_t acked, base::Nanos now) {
  if (recovery_ != Recovery::kOpen && at_or_after(s.ack, recover_)) {
    if (recovery_ == Recovery::kFast) congestion_.end_recovery();
    recovery_ = Recovery::kOpen;
    dup_bytes_ = 0;
    dup_acks_ = 0;
  }
  const uint32_t flight_before = scoreboard_.in_flight() + tally.delivered;
  uint32_t newly_lost = 0;
  if (sack_) {
    base::Nanos wait = 0;
    if (tally.retransmitted || scoreboard_.sacked() != 0 || recovery_ != Recovery::kOpen) {
      newly_lost =
          scoreboard_.detect_losses(shared_->records, recovery_ != Recovery::kOpen, mss_, rtt_.smoothed(), now, wait);
    }
    reorder_at_ = wait != 0 ? now + wait : 0;
  } else if (acked != 0) {
    dup_acks_ = 0;
    dup_bytes_ -= std::min(dup_bytes_, acked);
    if (recovery_ == Recovery::kFast)
      newly_lost = scoreboard_.mark_first_lost(shared_->records);  // RFC 6582 partial ACK
  } else if (dup_acks_ == kDupThresh && recovery_ == Recovery::kOpen && at_or_after(s.ack, recover_)) {
    newly_lost = scoreboard_.mark_first_lost(shared_->records);
  }
  if (newly_lost != 0 && recovery_ == Recovery::kOpen) enter_recovery(now);
  if (recovery_ == Recovery::kFast) {
    congestion_.on_recovery_ack(tally.delivered, acked != 0 && newly_lost == 0, pipe());
    return;
  }
  // The window limits also those whose bytes wait for their turn.
  const uint32_t used = congestion_.window() / (congestion_.in_slow_start() ? 2 : 1);
  if (acked != 0 && (waits_ || flight_before + mss_ >= used))
    congestion_.on_ack({acked, snd_una_, snd_nxt_, tally.rtt, rtt_.smoothed(), paces()}, now);
}

void Connection::enter_recovery(base::Nanos now) {
  shared_->count(Count::kFastRecoveries);
  if (!reducing_) congestion_.on_congestion(flight(), now);
  congestion_.begin_recovery(flight());
  recovery_ = Recovery::kFast;
  recover_ = snd_nxt_;
  reducing_ = false;
  force_ = true;
  if (ecn_) ecn_reduced_ = true;  // RFC 3168 §6.1.2: CWR after any reduction
}

void Connection::after_own_fin_acked(base::Nanos now) {
  if (state_ == State::kFinWait1) {
    state_ = State::kFinWait2;
    if (orphan_) life_at_ = now + shared_->tuning.fin_wait_2;
  } else if (state_ == State::kClosing) {
    enter_time_wait(now);
  } else if (state_ == State::kLastAck) {
    end_with(End::kFinished);
  }
}

}  // namespace penstock::tcp
