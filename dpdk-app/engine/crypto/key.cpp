#include "engine/crypto/key.h"

#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace penstock::crypto {

namespace {

constexpr size_t kPageBytes = 4096;
constexpr size_t kSlotsPerPage = kPageBytes / kMaxKeyLength;

// Free slots of locked pages. Pages are never given back: the next rekey wants them.
class Vault {
 public:
  uint8_t* claim() {
    const std::lock_guard lock(mutex_);
    if (free_.empty() && !grow()) return nullptr;
    uint8_t* slot = free_.back();
    free_.pop_back();
    return slot;
  }

  void release(uint8_t* slot) {
    explicit_bzero(slot, kMaxKeyLength);
    const std::lock_guard lock(mutex_);
    free_.push_back(slot);  // capacity was reserved by grow()
  }

 private:
  bool grow() {
    void* page = mmap(nullptr, kPageBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) return false;
    if (!guard_memory(page, kPageBytes)) {
      munmap(page, kPageBytes);
      return false;
    }
    slots_ += kSlotsPerPage;
    free_.reserve(slots_);
    for (size_t i = 0; i < kSlotsPerPage; ++i) free_.push_back(static_cast<uint8_t*>(page) + i * kMaxKeyLength);
    return true;
  }

  std::mutex mutex_;
  std::vector<uint8_t*> free_;
  size_t slots_ = 0;
};

// Never destroyed: keys in static objects may outlive any other.
Vault& vault() {
  static auto* the_vault = new Vault;
  return *the_vault;
}

}  // namespace

bool guard_memory(void* memory, size_t bytes) {
  const auto first = reinterpret_cast<uintptr_t>(memory) & ~(kPageBytes - 1);
  const auto last = reinterpret_cast<uintptr_t>(memory) + bytes;
  auto* start = reinterpret_cast<void*>(first);
  (void)madvise(start, last - first, MADV_DONTDUMP);
  return mlock(start, last - first) == 0;
}

base::Result<Key> Key::make(size_t length) {
  if (length == 0 || length > kMaxKeyLength)
    return base::Error{"key: " + std::to_string(length) + " bytes; a key has 1 to " + std::to_string(kMaxKeyLength)};
  Key key;
  key.slot_ = vault().claim();
  if (key.slot_ == nullptr) return base::Error{"key: no memory can be locked; raise RLIMIT_MEMLOCK (ulimit -l)"};
  key.length_ = length;
  return key;
}

base::Result<Key> Key::take(base::MutableBytes secret) {
  auto key = make(secret.size());
  if (key.ok()) std::memcpy(key->slot_, secret.data(), secret.size());
  if (!secret.empty()) explicit_bzero(secret.data(), secret.size());
  return key;
}

base::Result<Key> Key::random(size_t length) {
  auto key = make(length);
  if (!key.ok()) return key;
  for (size_t done = 0; done < length;) {
    const ssize_t got = getrandom(key->slot_ + done, length - done, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return base::Error{std::string("key: getrandom: ") + strerror(errno)};
    done += static_cast<size_t>(got);
  }
  return key;
}

base::Result<Key> Key::clone() const {
  auto key = make(length_);
  if (key.ok()) std::memcpy(key->slot_, slot_, length_);
  return key;
}

bool Key::same_as(const Key& other) const {
  if (length_ != other.length_) return false;
  uint8_t difference = 0;
  for (size_t i = 0; i < length_; ++i) difference = static_cast<uint8_t>(difference | (slot_[i] ^ other.slot_[i]));
  return difference == 0;
}

void Key::retire() {
  if (slot_ != nullptr) vault().release(slot_);
  slot_ = nullptr;
  length_ = 0;
}

void Key::swap(Key& other) noexcept {
  std::swap(slot_, other.slot_);
  std::swap(length_, other.length_);
}

}  // namespace penstock::crypto
