#include "control/health/conversation.h"

#include <algorithm>

#include "wire/headers.h"

namespace penstock::health {
namespace {

constexpr base::Nanos kMilli = 1'000'000;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

size_t FlowHash::operator()(const Flow& f) const {
  uint64_t h = base::load_raw<uint64_t>(&f.remote.bytes[8]) ^ (base::load_raw<uint64_t>(&f.remote.bytes[0]) * 31);
  h ^= (static_cast<uint64_t>(f.local_port) << 32) ^ (static_cast<uint64_t>(f.remote_port) << 16) ^ f.protocol;
  h *= 0x9e3779b97f4a7c15;
  return h ^ (h >> 29);
}

Conversation::Conversation(const model::HealthCheck& check, const Flow& flow, uint32_t secret, base::Nanos now)
    : check_(check),
      flow_(flow),
      timeout_at_(now + check.timeout_milliseconds * kMilli),
      try_every_(std::max<base::Nanos>(check.timeout_milliseconds * kMilli / kTries, kMilli)),
      next_try_(timeout_at_),
      first_seq_(secret) {
  switch (check_.kind) {
    case model::HealthCheckKind::kTcp:
    case model::HealthCheckKind::kHttp:
      state_ = State::kConnecting;
      next_try_ = now + try_every_;
      send({wire::kTcpSyn, first_seq_, 0});
      break;
    case model::HealthCheckKind::kUdp:
      send({.payload = check_.send});
      break;
    case model::HealthCheckKind::kIcmp:
      send({.echo_sequence = static_cast<uint16_t>(first_seq_), .payload = "penstock health"});
      break;
    case model::HealthCheckKind::kNone:
      succeed();
      break;
  }
}

std::optional<Segment> Conversation::next_segment() {
  if (out_.empty()) return std::nullopt;
  Segment first = std::move(out_.front());
  out_.erase(out_.begin());
  return first;
}

void Conversation::fail(std::string reason) {
  done_ = true;
  failure_ = std::move(reason);
}

void Conversation::reset() {
  send({wire::kTcpRst | wire::kTcpAck,
        first_seq_ + 1 + (state_ == State::kAsking ? static_cast<uint32_t>(request().size()) : 0), received_to_});
}

void Conversation::on_deadline(base::Nanos now) {
  if (done_) return;
  if (now >= timeout_at_) {
    const bool connected = state_ == State::kAsking;
    if (connected) reset();
    fail(connected ? "timeout waiting for the HTTP response" : "timeout");
    return;
  }
  if (now < next_try_) return;
  next_try_ = now + try_every_;
  if (state_ == State::kConnecting) {
    send({wire::kTcpSyn, first_seq_, 0});
  } else if (state_ == State::kAsking && !request_acked_) {
    send({wire::kTcpAck | wire::kTcpPsh, first_seq_ + 1, received_to_, 0, request()});
  }
}

void Conversation::on_segment(const Segment& segment) {
  if (done_) return;
  switch (check_.kind) {
    case model::HealthCheckKind::kTcp:
    case model::HealthCheckKind::kHttp:
      on_tcp(segment);
      return;
    case model::HealthCheckKind::kUdp:
      if (segment.payload.compare(0, check_.expect.size(), check_.expect) == 0) {
        succeed();
      } else {
        fail("the UDP answer does not begin with the expected bytes");
      }
      return;
    case model::HealthCheckKind::kIcmp:
      if (segment.echo_sequence == static_cast<uint16_t>(first_seq_)) succeed();
      return;
    case model::HealthCheckKind::kNone:
      return;
  }
}

// RFC 5927 §4: an ICMP error about a segment that we did not send is not ours to believe.
void Conversation::on_unreachable(const char* what, std::optional<uint32_t> seq) {
  if (done_) return;
  if (seq && *seq - first_seq_ > 1 + request().size()) return;
  fail(std::string("ICMP: ") + what);
}

// RFC 9293 §3.10.7.3 (SYN-SENT), as far as a client goes that wants to know whether somebody listens.
void Conversation::on_tcp(const Segment& segment) {
  if (state_ == State::kAsking) return on_response(segment);
  if (!(segment.tcp_flags & wire::kTcpAck) || segment.ack != first_seq_ + 1) return;  // not an answer to our SYN
  if (segment.tcp_flags & wire::kTcpRst) return fail("connection refused");
  if (!(segment.tcp_flags & wire::kTcpSyn)) return;
  received_to_ = segment.seq + 1;
  if (check_.kind == model::HealthCheckKind::kTcp) {
    reset();
    return succeed();
  }
  state_ = State::kAsking;
  next_try_ = timeout_at_ < next_try_ ? timeout_at_ : next_try_;
  send({wire::kTcpAck | wire::kTcpPsh, first_seq_ + 1, received_to_, 0, request()});
}

// RFC 9293 §3.10.7.4, the checks that matter to a reader: sequence, RST, ACK, text, FIN.
void Conversation::on_response(const Segment& segment) {
  const auto request_end = first_seq_ + 1 + static_cast<uint32_t>(request().size());
  if (segment.tcp_flags & wire::kTcpRst) {
    if (segment.seq == received_to_) fail("connection reset before an HTTP status line");
    return;
  }
  if (!(segment.tcp_flags & wire::kTcpAck) || segment.ack - first_seq_ > request_end - first_seq_) return;
  if (segment.ack == request_end) request_acked_ = true;
  if (segment.tcp_flags & wire::kTcpSyn) {  // our ACK was lost: the peer says SYN-ACK again
    send({wire::kTcpAck, request_end, received_to_});
    return;
  }
  const auto old_bytes = received_to_ - segment.seq;  // how much of it we have; huge: it begins beyond what we want
  if (old_bytes > segment.payload.size()) {
    if (!segment.payload.empty()) send({wire::kTcpAck, request_end, received_to_});
    return;
  }
  const std::string_view text = std::string_view(segment.payload).substr(old_bytes);
  received_to_ += static_cast<uint32_t>(text.size());
  response_ += text;
  const size_t end = response_.find('\n');
  const bool ends = segment.tcp_flags & wire::kTcpFin;
  if (end != std::string::npos) {
    judge_status_line(response_.substr(0, end));
  } else if (response_.size() > kMaxStatusLine) {
    fail("no HTTP status line in the first bytes");
  } else if (ends) {
    fail("connection closed before an HTTP status line");
  } else if (!segment.payload.empty()) {
    send({wire::kTcpAck, request_end, received_to_});
  }
  if (done_) reset();
}

// RFC 9112 §4: HTTP-version SP 3DIGIT SP [reason].
void Conversation::judge_status_line(const std::string& line) {
  const bool shaped = line.size() >= 12 && line.compare(0, 7, "HTTP/1.") == 0 && is_digit(line[7]) && line[8] == ' ' &&
                      is_digit(line[9]) && is_digit(line[10]) && is_digit(line[11]) &&
                      (line.size() == 12 || !is_digit(line[12]));
  if (!shaped) return fail("the answer is not HTTP/1");
  const unsigned status = static_cast<unsigned>((line[9] - '0') * 100 + (line[10] - '0') * 10 + (line[11] - '0'));
  if (status >= check_.status_low && status <= check_.status_high) return succeed();
  fail("HTTP status " + std::to_string(status));
}

std::string Conversation::request() const {
  if (check_.kind != model::HealthCheckKind::kHttp) return "";
  std::string host = check_.host;
  if (host.empty()) {
    if (flow_.remote.is_v6()) host += '[';
    host += flow_.remote.to_string();
    if (flow_.remote.is_v6()) host += ']';
    if (flow_.remote_port != 80) host.append(":").append(std::to_string(flow_.remote_port));
  }
  return "GET " + check_.path + " HTTP/1.1\r\nHost: " + host +
         "\r\nUser-Agent: penstock-health\r\nConnection: close\r\n\r\n";
}

}  // namespace penstock::health
