// The field Date (RFC 9110 6.6.1): "Sun, 06 Nov 1994 08:49:37 GMT".
//
// Keeps the text of the last second asked for: one worker asks for the same one thousands of times. Reads no clock.
// Owner and thread: the worker.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace penstock::http {

class DateText {
 public:
  // `seconds` since 1970. The view is good until another second is asked for.
  std::string_view of(uint32_t seconds) {
    if (seconds != seconds_) write(seconds);
    return {text_.data(), text_.size()};
  }

 private:
  void write(uint32_t seconds);

  uint32_t seconds_ = 0;
  std::array<char, 29> text_{'T', 'h', 'u', ',', ' ', '0', '1', ' ', 'J', 'a', 'n', ' ', '1', '9', '7',
                             '0', ' ', '0', '0', ':', '0', '0', ':', '0', '0', ' ', 'G', 'M', 'T'};
};

}  // namespace penstock::http
