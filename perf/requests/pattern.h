// Bytes by which the other end of a plain TCP connection tells that it got what was sent, whole and in order: byte k of
// a direction is byte k of a fixed random sequence that repeats after kPeriod.
//
// The same at both ends, whatever the seed of a run. Memory: two periods, made once. Any thread.
#pragma once

#include <algorithm>
#include <cstring>
#include <vector>

#include "base/bytes.h"
#include "l7/proxy/random.h"

namespace penstock::requests {

class Pattern {
 public:
  static constexpr uint64_t kPeriod = 65521;  // a prime: what is cut into segments or blocks never falls into step

  enum Direction : uint64_t { kRequests = 1, kAnswers = 2 };
  explicit Pattern(Direction direction) : bytes_(2 * kPeriod) {
    proxy::Random random(direction);
    for (size_t i = 0; i < kPeriod; ++i) bytes_[i] = bytes_[i + kPeriod] = static_cast<uint8_t>(random.next() >> 56);
  }

  // From byte `position` on: at most `most`, and perhaps fewer, but a period at least.
  base::Bytes from(uint64_t position, uint64_t most) const {
    const uint64_t at = position % kPeriod;
    return {bytes_.data() + at, static_cast<size_t>(std::min(most, 2 * kPeriod - at))};
  }
  bool matches(uint64_t position, base::Bytes bytes) const {
    while (!bytes.empty()) {
      const base::Bytes wanted = from(position, bytes.size());
      if (std::memcmp(bytes.data(), wanted.data(), wanted.size()) != 0) return false;
      bytes = bytes.subspan(wanted.size());
      position += wanted.size();
    }
    return true;
  }

 private:
  std::vector<uint8_t> bytes_;
};

}  // namespace penstock::requests
