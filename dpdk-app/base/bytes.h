// Big-endian loads and stores at any alignment. Bounds are the caller's: check them first, then read.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <span>

namespace penstock::base {

using Bytes = std::span<const uint8_t>;
using MutableBytes = std::span<uint8_t>;

static_assert(std::endian::native == std::endian::little, "Penstock is built for little-endian x86-64");

template <typename T>
inline T load_raw(const void* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

template <typename T>
inline void store_raw(void* at, T value) {
  std::memcpy(at, &value, sizeof value);
}

inline uint16_t swap16(uint16_t v) { return __builtin_bswap16(v); }
inline uint32_t swap32(uint32_t v) { return __builtin_bswap32(v); }
inline uint64_t swap64(uint64_t v) { return __builtin_bswap64(v); }

inline uint16_t load_be16(const void* at) { return swap16(load_raw<uint16_t>(at)); }
inline uint32_t load_be32(const void* at) { return swap32(load_raw<uint32_t>(at)); }
inline uint64_t load_be64(const void* at) { return swap64(load_raw<uint64_t>(at)); }
inline void store_be16(void* at, uint16_t v) { store_raw(at, swap16(v)); }
inline void store_be32(void* at, uint32_t v) { store_raw(at, swap32(v)); }
inline void store_be64(void* at, uint64_t v) { store_raw(at, swap64(v)); }

}  // namespace penstock::base
