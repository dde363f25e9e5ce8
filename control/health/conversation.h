// One check of one endpoint: a connection attempt, a datagram and its answer, an echo, or a GET. Lives from its first
// packet to its result. Pure: segments and a time in, segments and a deadline out.
//
//   TCP:  kConnecting ── SYN-ACK ──▶ success, RST
//   HTTP: kConnecting ── SYN-ACK ──▶ kAsking (ACK + GET) ── status line ──▶ success or failure, RST
//   UDP, ICMP: kWaiting ── answer ──▶ success
//   every state: timeout, refusal (RST, ICMP unreachable) ──▶ failure
//
// The TCP here is a client of one request of one segment and the first kMaxStatusLine bytes of its answer: no window
// management, no reassembly (what comes out of order is sent again by the peer), SYN and request sent again every third
// of the timeout. It ends with RST, so that neither side keeps state (RFC 9293 §3.10.5 ABORT).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/time.h"
#include "control/model/service.h"

namespace penstock::health {

constexpr size_t kMaxStatusLine = 1024;  // a longer one is no HTTP
constexpr uint16_t kSegmentSize = 1220;  // MSS: fits IPv6's least MTU and the frame of a punted packet
constexpr uint16_t kWindow = 4096;       // what the peer may send before the RST reaches it
constexpr unsigned kTries = 3;           // of SYN and request, within the timeout

struct Flow {  // seen from us
  base::IpAddress local, remote;
  uint16_t local_port = 0, remote_port = 0;  // ICMP: the identifier, 0
  uint8_t protocol = 0;
  bool operator==(const Flow&) const = default;
};
struct FlowHash {
  size_t operator()(const Flow& flow) const;
};

struct Segment {  // of any protocol; what does not apply is 0
  uint8_t tcp_flags = 0;
  uint32_t seq = 0, ack = 0;
  uint16_t echo_sequence = 0;
  std::string payload;
};

class Conversation {
 public:
  Conversation(const model::HealthCheck& check, const Flow& flow, uint32_t secret, base::Nanos now);

  void on_segment(const Segment& segment);                             // from the peer
  void on_unreachable(const char* what, std::optional<uint32_t> seq);  // an ICMP error that quotes `seq` (TCP)
  void on_deadline(base::Nanos now);
  base::Nanos deadline() const { return done_ ? 0 : (next_try_ < timeout_at_ ? next_try_ : timeout_at_); }

  std::optional<Segment> next_segment();
  bool done() const { return done_; }
  const std::string& failure() const { return failure_; }  // empty: success
  const Flow& flow() const { return flow_; }

 private:
  enum class State : uint8_t { kConnecting, kAsking, kWaiting };

  void succeed() { done_ = true; }
  void fail(std::string reason);
  void send(Segment segment) { out_.push_back(std::move(segment)); }
  void reset();
  void on_tcp(const Segment& segment);
  void on_response(const Segment& segment);
  void judge_status_line(const std::string& line);
  std::string request() const;

  const model::HealthCheck check_;
  const Flow flow_;
  State state_ = State::kWaiting;
  base::Nanos timeout_at_, try_every_, next_try_;
  uint32_t first_seq_;        // TCP: initial sequence number; ICMP: low half is the sequence
  uint32_t received_to_ = 0;  // TCP: next byte wanted
  bool request_acked_ = false;
  std::string response_;
  std::vector<Segment> out_;
  bool done_ = false;
  std::string failure_;
};

}  // namespace penstock::health
