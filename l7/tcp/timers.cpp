// What happens when nothing does: retransmission (RFC 6298), tail loss probe and reordering (RFC 8985), zero-window
// probes (RFC 9293 §3.8.6.1), delayed ACK, keepalive, patience, TIME-WAIT. And what the application asks for.
#include "l7/tcp/connection.h"

namespace penstock::tcp {

namespace {

constexpr base::Nanos kMaxPeerAckDelay = 200 * kMillisecond;   // RFC 8985 §7.2 TLP.max_ack_delay
constexpr base::Nanos kProbeWithoutRtt = 1000 * kMillisecond;  // RFC 8985 §7.2, when the round trip is not known
constexpr uint8_t kBlackHoleTimeouts = 3;                      // RFC 4821 §7.7: then smaller packets are tried
constexpr uint16_t kLeastPathMss = 216;                        // IPv4's 256 bytes; below, ICMP lies (RFC 5927 §7)

}  // namespace

// When the peer's time to answer is over; it moves with every answer, whatever timer runs.
base::Nanos Connection::patience_ends() const {
  if (retransmit_at_ == 0) return kNever;
  return progress_at_ + (synchronized() ? user_timeout_ : shared_->tuning.connect_timeout);
}

base::Nanos Connection::deadline() const {
  base::Nanos next = patience_ends();
  for (const base::Nanos at : {retransmit_at_, reorder_at_, ack_at_, keepalive_at_, life_at_, hold_at_}) {
    if (at != 0 && at < next) next = at;
  }
  if (waits_) next = std::min(next, pacing_.free_at());
  return next;
}

void Connection::on_deadline(base::Nanos now) {
  const auto due = [now](base::Nanos& at) { return at != 0 && at <= now && (at = 0, true); };
  if (due(life_at_)) return end_with(End::kFinished);
  if (due(hold_at_) && state_ == State::kClosed) return;
  if (due(ack_at_)) ack_now_ = true;
  if (pacing_.free_at() <= now) waits_ = false;
  if (due(reorder_at_)) {
    base::Nanos wait = 0;
    const bool lost =
        scoreboard_.detect_losses(shared_->records, recovery_ != Recovery::kOpen, mss_, rtt_.smoothed(), now, wait);
    if (lost && recovery_ == Recovery::kOpen) enter_recovery(now);
    // Nothing was delivered by this event, but what is lost has left the pipe.
    if (recovery_ == Recovery::kFast) congestion_.on_recovery_ack(0, false, pipe());
    if (wait != 0) reorder_at_ = now + wait;
  }
  if (now >= patience_ends()) return run_out_of_patience();
  if (due(retransmit_at_)) on_retransmit_timer(now);
  if (due(keepalive_at_)) on_keepalive(now);
}

void Connection::arm_retransmit(base::Nanos now) {
  retransmit_at_ = 0;
  if (state_ == State::kClosed || state_ == State::kTimeWait) return;
  const bool shut = synchronized() && snd_wnd_ == 0;
  if (outstanding()) {
    retransmit_kind_ = shut ? Timer::kWindowProbe : Timer::kTimeout;
    retransmit_at_ = now + rtt_.rto();
    // RFC 8985 §7.2: a probe goes before a timeout, at its time at the latest.
    if (!shut && synchronized() && sack_ && recovery_ == Recovery::kOpen && scoreboard_.sacked() == 0 &&
        scoreboard_.lost() == 0 && !tail_probe_out_) {
      const base::Nanos allowance = snd_nxt_ - snd_una_ <= mss_ ? kMaxPeerAckDelay : kClockGranularity;
      const base::Nanos wait = rtt_.measured() ? 2 * rtt_.smoothed() + allowance : kProbeWithoutRtt;
      retransmit_kind_ = Timer::kTailProbe;
      retransmit_at_ = now + std::min(wait, rtt_.rto());
    }
  } else if (synchronized() && may_send_data() && something_to_send()) {
    retransmit_kind_ = Timer::kWindowProbe;
    retransmit_at_ = now + rtt_.rto();
    if (progress_at_ == 0) progress_at_ = now;
  }
}

void Connection::run_out_of_patience() {
  if (synchronized()) owe_reset(acceptable_seq(), true);  // the peer may live behind a path that is dead one way
  end_with(End::kTimedOut);
}

void Connection::on_retransmit_timer(base::Nanos now) {
  if (retransmit_kind_ == Timer::kTailProbe) {
    on_tail_probe(now);
  } else if (retransmit_kind_ == Timer::kWindowProbe) {
    on_window_probe(now);
  } else {
    on_timeout(now);
  }
}

void Connection::on_tail_probe(base::Nanos now) {
  shared_->count(Count::kTailProbes);
  tail_probe_ = tail_probe_out_ = true;
  tail_probe_end_ = snd_nxt_;
  arm_retransmit(now);
}

void Connection::on_window_probe(base::Nanos now) {
  if (!outstanding() && !something_to_send()) return;
  shared_->count(Count::kWindowProbes);
  window_probe_ = true;
  rtt_.back_off();
  arm_retransmit(now);
}

void Connection::on_timeout(base::Nanos now) {
  shared_->count(Count::kTimeouts);
  rtt_.back_off();
  scoreboard_.mark_all_lost(shared_->records);
  force_ = true;
  if (synchronized()) {
    const uint16_t floor = shared_->tuning.default_mss;
    if (++timeouts_ == kBlackHoleTimeouts && mss_ > floor) lower_mss(std::max<uint16_t>(floor, mss_ / 2));
    if (timeouts_ == 2 * kBlackHoleTimeouts && mss_ > floor) lower_mss(floor);
    congestion_.on_timeout(flight(), recovery_ != Recovery::kLoss, now);
    recovery_ = Recovery::kLoss;
    recover_ = snd_nxt_;
    dup_bytes_ = dup_acks_ = 0;
    reducing_ = tail_probe_ = tail_probe_out_ = false;
    reorder_at_ = 0;
  }
  arm_retransmit(now);
}

void Connection::lower_mss(uint16_t mss) {
  shared_->count(Count::kPathMtuLowered);
  mss_ = mss;
  congestion_.set_mss(mss);
}

bool Connection::on_path_mss(uint16_t mss, Seq quoted, base::Nanos now) {
  if (!synchronized() || !outstanding() || !within(quoted, snd_una_, snd_nxt_) || mss >= mss_) return false;
  lower_mss(std::max(mss, kLeastPathMss));
  if (recovery_ == Recovery::kOpen) {  // RFC 8201 §5.4: send again at once, without taking it for congestion
    scoreboard_.mark_all_lost(shared_->records);
    force_ = true;
  }
  arm_retransmit(now);
  return true;
}

bool Connection::on_unreachable(bool hard, Seq quoted) {
  const bool ends = hard && state_ == State::kSynSent && quoted == snd_una_;
  shared_->count(ends ? Count::kUnreachableEnded : Count::kUnreachableNoted);
  if (ends) end_with(End::kUnreachable);
  return ends;
}

void Connection::on_keepalive(base::Nanos now) {
  const Tuning& t = shared_->tuning;
  if (!synchronized() || state_ == State::kTimeWait) return;
  keepalive_at_ = now + (outstanding() ? keepalive_idle_ : t.keepalive_interval);
  if (outstanding()) return;  // the retransmission timer watches the peer
  if (keepalive_sent_ >= t.keepalive_probes) {
    owe_reset(acceptable_seq(), true);
    return end_with(End::kTimedOut);
  }
  ++keepalive_sent_;
  keepalive_due_ = true;
}

void Connection::set_keepalive(base::Nanos idle, base::Nanos now) {
  keepalive_idle_ = idle;
  keepalive_at_ = idle != 0 && synchronized() ? now + idle : 0;
}

void Connection::enter_time_wait(base::Nanos now) {
  state_ = State::kTimeWait;
  send_.clear(shared_->chunks);
  scoreboard_.clear(shared_->records);
  reassembly_.clear(shared_->ranges);
  retransmit_at_ = reorder_at_ = keepalive_at_ = hold_at_ = 0;
  waits_ = false;
  life_at_ = now + shared_->tuning.time_wait;
}

size_t Connection::writable() const {
  const uint64_t held = written_ - acked_;
  const ChunkPool& chunks = shared_->chunks;
  const bool wide = wide_ && chunks.available() >= chunks.capacity() / 2;
  const uint64_t buffer = wide ? shared_->tuning.wide_send_buffer : shared_->tuning.send_buffer;
  const bool open = state_ == State::kEstablished || state_ == State::kCloseWait || state_ == State::kSynSent ||
                    state_ == State::kSynReceived;
  return open && !finish_early_ && held < buffer ? static_cast<size_t>(buffer - held) : 0;
}

size_t Connection::write(base::Bytes bytes, base::Nanos now) {
  const size_t stored = send_.write(shared_->chunks, written_, bytes.first(std::min(bytes.size(), writable())));
  if (stored != 0 && !outstanding() && !something_to_send()) progress_at_ = now;
  written_ += stored;
  return stored;
}

void Connection::finish(base::Nanos now) {
  if (!outstanding() && !something_to_send()) progress_at_ = now;
  if (state_ == State::kSynSent || state_ == State::kSynReceived) {
    finish_early_ = true;
  } else if (state_ == State::kEstablished) {
    state_ = State::kFinWait1;
  } else if (state_ == State::kCloseWait) {
    state_ = State::kLastAck;
  }
}

void Connection::close(base::Nanos now) {
  if (state_ == State::kClosed) return;
  orphan_ = true;
  if (state_ == State::kSynSent) return end_with(End::kAborted);
  if (readable() != 0) return abort();  // RFC 9293 §3.6.1, RFC 2525 §2.17: bytes are lost, the peer must know
  finish(now);
  if (state_ == State::kFinWait2) life_at_ = now + shared_->tuning.fin_wait_2;
}

// §3.10.5: no reset where the peer has nothing to lose by our silence.
void Connection::abort() {
  if (state_ == State::kClosed) return;
  const bool tell =
      state_ != State::kSynSent && state_ != State::kClosing && state_ != State::kLastAck && state_ != State::kTimeWait;
  if (tell) owe_reset(acceptable_seq(), true);
  end_with(End::kAborted);
}

}  // namespace penstock::tcp
