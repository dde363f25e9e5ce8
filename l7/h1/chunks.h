// Chunked content (RFC 9112 7.1): sizes, extensions, data. One byte of the frame at a time, data in ranges; the input
// may be cut anywhere. Trailers come after it and are lines like those of a head.
//
//   kSize -> kAfterSize -> (kExtension...) -> kSizeLf -> kData -> kDataCr -> kDataLf -> kSize
//                                                    \-> kDone after size 0
//
// Sizes have 1 to 16 hexadecimal digits and stay below 2^63. Extensions are checked, bounded and dropped; they may be
// dropped by any recipient (7.1.1). Memory: none but its own; data is a view of the input.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "l7/h1/limits.h"
#include "l7/h1/refusal.h"

namespace penstock::h1 {

class Chunks {
 public:
  enum class Got : uint8_t { kMore, kData, kLastChunk, kRefused };
  struct Step {
    Got got;
    size_t consumed;
    base::Bytes data;
  };

  void begin(uint64_t body_limit);
  Step next(base::Bytes input);
  Refusal refusal() const { return refusal_; }
  bool saw_extension() const { return extension_bytes_ > 0; }

 private:
  enum class State : uint8_t {
    kSize,
    kAfterSize,        // the size may go on, or ";" or CR
    kBeforeSemicolon,  // blanks: only ";" may follow
    kBeforeName,       // after ";"
    kName,
    kAfterName,    // blanks: "=" or ";"
    kBeforeValue,  // after "="
    kValue,        // token
    kQuoted,
    kQuotedPair,
    kAfterValue,  // closed quotes: blanks, ";" or CR
    kSizeLf,
    kData,
    kDataCr,
    kDataLf,
    kDone
  };

  bool on_frame_byte(char c);  // false: refused
  bool on_size_byte(char c);
  bool on_extension_byte(char c);
  bool on_size_line_end();
  bool refuse(Refusal refusal) {
    refusal_ = refusal;
    return false;
  }

  uint64_t size_ = 0;   // of the chunk, while its line is read; then what is left of it
  uint64_t total_ = 0;  // of all chunks so far
  uint64_t limit_ = 0;
  uint32_t extension_bytes_ = 0;
  State state_ = State::kSize;
  uint8_t digits_ = 0;
  Refusal refusal_ = Refusal::kNone;
};

}  // namespace penstock::h1
