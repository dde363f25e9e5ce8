// A number with one writer and any readers. The writer pays a plain load and store (no lock prefix);
// a reader on another thread sees some recent value, never a torn one.
#pragma once

#include <atomic>
#include <cstdint>

namespace penstock::base {

class Counter {
 public:
  void add(uint64_t n) { value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed); }
  void set(uint64_t n) { value_.store(n, std::memory_order_relaxed); }
  uint64_t read() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

struct PacketCounter {
  Counter packets;
  Counter bytes;

  void add(uint64_t n_bytes) {
    packets.add(1);
    bytes.add(n_bytes);
  }
};

}  // namespace penstock::base
