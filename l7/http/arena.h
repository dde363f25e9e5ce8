// The bytes of one message: allocated once, filled from the front, cleared as a whole. Text in it is named by slices,
// which stay good until clear(); the memory never moves, so views of slices stay good as long.
//
// Owner: the message. Thread: the message's worker. Failure: append() is false when the text does not fit; nothing is
// then kept. kPadding bytes behind the capacity may be read, and written with what is already there, by vector code.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>

namespace penstock::http {

struct Slice {
  uint32_t at = 0;
  uint32_t size = 0;
  bool empty() const { return size == 0; }
};

class Arena {
 public:
  static constexpr uint32_t kPadding = 64;  // the widest vector load that may start at the last byte

  explicit Arena(uint32_t capacity)
      : bytes_(std::make_unique_for_overwrite<char[]>(capacity + kPadding)), capacity_(capacity) {
    std::memset(bytes_.get() + capacity, 0, kPadding);
  }

  void clear() { used_ = 0; }
  char* data() { return bytes_.get(); }
  const char* data() const { return bytes_.get(); }
  uint32_t used() const { return used_; }
  uint32_t capacity() const { return capacity_; }
  uint32_t room() const { return capacity_ - used_; }
  std::string_view view(Slice slice) const { return {bytes_.get() + slice.at, slice.size}; }

  // The text is copied. It may be a view of this arena.
  bool append(std::string_view text, Slice& out) {
    if (text.size() > room()) return false;
    out = {used_, static_cast<uint32_t>(text.size())};
    if (!text.empty()) std::memcpy(bytes_.get() + used_, text.data(), text.size());
    used_ += out.size;
    return true;
  }
  // `size` bytes to be written by the caller, at most room(); truncate() gives back what was not needed.
  char* extend(uint32_t size) {
    char* at = bytes_.get() + used_;
    used_ += size;
    return at;
  }
  void truncate(uint32_t used) { used_ = used; }

 private:
  std::unique_ptr<char[]> bytes_;
  uint32_t capacity_;
  uint32_t used_ = 0;
};

}  // namespace penstock::http
