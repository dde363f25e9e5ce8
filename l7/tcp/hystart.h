// HyStart++ (RFC 9406): slow start that ends when round trips grow, before the queue of the bottleneck overflows.
//
// Slow start → (round trips of this round are longer than of the last one) → conservative slow start, a quarter of the
// growth → (five rounds of it) congestion avoidance, or back when round trips were only noise. A value in the
// connection; bytes and nanoseconds; no failure.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/time.h"
#include "l7/tcp/sequence.h"

namespace penstock::tcp {

class HyStart {
 public:
  struct Growth {
    uint32_t bytes = 0;
    bool leave = false;  // slow start is over: the window is the threshold
  };

  // An acknowledgement of `acked` bytes up to `una` while `next` was to be sent; `rtt` 0: it measured none. `paced`:
  // growth makes no bursts.
  Growth on_ack(uint32_t acked, uint32_t mss, Seq una, Seq next, base::Nanos rtt, bool paced) {
    if (!running_ || at_or_after(una, round_end_)) {
      if (conservative_rounds_ != 0 && running_ && ++conservative_rounds_ > kConservativeRounds) return {0, true};
      last_ = running_ ? current_ : kNone;
      current_ = kNone;
      samples_ = 0;
      round_end_ = next;
      running_ = true;
    }
    if (rtt != 0) {
      current_ = std::min(current_, static_cast<uint32_t>(std::min<base::Nanos>(rtt / 1000, kNone - 1)));
      if (samples_ < kSamples) ++samples_;
    }
    if (samples_ == kSamples) judge();
    const uint32_t bytes = paced ? acked : std::min(acked, kMostSegments * mss);
    return {conservative_rounds_ != 0 ? bytes / kConservativeDivisor : bytes, false};
  }

 private:
  static constexpr uint32_t kNone = UINT32_MAX;
  static constexpr uint32_t kLeastGrowth = 4'000, kMostGrowth = 16'000;  // µs (§4.3: MIN_RTT_THRESH, MAX_RTT_THRESH)
  static constexpr uint32_t kGrowthDivisor = 8;                          // MIN_RTT_DIVISOR
  static constexpr uint8_t kSamples = 8;                                 // N_RTT_SAMPLE
  static constexpr uint32_t kConservativeDivisor = 4;                    // CSS_GROWTH_DIVISOR
  static constexpr uint8_t kConservativeRounds = 5;                      // CSS_ROUNDS
  static constexpr uint32_t kMostSegments = 8;                           // L without pacing; with it there is none

  void judge() {
    if (conservative_rounds_ != 0) {
      if (current_ < baseline_) conservative_rounds_ = 0;
    } else if (last_ != kNone && current_ >= last_ + std::clamp(last_ / kGrowthDivisor, kLeastGrowth, kMostGrowth)) {
      baseline_ = current_;
      conservative_rounds_ = 1;
    }
  }

  Seq round_end_ = 0;
  uint32_t last_ = kNone, current_ = kNone, baseline_ = kNone;  // least round trip of a round, µs
  uint8_t samples_ = 0;
  uint8_t conservative_rounds_ = 0;  // 0: ordinary slow start
  bool running_ = false;
};

}  // namespace penstock::tcp
