// A fuzzer's input as a program reads it: 0 and nothing when it is over. And how a fuzzer says that something is wrong.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace penstock {

inline void fail(const char* what) {
  std::fprintf(stderr, "%s\n", what);
  std::abort();
}

class Input {
 public:
  Input(const uint8_t* data, size_t size) : data_(data), size_(size) {}
  bool empty() const { return at_ >= size_; }
  uint8_t byte() { return empty() ? 0 : data_[at_++]; }
  uint32_t half() { return static_cast<uint32_t>(byte()) << 8 | byte(); }
  std::string bytes(size_t most) {
    std::string out;
    while (!empty() && out.size() < most) out += static_cast<char>(byte());
    return out;
  }

 private:
  const uint8_t* data_;
  size_t size_;
  size_t at_ = 0;
};

}  // namespace penstock
