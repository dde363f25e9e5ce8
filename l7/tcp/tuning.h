// What connections of one worker share: their switches and limits, the pools, the allowance of challenge ACKs,
// counters.
//
// One worker owns a Shared; no locks. Nanoseconds and bytes. Everything here is configuration but the pools' content.
#pragma once

#include <array>
#include <cstdint>

#include "base/time.h"
#include "l7/tcp/chain.h"
#include "l7/tcp/congestion.h"
#include "l7/tcp/reassembly.h"
#include "l7/tcp/rtt.h"
#include "l7/tcp/scoreboard.h"

namespace penstock::tcp {

struct Tuning {
  uint16_t mss = 1460;         // announced: the interface's MTU without IP and TCP headers (RFC 6691)
  uint16_t default_mss = 536;  // of a peer that announces none (RFC 9293 §3.7.1); 1220 for IPv6
  uint32_t receive_buffer = 256 * 1024;
  uint32_t send_buffer = 256 * 1024;
  // Of connections that asked for it (Connection::widen()), while half of all chunks are free.
  uint32_t wide_send_buffer = 4 * 1024 * 1024;
  CongestionKind congestion = CongestionKind::kCubic;
  bool nagle = true;  // RFC 9293 §3.7.4; a proxy that writes whole messages turns it off
  bool sack = true;
  bool timestamps = true;
  bool window_scale = true;
  bool ecn = true;
  bool pacing = true;                                    // pacing.h; may change while connections are open
  base::Nanos delayed_ack = 40 * kMillisecond;           // RFC 1122 §4.2.3.2: under 500 ms
  base::Nanos connect_timeout = 180'000 * kMillisecond;  // RFC 1122 §4.2.3.5: R2 of a SYN at least 3 minutes
  base::Nanos user_timeout = 300'000 * kMillisecond;     // RFC 9293 §3.8.3: R2; RFC 5482's local value
  base::Nanos keepalive_idle = 0;                        // 0: off, the default of RFC 9293 §3.8.4
  base::Nanos keepalive_interval = 75'000 * kMillisecond;
  uint8_t keepalive_probes = 9;
  base::Nanos time_wait = 60'000 * kMillisecond;   // 2 MSL of 30 s
  base::Nanos fin_wait_2 = 60'000 * kMillisecond;  // how long a closed connection waits for the peer's FIN
};

// Why segments were refused and what recovery did; one list for metrics and tests.
enum class Count : uint8_t {
  kSegmentsIn,
  kSegmentsOut,
  kOutsideWindow,         // RFC 9293 §3.10.7.4 first
  kPawsRejected,          // RFC 7323 §5
  kMissingTimestamps,     // RFC 7323 §3.2
  kResetIgnored,          // RFC 5961 §3, RFC 1337
  kSynChallenged,         // RFC 5961 §4
  kAckChallenged,         // RFC 5961 §5
  kChallengesSuppressed,  // over the allowance
  kNoAck,                 // a synchronized state and no ACK flag
  kUnacceptableAck,       // SYN-SENT, SYN-RECEIVED
  kReassemblyFull,        // no range or chunk left: dropped, the peer sends it again
  kDataAfterClose,        // RFC 9293 §3.6.1: answered with a reset
  kRetransmitted,
  kTimeouts,
  kFastRecoveries,
  kTailProbes,
  kWindowProbes,
  kKeepalives,
  kPathMtuLowered,
  kUnreachableEnded,  // RFC 9293 §3.9.2.2: ICMP ended a connection in SYN-SENT
  kUnreachableNoted,  // ICMP said so of another connection, or of a moment: not believed
  kEcnReductions,
  kPaced,      // times that bytes waited for their turn
  kPoolEmpty,  // nothing could be sent or stored
  kCount,
};

// At most kPerSecond challenge ACKs from one worker (RFC 5961 §7), so that a flood of forged segments is not reflected.
class ChallengeAllowance {
 public:
  static constexpr uint32_t kPerSecond = 1000;
  bool take(base::Nanos now) {
    if (const base::Nanos second = now / base::kNanosPerSecond; second != second_) {
      second_ = second;
      left_ = kPerSecond;
    }
    return left_ != 0 && left_-- != 0;
  }

 private:
  base::Nanos second_ = 0;
  uint32_t left_ = kPerSecond;
};

struct Limits {
  uint32_t chunks = 128 * 1024;  // 256 MiB of stream bytes
  uint32_t records = 512 * 1024;
  uint32_t ranges = 64 * 1024;
};

struct Shared {
  explicit Shared(const Tuning& t = {}, const Limits& limits = {})
      : tuning(t), chunks(limits.chunks), records(limits.records), ranges(limits.ranges) {}

  Tuning tuning;
  ChunkPool chunks;
  RecordPool records;
  RangePool ranges;
  ChallengeAllowance challenges;
  std::array<uint64_t, static_cast<size_t>(Count::kCount)> counters{};

  void count(Count c) { ++counters[static_cast<size_t>(c)]; }
  uint64_t counted(Count c) const { return counters[static_cast<size_t>(c)]; }
};

const char* to_string(Count count);

}  // namespace penstock::tcp
