// The checksum of rows: finds damage, not malice (who can write the file can also apply a configuration).
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

namespace penstock::store {

class Checksum {
 public:
  Checksum& add(uint64_t word) {
    const auto product = static_cast<unsigned __int128>(state_ ^ word ^ kFirst) * kSecond;
    state_ = static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64) ^ (state_ << 1 | state_ >> 63);
    return *this;
  }
  Checksum& add(std::string_view bytes) {  // length first: ("a","bc") differs from ("ab","c")
    add(static_cast<uint64_t>(bytes.size()));
    while (!bytes.empty()) {
      uint64_t word = 0;
      const size_t n = bytes.size() < sizeof word ? bytes.size() : sizeof word;
      std::memcpy(&word, bytes.data(), n);
      add(word);
      bytes.remove_prefix(n);
    }
    return *this;
  }
  uint64_t value() const { return state_; }

 private:
  static constexpr uint64_t kFirst = 0x9e3779b97f4a7c15, kSecond = 0xd6e8feb86659fd93;
  uint64_t state_ = kSecond;
};

}  // namespace penstock::store
