// The lines of a head or of a trailer section, collected in the message's arena however the bytes arrive.
//
// A line is complete when its LF is there; nothing is judged before, so that the way the input was cut cannot change
// the result. Memory: input is copied to the end of the arena in gulps; what lies behind the last line is given back.
// Others may append to the arena between two calls: a line that is still incomplete is then moved behind it.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/bytes.h"
#include "l7/h1/scan.h"
#include "l7/http/arena.h"

namespace penstock::h1 {

class Lines {
 public:
  void begin(http::Arena& arena) {
    arena_ = &arena;
    start_ = searched_ = end_ = section_ = arena.used();
    earlier_ = 0;
  }

  // Copies the next bytes of the input; returns how many, 0 only if there is no input or no room.
  size_t take(base::Bytes input) {
    if (arena_->used() != end_ && !move_behind()) return 0;
    const auto size = static_cast<uint32_t>(std::min<size_t>({input.size(), kGulp, arena_->room()}));
    if (size == 0) return 0;
    std::memcpy(arena_->extend(size), input.data(), size);
    end_ += size;
    return size;
  }

  // The next complete line, without its LF.
  bool next(http::Slice& line) {
    const char* base = arena_->data();
    const char* lf = scan::fast::find_lf(base + searched_, base + end_);
    const auto at = static_cast<uint32_t>(lf - base);
    searched_ = at;
    if (at == end_) return false;
    line = {start_, at - start_};
    start_ = searched_ = at + 1;
    return true;
  }

  uint32_t pending() const { return end_ - start_; }                         // bytes of the incomplete line
  uint32_t section_bytes() const { return earlier_ + (start_ - section_); }  // of complete lines, line ends included
  void begin_section() {
    section_ = start_;
    earlier_ = 0;
  }
  // After the last line: what was copied of the bytes behind it.
  uint32_t give_back() {
    const uint32_t extra = end_ - start_;
    arena_->truncate(start_);
    end_ = start_;
    return extra;
  }

 private:
  static constexpr uint32_t kGulp = 2048;  // a usual head in one piece; little is copied in vain when content follows

  bool move_behind() {
    earlier_ += start_ - section_;
    http::Slice moved;
    if (!arena_->append(arena_->view({start_, end_ - start_}), moved)) return false;
    searched_ = moved.at + (searched_ - start_);
    start_ = section_ = moved.at;
    end_ = arena_->used();
    return true;
  }

  http::Arena* arena_ = nullptr;
  uint32_t start_ = 0;     // of the incomplete line
  uint32_t searched_ = 0;  // no LF before this
  uint32_t end_ = 0;       // of what was copied
  uint32_t section_ = 0;   // where the section's lines begin
  uint32_t earlier_ = 0;   // bytes of lines from before a move
};

}  // namespace penstock::h1
