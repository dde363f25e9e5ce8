// A stream while it is sent: its schedule, its frames and what was counted of it. What is written is not sent yet: the
// port that has sent it says so (left()), and only then it is counted.
//
// One thread. Packets that are overdue by more than kLateNanos leave, after the first kCatchUp, at no more than twice
// the stream's rate (or one in kCatchUpNanos, if that is more): a generator that stood still does not answer with a
// flood. A burst, once begun, is not slowed down: each of its packets is due when the one before it was written, and
// later than the schedule by no more than the burst's first was; only a pause of more than kLateNanos makes it late.
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>

#include "packets/clock.h"
#include "packets/frame.h"
#include "packets/schedule.h"
#include "packets/spec.h"

namespace penstock::load {

class Stream {
 public:
  static constexpr uint64_t kLateNanos = 100'000;
  static constexpr uint64_t kCatchUp = 32;  // packets
  static constexpr uint64_t kCatchUpNanos = 2'000;

  Stream(const StreamSpec& spec, unsigned index, uint64_t seed)
      : spec_(spec), index_(static_cast<uint8_t>(index)), seed_(mixed(seed + index)) {
    if (!spec.replay) frame_.emplace(spec, seed_);
  }

  const StreamSpec& spec() const { return spec_; }
  void set_link(const base::MacAddress& own, const base::MacAddress& next_hop) {
    if (frame_) frame_->set_link(own, next_hop);
  }

  void start(double pps, Cycles at, const Clock& clock, uint8_t epoch) {
    schedule_.start(spec_, pps, at, clock.hz(), seed_);
    late_cycles_ = clock.cycles(kLateNanos);
    hurry_ = std::min(schedule_.gap() / 2, clock.cycles(kCatchUpNanos));
    earliest_ = due_ = at;
    blocked_before_ = 0;
    epoch_ = epoch;
    sizes_ = spec_.sizes;
    random_ = Random(mixed(seed_));
    sequence_ = recorded_ = sent = bytes = late = refused = 0;
    if (frame_) frame_->restart();
  }

  // Is a packet to depart by `now`, in a trial that ends at `end`?
  bool ready(Cycles now, Cycles end) const {
    const Cycles due = schedule_.next();
    return due <= now && due < end && (schedule_.in_burst() || now - due <= late_cycles_ || earliest_ <= now);
  }
  Cycles due() const { return due_; }  // when the next packet is; see above for bursts
  uint64_t remaining(Cycles end) const { return schedule_.remaining(end); }

  // The next packet, at most kLargestFrame bytes at `at`; its length without CRC.
  uint16_t write(uint8_t* at, Cycles now, const Clock& clock) {
    const Cycles most = hurry_ * kCatchUp;
    earliest_ = std::max(earliest_ + hurry_, now > most ? now - most : 0);
    const Cycles pause = schedule_.in_burst() ? std::min(now - written_, late_cycles_) : 0;
    schedule_.advance();
    due_ = schedule_.in_burst() ? due_ + pause : schedule_.next();
    written_ = now;
    if (!frame_) {
      const base::Bytes frame = spec_.replay->frame(recorded_);
      recorded_ = recorded_ + 1 == spec_.replay->count() ? 0 : recorded_ + 1;
      std::memcpy(at, frame.data(), frame.size());
      return static_cast<uint16_t>(frame.size());
    }
    const uint16_t size = sizes_.next(random_);
    frame_->write(at, size, {index_, epoch_, sequence_++, clock.nanos(now) & kFortyBits});
    return static_cast<uint16_t>(size - kCrcLength);
  }

  // The link took a packet of `length` (without CRC) that was `due` then; `blocked`: how long, since the trial began,
  // the link was full. What is late for the most part by that is refused.
  void left(uint16_t length, Cycles due, Cycles now, Cycles blocked) {
    ++sent;
    bytes += length + kCrcLength;
    if (now - due <= late_cycles_) {
      blocked_before_ = blocked;
      return;
    }
    ++late;
    if (now - due <= late_cycles_ + 2 * (blocked - blocked_before_)) ++refused;
  }

  uint64_t sent = 0, bytes = 0;    // bytes with CRC
  uint64_t late = 0, refused = 0;  // sent more than kLateNanos after they were due; those of them for want of room

 private:
  const StreamSpec& spec_;
  const uint8_t index_;
  const uint64_t seed_;
  std::optional<Frame> frame_;  // none: the recording's are sent
  Schedule schedule_;
  Sizes sizes_ = Sizes::fixed(kLeastFrame);
  Random random_{0};
  Cycles late_cycles_ = 0;
  Cycles hurry_ = 0, earliest_ = 0;  // between overdue packets; when the next of them may leave
  Cycles due_ = 0, written_ = 0;     // of the next packet; of the one before it
  Cycles blocked_before_ = 0;        // `blocked` when a packet was last on time
  uint8_t epoch_ = 0;
  uint64_t sequence_ = 0;
  size_t recorded_ = 0;
};

}  // namespace penstock::load
