#include "l7/tcp/reassembly.h"

namespace penstock::tcp {

bool Reassembly::insert(RangePool& pool, Seq begin, Seq end, SackBlock& duplicate) {
  uint32_t previous = kNone;
  uint32_t at = head_;
  while (at != kNone && before(pool.at(at).end, begin)) {
    previous = at;
    at = pool.at(at).next;
  }
  if (at == kNone || before(end, pool.at(at).begin)) {
    if (count_ == kMaxRanges) return false;
    const uint32_t fresh = pool.take();
    if (fresh == kNone) return false;
    pool.at(fresh) = {begin, end, at, ++clock_};
    (previous == kNone ? head_ : pool.at(previous).next) = fresh;
    ++count_;
    return true;
  }
  // Touches or overlaps `at`, and perhaps ranges behind it: they become one.
  Range& merged = pool.at(at);
  const SackBlock common{later(begin, merged.begin), earlier(end, merged.end)};
  if (before(common.begin, common.end)) duplicate = common;
  merged.begin = earlier(merged.begin, begin);
  merged.end = later(merged.end, end);
  merged.touched = ++clock_;
  while (merged.next != kNone && at_or_before(pool.at(merged.next).begin, merged.end)) {
    const uint32_t gone = merged.next;
    merged.end = later(merged.end, pool.at(gone).end);
    merged.next = pool.at(gone).next;
    pool.give(gone);
    --count_;
  }
  return true;
}

SackBlock Reassembly::hole(const RangePool& pool, Seq begin, Seq end) const {
  for (uint32_t at = head_; at != kNone; at = pool.at(at).next) {
    const Range& r = pool.at(at);
    if (at_or_before(r.end, begin)) continue;
    if (after(r.begin, begin)) return {begin, earlier(end, r.begin)};
    begin = earlier(end, r.end);
  }
  return {begin, end};
}

Seq Reassembly::advance(RangePool& pool, Seq next) {
  while (head_ != kNone && at_or_before(pool.at(head_).begin, next)) {
    next = later(next, pool.at(head_).end);
    const uint32_t gone = head_;
    head_ = pool.at(gone).next;
    pool.give(gone);
    --count_;
  }
  return next;
}

uint8_t Reassembly::report(const RangePool& pool, SackBlock* out, uint8_t room) const {
  uint8_t count = 0;
  uint32_t bound = 0;  // age of the last one written
  while (count < room) {
    uint32_t best = kNone, best_age = 0;
    for (uint32_t at = head_; at != kNone; at = pool.at(at).next) {
      const uint32_t age = clock_ - pool.at(at).touched;
      if ((count == 0 || age > bound) && (best == kNone || age < best_age)) {
        best = at;
        best_age = age;
      }
    }
    if (best == kNone) break;
    out[count++] = {pool.at(best).begin, pool.at(best).end};
    bound = best_age;
  }
  return count;
}

void Reassembly::clear(RangePool& pool) {
  while (head_ != kNone) {
    const uint32_t next = pool.at(head_).next;
    pool.give(head_);
    head_ = next;
  }
  count_ = 0;
}

}  // namespace penstock::tcp
