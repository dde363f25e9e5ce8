// Key material: up to 64 secret bytes in memory that is locked (never swapped), left out of core dumps, and wiped the
// moment its owner lets go (RFC 4107 asks for short lives; this is how they end).
//
// Memory: slots of locked pages that the process keeps for keys only; a Key owns its slot, moves, is never copied by
// accident (clone() says so) and has no way to text: no operator<<, no to_string, no comparison that stops early.
// Threads: any; taking and returning a slot locks briefly, so never per packet. Failure: no more memory may be locked
// (RLIMIT_MEMLOCK), or a length that no cipher has, is an Error that names the limit.
// Does not: protect what a crypto device expands from a key (see CryptoDevice, which locks and wipes its sessions).
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bytes.h"
#include "base/result.h"

namespace penstock::crypto {

constexpr size_t kMaxKeyLength = 64;  // AES-256 and HMAC-SHA-256 keys side by side; a slot

class Key {
 public:
  Key() = default;
  ~Key() { retire(); }
  Key(Key&& other) noexcept { swap(other); }
  Key& operator=(Key&& other) noexcept {
    if (this != &other) {
      retire();
      swap(other);
    }
    return *this;
  }
  Key(const Key&) = delete;
  Key& operator=(const Key&) = delete;

  // Copies `secret` and wipes the original: the caller keeps nothing.
  static base::Result<Key> take(base::MutableBytes secret);
  // From the system's generator (getrandom).
  static base::Result<Key> random(size_t length);
  base::Result<Key> clone() const;

  bool empty() const { return length_ == 0; }
  size_t size() const { return length_; }
  base::Bytes secret() const { return {slot_, length_}; }
  bool same_as(const Key& other) const;  // in a time that depends on the lengths only

  void retire();  // wipes; the key is empty afterwards

 private:
  static base::Result<Key> make(size_t length);
  void swap(Key& other) noexcept;

  uint8_t* slot_ = nullptr;
  size_t length_ = 0;
};

// Keeps `bytes` at `memory` (whole pages around it) out of core dumps and swap. False: the system refused the lock;
// being left out of dumps never fails where the memory is private.
bool guard_memory(void* memory, size_t bytes);

}  // namespace penstock::crypto
