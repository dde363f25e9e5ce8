// The content after a head, up to its end: by length, in chunks with trailers, or until the connection closes
// (RFC 9112 6.3). Used by both parsers. Data is a view of the input; trailers go into the arena of the message.
#pragma once

#include "l7/h1/chunks.h"
#include "l7/h1/framing.h"
#include "l7/h1/lines.h"
#include "l7/h1/step.h"

namespace penstock::h1 {

class BodyReader {
 public:
  // For a message whose head is complete. The arena and the fields belong to that head.
  void begin(BodyKind kind, uint64_t length, const Limits& limits, http::Arena& arena, http::Fields& trailers);
  void become_tunnel() { kind_ = BodyKind::kTunnel; }

  Step next(base::Bytes input);  // kContent, kTunnel, kEnd (once; then kMore), kMore or kRefused
  Step on_close();               // kEnd where closing ends the content, kClosed for a tunnel, else kRefused
  bool done() const { return done_; }
  bool saw_chunk_extension() const { return kind_ == BodyKind::kChunked && chunks_.saw_extension(); }
  Refusal refusal() const { return refusal_; }

 private:
  Step end(size_t consumed) {
    done_ = true;
    return {Event::kEnd, consumed};
  }
  Step refuse(Refusal refusal, size_t consumed) {
    refusal_ = refusal;
    return {Event::kRefused, consumed};
  }
  Step next_counted(base::Bytes input);
  Step next_chunked(base::Bytes input);
  Step next_trailer(base::Bytes input, size_t consumed);
  Refusal on_trailer_line(http::Slice line);

  const Limits* limits_ = nullptr;
  http::Arena* arena_ = nullptr;
  http::Fields* trailers_ = nullptr;
  uint64_t left_ = 0;  // kLength: bytes to come; kUntilClose: bytes that may come
  Chunks chunks_;
  Lines lines_;
  BodyKind kind_ = BodyKind::kNone;
  bool in_trailers_ = false;
  bool done_ = false;
  Refusal refusal_ = Refusal::kNone;
};

}  // namespace penstock::h1
