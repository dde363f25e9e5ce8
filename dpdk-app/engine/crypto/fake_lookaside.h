// A crypto device that behaves like hardware and is none: a software device whose queues are stood between. What it was
// given comes back some polls later, and it fails when it is told to. For tests, and for an operator who wants to see
// what a failing card does: CryptoDevice::open() makes one of every name that begins with kFakeLookaside.
//
// Arguments: "polls=3,fail=errors,after=10000": operations come back with the third poll after the one that found them
// done; the device fails once a queue was given 10000. `fail` is one of
//   errors    every operation ends with an error, its packet as it was given: in clear
//   silence   takes operations and gives none back
//   refusal   takes none
// Memory: its own; operations and packets stay whose they are. Threads: a queue belongs to one thread, which makes and
// takes nothing but through rte_cryptodev_*_burst; fail() from any. Made when the device has started, and gone before
// it stops. Does not: make anything faster.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "base/result.h"

struct rte_crypto_op;

namespace penstock::crypto {

constexpr std::string_view kFakeLookaside = "penstock_fake_lookaside";
constexpr const char* kUnderFake = "crypto_aesni_mb";  // knows every cipher

enum class FakeFault : uint8_t { kNone, kErrors, kSilence, kRefusal };

struct FakeSettings {
  unsigned polls = 2;
  FakeFault fault = FakeFault::kNone;
  uint64_t after = 0;  // operations of a queue
};
base::Result<FakeSettings> read_fake_settings(std::string_view arguments);

class FakeLookaside {
 public:
  FakeLookaside(uint8_t device, uint16_t queue_pairs, const FakeSettings& settings);
  ~FakeLookaside();
  FakeLookaside(const FakeLookaside&) = delete;
  FakeLookaside& operator=(const FakeLookaside&) = delete;

  // From now on; kNone: what was kept in silence comes back after all, marked as good and still in clear, which is the
  // worst that a card could do.
  void fail(FakeFault fault) { fault_.store(fault, std::memory_order_relaxed); }

 private:
  static constexpr size_t kDepth = 2048;  // operations with a queue: of a real one's size

  struct Waiting {
    rte_crypto_op* op;
    uint64_t due;  // poll
  };
  // First in, first out; never more than kDepth.
  template <typename T>
  struct Fifo {
    std::vector<T> slots = std::vector<T>(kDepth);
    size_t first = 0, count = 0;
    void push(T item) { slots[(first + count++) % kDepth] = item; }
    T pop() {
      const T item = slots[first];
      first = (first + 1) % kDepth;
      --count;
      return item;
    }
  };
  struct Queue {
    FakeLookaside* device = nullptr;
    void* under = nullptr;  // the driver's queue pair
    size_t with_driver = 0;
    Fifo<rte_crypto_op*> untouched;  // taken while it failed
    Fifo<Waiting> done;
    uint64_t polls = 0, taken = 0;
    FakeFault fault() const;
    size_t held() const { return with_driver + untouched.count + done.count; }
  };
  static uint16_t enqueue(void* queue, rte_crypto_op** ops, uint16_t count);
  static uint16_t dequeue(void* queue, rte_crypto_op** ops, uint16_t count);
  void take_from_driver(Queue& q);

  const uint8_t device_;
  const FakeSettings settings_;
  std::atomic<FakeFault> fault_{FakeFault::kNone};
  std::vector<Queue> queues_;
  std::vector<void*> pointers_;  // to them, as DPDK wants them
  uint16_t (*driver_enqueue_)(void*, rte_crypto_op**, uint16_t) = nullptr;
  uint16_t (*driver_dequeue_)(void*, rte_crypto_op**, uint16_t) = nullptr;
  void** driver_queues_ = nullptr;
};

}  // namespace penstock::crypto
