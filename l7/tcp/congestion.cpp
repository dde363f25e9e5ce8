#include "l7/tcp/congestion.h"

#include <algorithm>
#include <cmath>

namespace penstock::tcp {

namespace {

constexpr uint32_t kInitialSegments = 10;   // RFC 6928 §2
constexpr uint32_t kInitialBytes = 14'600;  // RFC 6928 §2: upper bound, unless two segments are more
constexpr uint32_t kMaxWindow = 1U << 30;   // what window scaling can describe
constexpr float kCubicC = 0.4F;             // RFC 9438 §4.1
constexpr float kCubicBeta = 0.7F;          // RFC 9438 §4.6
constexpr float kCubicAlpha = 3 * (1 - kCubicBeta) / (1 + kCubicBeta);  // RFC 9438 §4.3

}  // namespace

uint32_t Congestion::initial_window(uint32_t mss) {
  return std::min(kInitialSegments * mss, std::max(2 * mss, kInitialBytes));
}

void Congestion::start(CongestionKind kind, uint32_t mss) {
  kind_ = kind;
  mss_ = mss;
  window_ = initial_window(mss);
}

void Congestion::restart_after_idle() {
  window_ = std::min(window_, initial_window(mss_));
  epoch_ = 0;
}

void Congestion::limit_to_one_segment() { window_ = mss_; }

void Congestion::on_ack(const Acked& acked, base::Nanos now) {
  uint32_t bytes = acked.bytes;
  if (ssthresh_ == UINT32_MAX) {  // the first slow start: nothing is known of the path (RFC 9406 §4.3)
    const HyStart::Growth growth = hystart_.on_ack(bytes, mss_, acked.una, acked.next, acked.rtt, acked.paced);
    window_ = std::min(window_ + growth.bytes, kMaxWindow);
    if (growth.leave) ssthresh_ = window_;
    return;
  }
  if (in_slow_start()) {
    // RFC 3465 with L unbounded is unsafe after idle, L = 2 per ACK is too slow for stretched ACKs: at most a doubling.
    const uint32_t step = std::min(bytes, ssthresh_ - window_);
    window_ = std::min(window_ + step, kMaxWindow);
    bytes -= step;
    if (bytes == 0) return;
  }
  if (kind_ == CongestionKind::kNewReno) {
    grow_reno(bytes);
  } else {
    grow_cubic(bytes, acked.smoothed_rtt, now);
  }
  window_ = std::min(window_, kMaxWindow);
}

void Congestion::grow_reno(uint32_t acked) {
  acked_in_round_ += acked;
  if (acked_in_round_ < window_) return;
  acked_in_round_ -= window_;
  window_ += mss_;
}

void Congestion::grow_cubic(uint32_t acked, base::Nanos smoothed_rtt, base::Nanos now) {
  const auto mss = static_cast<float>(mss_);
  const float window = static_cast<float>(window_) / mss;
  if (epoch_ == 0) {
    epoch_ = now;
    w_estimate_ = window;
    acked_in_round_ = 0;
    if (w_max_ < window) w_max_ = window;
    k_ = std::cbrt((w_max_ - window) / kCubicC);
  }
  const float t = static_cast<float>(now - epoch_ + smoothed_rtt) * 1e-9F;
  const float cubic = kCubicC * (t - k_) * (t - k_) * (t - k_) + w_max_;
  const float alpha = w_estimate_ < w_max_ ? kCubicAlpha : 1.0F;
  w_estimate_ += alpha * (static_cast<float>(acked) / mss) / window;
  // §4.2: the target is the window one round trip from now, at most half as much again.
  const float target = std::max(w_estimate_, std::clamp(cubic, window, 1.5F * window));
  if (target <= window) return;
  acked_in_round_ += acked;
  const auto needed = static_cast<uint32_t>(std::max(window / (target - window) * mss, mss));
  const uint32_t steps = std::min(acked_in_round_ / needed, window_ / (2 * mss_) + 1);
  acked_in_round_ -= steps * needed;
  window_ += steps * mss_;
}

void Congestion::on_congestion(uint32_t in_flight, base::Nanos) {
  const uint32_t floor = 2 * mss_;
  if (kind_ == CongestionKind::kNewReno) {
    ssthresh_ = std::max(in_flight / 2, floor);
  } else {
    const float window = static_cast<float>(window_) / static_cast<float>(mss_);
    // §4.7 fast convergence: a flow that lost before it reached its last maximum gives up more.
    w_max_ = window < w_max_ ? window * (1 + kCubicBeta) / 2 : window;
    ssthresh_ =
        std::max(static_cast<uint32_t>(static_cast<float>(std::min(window_, in_flight + mss_)) * kCubicBeta), floor);
    epoch_ = 0;
  }
  acked_in_round_ = 0;
}

void Congestion::on_timeout(uint32_t in_flight, bool first, base::Nanos now) {
  if (first) on_congestion(in_flight, now);
  window_ = mss_;
  epoch_ = 0;
}

void Congestion::begin_recovery(uint32_t in_flight) {
  prr_delivered_ = prr_out_ = 0;
  recovery_flight_ = std::max(in_flight, mss_);
}

void Congestion::on_recovery_ack(uint32_t delivered, bool safe, uint32_t pipe) {
  prr_delivered_ += delivered;
  int64_t send;
  if (pipe > ssthresh_) {
    const uint64_t share = static_cast<uint64_t>(prr_delivered_) * ssthresh_ + recovery_flight_ - 1;
    send = static_cast<int64_t>(share / recovery_flight_) - prr_out_;
  } else {
    int64_t limit = std::max<int64_t>(static_cast<int64_t>(prr_delivered_) - prr_out_, delivered);
    if (safe) limit += mss_;
    send = std::min<int64_t>(static_cast<int64_t>(ssthresh_) - pipe, limit);
  }
  if (prr_out_ == 0) send = std::max<int64_t>(send, mss_);  // the first retransmission is always sent
  window_ = pipe + static_cast<uint32_t>(std::clamp<int64_t>(send, 0, kMaxWindow));
}

}  // namespace penstock::tcp
