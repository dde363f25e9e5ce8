// RFC 9293 §3.10.7.4 seventh and eighth: text, FIN; which ACKs are owed (RFC 1122 §4.2.3.2, RFC 5681 §4.2) and the
// window that is offered (RFC 9293 §3.8.6, silly window avoidance of §3.8.6.2.2).
#include "l7/tcp/connection.h"

namespace penstock::tcp {

namespace {

constexpr uint32_t kReserveShare = 16;  // no window grows while less than 1/16 of all chunks is free

}  // namespace

void Connection::take_text(const Segment& s, base::Nanos now) {
  if (state_ != State::kEstablished && state_ != State::kFinWait1 && state_ != State::kFinWait2) return;
  Seq begin = s.seq;
  Seq end = begin + static_cast<uint32_t>(s.payload.size());
  bool fin = s.has(wire::kTcpFin);
  if (orphan_ && after(end, rcv_nxt_)) {  // RFC 9293 §3.6.1: nobody will read it, the peer must know
    shared_->count(Count::kDataAfterClose);
    owe_reset(acceptable_seq(), true);
    return end_with(End::kAborted);
  }
  if (before(begin, rcv_nxt_)) {
    if (!s.payload.empty()) {
      duplicate_ = {begin, earlier(end, rcv_nxt_)};
      ack_now_ = true;
    }
    begin = rcv_nxt_;
  }
  if (after(end, rcv_edge_)) {
    end = rcv_edge_;
    fin = false;
  }
  if (fin && end == rcv_edge_) fin = false;  // the FIN itself lies beyond the window
  if (fin_seen_) end = earlier(end, fin_at_);
  if (before(begin, end)) {
    const base::Bytes bytes = s.payload.subspan(begin - s.seq, end - begin);
    const uint32_t gap = begin - rcv_nxt_;
    const size_t stored = store(begin, bytes);
    if (stored < bytes.size()) {
      shared_->count(Count::kPoolEmpty);
      end = begin + static_cast<uint32_t>(stored);
      fin = false;
      ack_now_ = true;
    }
    if (gap == 0) {
      advance_rcv(end, now);
    } else if (stored != 0) {
      ack_now_ = true;
      if (!sack_ && dup_acks_owed_ < 16) ++dup_acks_owed_;
      if (!reassembly_.insert(shared_->ranges, begin, end, duplicate_)) {
        shared_->count(Count::kReassemblyFull);
        fin = false;
      }
    }
  }
  if (fin && at_or_after(end, rcv_nxt_)) {
    ack_now_ = true;  // also of a second one behind a gap: out of order (RFC 5681 §4.2)
    if (!fin_seen_) fin_at_ = end;
    fin_seen_ = true;
  }
}

// Bytes stored of `bytes`, which begin at `begin`. What arrived first stays: nobody can change what was told received.
size_t Connection::store(Seq begin, base::Bytes bytes) {
  const Seq end = begin + static_cast<uint32_t>(bytes.size());
  for (Seq at = begin; before(at, end);) {
    const SackBlock hole = reassembly_.hole(shared_->ranges, at, end);
    const base::Bytes fresh = bytes.subspan(hole.begin - begin, hole.end - hole.begin);
    const size_t stored = receive_.write(shared_->chunks, received_ + (hole.begin - rcv_nxt_), fresh);
    if (stored < fresh.size()) return hole.begin - begin + stored;
    at = hole.end;
  }
  return bytes.size();
}

void Connection::advance_rcv(Seq to, base::Nanos now) {
  if (!reassembly_.empty()) {  // filling a gap, or part of one: at once (RFC 5681 §4.2)
    to = reassembly_.advance(shared_->ranges, to);
    ack_now_ = true;
  }
  const uint32_t bytes = to - rcv_nxt_;
  received_ += bytes;
  rcv_nxt_ = to;
  events_ |= kReadable;
  owe_ack(now, bytes);
}

void Connection::owe_ack(base::Nanos now, uint32_t bytes) {
  ack_owed_bytes_ += bytes;
  if (ack_owed_bytes_ > std::min(local_mss_, mss_)) ack_now_ = true;  // at least every second full segment
  if (ack_at_ == 0) ack_at_ = now + shared_->tuning.delayed_ack;
}

void Connection::take_fin(base::Nanos now) {
  if (!fin_seen_ || fin_received_ || rcv_nxt_ != fin_at_) return;
  fin_received_ = true;
  rcv_nxt_ += 1;
  if (before(rcv_edge_, rcv_nxt_)) rcv_edge_ = rcv_nxt_;
  ack_now_ = true;
  events_ |= kPeerFinished | kReadable;
  if (state_ == State::kEstablished) {
    state_ = State::kCloseWait;
  } else if (state_ == State::kFinWait1) {
    state_ = State::kClosing;  // had our FIN been acknowledged it would be FIN-WAIT-2
  } else if (state_ == State::kFinWait2) {
    enter_time_wait(now);
  }
}

size_t Connection::peek(base::Bytes* pieces, size_t max_pieces, size_t& piece_count) const {
  return receive_.read(shared_->chunks, consumed_, readable(), pieces, max_pieces, piece_count);
}

void Connection::consume(size_t bytes, base::Nanos) {
  consumed_ += std::min(bytes, readable());
  if (consumed_ == received_ && reassembly_.empty()) {
    receive_.clear(shared_->chunks);
  } else {
    receive_.release_before(shared_->chunks, consumed_);
  }
  if (state_ == State::kClosed || fin_seen_) return;
  const uint32_t growth = window_edge() - rcv_edge_;
  if (growth >= std::min(shared_->tuning.receive_buffer / 2, 2U * local_mss_)) ack_now_ = true;
}

// The right edge we would offer now: never before the one offered already, and not by less than a segment beyond it.
Seq Connection::window_edge() const {
  const uint32_t buffer = shared_->tuning.receive_buffer;
  if (shared_->chunks.available() < shared_->chunks.capacity() / kReserveShare) return rcv_edge_;
  const uint32_t room = buffer - std::min<uint32_t>(buffer, static_cast<uint32_t>(readable()));
  const Seq edge = rcv_nxt_ + room;
  const uint32_t least = std::min<uint32_t>(buffer / 2, local_mss_);
  return after(edge, rcv_edge_) && edge - rcv_edge_ >= least ? edge : rcv_edge_;
}

// The window field of a segment that leaves now. A part of a scale unit is rounded up where the buffer allows, so that
// the edge the peer sees does not move back; where not, what was promised is still accepted (RFC 7323 §2.4).
uint16_t Connection::advertise() {
  rcv_edge_ = window_edge();
  const uint32_t unit = 1U << receive_scale_;
  uint32_t units = (rcv_edge_ - rcv_nxt_ + unit - 1) >> receive_scale_;
  const uint32_t buffer = shared_->tuning.receive_buffer + unit;
  const uint32_t room = buffer - std::min<uint32_t>(buffer, static_cast<uint32_t>(readable()));
  if (units << receive_scale_ > room) units = (rcv_edge_ - rcv_nxt_) >> receive_scale_;
  units = std::min<uint32_t>(units, 65535);
  rcv_edge_ = later(rcv_edge_, rcv_nxt_ + (units << receive_scale_));
  return static_cast<uint16_t>(units);
}

}  // namespace penstock::tcp
