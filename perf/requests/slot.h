// A client's place for one connection at a time and one request on it, and the list of those whose patience runs.
//
//   kClosed ──(request, or opened before)──► kOpening ──► kIdle ◄──────── answered
//      ▲                                        │           │ request        │
//      │                                        └──request──┴──► kAsking ────┤
//      └──────── the peer's end ◄── kEnding ◄── answered, the last one ──────┘      any ── broken ──► kClosed
#pragma once

#include <vector>

#include "l7/h1/response_parser.h"
#include "requests/heads.h"
#include "requests/transport.h"

namespace penstock::requests {

enum class SlotState : uint8_t { kClosed, kOpening, kIdle, kAsking, kEnding };

struct Slot {
  SlotState state = SlotState::kClosed;
  bool request = false;                // one is under way: asked, or waits for the connection
  bool last = false;                   // it says "connection: close"
  bool written = false;                // completely
  bool foreign = false;                // bytes came that are no answer
  bool proven = false;                 // the connection has brought a good answer: it was accepted
  uint32_t id = kNone;                 // of the connection
  uint32_t asked = 0;                  // requests on this connection
  base::Nanos due = 0;                 // when the request should have been sent
  base::Nanos sent = 0;                // when it was
  base::Nanos opened = 0;              // when the connection was asked for
  base::Nanos free = 0;                // since when no request is here
  uint64_t length = 0;                 // of the request's content
  uint64_t progress = 0;               // bytes of the request that were written
  uint64_t content = 0;                // bytes of the answer's content
  http::ResponseHead* head = nullptr;  // lent while an answer is read
  h1::ResponseParser parser{head_limits()};
  // Patience.
  base::Nanos since = 0;
  uint32_t before = kNone, after = kNone;
  bool watched = false;

  // Reads on in an answer to `method`; what is none, or more than was asked for, makes the slot foreign.
  void read(base::Bytes bytes, http::Method method, Heads<http::ResponseHead>& heads) {
    foreign |= state != SlotState::kAsking;
    if (foreign) return;
    if (head == nullptr) {
      head = heads.take();
      parser.begin(*head, {.method = method});
    }
    for (;;) {
      const h1::Step step = parser.next(bytes);
      bytes = bytes.subspan(step.consumed);
      content += step.data.size();
      if (step.event == h1::Event::kMore) break;
      foreign = step.event == h1::Event::kRefused || step.event == h1::Event::kTunnel;
      if (foreign) return;
    }
    foreign = !bytes.empty();
  }
};

// Slots by when their patience began, the longest waiting first. All have the same patience, so the order is that of
// coming in, and nothing is searched.
class Patience {
 public:
  explicit Patience(std::vector<Slot>& slots) : slots_(slots) {}

  void clear() { first_ = last_ = kNone; }
  void begin(uint32_t index, base::Nanos now) {
    end(index);
    Slot& s = slots_[index];
    s.watched = true;
    s.since = now;
    s.before = last_;
    s.after = kNone;
    (last_ == kNone ? first_ : slots_[last_].after) = index;
    last_ = index;
  }
  void end(uint32_t index) {
    Slot& s = slots_[index];
    if (!std::exchange(s.watched, false)) return;
    (s.before == kNone ? first_ : slots_[s.before].after) = s.after;
    (s.after == kNone ? last_ : slots_[s.after].before) = s.before;
  }
  uint32_t first() const { return first_; }

 private:
  std::vector<Slot>& slots_;
  uint32_t first_ = kNone, last_ = kNone;
};

}  // namespace penstock::requests
