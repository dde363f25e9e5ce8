// Round-trip time and retransmission timeout (RFC 6298). A value; nanoseconds; no failure.
//
// The floor of 200 ms instead of the SHOULD of 1 s (§2.4) is what current senders use: RACK-TLP repairs before it, and
// a peer's delayed ACK (at most 200 ms by common practice) stays below it. Karn's rule is the caller's: see
// scoreboard.h.
#pragma once

#include <algorithm>

#include "base/time.h"

namespace penstock::tcp {

constexpr base::Nanos kMillisecond = 1'000'000;
constexpr base::Nanos kInitialRto = 1000 * kMillisecond;       // §2.1
constexpr base::Nanos kRtoAfterSynLoss = 3000 * kMillisecond;  // §5.7
constexpr base::Nanos kMinRto = 200 * kMillisecond;
constexpr base::Nanos kMaxRto = 60'000 * kMillisecond;       // §2.5: at least 60 s
constexpr base::Nanos kClockGranularity = 1 * kMillisecond;  // of the timer wheel and of timestamps
constexpr unsigned kMaxBackoff = 12;                         // doublings; kMaxRto is reached long before

class Rtt {
 public:
  void sample(base::Nanos rtt) {
    if (smoothed_ == 0) {
      smoothed_ = std::max<base::Nanos>(rtt, 1);
      variation_ = rtt / 2;
    } else {
      const base::Nanos error = rtt > smoothed_ ? rtt - smoothed_ : smoothed_ - rtt;
      variation_ = variation_ - variation_ / 4 + error / 4;
      smoothed_ = std::max<base::Nanos>(smoothed_ - smoothed_ / 8 + rtt / 8, 1);
    }
    base_ = std::clamp(smoothed_ + std::max(kClockGranularity, 4 * variation_), kMinRto, kMaxRto);
    backoff_ = 0;
  }

  bool measured() const { return smoothed_ != 0; }
  base::Nanos smoothed() const { return smoothed_; }
  base::Nanos rto() const { return std::min(base_ << backoff_, kMaxRto); }
  void back_off() { backoff_ = std::min<uint8_t>(backoff_ + 1, kMaxBackoff); }  // §5.5
  void end_backoff() { backoff_ = 0; }
  void after_syn_loss() {
    if (!measured()) base_ = kRtoAfterSynLoss;
    backoff_ = 0;
  }

 private:
  base::Nanos smoothed_ = 0;
  base::Nanos variation_ = 0;
  base::Nanos base_ = kInitialRto;
  uint8_t backoff_ = 0;
};

}  // namespace penstock::tcp
