// A connection to an endpoint, and the HTTP/1 message under way on it, as the exchange speaks to it.
//
//   kConnecting -> kBusy <-> kIdle        kMirror: a copy of a request, whose answer is thrown away
//   kAhead -> kIdle: connecting, before anybody needs it
//   kBusy <-> kAside: its exchange tries another one meanwhile
//
// UpstreamSession: what is kept of each connection. UpstreamStream: what a request needs while it is under way; it
// lives in the exchange. Both know numbers of connections, never bytes of another one.
#pragma once

#include <optional>

#include "l7/h1/response_parser.h"
#include "l7/proxy/codec.h"

namespace penstock::proxy {

struct UpstreamSession {
  enum class State : uint8_t { kConnecting, kBusy, kIdle, kMirror, kAhead, kAside };

  uint32_t connection = kNone;
  uint32_t exchange = kNone;
  uint32_t cluster = kNone, endpoint = kNone;  // slots
  base::IpAddress address;
  uint16_t port = 0;
  State state = State::kConnecting;
  bool dead = false;                        // the transport said kEnded
  bool vanished = false;                    // the configuration does not have the endpoint any more: not used again
  bool introduced = false;                  // as one client's, by a header of the PROXY protocol: not another's
  uint32_t served = 0;                      // requests
  base::Nanos until = 0;                    // kIdle, kMirror and kAhead: closed then
  base::Nanos expires = 0;                  // no request begins on it from then on; 0: never
  uint32_t older = kNone, newer = kNone;    // idle ones of the cluster
  uint32_t previous = kNone, next = kNone;  // idle ones of the endpoint; previous is the newer
};

class UpstreamStream {
 public:
  explicit UpstreamStream(const h1::Limits& limits) : parser_(limits) {}

  // The request is sent whole or not at all.
  template <Net N>
  Sent send_head(N& net, uint32_t id, const http::RequestHead& head, const h1::RequestOut& how, base::Nanos now,
                 base::MutableBytes scratch) {
    const h1::Encoded encoded = h1::encode_request(head, how, scratch);
    const Sent sent = write_whole(net, id, scratch.first(encoded.size), now);
    if (sent == Sent::kAll) out.begin(encoded.framing, head.content.length);
    return sent;
  }
  void expect(http::ResponseHead& head, http::Method method, bool upgrade) { parser_.begin(head, {method, upgrade}); }

  template <Net N>
  h1::Step next(N& net, uint32_t id, size_t room, bool dead, base::Nanos now) {
    return next_step(parser_, net, id, room, dead, now);
  }

  bool answered_nothing() const { return parser_.idle(); }
  bool reusable() const { return parser_.reusable(); }
  bool tunnel() const { return parser_.tunnel(); }
  h1::Refusal refusal() const { return parser_.refusal(); }

  ContentOut out;

 private:
  h1::ResponseParser parser_;
};

}  // namespace penstock::proxy
