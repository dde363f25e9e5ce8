// Objects that are lent by number and come back: made when first needed, up to a bound, and kept.
//
// One thread. An object stays where it is and keeps its content when it comes back; who takes it sets it up. Failure:
// take() is kNone when all are lent. Grows by the heap only while more are needed at a time than ever before.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "l7/proxy/net.h"

namespace penstock::proxy {

template <typename T>
class Lending {
 public:
  explicit Lending(uint32_t capacity) : capacity_(capacity) {}

  // `arguments` make the object when none is left that was made before.
  template <typename... Arguments>
  uint32_t take(const Arguments&... arguments) {
    if (free_count_ == 0) {
      if (all_.size() == capacity_) return kNone;
      grow(arguments...);
    }
    return free_[--free_count_];
  }
  void give(uint32_t index) { free_[free_count_++] = index; }  // room for all is there since grow()

  T& at(uint32_t index) { return *all_[index]; }
  const T& at(uint32_t index) const { return *all_[index]; }
  uint32_t made() const { return static_cast<uint32_t>(all_.size()); }
  uint32_t lent() const { return static_cast<uint32_t>(all_.size()) - free_count_; }

 private:
  template <typename... Arguments>
  [[gnu::noinline, gnu::cold]] void grow(const Arguments&... arguments) {
    all_.push_back(std::make_unique<T>(arguments...));
    free_.resize(all_.capacity());
    give(static_cast<uint32_t>(all_.size() - 1));
  }

  uint32_t capacity_;
  std::vector<std::unique_ptr<T>> all_;
  std::vector<uint32_t> free_;  // those that are not lent
  uint32_t free_count_ = 0;
};

}  // namespace penstock::proxy
