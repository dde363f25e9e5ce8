// Requests from the bytes of one connection, one after the other (RFC 9112).
//
//   begin -> kIdle -> kStartLine -> kFields -> kBody -> kDone -> begin (pipelining: the rest of the input is the next)
//              any -> kRefused                   \-> become_tunnel (after CONNECT or an upgrade was granted)
//
// Pull: next(input) looks at the bytes that are there, says how many it is done with, and gives one event. Whoever does
// not ask keeps the bytes unread. The result does not depend on how the bytes were cut. A refusal is final.
// Memory: 200 bytes; the head, with its arena, is lent by begin() and must live until kEnd and as long as its views are
// used; between messages none is needed. Limits must outlive the parser. Thread: the connection's worker. Time: none:
// header and idle time-outs are the caller's, who can tell by idle() which one runs.
#pragma once

#include "l7/h1/body_reader.h"

namespace penstock::h1 {

class RequestParser {
 public:
  explicit RequestParser(const Limits& limits) : limits_(&limits) {}

  void begin(http::RequestHead& head);
  Step next(base::Bytes input);
  Step on_close();  // the peer will send no more: kClosed between messages, else kRefused
  // The final answer was 101, or 2xx to CONNECT: what follows is no HTTP. After kEnd.
  void become_tunnel();

  bool idle() const;  // no byte of a request has come since begin()
  bool done() const { return state_ == State::kDone; }
  Refusal refusal() const { return refusal_; }
  // After kHead, and more strictly after kEnd: may another request come on this connection, as far as this one goes?
  bool reusable() const { return persistent_ && head_->ambiguity == 0; }

 private:
  enum class State : uint8_t { kStartLine, kFields, kBody, kDone, kTunnel, kRefused };

  Step next_head(base::Bytes input);
  Step next_body(base::Bytes input);
  Step refuse(Refusal refusal, size_t consumed);
  Refusal on_line(http::Slice line, bool& complete);
  Refusal check_pending() const;

  const Limits* limits_;
  http::RequestHead* head_ = nullptr;
  Lines lines_;
  BodyReader body_;
  State state_ = State::kDone;
  Refusal refusal_ = Refusal::kNone;
  bool persistent_ = false;
  uint8_t empty_lines_ = 0;
};

}  // namespace penstock::h1
