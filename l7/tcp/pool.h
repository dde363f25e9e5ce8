// Cells of one size by number, up to a limit that is configuration. One thread; a cell's content survives give().
//
// Memory: blocks of kBlockCells are taken from the heap when first needed and kept; the steady state allocates nothing.
// Failure: take() is kNone when `capacity` cells are taken or the heap has no more: the caller closes windows or
// refuses. T is trivially copyable and has a `uint32_t next`, which is the caller's while the cell is taken.
#pragma once

#include <cstdint>
#include <memory>
#include <new>
#include <type_traits>
#include <vector>

namespace penstock::tcp {

constexpr uint32_t kNone = 0xffffffff;

template <typename T>
class Pool {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  static constexpr uint32_t kBlockCells = 256;

  explicit Pool(uint32_t capacity) : capacity_(capacity) { blocks_.reserve(capacity / kBlockCells + 1); }

  uint32_t take() {
    if (taken_ == capacity_) return kNone;
    if (free_ == kNone && !grow()) return kNone;
    const uint32_t index = free_;
    free_ = at(index).next;
    at(index).next = kNone;
    ++taken_;
    return index;
  }

  void give(uint32_t index) {
    at(index).next = free_;
    free_ = index;
    --taken_;
  }

  T& at(uint32_t index) { return blocks_[index / kBlockCells][index % kBlockCells]; }
  const T& at(uint32_t index) const { return blocks_[index / kBlockCells][index % kBlockCells]; }
  uint32_t taken() const { return taken_; }
  uint32_t capacity() const { return capacity_; }
  uint32_t available() const { return capacity_ - taken_; }

 private:
  bool grow() {
    T* block = new (std::nothrow) T[kBlockCells];
    if (block == nullptr) return false;
    const auto first = static_cast<uint32_t>(blocks_.size()) * kBlockCells;
    blocks_.emplace_back(block);
    for (uint32_t i = kBlockCells; i-- > 0;) {
      block[i].next = free_;
      free_ = first + i;
    }
    return true;
  }

  std::vector<std::unique_ptr<T[]>> blocks_;
  uint32_t capacity_;
  uint32_t taken_ = 0;
  uint32_t free_ = kNone;
};

}  // namespace penstock::tcp
