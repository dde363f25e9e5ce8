// Compressed content read as slowly as can be: a byte in, a byte out, in memory of the heap. What guard::Inflater says
// of one coding must be the same. And the other way: content compressed in every way that senders know.
#pragma once

#include <zlib.h>

#include <cstdlib>
#include <string>
#include <string_view>

#include "l7/guard/inflater.h"

namespace penstock::guard {

constexpr int kOracleZlib = 15, kOracleBare = -15, kOracleGzip = 15 + 16;  // window bits, as zlib wants them

struct SlowlyInflated {
  Inflated outcome;
  std::string text;
};

inline SlowlyInflated inflate_bytewise(int window_bits, base::Bytes content, bool whole, size_t most) {
  std::string text;
  bool broken = false, between_members = false;
  z_stream stream{};
  if (inflateInit2(&stream, window_bits) != Z_OK) std::abort();
  for (size_t at = 0; at < content.size() && text.size() < most && !broken; ++at) {
    uint8_t in = content[at], byte = 0;
    if (between_members) {
      broken = window_bits != kOracleGzip || in != 0x1f;
      if (broken) break;
      inflateReset(&stream);
    }
    stream.next_in = &in;
    stream.avail_in = 1;
    int result = Z_OK;
    do {
      stream.next_out = &byte;
      stream.avail_out = 1;
      result = inflate(&stream, Z_NO_FLUSH);
      if (stream.avail_out == 0) text += static_cast<char>(byte);
    } while (result == Z_OK && stream.avail_out == 0 && text.size() < most);
    between_members = result == Z_STREAM_END;
    broken = !between_members && result != Z_OK && result != Z_BUF_ERROR;
  }
  inflateEnd(&stream);
  if (text.size() == most) return {Inflated::kFull, text};
  if (broken) return {Inflated::kCorrupt, text};
  if (!whole) return {Inflated::kSparse, text};
  return {between_members ? Inflated::kWhole : Inflated::kCorrupt, text};
}

struct Deflating {
  int window_bits = kOracleGzip;
  int level = 6, memory = 8, strategy = Z_DEFAULT_STRATEGY;
  size_t flush_every = 0;  // bytes of text; 0: never
  size_t member_every = 0;
};

inline std::string deflated(std::string_view text, const Deflating& how = {}) {
  std::string out;
  const size_t member = how.member_every != 0 ? how.member_every : text.size() + 1;
  do {
    std::string_view part = text.substr(0, member);
    text.remove_prefix(part.size());
    z_stream stream{};
    if (deflateInit2(&stream, how.level, Z_DEFLATED, how.window_bits, how.memory, how.strategy) != Z_OK) std::abort();
    const size_t step = how.flush_every != 0 ? how.flush_every : part.size() + 1;
    do {
      const std::string_view piece = part.substr(0, step);
      part.remove_prefix(piece.size());
      stream.next_in = reinterpret_cast<uint8_t*>(const_cast<char*>(piece.data()));
      stream.avail_in = static_cast<unsigned>(piece.size());
      do {
        uint8_t bytes[4096];
        stream.next_out = bytes;
        stream.avail_out = sizeof bytes;
        deflate(&stream, part.empty() ? Z_FINISH : Z_SYNC_FLUSH);
        out.append(reinterpret_cast<char*>(bytes), sizeof bytes - stream.avail_out);
      } while (stream.avail_out == 0);
    } while (!part.empty());
    deflateEnd(&stream);
  } while (!text.empty());
  return out;
}

// Eight blocks that say nothing, each with tables of its own: 90 bytes, that begin and end with a byte.
constexpr std::string_view kEmptyTables(
    "\x04\xc0\x81\x00\x00\x00\x00\x00\x90\xff\x6b\x10\x00\x07\x02\x00\x00\x00\x00\x40\xfe\xaf\x41\x00\x1c\x08\x00\x00"
    "\x00\x00"
    "\x00\xf9\xbf\x06\x01\x70\x20\x00\x00\x00\x00\x00\xe4\xff\x1a\x04\xc0\x81\x00\x00\x00\x00\x00\x90\xff\x6b\x10\x00"
    "\x07\x02"
    "\x00\x00\x00\x00\x40\xfe\xaf\x41\x00\x1c\x08\x00\x00\x00\x00\x00\xf9\xbf\x06\x01\x70\x20\x00\x00\x00\x00\x00\xe4"
    "\xff\x1a",
    90);

// A gzip stream of `size` bytes that goes on with such blocks, behind so much text as costs nearly nothing.
inline std::string with_empty_tables(size_t text, size_t size) {
  // Flushed behind the text, so that the next block begins with a byte; one letter, its end and the trailer go.
  std::string out = deflated(std::string(text, 'a') + 'z', {.level = 9, .flush_every = text});
  out.resize(out.size() - 3 - 8);
  while (out.size() < size) out += kEmptyTables;
  out.resize(size);
  return out;
}

inline base::Bytes bytes_of(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

}  // namespace penstock::guard
