#include "l7/tcp/scoreboard.h"

#include <algorithm>

namespace penstock::tcp {

namespace {

constexpr uint32_t kDupThreshSegments = 3;  // RFC 8985 §5.2 DupThresh

bool sent_later(base::Nanos a, Seq a_end, base::Nanos b, Seq b_end) { return a > b || (a == b && after(a_end, b_end)); }

}  // namespace

void Scoreboard::account(const SentRecord& r, int sign) {
  uint32_t& sum = r.sacked ? sacked_ : r.lost ? lost_ : in_flight_;
  sum += sign > 0 ? r.length() : -r.length();
}

bool Scoreboard::push(RecordPool& pool, Seq begin, Seq end, base::Nanos now) {
  const uint32_t index = pool.take();
  if (index == kNone) return false;
  pool.at(index) = {begin, end, now, kNone, false, false, false};
  if (tail_ == kNone) {
    head_ = index;
  } else {
    pool.at(tail_).next = index;
  }
  tail_ = index;
  account(pool.at(index), 1);
  return true;
}

bool Scoreboard::split(RecordPool& pool, uint32_t index, Seq at) {
  const uint32_t fresh = pool.take();
  if (fresh == kNone) return false;
  SentRecord& r = pool.at(index);
  pool.at(fresh) = r;
  pool.at(fresh).begin = at;
  r.end = at;
  r.next = fresh;
  if (tail_ == index) tail_ = fresh;
  return true;
}

// RFC 8985 §6.2 steps 1 to 3.
void Scoreboard::delivered(const SentRecord& r, base::Nanos now, AckTally& tally) {
  tally.delivered += r.length();
  const base::Nanos rtt = now - r.sent_at;
  if (r.retransmitted) {
    tally.retransmitted = true;
    if (rtt < min_rtt_) return;  // the ACK is for an earlier transmission
  } else {
    tally.rtt = std::max<base::Nanos>(rtt, 1);
    min_rtt_ = min_rtt_ == 0 ? tally.rtt : std::min(min_rtt_, tally.rtt);
    if (rack_sent_ != 0 && before(r.end, forward_ack_)) reordering_ = true;
  }
  if (rack_sent_ == 0 || after(r.end, forward_ack_)) forward_ack_ = r.end;
  if (rack_sent_ == 0 || sent_later(r.sent_at, r.end, rack_sent_, rack_end_)) {
    rack_sent_ = std::max<base::Nanos>(r.sent_at, 1);
    rack_end_ = r.end;
    rack_rtt_ = rtt;
  }
}

void Scoreboard::acknowledge(RecordPool& pool, Seq ack, base::Nanos now, AckTally& tally) {
  while (head_ != kNone && before(pool.at(head_).begin, ack)) {
    SentRecord& r = pool.at(head_);
    SentRecord covered = r;
    covered.end = earlier(r.end, ack);
    account(covered, -1);
    if (!r.sacked) delivered(covered, now, tally);
    if (covered.end != r.end) {
      r.begin = ack;
      return;
    }
    const uint32_t next = r.next;
    pool.give(head_);
    head_ = next;
  }
  if (head_ == kNone) tail_ = kNone;
}

void Scoreboard::apply_sack(RecordPool& pool, std::span<const SackBlock> blocks, base::Nanos now, AckTally& tally) {
  for (uint32_t index = head_; index != kNone; index = pool.at(index).next) {
    if (pool.at(index).sacked) continue;
    for (const SackBlock& b : blocks) {
      const SentRecord& r = pool.at(index);
      if (at_or_after(b.begin, r.end) || at_or_before(b.end, r.begin)) continue;
      if (after(b.begin, r.begin)) {
        split(pool, index, b.begin);  // the rest is visited next; without memory it counts as not sacked
        break;
      }
      if (before(b.end, r.end) && !split(pool, index, b.end)) break;
      SentRecord& covered = pool.at(index);
      account(covered, -1);
      delivered(covered, now, tally);
      tally.newly_sacked += covered.length();
      covered.sacked = true;
      covered.lost = false;
      account(covered, 1);
      break;
    }
  }
}

// RFC 8985 §6.2 step 4: RACK.segs_sacked >= RACK.DupThresh.
bool Scoreboard::enough_sacked(const RecordPool& pool, uint32_t segment_size) const {
  uint32_t segments = 0;
  if (sacked_ == 0) return false;
  for (uint32_t index = head_; index != kNone && segments < kDupThreshSegments; index = pool.at(index).next) {
    const SentRecord& r = pool.at(index);
    if (r.sacked) segments += (r.length() + segment_size - 1) / segment_size;
  }
  return segments >= kDupThreshSegments;
}

uint32_t Scoreboard::detect_losses(RecordPool& pool, bool in_recovery, uint32_t segment_size, base::Nanos smoothed_rtt,
                                   base::Nanos now, base::Nanos& wait) {
  wait = 0;
  if (rack_sent_ == 0) return 0;
  base::Nanos window = 0;  // §6.2 step 4
  if (reordering_ || (!in_recovery && !enough_sacked(pool, segment_size))) {
    window = std::min(min_rtt_ / 4 * reorder_steps_, smoothed_rtt);
  }
  uint32_t bytes = 0;
  for (uint32_t index = head_; index != kNone; index = pool.at(index).next) {
    SentRecord& r = pool.at(index);
    if (r.sacked || r.lost || !sent_later(rack_sent_, rack_end_, r.sent_at, r.end)) continue;
    const base::Nanos due = r.sent_at + rack_rtt_ + window;
    if (due <= now) {
      account(r, -1);
      r.lost = true;
      account(r, 1);
      bytes += r.length();
    } else {
      wait = std::max(wait, due - now);
    }
  }
  return bytes;
}

uint32_t Scoreboard::mark_first_lost(RecordPool& pool) {
  if (head_ == kNone || pool.at(head_).lost || pool.at(head_).sacked) return 0;
  SentRecord& r = pool.at(head_);
  account(r, -1);
  r.lost = true;
  account(r, 1);
  return r.length();
}

void Scoreboard::mark_all_lost(RecordPool& pool) {
  for (uint32_t index = head_; index != kNone; index = pool.at(index).next) {
    SentRecord& r = pool.at(index);
    account(r, -1);
    r.sacked = false;
    r.lost = true;
    account(r, 1);
  }
}

SentRecord* Scoreboard::next_lost(RecordPool& pool, uint32_t max_bytes) {
  if (lost_ == 0) return nullptr;
  for (uint32_t index = head_; index != kNone; index = pool.at(index).next) {
    SentRecord& r = pool.at(index);
    if (!r.lost) continue;
    if (r.length() > max_bytes && !split(pool, index, r.begin + max_bytes)) return nullptr;
    return &r;
  }
  return nullptr;
}

SentRecord* Scoreboard::first(RecordPool& pool, uint32_t max_bytes) {
  if (head_ == kNone) return nullptr;
  SentRecord& r = pool.at(head_);
  if (r.length() > max_bytes && !split(pool, head_, r.begin + max_bytes)) return nullptr;
  return &r;
}

SentRecord* Scoreboard::last(RecordPool& pool, uint32_t max_bytes) {
  if (tail_ == kNone) return nullptr;
  const SentRecord& r = pool.at(tail_);
  if (r.length() > max_bytes && !split(pool, tail_, r.end - max_bytes)) return nullptr;
  return &pool.at(tail_);
}

void Scoreboard::on_retransmit(SentRecord& r, base::Nanos now) {
  account(r, -1);
  r.lost = r.sacked = false;
  r.retransmitted = true;
  r.sent_at = now;
  account(r, 1);
}

void Scoreboard::clear(RecordPool& pool) {
  while (head_ != kNone) {
    const uint32_t next = pool.at(head_).next;
    pool.give(head_);
    head_ = next;
  }
  tail_ = kNone;
  in_flight_ = sacked_ = lost_ = 0;
}

}  // namespace penstock::tcp
