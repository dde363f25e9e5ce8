// The anti-replay window of one inbound SA (RFC 4303 §3.4.3, appendix A): which of the last W sequence numbers have
// been seen, and, for extended sequence numbers (ESN, §2.2.1), which 32 high bits a packet's 32 low bits belong to.
//
// Two beats, because a number may only be believed after its packet's integrity check: find() before the decryption
// costs a look, mark() after it moves the window. Between them other packets of the burst may have been marked, so
// mark() looks again: a duplicate in flight is refused there.
// Memory: own bits only, at most 4096 and a word in 64-bit words of a ring; sliding clears whole words as it goes, at
// most all of them, so the cost of a jump is bounded. One thread: the worker that owns the SA.
// Does not: judge authenticity, count, or resynchronise a peer that jumped more than 2^31 ahead (appendix A3: a rekey
// is what the mesh does instead).
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

namespace penstock::crypto {

constexpr uint32_t kMinReplayWindow = 64;    // §3.4.3: 32 must, 64 should be the default; a word
constexpr uint32_t kMaxReplayWindow = 4096;  // what reordering over several paths at 100 Gbit/s asks for

class ReplayWindow {
 public:
  // `size`: 0 for no window (every number but zero is new; not with ESN), or a multiple of 64 from kMinReplayWindow to
  // kMaxReplayWindow (SaSpec's validation sees to it).
  explicit ReplayWindow(uint32_t size = kMinReplayWindow, bool extended = true) : size_(size), extended_(extended) {}

  // kZero: the counter starts at 1, and a sender that cycled is not to be believed (§3.3.3).
  enum class Place : uint8_t { kNew, kSeen, kTooOld, kZero };

  // The whole sequence number that the 32 bits on the wire stand for (appendix A2.2), where it falls before anything is
  // authenticated.
  struct Found {
    uint64_t sequence;
    Place place;
  };
  Found find(uint32_t low) const {
    const uint64_t sequence = extended_ ? extend(low) : low;
    return {sequence, place_of(sequence)};
  }

  // The packet is authentic: its number is used up. Anything but kNew: it was used up since find().
  Place mark(uint64_t sequence) {
    const Place place = place_of(sequence);
    if (place != Place::kNew || size_ == 0) return place;
    if (sequence > top_) slide(sequence);
    words_[word_of(sequence)] |= bit_of(sequence);
    return place;
  }

  // Brings the word near that mark() will write.
  void prefetch(uint64_t sequence) const { __builtin_prefetch(&words_[word_of(sequence)], 1); }

  uint64_t top() const { return top_; }
  uint32_t size() const { return size_; }

 private:
  // One word more than the window, so that the word that the newest number is in never holds the oldest as well.
  static constexpr uint32_t kWords = 128;  // a power of two above kMaxReplayWindow / 64 + 1
  static size_t word_of(uint64_t sequence) { return (sequence >> 6) & (kWords - 1); }
  static uint64_t bit_of(uint64_t sequence) { return uint64_t{1} << (sequence & 63); }

  // Lowest number still inside.
  uint64_t bottom() const { return top_ >= size_ ? top_ - size_ + 1 : 0; }

  // Appendix A2.2: Tl, Th are halves of the top; the window lies within one subspace of 2^32 (case A) or spans two
  // (case B).
  uint64_t extend(uint32_t low) const {
    const auto top_low = static_cast<uint32_t>(top_);
    const auto top_high = static_cast<uint32_t>(top_ >> 32);
    const uint32_t bottom_low = top_low - size_ + 1;
    uint32_t high = top_high;
    if (top_low >= size_ - 1) {  // case A
      if (low < bottom_low) ++high;
    } else if (low >= bottom_low && top_high > 0) {  // case B; before the first 2^32 there is no subspace below
      --high;
    }
    return (uint64_t{high} << 32) | low;
  }

  Place place_of(uint64_t sequence) const {
    if (sequence == 0) return Place::kZero;
    if (sequence > top_ || size_ == 0) return Place::kNew;
    if (sequence < bottom()) return Place::kTooOld;
    return (words_[word_of(sequence)] & bit_of(sequence)) != 0 ? Place::kSeen : Place::kNew;
  }

  void slide(uint64_t sequence) {
    const uint64_t words = std::min<uint64_t>((sequence >> 6) - (top_ >> 6), kWords);
    for (uint64_t i = 0; i < words; ++i) words_[((sequence >> 6) - i) & (kWords - 1)] = 0;
    top_ = sequence;
  }

  uint64_t top_ = 0;  // highest number marked
  uint32_t size_;
  bool extended_;
  std::array<uint64_t, kWords> words_{};
};

}  // namespace penstock::crypto
