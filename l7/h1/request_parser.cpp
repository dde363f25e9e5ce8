#include "l7/h1/request_parser.h"

#include "l7/h1/field_line.h"
#include "l7/h1/start_line.h"

namespace penstock::h1 {

void RequestParser::begin(http::RequestHead& head) {
  head.clear();
  head_ = &head;
  lines_.begin(head.arena);
  state_ = State::kStartLine;
  refusal_ = Refusal::kNone;
  persistent_ = false;
  empty_lines_ = 0;
}

bool RequestParser::idle() const { return state_ == State::kStartLine && lines_.pending() == 0; }

void RequestParser::become_tunnel() {
  body_.become_tunnel();
  state_ = State::kTunnel;
}

Step RequestParser::next(base::Bytes input) {
  switch (state_) {
    case State::kStartLine:
    case State::kFields:
      return next_head(input);
    case State::kBody:
      return next_body(input);
    case State::kDone:
      return {Event::kMore};
    case State::kTunnel:
      return input.empty() ? Step{Event::kMore} : Step{Event::kTunnel, input.size(), input};
    case State::kRefused:
      break;
  }
  return {Event::kRefused};
}

Step RequestParser::next_head(base::Bytes input) {
  for (size_t at = 0; at < input.size();) {
    const size_t taken = lines_.take(input.subspan(at));
    if (taken == 0) return refuse(Refusal::fields_too_large, at);
    at += taken;
    http::Slice line;
    while (lines_.next(line)) {
      bool complete = false;
      if (const Refusal refusal = on_line(line, complete); refusal != Refusal::kNone) return refuse(refusal, at);
      if (!complete) continue;
      at -= lines_.give_back();
      Framing framing;
      if (const Refusal refusal = finish_request(*limits_, *head_, framing); refusal != Refusal::kNone)
        return refuse(refusal, at);
      persistent_ = framing.persistent;
      body_.begin(framing.body, head_->content.length, *limits_, head_->arena, head_->trailers);
      state_ = State::kBody;
      return {Event::kHead, at};
    }
    if (const Refusal refusal = check_pending(); refusal != Refusal::kNone) return refuse(refusal, at);
  }
  return {Event::kMore, input.size()};
}

Refusal RequestParser::on_line(http::Slice line, bool& complete) {
  const bool empty = head_->arena.view(line) == "\r";
  if (state_ == State::kStartLine) {
    if (line.size > limits_->head.target_bytes + kRequestLineFrame + 1) return Refusal::target_too_long;
    if (empty && empty_lines_++ < kMaxLeadingEmptyLines) return Refusal::kNone;
    state_ = State::kFields;
    lines_.begin_section();
    return parse_request_line(line, *limits_, *head_);
  }
  if (lines_.section_bytes() > limits_->head.field_bytes) return Refusal::fields_too_large;
  complete = empty;
  return empty ? Refusal::kNone : parse_field_line(line, head_->arena, limits_->head.field_count, head_->fields);
}

// What no line end that may still come can put right. Says the same as on_line() of the whole line would.
Refusal RequestParser::check_pending() const {
  if (state_ == State::kStartLine)
    return lines_.pending() > limits_->head.target_bytes + kRequestLineFrame + 1 ? Refusal::target_too_long
                                                                                 : Refusal::kNone;
  return lines_.section_bytes() + lines_.pending() >= limits_->head.field_bytes ? Refusal::fields_too_large
                                                                                : Refusal::kNone;
}

Step RequestParser::next_body(base::Bytes input) {
  const Step step = body_.next(input);
  if (step.event == Event::kRefused) return refuse(body_.refusal(), step.consumed);
  if (step.event == Event::kEnd) {
    state_ = State::kDone;
    if (body_.saw_chunk_extension()) head_->ambiguity |= http::kChunkExtension;
  }
  return step;
}

Step RequestParser::on_close() {
  if (idle() || state_ == State::kDone || state_ == State::kTunnel) return {Event::kClosed};
  return state_ == State::kRefused ? Step{Event::kRefused} : refuse(Refusal::truncated, 0);
}

Step RequestParser::refuse(Refusal refusal, size_t consumed) {
  state_ = State::kRefused;
  refusal_ = refusal;
  persistent_ = false;
  return {Event::kRefused, consumed};
}

}  // namespace penstock::h1
