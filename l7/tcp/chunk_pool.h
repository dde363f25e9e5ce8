// Chunks of stream bytes by number, up to a limit that is configuration: their bytes in large blocks, what links them
// beside those and close together, since a link at the head of each 2 KiB would always meet the same few cache lines.
//
// Memory: blocks are taken from the heap when first needed and kept, in pages of 2 MiB where the system has them.
// Failure: take() is kNone when `capacity` chunks are taken or the heap has no more. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "l7/tcp/pool.h"

namespace penstock::tcp {

constexpr size_t kChunkBytes = 2048;  // one Ethernet segment, or a small request

struct Chunk {
  uint64_t start;  // stream offset of the first byte, a multiple of kChunkBytes
  uint32_t next;
};

class ChunkPool {
 public:
  explicit ChunkPool(uint32_t capacity);

  uint32_t take() {
    const uint32_t index = links_.take();
    if (index == kNone || index / kBlockChunks < blocks_.size() || grow()) return index;
    links_.give(index);
    return kNone;
  }
  void give(uint32_t index) { links_.give(index); }

  Chunk& at(uint32_t index) { return links_.at(index); }
  const Chunk& at(uint32_t index) const { return links_.at(index); }
  uint8_t* bytes(uint32_t index) const {
    return blocks_[index / kBlockChunks].get() + index % kBlockChunks * kChunkBytes;
  }
  uint32_t taken() const { return links_.taken(); }
  uint32_t capacity() const { return links_.capacity(); }
  uint32_t available() const { return links_.available(); }

 private:
  static constexpr size_t kBlockBytes = size_t{2} << 20;
  static constexpr uint32_t kBlockChunks = kBlockBytes / kChunkBytes;
  static_assert(kBlockChunks % Pool<Chunk>::kBlockCells == 0);  // links come in the order of blocks

  struct Free {
    void operator()(uint8_t* block) const;
  };
  bool grow();

  Pool<Chunk> links_;
  std::vector<std::unique_ptr<uint8_t[], Free>> blocks_;
};

}  // namespace penstock::tcp
