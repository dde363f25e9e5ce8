// A number that goes up and down, with one writer and any readers: what base/counter.h is for what only grows.
#pragma once

#include <atomic>
#include <cstdint>

namespace penstock::base {

class Gauge {
 public:
  Gauge& operator++() { return set(read() + 1); }
  Gauge& operator--() { return set(read() - 1); }
  uint32_t read() const { return value_.load(std::memory_order_relaxed); }

 private:
  Gauge& set(uint32_t n) {
    value_.store(n, std::memory_order_relaxed);
    return *this;
  }

  std::atomic<uint32_t> value_{0};
};

}  // namespace penstock::base
