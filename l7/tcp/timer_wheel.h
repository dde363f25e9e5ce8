// Deadlines of many connections: four wheels of 256 slots, ticks of 131 µs. Insertion and removal are a few writes.
//
// Members are numbers below size(); links live here. advance() hands out what is due and never early; a tick late at
// most. One thread; grow() allocates, nothing else does.
#pragma once

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "base/time.h"
#include "l7/tcp/pool.h"

namespace penstock::tcp {

class TimerWheel {
 public:
  static constexpr unsigned kTickBits = 17;  // nanoseconds per tick: finer than any timer but pacing

  explicit TimerWheel(base::Nanos now) : current_(now >> kTickBits) { heads_.fill(kNone); }

  void grow(uint32_t size) {
    if (nodes_.size() < size) nodes_.resize(size);
  }

  void set(uint32_t id, base::Nanos at) {
    const uint64_t tick = std::max((at >> kTickBits) + 1, current_ + 1);
    if (nodes_[id].slot != kNone) {
      if (nodes_[id].tick == tick) return;
      remove(id);
    }
    nodes_[id].tick = tick;
    link(id);
    ++count_;
  }

  void cancel(uint32_t id) {
    if (nodes_[id].slot != kNone) remove(id);
  }

  // Calls due(id) for every member whose time has come; it may set() and cancel().
  template <typename Due>
  void advance(base::Nanos now, Due&& due) {
    const uint64_t until = now >> kTickBits;
    while (current_ < until) {
      if (count_ == 0) {
        current_ = until;
        return;
      }
      ++current_;
      for (unsigned level = 1; level < kLevels && (current_ & ((1ULL << (8 * level)) - 1)) == 0; ++level)
        cascade(level);
      uint32_t& head = heads_[current_ % kSlots];
      while (head != kNone) {
        const uint32_t id = head;
        remove(id);
        due(id);
      }
    }
  }

  // A time before which nothing is due; ~0: nothing waits.
  base::Nanos next() const {
    if (count_ == 0) return ~base::Nanos{0};
    for (uint64_t tick = current_ + 1;; ++tick) {
      if (tick % kSlots == 0 || heads_[tick % kSlots] != kNone) return tick << kTickBits;
    }
  }

 private:
  static constexpr unsigned kLevels = 4;
  static constexpr unsigned kSlots = 256;
  struct Node {
    uint64_t tick = 0;
    uint32_t previous = kNone;
    uint32_t next = kNone;
    uint32_t slot = kNone;
  };

  void link(uint32_t id) {
    const uint64_t ahead = nodes_[id].tick - current_;
    unsigned level = 0;
    while (level + 1 < kLevels && ahead >= 1ULL << (8 * (level + 1))) ++level;
    // Beyond the last wheel (6 days): its farthest slot, from where it is linked again.
    const uint64_t tick = std::min(nodes_[id].tick, current_ + (uint64_t{255} << 24));
    const auto slot = static_cast<uint32_t>(level * kSlots + (tick >> (8 * level)) % kSlots);
    nodes_[id].slot = slot;
    nodes_[id].previous = kNone;
    nodes_[id].next = heads_[slot];
    if (heads_[slot] != kNone) nodes_[heads_[slot]].previous = id;
    heads_[slot] = id;
  }

  void remove(uint32_t id) {
    Node& n = nodes_[id];
    (n.previous == kNone ? heads_[n.slot] : nodes_[n.previous].next) = n.next;
    if (n.next != kNone) nodes_[n.next].previous = n.previous;
    n.slot = kNone;
    --count_;
  }

  void cascade(unsigned level) {
    const auto slot = static_cast<uint32_t>(level * kSlots + (current_ >> (8 * level)) % kSlots);
    uint32_t id = std::exchange(heads_[slot], kNone);
    while (id != kNone) {
      const uint32_t next = nodes_[id].next;
      link(id);
      id = next;
    }
  }

  uint64_t current_;
  uint32_t count_ = 0;
  std::array<uint32_t, kLevels * kSlots> heads_;
  std::vector<Node> nodes_;
};

}  // namespace penstock::tcp
