// When the packets of a stream depart: a schedule made of the rate alone, never of what happened to earlier packets.
//
//   constant   the k-th (from 0) at start + k / rate, without drift: the interval has 64 bits behind the cycle's point,
//              and a departure is at the nearest cycle
//   burst n    n packets together at start + k * n / rate
//   poisson    gaps drawn from the exponential distribution of that rate, seeded
//   recorded   the recording's own times, stretched to the mean rate; after its end from the beginning, or never again
//
// One thread. Cycles are those of Clock.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "packets/clock.h"
#include "packets/random.h"
#include "packets/spec.h"

namespace penstock::load {

class Schedule {
 public:
  static constexpr Cycles kNever = UINT64_MAX;

  void start(const StreamSpec& spec, double pps, Cycles at, Cycles hz, uint64_t seed) {
    spacing_ = spec.spacing;
    replay_ = spec.recorded_times ? spec.replay.get() : nullptr;
    loop_ = spec.loop;
    random_ = Random(seed);
    start_ = at;
    cycles_per_packet_ = std::min(static_cast<long double>(hz) / pps, kLongestGap);
    if (replay_) cycles_per_nano_ = cycles_per_packet_ * static_cast<long double>(replay_->count()) / replay_->period();
    step_ = static_cast<Uint128>(std::ldexp(std::min(cycles_per_packet_ * spacing_.burst, kLongestGap), 64));
    exact_ = static_cast<Uint128>(at) << 64;
    next_ = at;
    in_burst_ = index_ = 0;
    round_ = 0;
  }

  Cycles next() const { return next_; }             // of the packet that is to depart
  bool in_burst() const { return in_burst_ != 0; }  // that packet leaves together with the one before it
  // Between packets, on average.
  Cycles gap() const { return static_cast<Cycles>(cycles_per_packet_); }

  void advance() {
    if (replay_) return advance_recorded();
    if (spacing_.kind == Spacing::kPoisson) {
      const long double gap = std::min(-std::log(random_.unit()) * cycles_per_packet_, kLongestGap);
      exact_ += static_cast<Uint128>(std::ldexp(gap, 64));
    } else if (++in_burst_ == spacing_.burst) {
      in_burst_ = 0;
      exact_ += step_;
    }
    next_ = static_cast<Cycles>((exact_ + kHalf) >> 64);
  }

  // About how many departures lie from next() until `end`: what remained undone. Exact for constant.
  uint64_t remaining(Cycles end) const {
    if (next_ >= end) return 0;
    const Uint128 next = replay_ ? static_cast<Uint128>(next_) << 64 : exact_;
    const auto time = std::ldexp(static_cast<long double>((static_cast<Uint128>(end) << 64) - kHalf - next), -64);
    const auto left = static_cast<uint64_t>(std::ceil(time / cycles_per_packet_));
    return replay_ && !loop_ ? std::min(left, replay_->count() - index_) : left;
  }

 private:
  static constexpr Uint128 kHalf = Uint128{1} << 63;   // a cycle: what is nearer to the end than that is not before it
  static constexpr long double kLongestGap = 0x1p61L;  // cycles, decades: no trial lasts so long

  void advance_recorded() {
    if (++index_ == replay_->count()) {
      index_ = 0;
      ++round_;
      if (!loop_) {
        next_ = kNever;
        return;
      }
    }
    const auto nanos = static_cast<long double>(round_) * replay_->period() + replay_->nanos(index_);
    next_ = start_ + static_cast<Cycles>(nanos * cycles_per_nano_ + 0.5L);  // the nearest, as above
  }

  Spacing spacing_;
  const Replay* replay_ = nullptr;
  bool loop_ = true;
  Random random_{0};
  Cycles start_ = 0, next_ = kNever;
  long double cycles_per_packet_ = 0, cycles_per_nano_ = 0;
  Uint128 step_ = 0, exact_ = 0;
  uint32_t in_burst_ = 0;
  uint64_t index_ = 0, round_ = 0;
};

}  // namespace penstock::load
