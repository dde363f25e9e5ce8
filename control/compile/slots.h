// Slots: small stable numbers by which a generation names what lives in the workers (counters, buckets, flows).
// A slot that loses its owner may be named by workers until every one of them has left the last generation that had it;
// only then is it given out again, and, while there are fresh ones, not at once: a flow that slept through the change
// should find its endpoint gone rather than somebody else in its place.
//
// Values: a copy is another history. The compiler works on a copy and keeps it when the generation is published.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace penstock::compile {

class Slots {
 public:
  // `rest`: how many returned slots lie idle before the oldest of them is preferred to a fresh one.
  explicit Slots(uint32_t capacity, uint32_t rest = 0) : capacity_(capacity), rest_(rest) {}

  // Nothing: all are in use, or in use by workers that have not left generation `retired` + 1.
  std::optional<uint32_t> take(uint64_t retired);
  // `last`: the newest generation that names the slot.
  void release(uint32_t slot, uint64_t last) { idle_.push_back({slot, last}); }
  uint32_t used() const { return fresh_ - static_cast<uint32_t>(idle_.size()); }

 private:
  struct Idle {
    uint32_t slot;
    uint64_t last;
  };
  uint32_t capacity_, rest_;
  uint32_t fresh_ = 0;     // the lowest slot never given out
  std::deque<Idle> idle_;  // oldest first
};

// Slots by the names of their owners.
class NamedSlots {
 public:
  explicit NamedSlots(uint32_t capacity, uint32_t rest = 0)
      : slots_(capacity, rest), names_(std::make_shared<Names>()) {}

  // From now on exactly these names have slots; those that had one keep it. False: there are not enough.
  bool assign(const std::vector<std::string>& names, uint64_t last, uint64_t retired);
  // Only for a name that was assigned.
  uint32_t at(const std::string& name) const { return names_->at(name); }
  std::optional<uint32_t> find(const std::string& name) const;
  uint32_t bound() const;  // above the highest slot in use
  bool same_as(const NamedSlots& other) const { return names_ == other.names_; }

 private:
  using Names = std::unordered_map<std::string, uint32_t>;
  Slots slots_;
  std::shared_ptr<const Names> names_;  // shared between copies; another object whenever it differs
};

}  // namespace penstock::compile
