// The identity header from arbitrary bytes in a block of exactly their size: what is read, written again, is the same.
#include <algorithm>
#include <vector>

#include "engine/crypto/identity_header.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace penstock::crypto;
  const std::vector<uint8_t> bytes(data, data + size);
  const auto header = read_identity(bytes);
  if (!header) return 0;
  uint8_t again[kIdentityHeaderLength];
  write_identity(again, header->identity, header->next_header);
  if (size < kIdentityHeaderLength || !std::equal(again, again + kIdentityHeaderLength, data)) __builtin_trap();
  return 0;
}
