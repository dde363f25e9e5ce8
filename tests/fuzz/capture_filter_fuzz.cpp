// An expression, a line end, and a frame to match it against. Nothing crashes, hangs or reads beyond the frame.
#include <netdb.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "engine/capture_filter.h"

// Names are nobody's here: a fuzzer must not ask the network.
extern "C" int getaddrinfo(const char*, const char*, const addrinfo*, addrinfo** found) {
  *found = nullptr;
  return EAI_NONAME;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const void* end = size == 0 ? nullptr : std::memchr(data, '\n', size);
  const size_t length = end == nullptr ? size : static_cast<size_t>(static_cast<const uint8_t*>(end) - data);
  const auto filter = penstock::engine::compile_filter({reinterpret_cast<const char*>(data), length});
  if (!filter.ok() || end == nullptr) return 0;
  const std::vector<uint8_t> frame(data + length + 1, data + size);  // of exactly its size, so that reading on shows
  const auto captured = static_cast<uint32_t>(frame.size());
  (*filter)->matches(frame.data(), captured, captured);
  (*filter)->matches(frame.data(), captured + 1000, captured);  // cut to a snap length
  return 0;
}
