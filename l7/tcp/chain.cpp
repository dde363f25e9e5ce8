#include "l7/tcp/chain.h"

#include <algorithm>
#include <cstring>

namespace penstock::tcp {

uint32_t Chain::find(const ChunkPool& pool, uint64_t start) const {
  if (tail_ != kNone && pool.at(tail_).start <= start) return tail_;
  if (head_ == kNone || pool.at(head_).start > start) return kNone;
  uint32_t at = hint_ != kNone && pool.at(hint_).start <= start ? hint_ : head_;
  for (uint32_t next = pool.at(at).next; next != kNone && pool.at(next).start <= start; next = pool.at(at).next) {
    at = next;
  }
  hint_ = at;
  return at;
}

uint32_t Chain::find_or_insert(ChunkPool& pool, uint64_t start) {
  const uint32_t before = find(pool, start);
  if (before != kNone && pool.at(before).start == start) return before;
  const uint32_t fresh = pool.take();
  if (fresh == kNone) return kNone;
  Chunk& chunk = pool.at(fresh);
  chunk.start = start;
  chunk.next = before == kNone ? head_ : pool.at(before).next;
  (before == kNone ? head_ : pool.at(before).next) = fresh;
  if (chunk.next == kNone) tail_ = fresh;
  return fresh;
}

size_t Chain::write(ChunkPool& pool, uint64_t offset, base::Bytes bytes) {
  size_t done = 0;
  while (done < bytes.size()) {
    const size_t inside = static_cast<size_t>(offset % kChunkBytes);
    const uint32_t index = find_or_insert(pool, offset - inside);
    if (index == kNone) break;
    const size_t count = std::min(bytes.size() - done, kChunkBytes - inside);
    std::memcpy(pool.bytes(index) + inside, bytes.data() + done, count);
    done += count;
    offset += count;
  }
  return done;
}

size_t Chain::read(const ChunkPool& pool, uint64_t offset, size_t length, base::Bytes* pieces, size_t max_pieces,
                   size_t& piece_count) const {
  piece_count = 0;
  size_t done = 0;
  uint32_t index = length == 0 ? kNone : find(pool, offset);
  while (index != kNone && done < length && piece_count < max_pieces) {
    const Chunk& chunk = pool.at(index);
    const uint64_t inside = offset - chunk.start;
    if (inside >= kChunkBytes) break;
    const size_t count = std::min(length - done, kChunkBytes - static_cast<size_t>(inside));
    pieces[piece_count++] = {pool.bytes(index) + inside, count};
    done += count;
    offset += count;
    index = chunk.next;
  }
  return done;
}

void Chain::release_before(ChunkPool& pool, uint64_t offset) {
  while (head_ != kNone && pool.at(head_).start + kChunkBytes <= offset) {
    const uint32_t next = pool.at(head_).next;
    if (hint_ == head_) hint_ = kNone;
    pool.give(head_);
    head_ = next;
  }
  if (head_ == kNone) tail_ = kNone;
}

void Chain::clear(ChunkPool& pool) {
  while (head_ != kNone) {
    const uint32_t next = pool.at(head_).next;
    pool.give(head_);
    head_ = next;
  }
  tail_ = hint_ = kNone;
}

}  // namespace penstock::tcp
