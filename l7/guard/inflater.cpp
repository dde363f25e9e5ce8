#include "l7/guard/inflater.h"

#include <zlib.h>

#include <algorithm>
#include <string_view>

#include "l7/http/chars.h"

namespace penstock::guard {

namespace {

constexpr int kZlib = 15, kBare = -15, kGzip = 15 + 16;  // what zlib calls window bits

constexpr int kBetweenBlocks = 128;  // in data_type

// What zlib asks for while one stream is inflated.
struct Block {
  uint8_t* bytes;
  size_t size, used = 0;

  static void* allocate(void* self, unsigned items, unsigned size) {
    Block& block = *static_cast<Block*>(self);
    const size_t wanted = (size_t{items} * size + 15) & ~size_t{15};
    if (wanted > block.size - block.used) return nullptr;
    void* at = block.bytes + block.used;
    block.used += wanted;
    return at;
  }
  static void release(void*, void*) {}  // all at once, when the stream is over
};

bool has_zlib_header(base::Bytes content) {
  return content.size() >= 2 && (content[0] & 0x0f) == 8 && content[0] >> 4 <= 7 &&
         (content[0] << 8 | content[1]) % 31 == 0;
}

// A zlib header is, to those who expect none, a stored block, if its length is there twice.
bool is_stored_too(base::Bytes content) {
  return content.size() >= 5 && (content[1] ^ content[3]) == 0xff && (content[2] ^ content[4]) == 0xff;
}

// zlib stands before a block (or behind the last one, where this says nothing): whether it brings tables. Its first
// three bits are those that zlib has not used of the last byte, and the next byte's.
bool has_tables(const z_stream& stream, const uint8_t* end) {
  const unsigned unused = static_cast<unsigned>(stream.data_type) & 7;
  unsigned bits = unused != 0 ? stream.next_in[-1] >> (8 - unused) : 0;
  if (stream.next_in != end) bits |= static_cast<unsigned>(*stream.next_in) << unused;
  return (bits >> 1 & 3) == 2;
}

void add_coding(std::string_view name, Codings& out) {
  if (name.empty() || http::equals_lower(name, "identity")) return;
  const bool gzip = http::equals_lower(name, "gzip") || http::equals_lower(name, "x-gzip");
  out.known &= (gzip || http::equals_lower(name, "deflate")) && out.count < kMaxCodings;
  if (out.known) out.all[out.count++] = gzip ? Coding::kGzip : Coding::kDeflate;
}

}  // namespace

Codings codings_of(const http::Fields& fields) {
  Codings out;
  const http::Field* field = fields.find(http::FieldId::kContentEncoding);
  for (; field != nullptr; field = fields.find(http::FieldId::kContentEncoding, field + 1)) {
    http::for_each_element(fields.value(*field), [&out](std::string_view name) { add_coding(name, out); });
  }
  return out;
}

Inflation Inflater::run(const Codings& codings, base::Bytes content, bool whole, size_t most) {
  Inflation out;
  calls_ = 0;
  if (!codings.known) return {Inflated::kUnknown, {}};
  if (codings.count == 0) return out;
  out.text = content;
  size_t which = 0;
  for (size_t left = codings.count; left-- != 0; which ^= 1) {
    // What is inside another coding is held no further than content itself.
    const size_t room = left == 0 ? most : config::encoded_room(static_cast<uint32_t>(most));
    const Layer layer = take_off(codings.all[left], out.text, whole, {texts_[which].get(), room});
    whole &= layer.outcome == Inflated::kWhole;
    out.text = {texts_[which].get(), layer.size};
    out.twofold |= layer.twofold;
    if (left == 0 && layer.outcome == Inflated::kFull && !out.twofold) return {Inflated::kFull, out.text};
    // The fault of a coding is the first one's that there is; that there was more room inside is none.
    if (can_be_trusted(out.outcome)) out.outcome = layer.outcome;
  }
  return out;
}

Inflater::Layer Inflater::take_off(Coding coding, base::Bytes content, bool whole, base::MutableBytes out) {
  if (coding == Coding::kGzip) return inflate_all(kGzip, content, whole, out);
  if (!has_zlib_header(content)) return inflate_all(kBare, content, whole, out);
  const bool twofold = is_stored_too(content) && inflate_all(kBare, content, whole, out).outcome != Inflated::kCorrupt;
  const Layer layer = inflate_all(kZlib, content, whole, out);
  return {twofold ? Inflated::kCorrupt : layer.outcome, layer.size, twofold};
}

Inflater::Layer Inflater::inflate_all(int window_bits, base::Bytes content, bool whole, base::MutableBytes out) {
  Block block{block_.get(), kBlock};
  z_stream stream{};
  stream.zalloc = Block::allocate;
  stream.zfree = Block::release;
  stream.opaque = &block;
  if (inflateInit2(&stream, window_bits) != Z_OK) return {Inflated::kCorrupt};
  stream.next_in = const_cast<uint8_t*>(content.data());  // zlib only reads
  stream.next_out = out.data();
  stream.avail_out = static_cast<unsigned>(out.size());
  const uint8_t* const end = content.data() + content.size();
  size_t blocks = 0;
  const auto ended = [&](Inflated outcome) { return Layer{outcome, out.size() - stream.avail_out}; };
  for (;;) {
    if (stream.avail_in == 0)
      stream.avail_in = static_cast<unsigned>(std::min(kSlice, static_cast<size_t>(end - stream.next_in)));
    const int result = inflate(&stream, Z_BLOCK);
    ++calls_;
    if (stream.avail_out == 0) return ended(Inflated::kFull);
    if (result == Z_STREAM_END) {
      if (stream.next_in == end) return ended(whole ? Inflated::kWhole : Inflated::kSparse);
      // Another member, or what no reader of this coding expects.
      if (window_bits != kGzip || *stream.next_in != 0x1f) return ended(Inflated::kCorrupt);
      inflateReset(&stream);
    } else if (result != Z_OK) {
      return ended(result == Z_BUF_ERROR && !whole ? Inflated::kSparse : Inflated::kCorrupt);
    } else if ((stream.data_type & kBetweenBlocks) != 0) {
      blocks += has_tables(stream, end) ? kTables : 1;
    }
    const size_t text = out.size() - stream.avail_out;
    const auto taken = static_cast<size_t>(stream.next_in - content.data());
    if (taken > config::encoded_room(static_cast<uint32_t>(text)) || blocks > block_room(text))
      return ended(Inflated::kSparse);
  }
}

}  // namespace penstock::guard
