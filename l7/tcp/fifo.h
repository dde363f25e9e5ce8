// First in, first out, in one block of memory that is kept: no allocation in the steady state (a std::deque has one now
// and then). T is cheap to move. One thread; pop() and front() only when not empty.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

namespace penstock::tcp {

template <typename T>
class Fifo {
 public:
  void push(T value) { items_.push_back(std::move(value)); }
  T& front() { return items_[head_]; }
  const T& front() const { return items_[head_]; }
  void pop() {
    if (++head_ == items_.size()) {
      items_.clear();
      head_ = 0;
    } else if (head_ >= kCompactAt && head_ * 2 >= items_.size()) {
      items_.erase(items_.begin(), items_.begin() + static_cast<std::ptrdiff_t>(head_));
      head_ = 0;
    }
  }
  bool empty() const { return items_.empty(); }
  size_t size() const { return items_.size() - head_; }

 private:
  static constexpr size_t kCompactAt = 64;
  std::vector<T> items_;
  size_t head_ = 0;
};

}  // namespace penstock::tcp
