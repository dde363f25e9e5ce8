// A client's connection, and the HTTP/1 message under way on it, as the exchange speaks to it.
//
//   kOpen -> kLingering (the last answer is out; what still comes is thrown away) -> released
//
// DownstreamSession: what is kept of each connection, idle ones included. DownstreamStream: what a request needs while
// it is under way; it lives in the exchange.
#pragma once

#include "l7/h1/request_parser.h"
#include "l7/proxy/codec.h"
#include "l7/proxy_protocol/proxy_protocol.h"

namespace penstock::proxy {

struct DownstreamSession {
  enum class State : uint8_t { kOpen, kLingering };

  uint32_t connection = kNone;
  uint32_t exchange = kNone;
  uint32_t listener = kNone;  // slot
  State state = State::kOpen;
  bool dead = false;      // the transport said kEnded
  bool draining = false;  // the next answer is the last
  bool tcp = false;
  bool awaits_header = false;  // of the PROXY protocol, before anything else
  uint32_t served = 0;
  base::Nanos until = 0;               // idle or lingering: closed then
  proxy_protocol::Endpoints origin{};  // who is at the other end, as far as anybody says
};

class DownstreamStream {
 public:
  DownstreamStream() : parser_(limits_) {}
  DownstreamStream(const DownstreamStream&) = delete;
  DownstreamStream& operator=(const DownstreamStream&) = delete;

  // A listener that changes or goes leaves the request its limits.
  void begin(http::RequestHead& head, const h1::Limits& limits) {
    limits_ = limits;
    parser_.begin(head);
  }

  template <Net N>
  h1::Step next(N& net, uint32_t id, size_t room, bool dead, base::Nanos now) {
    return next_step(parser_, net, id, room, dead, now);
  }

  // An answer's head is sent whole or not at all.
  template <Net N>
  Sent send_head(N& net, uint32_t id, const http::ResponseHead& head, const h1::ResponseOut& how, base::Nanos now,
                 base::MutableBytes scratch) {
    const h1::Encoded encoded = h1::encode_response(head, how, scratch);
    const Sent sent = write_whole(net, id, scratch.first(encoded.size), now);
    if (sent != Sent::kAll || http::is_interim(head.status)) return sent;
    out.begin(encoded.framing, head.content.length);
    until_close = encoded.framing == h1::OutFraming::kUntilClose;
    return sent;
  }

  bool idle() const { return parser_.idle(); }  // no byte of a request has come
  bool reusable() const { return parser_.reusable(); }
  h1::Refusal refusal() const { return parser_.refusal(); }
  const h1::Limits& limits() const { return limits_; }
  void become_tunnel() { parser_.become_tunnel(); }

  ContentOut out;
  bool until_close = false;  // only the end of the connection ends the answer

 private:
  h1::Limits limits_;
  h1::RequestParser parser_;
};

}  // namespace penstock::proxy
