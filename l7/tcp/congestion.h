// The congestion window as a value in the connection: NewReno (RFC 5681, 6582) or CUBIC (RFC 9438), with proportional
// rate reduction while losses are repaired (RFC 6937 with the 6937bis safe-ACK rule); the first slow start ends by
// HyStart++. Bytes and nanoseconds.
//
// It knows nothing of segments or timers: the connection tells it what was delivered, lost and is in flight.
#pragma once

#include <cstdint>

#include "base/time.h"
#include "l7/tcp/hystart.h"

namespace penstock::tcp {

enum class CongestionKind : uint8_t { kNewReno, kCubic };

class Congestion {
 public:
  static uint32_t initial_window(uint32_t mss);  // RFC 6928 §2
  void start(CongestionKind kind, uint32_t mss);
  void set_mss(uint32_t mss) { mss_ = mss; }
  void restart_after_idle();    // RFC 5681 §4.1
  void limit_to_one_segment();  // the SYN was lost (RFC 5681 §3.1)

  // New bytes were acknowledged outside of fast recovery, while the window was the limit.
  struct Acked {
    uint32_t bytes;
    Seq una, next;
    base::Nanos rtt;  // measured by this acknowledgement; 0: none
    base::Nanos smoothed_rtt;
    bool paced;  // what this allows leaves at a rate
  };
  void on_ack(const Acked& acked, base::Nanos now);
  // A congestion event (loss or ECN echo), once per window: lowers ssthresh; the window follows by PRR or at once.
  void on_congestion(uint32_t in_flight, base::Nanos now);
  void on_timeout(uint32_t in_flight, bool first, base::Nanos now);  // RFC 5681 §3.1 (4)

  // PRR: begin after on_congestion(); each ACK; each byte sent; end.
  void begin_recovery(uint32_t in_flight);
  void on_recovery_ack(uint32_t delivered, bool safe, uint32_t pipe);
  void on_recovery_sent(uint32_t bytes) { prr_out_ += bytes; }
  void end_recovery() { window_ = ssthresh_; }
  void reduce_at_once() { window_ = ssthresh_; }  // ECN: nothing is missing, no PRR needed

  uint32_t window() const { return window_; }
  uint32_t threshold() const { return ssthresh_; }
  bool in_slow_start() const { return window_ < ssthresh_; }

 private:
  void grow_reno(uint32_t acked);
  void grow_cubic(uint32_t acked, base::Nanos smoothed_rtt, base::Nanos now);

  uint32_t window_ = 0;
  uint32_t ssthresh_ = 0xffffffff;
  uint32_t mss_ = 0;
  uint32_t acked_in_round_ = 0;  // NewReno: bytes towards the next segment; CUBIC: bytes towards its target
  uint32_t prr_delivered_ = 0;
  uint32_t prr_out_ = 0;
  uint32_t recovery_flight_ = 0;
  CongestionKind kind_ = CongestionKind::kCubic;
  HyStart hystart_;
  float w_max_ = 0;        // CUBIC, in segments: window before the last reduction
  float w_estimate_ = 0;   // CUBIC: what Reno would have (§4.3)
  float k_ = 0;            // seconds from the start of the epoch to w_max
  base::Nanos epoch_ = 0;  // 0: begins with the next ACK
};

}  // namespace penstock::tcp
