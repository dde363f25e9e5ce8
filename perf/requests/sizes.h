// Sizes of contents, fixed or from a distribution: a number, {min, max} evenly, or [{size, weight}, …]. Bytes, 0 to 1
// GiB. A value; pick() allocates nothing and is as random as the numbers it is given.
#pragma once

#include <algorithm>
#include <vector>

#include "l7/proxy/random.h"

namespace penstock::requests {

class Sizes {
 public:
  static constexpr uint64_t kLargest = uint64_t{1} << 30;

  explicit Sizes(uint64_t fixed = 0) { add(fixed, fixed, 1); }

  // Replaces what was there with the first call after clear().
  void clear() { pieces_.clear(); }
  void add(uint64_t low, uint64_t high, uint64_t weight) {
    pieces_.push_back({low, high, (pieces_.empty() ? 0 : pieces_.back().up_to) + weight});
  }

  uint64_t pick(proxy::Random& random) const {
    if (pieces_.size() == 1 && pieces_[0].low == pieces_[0].high) return pieces_[0].low;
    const uint64_t lot = random.below(pieces_.back().up_to);
    const auto& piece = *std::find_if(pieces_.begin(), pieces_.end(), [lot](const Piece& p) { return lot < p.up_to; });
    return piece.low + random.below(piece.high - piece.low + 1);
  }
  uint64_t largest() const {
    uint64_t most = 0;
    for (const Piece& piece : pieces_) most = std::max(most, piece.high);
    return most;
  }

 private:
  struct Piece {
    uint64_t low, high;
    uint64_t up_to;  // weights of this one and all before it
  };
  std::vector<Piece> pieces_;
};

}  // namespace penstock::requests
