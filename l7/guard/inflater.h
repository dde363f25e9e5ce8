// Compressed content as it reads: the codings that Content-Encoding names are taken off again, for an inspection.
//
// gzip (x-gzip) and deflate are inflated by zlib, the last one named first, kMaxCodings of them at most; identity is
// none. deflate is the zlib format (RFC 9110 8.4.1.2), or, where there is no zlib header, the bare stream that some
// mean by it; what begins as both cannot be trusted. gzip may have several members, which read as one text.
//
// Bounds: no more than `most` bytes come out, however many there are: of a bomb that is its beginning, and it costs no
// more than any other text. What goes in is what was held, config::encoded_room(most) bytes, which is more than honest
// encoders need; who needs more for so little content (empty blocks, long headers) hides something, and it is sparse.
// That holds at each point of it, within kSlice: n bytes of text may have taken encoded_room(n). And since a few bits
// may stand for much text, and the tables of a block cost a microsecond however little it says, n bytes of text may
// have taken block_room(n) blocks. Neither of both codings goes on behind that. 64 KiB of text take a few tenths of a
// millisecond, and what is made to cost most about one for each coding.
//
// Memory: two texts, and a block from which zlib takes its state and window, all made with the object; nothing is
// allocated later. Thread: one at a time. Failure: Inflated says why the text is not all that there is to see.
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "base/bytes.h"
#include "l7/config/inspection.h"
#include "l7/http/fields.h"

namespace penstock::guard {

constexpr size_t kMaxCodings = 2;
constexpr size_t kSlice = 1024;  // of input at a time

// What blocks may have come to once there are so many bytes of text. One with tables of its own counts kTables times.
// Encoders make no such block for less than a few hundred bytes, unless they are flushed all the time.
constexpr size_t kTables = 16;
constexpr size_t block_room(size_t bytes) { return 512 + bytes / 8; }

enum class Coding : uint8_t { kGzip, kDeflate };

struct Codings {
  std::array<Coding, kMaxCodings> all;  // in the order in which they were put on
  uint8_t count = 0;
  bool known = true;  // false: another one, or too many
};
// All lines of Content-Encoding together.
Codings codings_of(const http::Fields& fields);

enum class Inflated : uint8_t {
  kWhole,    // all of it
  kFull,     // as much as was asked for
  kUnknown,  // a coding that is not inflated here
  kCorrupt,  // not what Content-Encoding says, broken, broken off, followed by something else, or readable in two ways
  kSparse,   // the input ended before there was as much as asked for, and the content goes on; or it says too little
};
inline bool can_be_trusted(Inflated outcome) { return outcome <= Inflated::kFull; }

struct Inflation {
  Inflated outcome = Inflated::kWhole;
  base::Bytes text;      // of the Inflater, until the next one; what there is of it
  bool twofold = false;  // kCorrupt because it can be read in two ways; the text is one of both

  // For those who asked for so much: whoever asked for more does not change it.
  bool can_be_trusted_for(size_t bytes) const { return can_be_trusted(outcome) || (!twofold && text.size() >= bytes); }
};

class Inflater {
 public:
  // `whole`: the content ends with `content`. `most`: at most config::kMaxInspectedBody.
  Inflation run(const Codings& codings, base::Bytes content, bool whole, size_t most);
  // How often zlib was called by the last run(): for each slice and each block.
  uint32_t calls() const { return calls_; }

 private:
  static constexpr size_t kText = config::encoded_room(config::kMaxInspectedBody);
  static constexpr size_t kBlock = 48 * 1024;  // 7 KiB of state and a window of 32 KiB

  struct Layer {
    Inflated outcome;
    size_t size = 0;
    bool twofold = false;
  };
  Layer take_off(Coding coding, base::Bytes content, bool whole, base::MutableBytes out);
  Layer inflate_all(int window_bits, base::Bytes content, bool whole, base::MutableBytes out);

  std::array<std::unique_ptr<uint8_t[]>, 2> texts_{std::make_unique_for_overwrite<uint8_t[]>(kText),
                                                   std::make_unique_for_overwrite<uint8_t[]>(kText)};
  std::unique_ptr<uint8_t[]> block_ = std::make_unique_for_overwrite<uint8_t[]>(kBlock);
  uint32_t calls_ = 0;
};

}  // namespace penstock::guard
