#include "l7/tcp/chunk_pool.h"

#include <sys/mman.h>

#include <cstdlib>

namespace penstock::tcp {

ChunkPool::ChunkPool(uint32_t capacity) : links_(capacity) { blocks_.reserve(capacity / kBlockChunks + 1); }

void ChunkPool::Free::operator()(uint8_t* block) const { std::free(block); }

bool ChunkPool::grow() {
  auto* block = static_cast<uint8_t*>(std::aligned_alloc(kBlockBytes, kBlockBytes));
  if (block == nullptr) return false;
  (void)madvise(block, kBlockBytes, MADV_HUGEPAGE);  // small pages do as well, a little slower
  blocks_.emplace_back(block);
  return true;
}

}  // namespace penstock::tcp
