// When bytes may leave, so that a window is spread over a round trip and does not follow acknowledgements in bursts.
//
// The rate is gain × window / smoothed round trip: twice in slow start, where the window doubles, and 1.2 later, as
// Linux has it (tcp_update_pacing_rate): a little more than the window allows, so that the window stays what limits.
// What leaves together is at least two segments, and what the rate sends in a millisecond if that is more (as
// tcp_tso_autosize): else a timer and a packet for each segment would be the price. Time that passed is credit, up to
// a millisecond: timers are a tick late. An initial window may go at once (RFC 6928): so it does into a network that
// holds nothing, for which the next bytes make up, and a window that is no longer is not held back at all. So short
// answers are not slower, nor small windows, whose every second segment an ACK would wait for.
// A value in the connection; bytes and nanoseconds; no failure.
// Not here: who is paced (Connection::paces()), what never waits (output.cpp).
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/time.h"

namespace penstock::tcp {

class Pacing {
 public:
  // A path with a shorter least round trip is not paced: its bursts are a few packets in switches with buffers for
  // more, and a round trip of a few ticks of the timer wheel (131 µs) cannot be divided by them.
  static constexpr base::Nanos kLeastRtt = 1'000'000;
  static constexpr base::Nanos kTogether = 1'000'000;  // that the rate sends leaves at once
  static constexpr base::Nanos kCredit = 1'000'000;    // of a sender who was late: several ticks of the wheel
  static constexpr uint32_t kLeastSegments = 2;        // the peer acknowledges every second one (RFC 5681 §4.2)

  // 64 bits hold what is computed: bytes below 2^17, round trips up to 60 s, windows up to 2^30 and as much in flight.
  struct Path {
    uint32_t window;  // bytes, not 0
    base::Nanos rtt;  // smoothed, 1 ns to a minute
    bool doubling;    // slow start
  };

  static base::Nanos time_of(uint32_t bytes, const Path& p) {
    const uint64_t product = bytes * p.rtt;
    return p.doubling ? product / (uint64_t{2} * p.window) : product * 5 / (uint64_t{6} * p.window);
  }
  static uint64_t bytes_in(base::Nanos time, const Path& p) {
    return time * p.window * (p.doubling ? 10 : 6) / (5 * p.rtt);
  }

  // Nothing is in the network: `bytes` may go at once, and what was sent before is forgotten.
  void begin(uint32_t bytes, base::Nanos now) {
    at_once_ = bytes;
    free_at_ = std::min(free_at_, now);
  }
  bool may_send(uint32_t bytes, base::Nanos now) const { return free_at_ <= now || bytes <= at_once_; }
  base::Nanos free_at() const { return free_at_; }

  // How many of `bytes` leave together: all, or whole segments of `segment` bytes.
  uint32_t together(uint32_t bytes, uint32_t segment, const Path& p) const {
    const uint32_t least = std::max(kLeastSegments * segment, at_once_);
    if (bytes <= least || time_of(bytes, p) <= kTogether) return bytes;
    const auto most = static_cast<uint32_t>(std::min<uint64_t>(bytes_in(kTogether, p), bytes));
    return std::max(most, least) / segment * segment;
  }

  // Nobody waits longer than a round trip, whatever went out of turn.
  void on_sent(uint32_t bytes, const Path& p, base::Nanos now) {
    at_once_ -= std::min(bytes, at_once_);
    free_at_ = std::min(std::max(free_at_, now - std::min(now, kCredit)) + time_of(bytes, p), now + p.rtt);
  }

 private:
  base::Nanos free_at_ = 0;  // when the next bytes may leave
  uint32_t at_once_ = 0;     // bytes that need not wait for it
};

}  // namespace penstock::tcp
