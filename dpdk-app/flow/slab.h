// Entries of one size with stable numbers: taken, given back, visited by a moving cursor. The memory behind a number is
// touched when it is first taken and reused last-in first-out, so a table that holds little stays small.
// One thread. Entries are plain bytes: zeroed on first use, left as they were on reuse. Failure: kNone when all are
// taken.
#pragma once

#include <cstdint>
#include <type_traits>

#include "base/region.h"

namespace penstock::flow {

template <typename T>
class Slab {
  static_assert(std::is_trivially_copyable_v<T> && std::is_trivially_destructible_v<T>);

 public:
  static constexpr uint32_t kNone = 0xffffffff;

  explicit Slab(uint32_t capacity) : cells_(capacity, base::RegionKind::kTable) {}

  uint32_t take() {
    uint32_t index = free_;
    if (index != kNone) {
      free_ = cells_[index].next_free;
    } else {
      if (high_ == cells_.size()) return kNone;
      index = high_++;
    }
    cells_[index].next_free = kTaken;
    ++size_;
    return index;
  }

  void give(uint32_t index) {
    cells_[index].next_free = free_;
    free_ = index;
    --size_;
  }

  T& at(uint32_t index) const { return cells_[index].value; }
  bool taken(uint32_t index) const { return index < high_ && cells_[index].next_free == kTaken; }
  void prefetch(uint32_t index) const { __builtin_prefetch(&cells_[index]); }
  uint32_t index_of(const T* value) const {
    return static_cast<uint32_t>(reinterpret_cast<const Cell*>(value) - cells_.data());
  }

  // Calls visit(index) for the next `count` numbers that were ever taken and still are; wraps. May give() the visited
  // one.
  template <typename Visit>
  void sweep(uint32_t count, Visit&& visit) {
    for (count = count < high_ ? count : high_; count != 0; --count) {
      if (cursor_ >= high_) cursor_ = 0;
      const uint32_t index = cursor_++;
      if (cursor_ + kAhead < high_) __builtin_prefetch(&cells_[cursor_ + kAhead]);
      if (cells_[index].next_free == kTaken) visit(index);
    }
  }

  uint32_t size() const { return size_; }
  uint32_t capacity() const { return static_cast<uint32_t>(cells_.size()); }
  uint32_t high() const { return high_; }  // numbers below this were in use at some time
  size_t bytes() const { return cells_.region().size(); }
  size_t resident_bytes() const { return cells_.region().resident_bytes(); }

 private:
  static constexpr uint32_t kTaken = 0xfffffffe;
  static constexpr uint32_t kAhead = 4;

  struct Cell {
    T value;
    uint32_t next_free;
  };

  base::RegionArray<Cell> cells_;
  uint32_t free_ = kNone, high_ = 0, cursor_ = 0, size_ = 0;
};

}  // namespace penstock::flow
