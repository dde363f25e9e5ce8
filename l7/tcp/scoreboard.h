// What was sent and is not yet acknowledged: one record per transmission, in sequence order, with what SACK said of it
// (RFC 2018, 6675) and when it left, so that losses are found by time (RACK, RFC 8985).
//
// A record is in flight, lost (waiting to be sent again) or sacked. SYN and FIN take their sequence number like data.
// Memory: records come from a shared pool, none when nothing is outstanding. Failure: push() and split() are false when
// the pool is empty: then the caller does not send. One thread. Nanoseconds.
// Not here: congestion control, timers, the decision to enter recovery.
#pragma once

#include <span>

#include "base/time.h"
#include "l7/tcp/pool.h"
#include "l7/tcp/segment.h"

namespace penstock::tcp {

struct SentRecord {
  Seq begin;
  Seq end;
  base::Nanos sent_at;  // of the latest transmission
  uint32_t next;
  bool lost;
  bool sacked;
  bool retransmitted;
  uint32_t length() const { return end - begin; }
};
using RecordPool = Pool<SentRecord>;

// What one ACK told.
struct AckTally {
  uint32_t delivered = 0;      // bytes newly acknowledged or sacked
  uint32_t newly_sacked = 0;   // of these, by SACK
  base::Nanos rtt = 0;         // of the newest record that was sent once (Karn); 0: none
  bool retransmitted = false;  // a retransmission was among them
};

class Scoreboard {
 public:
  bool push(RecordPool& pool, Seq begin, Seq end, base::Nanos now);
  // Removes what `ack` covers.
  void acknowledge(RecordPool& pool, Seq ack, base::Nanos now, AckTally& tally);
  // Marks what the blocks cover; blocks are inside (ack, snd_nxt].
  void apply_sack(RecordPool& pool, std::span<const SackBlock> blocks, base::Nanos now, AckTally& tally);

  // RFC 8985 §6.2 step 5: marks lost what was sent long enough before the newest delivered record. Returns the bytes
  // newly lost; `wait` is the time until the next record would be lost, 0: none. A record is as many segments as
  // `segment_size` makes of it.
  uint32_t detect_losses(RecordPool& pool, bool in_recovery, uint32_t segment_size, base::Nanos smoothed_rtt,
                         base::Nanos now, base::Nanos& wait);
  uint32_t mark_first_lost(RecordPool& pool);  // without SACK (RFC 6582); nothing when it is lost already
  void mark_all_lost(RecordPool& pool);        // timeout: also forgets SACK (RFC 2018 §8: the peer may renege)
  void on_duplicate_sack() { reorder_steps_ = reorder_steps_ < kMaxReorderSteps ? reorder_steps_ + 1 : reorder_steps_; }

  // The first lost record, cut to `max_bytes`; nullptr: none (or no memory to cut).
  SentRecord* next_lost(RecordPool& pool, uint32_t max_bytes);
  // The first record of all, cut; the last one, its last `max_bytes` (TLP); as if lost, whatever was known.
  SentRecord* first(RecordPool& pool, uint32_t max_bytes);
  SentRecord* last(RecordPool& pool, uint32_t max_bytes);
  void on_retransmit(SentRecord& record, base::Nanos now);

  void clear(RecordPool& pool);
  bool empty() const { return head_ == kNone; }
  uint32_t in_flight() const { return in_flight_; }  // bytes neither lost nor sacked: the pipe of RFC 6675
  uint32_t sacked() const { return sacked_; }
  uint32_t lost() const { return lost_; }
  base::Nanos least_rtt() const { return min_rtt_; }  // since the connection began; 0: none measured

 private:
  static constexpr uint8_t kMaxReorderSteps = 8;  // of a quarter of the least round trip: two round trips at most

  bool split(RecordPool& pool, uint32_t index, Seq at);
  void account(const SentRecord& record, int sign);
  bool enough_sacked(const RecordPool& pool, uint32_t segment_size) const;
  void delivered(const SentRecord& record, base::Nanos now, AckTally& tally);

  uint32_t head_ = kNone;
  uint32_t tail_ = kNone;
  uint32_t in_flight_ = 0;
  uint32_t sacked_ = 0;
  uint32_t lost_ = 0;
  // RACK (§5.3)
  Seq rack_end_ = 0;
  Seq forward_ack_ = 0;
  base::Nanos rack_sent_ = 0;  // 0: nothing delivered yet
  base::Nanos rack_rtt_ = 0;
  base::Nanos min_rtt_ = 0;
  bool reordering_ = false;
  uint8_t reorder_steps_ = 1;
};

}  // namespace penstock::tcp
