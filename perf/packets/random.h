// Random numbers of the generator: seeded, the same on every machine, no state but 64 bits (SplitMix64: Steele, Lea and
// Flood, "Fast splittable pseudorandom number generators", 2014). Not for keys.
#pragma once

#include <cstdint>

namespace penstock::load {

// A good mixture of the bits of `value`; a bijection.
inline uint64_t mixed(uint64_t value) {
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9ull;
  value = (value ^ (value >> 27)) * 0x94d049bb133111ebull;
  return value ^ (value >> 31);
}

class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}

  uint64_t next() { return mixed(state_ += 0x9e3779b97f4a7c15ull); }
  // From 0 to n - 1, n > 0. The bias is below n / 2^64.
  uint64_t below(uint64_t n) { return static_cast<uint64_t>((static_cast<unsigned __int128>(next()) * n) >> 64); }
  // Above 0, up to 1: fit for a logarithm.
  double unit() { return static_cast<double>((next() >> 11) + 1) * 0x1p-53; }

 private:
  uint64_t state_;
};

}  // namespace penstock::load
