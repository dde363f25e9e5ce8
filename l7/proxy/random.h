// Random numbers for choices (weights, jitter, request ids), from a seed: SplitMix64. Not for secrets. One thread.
#pragma once

#include <cstdint>

#include "base/time.h"

namespace penstock::proxy {

class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}

  uint64_t next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  uint32_t next32() { return static_cast<uint32_t>(next() >> 32); }
  // Evenly below `bound` > 0.
  uint64_t below(uint64_t bound) { return static_cast<uint64_t>(static_cast<unsigned __int128>(next()) * bound >> 64); }
  bool chance(uint32_t of, uint32_t in) { return in != 0 && below(in) < of; }

 private:
  uint64_t state_;
};

}  // namespace penstock::proxy
