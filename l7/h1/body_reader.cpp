#include "l7/h1/body_reader.h"

#include <algorithm>

#include "l7/h1/field_line.h"

namespace penstock::h1 {

void BodyReader::begin(BodyKind kind, uint64_t length, const Limits& limits, http::Arena& arena,
                       http::Fields& trailers) {
  limits_ = &limits;
  arena_ = &arena;
  trailers_ = &trailers;
  kind_ = kind;
  left_ = kind == BodyKind::kLength ? length : limits.head.body_bytes;
  in_trailers_ = done_ = false;
  refusal_ = Refusal::kNone;
  if (kind == BodyKind::kChunked) chunks_.begin(limits.head.body_bytes);
}

Step BodyReader::next(base::Bytes input) {
  if (done_) return {Event::kMore};
  switch (kind_) {
    case BodyKind::kNone:
      return end(0);
    case BodyKind::kLength:
    case BodyKind::kUntilClose:
      return next_counted(input);
    case BodyKind::kChunked:
      return in_trailers_ ? next_trailer(input, 0) : next_chunked(input);
    case BodyKind::kTunnel:
      break;
  }
  return input.empty() ? Step{Event::kMore} : Step{Event::kTunnel, input.size(), input};
}

Step BodyReader::next_counted(base::Bytes input) {
  if (kind_ == BodyKind::kLength && left_ == 0) return end(0);
  if (input.empty()) return {Event::kMore};
  if (left_ == 0) return refuse(Refusal::body_too_large, 0);
  const size_t size = std::min<uint64_t>(left_, input.size());
  left_ -= size;
  return {Event::kContent, size, input.first(size)};
}

Step BodyReader::next_chunked(base::Bytes input) {
  const Chunks::Step step = chunks_.next(input);
  switch (step.got) {
    case Chunks::Got::kMore:
      return {Event::kMore, step.consumed};
    case Chunks::Got::kData:
      return {Event::kContent, step.consumed, step.data};
    case Chunks::Got::kRefused:
      return refuse(chunks_.refusal(), step.consumed);
    case Chunks::Got::kLastChunk:
      break;
  }
  in_trailers_ = true;
  lines_.begin(*arena_);
  return next_trailer(input.subspan(step.consumed), step.consumed);
}

Step BodyReader::next_trailer(base::Bytes input, size_t consumed) {
  for (size_t at = 0;;) {
    const size_t taken = lines_.take(input.subspan(at));
    if (taken == 0 && at < input.size()) return refuse(Refusal::fields_too_large, consumed + at);  // arena is full
    at += taken;
    http::Slice line;
    while (lines_.next(line)) {
      if (lines_.section_bytes() > limits_->head.trailer_bytes) return refuse(Refusal::fields_too_large, consumed + at);
      const std::string_view text = arena_->view(line);
      if (text == "\r") return end(consumed + at - lines_.give_back());
      if (const Refusal refusal = on_trailer_line(line); refusal != Refusal::kNone)
        return refuse(refusal, consumed + at);
    }
    if (lines_.section_bytes() + lines_.pending() >= limits_->head.trailer_bytes)
      return refuse(Refusal::fields_too_large, consumed + at);
    if (at == input.size()) return {Event::kMore, consumed + at};
  }
}

Refusal BodyReader::on_trailer_line(http::Slice line) {
  const Refusal refusal = parse_field_line(line, *arena_, limits_->head.field_count, *trailers_);
  if (refusal != Refusal::kNone) return refusal;
  const http::FieldId id = trailers_->at(trailers_->size() - 1).id;
  return forbidden_in_trailers(id) ? Refusal::forbidden_trailer : Refusal::kNone;
}

Step BodyReader::on_close() {
  if (done_ || kind_ == BodyKind::kTunnel) return {Event::kClosed};
  if (kind_ == BodyKind::kUntilClose) return end(0);
  return refuse(Refusal::truncated, 0);
}

}  // namespace penstock::h1
