#include "l7/h1/chunks.h"

#include <algorithm>

#include "l7/http/chars.h"

namespace penstock::h1 {

void Chunks::begin(uint64_t body_limit) {
  *this = Chunks{};
  limit_ = body_limit;
}

Chunks::Step Chunks::next(base::Bytes input) {
  size_t at = 0;
  while (at < input.size() && state_ != State::kDone) {
    if (state_ == State::kData) {
      const size_t size = std::min<uint64_t>(size_, input.size() - at);
      size_ -= size;
      if (size_ == 0) state_ = State::kDataCr;
      return {Got::kData, at + size, input.subspan(at, size)};
    }
    if (!on_frame_byte(static_cast<char>(input[at++]))) return {Got::kRefused, at, {}};
  }
  return {state_ == State::kDone ? Got::kLastChunk : Got::kMore, at, {}};
}

bool Chunks::on_frame_byte(char c) {
  switch (state_) {
    case State::kSize:
    case State::kAfterSize:
      return on_size_byte(c);
    case State::kBeforeSemicolon:
    case State::kBeforeName:
    case State::kName:
    case State::kAfterName:
    case State::kBeforeValue:
    case State::kValue:
    case State::kQuoted:
    case State::kQuotedPair:
    case State::kAfterValue:
      if (++extension_bytes_ > kMaxChunkExtensionBytes) return refuse(Refusal::chunk_extensions_too_large);
      return on_extension_byte(c);
    case State::kSizeLf:
      return c == '\n' ? on_size_line_end() : refuse(Refusal::bare_cr);
    case State::kDataCr:
      state_ = State::kDataLf;
      return c == '\r' || refuse(Refusal::bad_chunk_end);
    case State::kDataLf:
      state_ = State::kSize;
      return c == '\n' || refuse(Refusal::bad_chunk_end);
    case State::kData:
    case State::kDone:
      break;
  }
  return refuse(Refusal::bad_chunk_end);
}

bool Chunks::on_size_byte(char c) {
  if (http::is(c, http::kHexDigit)) {
    if (digits_++ == kMaxChunkSizeDigits) return refuse(Refusal::chunk_size_too_large);
    size_ = size_ << 4 | http::hex_value(c);
    state_ = State::kAfterSize;
    return true;
  }
  if (c == '\n') return refuse(digits_ > 0 ? Refusal::bare_lf : Refusal::bad_chunk_size);
  if (digits_ == 0) return refuse(Refusal::bad_chunk_size);
  if (c == '\r') {
    state_ = State::kSizeLf;
  } else if (c == ';' || http::is_blank(c)) {
    state_ = c == ';' ? State::kBeforeName : State::kBeforeSemicolon;
    ++extension_bytes_;
  } else {
    return refuse(Refusal::bad_chunk_size);
  }
  return true;
}

// *( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] )
bool Chunks::on_extension_byte(char c) {
  const bool blank = http::is_blank(c), token = http::is(c, http::kToken);
  const auto go = [&](bool right, State next) {
    state_ = next;
    return right || refuse(c == '\n' ? Refusal::bare_lf : Refusal::bad_chunk_extension);
  };
  switch (state_) {
    case State::kBeforeSemicolon:
      return blank || go(c == ';', State::kBeforeName);
    case State::kBeforeName:
      return blank || go(token, State::kName);
    case State::kName:
      if (token) return true;
      if (c == '\r') return go(true, State::kSizeLf);
      if (c == '=') return go(true, State::kBeforeValue);
      return go(blank || c == ';', blank ? State::kAfterName : State::kBeforeName);
    case State::kAfterName:
      return blank || go(c == '=' || c == ';', c == '=' ? State::kBeforeValue : State::kBeforeName);
    case State::kBeforeValue:
      if (blank) return true;
      return go(token || c == '"', token ? State::kValue : State::kQuoted);
    case State::kValue:
      if (token) return true;
      if (c == '\r') return go(true, State::kSizeLf);
      return go(blank || c == ';', blank ? State::kBeforeSemicolon : State::kBeforeName);
    case State::kQuoted:
      if (c == '"') return go(true, State::kAfterValue);
      if (c == '\\') return go(true, State::kQuotedPair);
      return go(http::is(c, http::kFieldValue), State::kQuoted);
    case State::kQuotedPair:
      return go(http::is(c, http::kFieldValue), State::kQuoted);
    default:  // kAfterValue
      if (c == '\r') return go(true, State::kSizeLf);
      return go(blank || c == ';', blank ? State::kBeforeSemicolon : State::kBeforeName);
  }
}

bool Chunks::on_size_line_end() {
  if (size_ >> 63) return refuse(Refusal::chunk_size_too_large);
  if (size_ > limit_ - total_) return refuse(Refusal::body_too_large);
  total_ += size_;
  state_ = size_ == 0 ? State::kDone : State::kData;
  digits_ = 0;
  return true;
}

}  // namespace penstock::h1
