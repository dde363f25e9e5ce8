// Part of proxy.h: content and tunnels under limits of bandwidth (l7/limit), or slowed down by a fault filter.
//
// A side is asked for content only as far as there is credit for it: what is not read keeps its window shut. Credit is
// drawn for what can be read and passed on at once, so hardly any is left over at an exchange's end; without credit the
// exchange waits by its deadline. Who waits asks again when the bucket should hold what it asked for: of several that
// wait for one bucket whoever wakes first has it, by chance. A pause is no idleness of the stream. A tunnel is
// under the limits that its request was under, a TCP connection under those of its listener, both ways. Not measured:
// heads, trailers, answers of the gateway itself.
#pragma once

#include "l7/proxy/proxy.h"

namespace penstock::proxy {

constexpr base::Nanos kLeastPause = 1'000'000;  // finer than a timer is not worth a wake-up
constexpr double kMostStep = 1 << 22;           // bytes: below what a bucket takes at once

// How much of `room` may be read from `from` now.
template <Net N>
size_t Proxy<N>::paced_room(Paced& pace, uint32_t from, size_t room) {
  if (!pace.any()) return room;
  if (pace.credit != 0) return std::min<size_t>(room, pace.credit);
  if (pace.until > now_) return 0;
  pace.until = 0;
  const size_t wanted = std::min(room, net_.readable(from));
  return wanted == 0 ? 0 : draw_credit(pace, wanted);
}

template <Net N>
size_t Proxy<N>::draw_credit(Paced& pace, size_t wanted) {
  const bool throttled = pace.throttle.cost != 0;
  if (throttled && !pace.bucket.is_full(now_)) {
    pace.until = std::max(now_ + kLeastPause, pace.bucket.full_at());
    return 0;
  }
  if (throttled) wanted = std::min<size_t>(wanted, pace.step);
  pace.credit = static_cast<uint32_t>(std::min<size_t>(wanted, UINT32_MAX));
  if (pace.shares.count != 0) pace.credit = limiter_.draw(pace.shares, wanted, now_, pace.until);
  // Who waits for the same bucket would always wake in the same order: chance lets each of them be first.
  if (pace.credit == 0 && pace.until > now_) pace.until += random_.below(pace.until - now_ + 1);
  if (throttled && pace.credit != 0) pace.bucket.take(pace.throttle, pace.credit, now_);
  return pace.credit;
}

// An answer's content gets so many bits a second, whatever others have: a twentieth of a second's bytes, and a pause.
template <Net N>
void Proxy<N>::throttle(Exchange& x, double bits) {
  const double bytes = std::max(1.0, bits / 8);
  x.response_pace.throttle = flow::Rate::of(bytes, 1, base::kNanosPerSecond);
  x.response_pace.step = static_cast<uint32_t>(std::clamp(bytes / 20, 1.0, kMostStep));
}

}  // namespace penstock::proxy
