// Which sequence ranges beyond RCV.NXT have arrived (their bytes are in the receive chain), and what to report of them:
// SACK blocks, the newest first (RFC 2018 §4), and one D-SACK block (RFC 2883).
//
// Memory: ranges from a shared pool, none when nothing is missing. Failure: insert() is false beyond kMaxRanges or when
// the pool is empty: the segment is dropped, the peer sends it again. One thread.
#pragma once

#include "l7/tcp/pool.h"
#include "l7/tcp/segment.h"

namespace penstock::tcp {

struct Range {
  Seq begin;
  Seq end;
  uint32_t next;
  uint32_t touched;  // order of arrival
};
using RangePool = Pool<Range>;

constexpr unsigned kMaxRanges = 64;  // per connection: every segment walks them; 10 % loss leaves about 20 in 256 KiB

class Reassembly {
 public:
  // Adds [begin, end), which lies beyond RCV.NXT. `duplicate` receives the part that had arrived before, if any.
  bool insert(RangePool& pool, Seq begin, Seq end, SackBlock& duplicate);
  // The first part of [begin, end) that has not arrived; empty at `end`: all has.
  SackBlock hole(const RangePool& pool, Seq begin, Seq end) const;
  // Removes what now follows `next` without a gap; returns the new RCV.NXT.
  Seq advance(RangePool& pool, Seq next);
  // At most `room` blocks into `out`, newest first; returns their number.
  uint8_t report(const RangePool& pool, SackBlock* out, uint8_t room) const;
  void clear(RangePool& pool);
  bool empty() const { return head_ == kNone; }

 private:
  uint32_t head_ = kNone;
  uint32_t clock_ = 0;
  uint8_t count_ = 0;
};

}  // namespace penstock::tcp
