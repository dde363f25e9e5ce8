// Bytes of one stream direction in chunks from a shared pool: memory is held only where bytes are.
//
// Positions are 64-bit offsets from the first byte of the stream. A chunk covers one aligned section of the stream, so
// bytes that arrive out of order go straight to their place and a chain never holds more than the window plus one
// chunk. Which bytes are valid is the caller's knowledge (received ranges; acknowledged and written offsets). Failure:
// write() stores fewer bytes than asked when the pool is empty. One thread.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bytes.h"
#include "l7/tcp/chunk_pool.h"

namespace penstock::tcp {

class Chain {
 public:
  // Stores bytes at `offset`; returns how many were stored.
  size_t write(ChunkPool& pool, uint64_t offset, base::Bytes bytes);
  // Up to `max_pieces` ranges that hold [offset, offset + length); returns the bytes covered. They must have been
  // written.
  size_t read(const ChunkPool& pool, uint64_t offset, size_t length, base::Bytes* pieces, size_t max_pieces,
              size_t& piece_count) const;
  // Gives back chunks that end at or before `offset`.
  void release_before(ChunkPool& pool, uint64_t offset);
  void clear(ChunkPool& pool);
  bool empty() const { return head_ == kNone; }

 private:
  // The last chunk that starts at or before `start`; kNone when all start behind it.
  uint32_t find(const ChunkPool& pool, uint64_t start) const;
  uint32_t find_or_insert(ChunkPool& pool, uint64_t start);

  uint32_t head_ = kNone;
  uint32_t tail_ = kNone;
  mutable uint32_t hint_ = kNone;  // where the last search ended: senders and readers move forward
};

}  // namespace penstock::tcp
