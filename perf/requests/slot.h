// A client's place for one connection at a time and one request on it, and the list of those whose patience runs.
//
//   kClosed ──(request, or opened before)──► kOpening ──► kIdle ◄──────── answered
//      ▲                                        │           │ request        │
//      │                                        └──request──┴──► kAsking ────┤
//      └──────── the peer's end ◄── kEnding ◄── answered, the last one ──────┘      any ── broken ──► kClosed
#pragma once

#include <vector>

#include "requests/transport.h"

namespace penstock::requests {

enum class SlotState : uint8_t { kClosed, kOpening, kIdle, kAsking, kEnding };

// `Words`: what the clients' protocol has to remember of a connection.
template <typename Words>
struct Slot {
  SlotState state = SlotState::kClosed;
  bool request = false;    // one is under way: asked, or waits for the connection
  bool last = false;       // on its connection
  bool written = false;    // completely
  bool foreign = false;    // bytes came that are no answer
  bool proven = false;     // the connection has brought a good answer: it was accepted
  uint32_t id = kNone;     // of the connection
  uint32_t asked = 0;      // requests on this connection
  base::Nanos due = 0;     // when the request should have been sent
  base::Nanos sent = 0;    // when it was
  base::Nanos opened = 0;  // when the connection was asked for
  base::Nanos free = 0;    // since when no request is here
  Words words;
  // Patience.
  base::Nanos since = 0;
  uint32_t before = kNone, after = kNone;
  bool watched = false;
};

// Slots by when their patience began, the longest waiting first. All have the same patience, so the order is that of
// coming in, and nothing is searched.
template <typename Words>
class Patience {
 public:
  explicit Patience(std::vector<Slot<Words>>& slots) : slots_(slots) {}

  void clear() { first_ = last_ = kNone; }
  void begin(uint32_t index, base::Nanos now) {
    end(index);
    Slot<Words>& s = slots_[index];
    s.watched = true;
    s.since = now;
    s.before = last_;
    s.after = kNone;
    (last_ == kNone ? first_ : slots_[last_].after) = index;
    last_ = index;
  }
  void end(uint32_t index) {
    Slot<Words>& s = slots_[index];
    if (!std::exchange(s.watched, false)) return;
    (s.before == kNone ? first_ : slots_[s.before].after) = s.after;
    (s.after == kNone ? last_ : slots_[s.after].before) = s.before;
  }
  uint32_t first() const { return first_; }

 private:
  std::vector<Slot<Words>>& slots_;
  uint32_t first_ = kNone, last_ = kNone;
};

}  // namespace penstock::requests
