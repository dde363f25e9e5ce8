// A message that is sent again and again: a head that never changes, then a content whose length may differ each time,
// made of one repeated letter. Sent in as few writes as the transport takes. RFC 9112 3, 4, 6.2.
//
// Memory: one block for all messages of a kind; nothing is allocated when one is sent. One thread.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstring>
#include <string>
#include <vector>

#include "requests/transport.h"

namespace penstock::requests {

enum class Length : uint8_t { kUnsaid, kSaid };

class Message {
 public:
  // `head`: start line and fields with their line ends, without the empty line.
  explicit Message(const std::string& head) : head_(head.size()), block_(head.size() + kLongestEnd + kFiller, 'x') {
    std::memcpy(block_.data(), head.data(), head.size());
  }

  // Sends on from byte `sent` of the whole and moves it; true when the last byte was taken. `content` false: only the
  // head, as an answer to HEAD is.
  template <Transport T>
  bool send(T& to, uint32_t id, Length said, uint64_t length, bool content, uint64_t& sent, base::Nanos now) {
    const size_t head = write_end(said, length);
    const uint64_t whole = head + (content ? length : 0);
    while (sent < whole) {
      // Behind the head every byte is the same: any of them will do.
      const size_t at = static_cast<size_t>(std::min<uint64_t>(sent, head));
      const size_t size = static_cast<size_t>(std::min<uint64_t>(whole - sent, block_.size() - at));
      const size_t taken = to.write(id, {block_.data() + at, size}, now);
      sent += taken;
      if (taken < size) return false;
    }
    return true;
  }

 private:
  static constexpr std::string_view kName = "content-length: ", kEnd = "\r\n\r\n";
  static constexpr size_t kLongestEnd = kName.size() + 20 + kEnd.size();
  static constexpr size_t kFiller = 64 * 1024;

  // The end of the head for this length; its bytes. What a longer one left behind becomes content again.
  size_t write_end(Length said, uint64_t length) {
    uint8_t* at = block_.data() + head_;
    std::string_view end = kEnd.substr(2);
    if (said == Length::kSaid) {
      std::memcpy(at, kName.data(), kName.size());
      at += kName.size();
      auto* digits = reinterpret_cast<char*>(at);
      at += std::to_chars(digits, digits + 20, length).ptr - digits;
      end = kEnd;
    }
    std::memcpy(at, end.data(), end.size());
    at += end.size();
    std::memset(at, 'x', static_cast<size_t>(block_.data() + head_ + kLongestEnd - at));
    return static_cast<size_t>(at - block_.data());
  }

  size_t head_;
  std::vector<uint8_t> block_;
};

}  // namespace penstock::requests
