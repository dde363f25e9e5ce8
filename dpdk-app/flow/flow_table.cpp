#include "flow/flow_table.h"

#include <algorithm>
#include <bit>

namespace penstock::flow {

namespace {

constexpr uint32_t kKindBits = 2;
constexpr uint32_t kKindMask = (1u << kKindBits) - 1;
constexpr uint32_t kVictimWords = 128;  // 16 cache lines of the bitmap: 8192 flows looked at for one victim
// A steer entry is taken back by its owner when the flow ends; this is for the notice that was lost. As long as the
// longest a flow is idle by default.
constexpr base::Millis kSteerTimeout = 432'000'000;

uint32_t high_water_of(uint32_t capacity) { return capacity - capacity / 16; }

}  // namespace

const char* to_string(FlowMode mode) {
  switch (mode) {
    case FlowMode::kPlain:
      return "plain";
    case FlowMode::kNat:
      return "nat";
    case FlowMode::kFullNat:
      return "fullnat";
    case FlowMode::kDsr:
      return "dsr";
    case FlowMode::kIpip:
      return "ipip";
    case FlowMode::kSnat:
      return "snat";
    case FlowMode::kHairpin:
      return "hairpin";
  }
  return "?";
}

// Two references a flow, and room for as many steer entries as there are references.
FlowTable::FlowTable(uint32_t capacity, const HashSecret& secret)
    : secret_(secret),
      flows_(std::max(capacity, 1u), base::RegionKind::kTable),
      evictable_((flows_.size() + 63) / 64, base::RegionKind::kTable),
      index_(flows_.size() * 4),
      steers_(static_cast<uint32_t>(flows_.size() * 2)),
      high_water_(high_water_of(static_cast<uint32_t>(flows_.size()))) {}

const FlowKey& FlowTable::key_of(uint32_t ref) const {
  const uint32_t index = ref >> kKindBits;
  const uint32_t kind = ref & kKindMask;
  if (kind == kSteerRef) [[unlikely]]
    return steers_.at(index).key;
  // No branch on the direction: it is as random as the traffic.
  const Flow& flow = flows_[index];
  const FlowKey* const keys[] = {&flow.original, &flow.reply};
  return *keys[kind - kOriginalRef];
}

FlowMatch FlowTable::match_of(uint32_t ref, base::Millis now) {
  if (ref == 0) return {};
  const uint32_t index = ref >> kKindBits;
  const uint32_t kind = ref & kKindMask;
  if (kind == kSteerRef) [[unlikely]] {
    Steer& steer = steers_.at(index);
    steer.last_used = now;
    return {nullptr, kNoSlot, 0, steer.owner, MatchKind::kSteer};
  }
  return {&flows_[index], index, static_cast<uint8_t>(kind - kOriginalRef), 0, MatchKind::kFlow};
}

void FlowTable::prefetch_ref(uint32_t ref) const {
  const uint32_t index = ref >> kKindBits;
  if ((ref & kKindMask) == kSteerRef) return steers_.prefetch(index);
  const auto* lines = reinterpret_cast<const char*>(&flows_[index]);
  __builtin_prefetch(lines);
  __builtin_prefetch(lines + 64);
  __builtin_prefetch(lines + 128);
}

uint32_t FlowTable::find_ref(const FlowKey& key, uint64_t hash) const {
  return index_.find(hash, [&](uint32_t ref) { return key_of(ref) == key; });
}

void FlowTable::find(const FlowKey* const* keys, const uint64_t* hashes, unsigned count, FlowMatch* matches,
                     base::Millis now) {
  count = std::min(count, kMaxBatch);
  for (unsigned i = 0; i < count; ++i) index_.prefetch(hashes[i]);
  uint32_t guesses[kMaxBatch];
  for (unsigned i = 0; i < count; ++i) {
    guesses[i] = index_.guess(hashes[i]);
    if (guesses[i] != 0) prefetch_ref(guesses[i]);
  }
  for (unsigned i = 0; i < count; ++i) {
    // The guess is right but for tags that collide and references in their second bucket.
    const bool right = guesses[i] != 0 && key_of(guesses[i]) == *keys[i];
    matches[i] = match_of(right ? guesses[i] : find_ref(*keys[i], hashes[i]), now);
  }
}

FlowMatch FlowTable::find(const FlowKey& key, uint64_t hash, base::Millis now) {
  return match_of(find_ref(key, hash), now);
}

OpenStatus FlowTable::check_free(const FlowKey& original, const FlowKey& reply, bool one_way,
                                 const Hashes& hashes) const {
  if (find_ref(original, hashes.original) != 0) return OpenStatus::kOriginalTaken;
  if (!one_way && (original == reply || find_ref(reply, hashes.reply) != 0)) return OpenStatus::kReplyTaken;
  return OpenStatus::kOk;
}

OpenResult FlowTable::add(const FlowKey& original, const FlowKey& reply, FlowStateId state, bool one_way,
                          const Hashes& hashes, base::Millis now) {
  const bool reuse = free_ != kNoSlot;
  const uint32_t index = reuse ? free_ : high_;
  const bool indexed = index_.insert(hashes.original, index << kKindBits | kOriginalRef);
  if (!indexed || (!one_way && !index_.insert(hashes.reply, index << kKindBits | kReplyRef))) {
    if (indexed) index_.erase(hashes.original, index << kKindBits | kOriginalRef);
    ++stats_.refused;
    return {};
  }
  Flow& flow = flows_[index];
  if (reuse) {
    free_ = flow.created;
  } else {
    ++high_;
  }
  new (&flow) Flow();
  flow.original = original;
  flow.reply = reply;
  flow.state = state;
  flow.flags = one_way ? kOneWay : 0;
  flow.last_seen = now;
  flow.created = seconds_;
  mark(index, is_embryonic(state));
  ++size_;
  ++stats_.created;
  ++stats_.by_state[static_cast<size_t>(state)];
  return {OpenStatus::kOk, &flow, index};
}

void FlowTable::close(Flow& flow) {
  const uint32_t index = index_of(flow);
  index_.erase(hash(flow.original), index << kKindBits | kOriginalRef);
  if (!flow.is(kOneWay)) index_.erase(hash(flow.reply), index << kKindBits | kReplyRef);
  --stats_.by_state[static_cast<size_t>(flow.state)];
  flow.state = FlowStateId::kNone;
  flow.created = free_;
  free_ = index;
  mark(index, false);
  --size_;
}

FollowResult FlowTable::follow(Flow& flow, unsigned direction, const TcpSegment* segment) {
  FlowStateId state = flow.state;
  FollowResult result = FollowResult::kAccept;
  if (segment != nullptr) {
    const Sides sides = flow.is(kOneWay) ? Sides::kOriginalOnly : Sides::kBoth;
    result = follow_tcp({state, flow.tcp_seen, flow.window}, direction, *segment, sides);
  } else {
    state = follow_other(state, direction);
  }
  if (state != flow.state) set_state(flow, state);
  return result;
}

void FlowTable::set_state(Flow& flow, FlowStateId state) {
  --stats_.by_state[static_cast<size_t>(flow.state)];
  ++stats_.by_state[static_cast<size_t>(state)];
  if (is_embryonic(flow.state) != is_embryonic(state)) mark(index_of(flow), is_embryonic(state));
  flow.state = state;
}

void FlowTable::mark(uint32_t index, bool evictable) {
  const uint64_t bit = 1ull << (index % 64);
  uint64_t& word = evictable_[index / 64];
  word = evictable ? word | bit : word & ~bit;
}

// The hand moves on past its victim, whose entry is taken by the new flow: that one is safe until the hand has been
// around.
uint32_t FlowTable::find_victim() {
  const uint32_t words = (high_ + 63) / 64;
  for (uint32_t looked = 0; looked <= std::min(words, kVictimWords); ++looked) {
    if (hand_ >= high_) hand_ = 0;
    const uint64_t ahead = evictable_[hand_ / 64] & (~0ull << (hand_ % 64));
    if (ahead != 0) {
      const uint32_t victim = hand_ / 64 * 64 + static_cast<uint32_t>(std::countr_zero(ahead));
      hand_ = victim + 1;
      prefetch_ref(victim << kKindBits | kOriginalRef);
      return victim;
    }
    hand_ = (hand_ / 64 + 1) * 64;
  }
  return kNoSlot;
}

bool FlowTable::steer(const FlowKey& key, uint8_t owner, base::Millis now) {
  const uint64_t key_hash = hash(key);
  if (const uint32_t ref = find_ref(key, key_hash); ref != 0) {
    if ((ref & kKindMask) != kSteerRef) return false;
    steers_.at(ref >> kKindBits).owner = owner;
    steers_.at(ref >> kKindBits).last_used = now;
    return true;
  }
  const uint32_t number = steers_.take();
  if (number == steers_.kNone || !index_.insert(key_hash, number << kKindBits | kSteerRef)) {
    if (number != steers_.kNone) steers_.give(number);
    ++stats_.steers_refused;
    return false;
  }
  steers_.at(number) = {key, now, owner};
  return true;
}

bool FlowTable::unsteer(const FlowKey& key) {
  const uint64_t key_hash = hash(key);
  const uint32_t ref = find_ref(key, key_hash);
  if ((ref & kKindMask) != kSteerRef) return false;
  index_.erase(key_hash, ref);
  steers_.give(ref >> kKindBits);
  return true;
}

void FlowTable::sweep_steers(uint32_t count, base::Millis now) {
  steers_.sweep(count, [&](uint32_t number) {
    const Steer& steer = steers_.at(number);
    if (base::since(steer.last_used, now) < kSteerTimeout) return;
    index_.erase(hash(steer.key), number << kKindBits | kSteerRef);
    steers_.give(number);
  });
}

void FlowTable::advance(base::Millis now) {
  clock_rest_ += base::since(clock_, now);
  clock_ = now;
  if (clock_rest_ < 1000) return;
  seconds_ += clock_rest_ / 1000;
  clock_rest_ %= 1000;
}

size_t FlowTable::bytes() const {
  return flows_.region().size() + evictable_.region().size() + index_.bytes() + steers_.bytes();
}

size_t FlowTable::resident_bytes() const {
  return flows_.region().resident_bytes() + evictable_.region().resident_bytes() + index_.resident_bytes() +
         steers_.resident_bytes();
}

}  // namespace penstock::flow
