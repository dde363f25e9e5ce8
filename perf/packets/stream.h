// A stream while it is sent: its schedule, its frames and what was counted of it. The port that takes the packets
// counts them (`sent`, `bytes`, `late`): what is written is not sent yet.
//
// One thread. Packets that are overdue by more than kLateNanos leave, after the first kCatchUp, at no more than twice
// the stream's rate (or one in kCatchUpNanos, if that is more): a generator that stood still does not answer with a
// flood.
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
    earliest_ = at;
    epoch_ = epoch;
    sizes_ = spec_.sizes;
    random_ = Random(mixed(seed_));
    sequence_ = recorded_ = sent = bytes = late = 0;
    if (frame_) frame_->restart();
  }

  // Is a packet to depart by `now`, in a trial that ends at `end`?
  bool ready(Cycles now, Cycles end) const {
    const Cycles due = schedule_.next();
    return due <= now && due < end && (now - due <= late_cycles_ || earliest_ <= now);
  }
  uint64_t remaining(Cycles end) const { return schedule_.remaining(end); }

  // The next packet, at most kLargestFrame bytes at `at`; its length without CRC.
  uint16_t write(uint8_t* at, Cycles now, const Clock& clock) {
    if (now - schedule_.next() > late_cycles_) ++late;
    const Cycles burst = hurry_ * kCatchUp;
    earliest_ = std::max(earliest_ + hurry_, now > burst ? now - burst : 0);
    schedule_.advance();
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

  uint64_t sent = 0, bytes = 0;  // taken by the port; bytes with CRC
  uint64_t late = 0;

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
  uint8_t epoch_ = 0;
  uint64_t sequence_ = 0;
  size_t recorded_ = 0;
};

}  // namespace penstock::load
