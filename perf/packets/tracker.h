// Which packets of one stream have come, exactly, by their sequence numbers: a window of bits behind the highest one
// seen.
//
// Received: came for the first time. Duplicated: came again. Reordered: came for the first time after one with a higher
// number (type-P-reordered, RFC 4737 §3.3). Ancient: so far behind the highest number (kWindow) that nobody can say
// whether it came before; counted as nothing else, so that lost (sent - received) is never told too small.
//
// Memory: kWindow / 8 bytes, once. One thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace penstock::load {

class Tracker {
 public:
  static constexpr uint64_t kWindow = 1u << 17;

  Tracker() : bits_(kWindow / 64) {}

  void restart() {
    std::ranges::fill(bits_, 0);
    next_ = received = duplicated = reordered = ancient = 0;
  }

  // True: for the first time.
  bool add(uint64_t sequence) {
    if (sequence >= next_) {
      forget(next_, sequence);
      next_ = sequence + 1;
    } else if (next_ - sequence > kWindow) {
      ++ancient;
      return false;
    } else if (word(sequence) & bit(sequence)) {
      ++duplicated;
      return false;
    } else {
      ++reordered;
    }
    word(sequence) |= bit(sequence);
    ++received;
    return true;
  }

  uint64_t expected() const { return next_; }  // how many would have come by the highest number seen

  uint64_t received = 0, duplicated = 0, reordered = 0, ancient = 0;

 private:
  static uint64_t bit(uint64_t sequence) { return 1ull << (sequence % 64); }
  uint64_t& word(uint64_t sequence) { return bits_[sequence % kWindow / 64]; }

  // Room for numbers from `first` up to `last`, which is set anyway: what stood there left the window.
  void forget(uint64_t first, uint64_t last) {
    if (last - first >= kWindow) {
      std::ranges::fill(bits_, 0);
      return;
    }
    for (uint64_t at = first; at < last; ++at) word(at) &= ~bit(at);
  }

  std::vector<uint64_t> bits_;
  uint64_t next_ = 0;  // the highest seen and one
};

}  // namespace penstock::load
