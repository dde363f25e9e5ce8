// A short text put together on the stack. What does not fit is left out and remembered: see overflowed().
#pragma once

#include <array>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace penstock::http {

template <size_t kCapacity>
class Text {
 public:
  void put(std::string_view text) {
    if (text.size() > kCapacity - size_) {
      overflowed_ = true;
      return;
    }
    if (!text.empty()) std::memcpy(bytes_.data() + size_, text.data(), text.size());
    size_ += text.size();
  }
  void put_number(uint64_t number) {
    char digits[20];
    const auto done = std::to_chars(digits, digits + sizeof digits, number);
    put({digits, static_cast<size_t>(done.ptr - digits)});
  }
  void put_hex_byte(unsigned byte) {
    constexpr char kHexDigits[] = "0123456789abcdef";
    const char digits[] = {kHexDigits[byte >> 4 & 15], kHexDigits[byte & 15]};
    put({digits, 2});
  }
  void clear() {
    size_ = 0;
    overflowed_ = false;
  }
  bool empty() const { return size_ == 0; }
  bool overflowed() const { return overflowed_; }
  std::string_view view() const { return {bytes_.data(), size_}; }

 private:
  std::array<char, kCapacity> bytes_;
  size_t size_ = 0;
  bool overflowed_ = false;
};

}  // namespace penstock::http
