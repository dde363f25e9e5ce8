#include "l7/h1/response_parser.h"

#include "l7/h1/field_line.h"
#include "l7/h1/start_line.h"

namespace penstock::h1 {

void ResponseParser::begin(http::ResponseHead& head, const Asked& asked) {
  head_ = &head;
  asked_ = asked;
  refusal_ = Refusal::kNone;
  persistent_ = false;
  interim_ = 0;
  interim_ambiguity_ = 0;
  begin_head();
}

void ResponseParser::begin_head() {
  head_->clear();
  lines_.begin(head_->arena);
  state_ = State::kStatusLine;
}

bool ResponseParser::idle() const { return state_ == State::kStatusLine && lines_.pending() == 0 && interim_ == 0; }

Step ResponseParser::next(base::Bytes input) {
  switch (state_) {
    case State::kInterim:
      begin_head();
      return next_head(input);
    case State::kStatusLine:
    case State::kFields:
      return next_head(input);
    case State::kBody:
      return next_body(input);
    case State::kDone:
      return {Event::kMore};
    case State::kTunnel:
      return body_.next(input);
    case State::kRefused:
      break;
  }
  return {Event::kRefused};
}

Step ResponseParser::next_head(base::Bytes input) {
  for (size_t at = 0; at < input.size();) {
    const size_t taken = lines_.take(input.subspan(at));
    if (taken == 0) return refuse(Refusal::fields_too_large, at);
    at += taken;
    http::Slice line;
    while (lines_.next(line)) {
      bool complete = false;
      if (const Refusal refusal = on_line(line, complete); refusal != Refusal::kNone) return refuse(refusal, at);
      if (complete) return on_head(at - lines_.give_back());
    }
    if (const Refusal refusal = check_pending(); refusal != Refusal::kNone) return refuse(refusal, at);
  }
  return {Event::kMore, input.size()};
}

Step ResponseParser::on_head(size_t consumed) {
  Framing framing;
  const Refusal refusal = finish_response(asked_, *limits_, *head_, framing);
  if (refusal != Refusal::kNone) return refuse(refusal, consumed);
  head_->ambiguity |= interim_ambiguity_;
  if (http::is_interim(head_->status) && framing.body != BodyKind::kTunnel) {
    if (++interim_ > kMaxInterimResponses) return refuse(Refusal::too_many_interim_responses, consumed);
    interim_ambiguity_ = head_->ambiguity;
    state_ = State::kInterim;
    return {Event::kInterim, consumed};
  }
  persistent_ = framing.persistent;
  body_.begin(framing.body, head_->content.length, *limits_, head_->arena, head_->trailers);
  state_ = framing.body == BodyKind::kTunnel ? State::kTunnel : State::kBody;
  return {Event::kHead, consumed};
}

Refusal ResponseParser::on_line(http::Slice line, bool& complete) {
  if (state_ == State::kStatusLine) {
    if (line.size > kMaxStatusLineBytes) return Refusal::status_line_too_long;
    state_ = State::kFields;
    lines_.begin_section();
    return parse_status_line(line, *head_);
  }
  if (lines_.section_bytes() > limits_->head.field_bytes) return Refusal::fields_too_large;
  complete = head_->arena.view(line) == "\r";
  return complete ? Refusal::kNone : parse_field_line(line, head_->arena, limits_->head.field_count, head_->fields);
}

Refusal ResponseParser::check_pending() const {
  if (state_ == State::kStatusLine)
    return lines_.pending() > kMaxStatusLineBytes ? Refusal::status_line_too_long : Refusal::kNone;
  return lines_.section_bytes() + lines_.pending() >= limits_->head.field_bytes ? Refusal::fields_too_large
                                                                                : Refusal::kNone;
}

Step ResponseParser::next_body(base::Bytes input) {
  const Step step = body_.next(input);
  if (step.event == Event::kRefused) return refuse(body_.refusal(), step.consumed);
  if (step.event == Event::kEnd) {
    state_ = State::kDone;
    if (body_.saw_chunk_extension()) head_->ambiguity |= http::kChunkExtension;
  }
  return step;
}

Step ResponseParser::on_close() {
  if (idle() || state_ == State::kDone || state_ == State::kTunnel) return {Event::kClosed};
  if (state_ == State::kRefused) return {Event::kRefused};
  if (state_ != State::kBody) return refuse(Refusal::truncated, 0);
  const Step step = body_.on_close();
  if (step.event == Event::kRefused) return refuse(body_.refusal(), 0);
  state_ = State::kDone;
  return step;
}

Step ResponseParser::refuse(Refusal refusal, size_t consumed) {
  state_ = State::kRefused;
  refusal_ = refusal;
  persistent_ = false;
  return {Event::kRefused, consumed};
}

}  // namespace penstock::h1
