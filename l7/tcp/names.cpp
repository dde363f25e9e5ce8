// The names of states, ends and counters, as metrics, logs and tests print them.
#include "l7/tcp/connection.h"

namespace penstock::tcp {

const char* to_string(State state) {
  switch (state) {
    case State::kClosed:
      return "CLOSED";
    case State::kSynSent:
      return "SYN-SENT";
    case State::kSynReceived:
      return "SYN-RECEIVED";
    case State::kEstablished:
      return "ESTABLISHED";
    case State::kFinWait1:
      return "FIN-WAIT-1";
    case State::kFinWait2:
      return "FIN-WAIT-2";
    case State::kCloseWait:
      return "CLOSE-WAIT";
    case State::kClosing:
      return "CLOSING";
    case State::kLastAck:
      return "LAST-ACK";
    case State::kTimeWait:
      return "TIME-WAIT";
  }
  return "";
}

const char* to_string(End end) {
  switch (end) {
    case End::kOpen:
      return "open";
    case End::kFinished:
      return "finished";
    case End::kReset:
      return "reset";
    case End::kRefused:
      return "refused";
    case End::kUnreachable:
      return "unreachable";
    case End::kTimedOut:
      return "timed_out";
    case End::kAborted:
      return "aborted";
    case End::kReturned:
      return "returned";
  }
  return "";
}

const char* to_string(Count count) {
  static constexpr const char* kNames[] = {"segments_in",
                                           "segments_out",
                                           "outside_window",
                                           "paws_rejected",
                                           "missing_timestamps",
                                           "reset_ignored",
                                           "syn_challenged",
                                           "ack_challenged",
                                           "challenges_suppressed",
                                           "no_ack",
                                           "unacceptable_ack",
                                           "reassembly_full",
                                           "data_after_close",
                                           "retransmitted",
                                           "timeouts",
                                           "fast_recoveries",
                                           "tail_probes",
                                           "window_probes",
                                           "keepalives",
                                           "path_mtu_lowered",
                                           "unreachable_ended",
                                           "unreachable_noted",
                                           "ecn_reductions",
                                           "paced",
                                           "pool_empty"};
  static_assert(std::size(kNames) == static_cast<size_t>(Count::kCount));
  return kNames[static_cast<size_t>(count)];
}

}  // namespace penstock::tcp
