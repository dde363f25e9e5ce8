// Texts cut into pieces (a path into segments, a host into labels) as a tree whose edges lie in one hash table: one
// look-up per piece of what is asked, however many texts there are, and none beyond the first piece that is not there.
//
// Built by one thread, then immutable. find() allocates nothing; its cost is the piece's bytes and the probes to the
// first free slot, which the load of at most three quarters keeps at two or so (what clients ask for is not what is
// stored, so they cannot lengthen it). Nodes are numbers from 0, in the order they were made, for the owner's own
// arrays.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace penstock::route {

class LiteralTree {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;

  LiteralTree() : slots_(kSmallest) {}

  uint32_t add_root() { return nodes_++; }
  // The child that is there, or a new one. kNone when the texts would pass 4 GiB.
  uint32_t add(uint32_t parent, std::string_view piece);

  uint32_t find(uint32_t parent, std::string_view piece) const {
    for (size_t at = hash(parent, piece) & (slots_.size() - 1);; at = (at + 1) & (slots_.size() - 1)) {
      const Slot& slot = slots_[at];
      if (slot.child == kNone) return kNone;
      if (slot.parent == parent && slot.size == piece.size() &&
          std::memcmp(text_of(slot), piece.data(), slot.size) == 0)
        return slot.child;
    }
  }

  uint32_t nodes() const { return nodes_; }

 private:
  static constexpr size_t kSmallest = 16;
  static constexpr size_t kInline = 20;  // what nearly all labels and segments fit into: no second cache line

  struct Slot {
    uint32_t parent = 0;
    uint32_t child = kNone;
    uint32_t size = 0;
    char text[kInline] = {};  // or the place in texts_
  };
  static_assert(sizeof(Slot) == 32);

  static uint64_t mix(uint64_t a, uint64_t b) {
    const auto product = static_cast<unsigned __int128>(a) * b;
    return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
  }
  template <typename Word>
  static uint64_t load(const char* at) {
    Word word;
    std::memcpy(&word, at, sizeof word);
    return word;
  }

  static size_t hash(uint32_t parent, std::string_view piece) {
    constexpr uint64_t kOdd = 0x9e3779b97f4a7c15, kOther = 0xd6e8feb86659fd93;
    const char* at = piece.data();
    size_t size = piece.size();
    uint64_t h = (parent + 1) * kOdd ^ size;
    for (; size > 16; size -= 8, at += 8) h = mix(h ^ load<uint64_t>(at), kOther);
    if (size >= 8) {
      h = mix(h ^ load<uint64_t>(at), kOther);
      h ^= load<uint64_t>(at + size - 8);
    } else if (size >= 4) {
      h ^= load<uint32_t>(at) << 32 | load<uint32_t>(at + size - 4);
    } else if (size > 0) {
      h ^= uint64_t{static_cast<uint8_t>(at[0])} << 16 | uint64_t{static_cast<uint8_t>(at[size / 2])} << 8 |
           static_cast<uint8_t>(at[size - 1]);
    }
    return mix(h, kOdd);
  }

  const char* text_of(const Slot& slot) const {
    return slot.size <= kInline ? slot.text : texts_.data() + load<uint32_t>(slot.text);
  }
  void place(const Slot& slot);

  std::vector<Slot> slots_;  // a power of two
  std::string texts_;        // of the pieces that are longer than kInline
  uint32_t nodes_ = 0;
  uint32_t edges_ = 0;
};

}  // namespace penstock::route
