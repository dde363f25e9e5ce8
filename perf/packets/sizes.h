// How long frames are: one length, a repeated sequence (EMIX), a range, or weights. Lengths are of the frame with its
// CRC, as RFC 2544 counts them, 64–9216 bytes.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "packets/random.h"

namespace penstock::load {

constexpr uint16_t kLeastFrame = 64, kLargestFrame = 9216;
constexpr uint16_t kCrcLength = 4;  // made by the device: in no buffer

class Sizes {
 public:
  struct Share {
    uint16_t size;
    uint32_t weight;
  };

  static Sizes fixed(uint16_t size) { return sequence({size}); }
  // One after the other, then again: RFC 6985 §4.
  static Sizes sequence(std::vector<uint16_t> sizes) {
    Sizes made;
    for (const uint16_t size : sizes) made.shares_.push_back({size, 1});
    return made;
  }
  // Drawn: each as likely as its weight; at least one weight is not 0.
  static Sizes weighted(std::vector<Share> shares) {
    Sizes made;
    made.shares_ = std::move(shares);
    made.drawn_ = true;
    for (const Share& share : made.shares_) made.ends_.push_back(made.total_ += share.weight);
    return made;
  }
  // Drawn: each from min to max as likely as the others.
  static Sizes range(uint16_t min, uint16_t max) {
    std::vector<Share> shares;
    for (unsigned size = min; size <= max; ++size) shares.push_back({static_cast<uint16_t>(size), 1});
    return weighted(std::move(shares));
  }

  void restart() { at_ = 0; }
  uint16_t next(Random& random) {
    if (drawn_) {
      const uint64_t ball = random.below(total_);
      return shares_[static_cast<size_t>(std::upper_bound(ends_.begin(), ends_.end(), ball) - ends_.begin())].size;
    }
    const uint16_t size = shares_[at_].size;
    at_ = at_ + 1 == shares_.size() ? 0 : at_ + 1;
    return size;
  }

  uint16_t least() const { return std::ranges::min(shares_, {}, &Share::size).size; }
  uint16_t largest() const { return std::ranges::max(shares_, {}, &Share::size).size; }
  double mean() const {
    double bytes = 0, weights = 0;
    for (const Share& share : shares_) {
      bytes += static_cast<double>(share.size) * share.weight;
      weights += share.weight;
    }
    return bytes / weights;
  }

 private:
  Sizes() = default;

  std::vector<Share> shares_;
  std::vector<uint64_t> ends_;  // of the weights, added up
  uint64_t total_ = 0;
  size_t at_ = 0;
  bool drawn_ = false;
};

}  // namespace penstock::load
