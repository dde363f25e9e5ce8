// Responses from the bytes of one connection to a server, as strictly as requests (RFC 9112).
//
//   begin(asked) -> kIdle -> kStatusLine -> kFields -> kBody -> kDone -> begin
//                              \<- 1xx ------/ |  \-> kTunnel (101, or 2xx to CONNECT)
//                     any -> kRefused
//
// A response means nothing without its request: begin() says what was asked. After kInterim the head holds the 1xx
// response until the next call. Bytes that come before begin() are no response: who finds some on an idle connection
// closes it. Everything else as in request_parser.h.
#pragma once

#include "l7/h1/body_reader.h"

namespace penstock::h1 {

class ResponseParser {
 public:
  explicit ResponseParser(const Limits& limits) : limits_(&limits) {}

  void begin(http::ResponseHead& head, const Asked& asked);
  Step next(base::Bytes input);
  // The server will send no more: kClosed if no byte of a response came (the request may be tried elsewhere), kEnd
  // where that ends the content, else kRefused.
  Step on_close();

  bool idle() const;
  bool done() const { return state_ == State::kDone; }
  bool tunnel() const { return state_ == State::kTunnel; }
  Refusal refusal() const { return refusal_; }
  bool reusable() const { return persistent_ && head_->ambiguity == 0; }

 private:
  enum class State : uint8_t { kStatusLine, kFields, kInterim, kBody, kDone, kTunnel, kRefused };

  void begin_head();
  Step next_head(base::Bytes input);
  Step on_head(size_t consumed);
  Step next_body(base::Bytes input);
  Step refuse(Refusal refusal, size_t consumed);
  Refusal on_line(http::Slice line, bool& complete);
  Refusal check_pending() const;

  const Limits* limits_;
  http::ResponseHead* head_ = nullptr;
  Asked asked_;
  Lines lines_;
  BodyReader body_;
  State state_ = State::kDone;
  Refusal refusal_ = Refusal::kNone;
  bool persistent_ = false;
  uint8_t interim_ = 0;
  uint16_t interim_ambiguity_ = 0;  // an ambiguous 1xx makes its connection as doubtful as an ambiguous final response
};

}  // namespace penstock::h1
