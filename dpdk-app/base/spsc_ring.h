// A bounded queue between exactly one producer thread and one consumer thread, without locks.
// The ring owns its slots; a full ring refuses (push returns false) and the caller names the consequence.
#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <memory>
#include <utility>

namespace penstock::base {

template <typename T>
class SpscRing {
 public:
  // Capacity is rounded up to a power of two.
  explicit SpscRing(size_t capacity) : mask_(std::bit_ceil(capacity) - 1), slots_(new T[mask_ + 1]) {}
  SpscRing(const SpscRing&) = delete;
  SpscRing& operator=(const SpscRing&) = delete;

  // Producer.
  bool push(T value) {
    T* slot = reserve();
    if (slot == nullptr) return false;
    *slot = std::move(value);
    commit();
    return true;
  }

  // Producer, for large elements: a slot to fill in place (null: full), then commit() makes it visible.
  T* reserve() {
    const size_t tail = tail_.load(std::memory_order_relaxed);
    if (tail - seen_head_ > mask_) {
      seen_head_ = head_.load(std::memory_order_acquire);
      if (tail - seen_head_ > mask_) return nullptr;
    }
    return &slots_[tail & mask_];
  }
  void commit() { tail_.store(tail_.load(std::memory_order_relaxed) + 1, std::memory_order_release); }

  // Producer: how many pushes are sure to succeed now.
  size_t room() {
    seen_head_ = head_.load(std::memory_order_acquire);
    return mask_ + 1 - (tail_.load(std::memory_order_relaxed) - seen_head_);
  }

  // Consumer.
  bool pop(T& out) {
    const size_t head = head_.load(std::memory_order_relaxed);
    if (head == seen_tail_) {
      seen_tail_ = tail_.load(std::memory_order_acquire);
      if (head == seen_tail_) return false;
    }
    out = std::move(slots_[head & mask_]);
    head_.store(head + 1, std::memory_order_release);
    return true;
  }

  // Consumer, for large elements: the oldest in place (null: empty), then release() gives the slot back.
  const T* front() {
    const size_t head = head_.load(std::memory_order_relaxed);
    if (head == seen_tail_) {
      seen_tail_ = tail_.load(std::memory_order_acquire);
      if (head == seen_tail_) return nullptr;
    }
    return &slots_[head & mask_];
  }
  void release() { head_.store(head_.load(std::memory_order_relaxed) + 1, std::memory_order_release); }

  // Any thread; exact only on a quiet ring.
  size_t size() const { return tail_.load(std::memory_order_acquire) - head_.load(std::memory_order_acquire); }
  bool empty() const { return size() == 0; }
  size_t capacity() const { return mask_ + 1; }

 private:
  const size_t mask_;
  const std::unique_ptr<T[]> slots_;
  alignas(64) std::atomic<size_t> head_{0};  // written by the consumer
  size_t seen_tail_ = 0;                     // consumer's copy
  alignas(64) std::atomic<size_t> tail_{0};  // written by the producer
  size_t seen_head_ = 0;                     // producer's copy
};

}  // namespace penstock::base
