// The flows of one worker: found by the key of either direction as it arrives here, followed, aged, bounded.
//
// An entry (Flow, 192 bytes) has two keys: `original` is the first packet's as it arrived, `reply` is the answer's as
// it will arrive, so after translation the original direction is reply.reversed() and the reply direction
// original.reversed(). Both keys are in one index (flow/bucket_index.h), together with steer entries: "packets with
// this key belong to worker w" (DECISIONS.md 3). 2^20 flows take 235 MB, steer entries up to 118 MB more where they are
// used (tests/unit/flow/flow_table_test.cpp prints the figures).
//
// Bounds: from 15/16 of the entries on, each new flow first evicts an embryonic one (tcp_state.h) that a clock hand
// finds; established flows are never evicted. Without a victim in reach the last sixteenth is used up, then new flows
// are refused. So a flood of SYNs turns over embryonic entries and leaves established flows alone. A bitmap of what may
// be evicted makes the search cheap: 16 cache lines at the most, no entry is read.
// Time: the caller passes milliseconds; sweep() once a round ages a few entries and keeps the seconds clock going.
//
// One thread. Memory is reserved at construction, touched as flows come. A Flow* is good until the flow ends.
// Not here: who chooses translations (engine), NAT ports (flow/nat_pool.h), dropping.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <new>

#include "base/time.h"
#include "flow/bucket_index.h"
#include "flow/counters.h"
#include "flow/key.h"
#include "flow/peer_table.h"
#include "flow/slab.h"
#include "flow/tcp_state.h"
#include "wire/checksum.h"

namespace penstock::flow {

static_assert(kFlowStateIds <= kFlowStates);
constexpr uint32_t kNoSlot = 0xffffffff;
constexpr uint16_t kNoEgress = 0xffff;  // there are 1024 (flow/generation.h)

enum class FlowMode : uint8_t {
  kPlain,    // not translated
  kNat,      // service: destination
  kFullNat,  // service: source and destination
  kDsr,      // service: next hop only
  kIpip,     // service: tunnel
  kSnat,     // egress: source
  kHairpin,  // egress to another inside host's mapping: source and destination (RFC 4787 §6)
};
const char* to_string(FlowMode mode);

enum FlowFlag : uint8_t {
  kOneWay = 1,           // found by its original key only; `reply` may hold anything
  kReplied = 2,          // a packet of the reply direction was seen
  kSteeredOriginal = 4,  // another worker has a steer entry for the key
  kSteeredReply = 8,
  kHoldsMapping = 16,       // counts in a NAT mapping (flow/nat_pool.h)
  kCountedAtEndpoint = 32,  // counts in its endpoint's gauge of active flows
};

struct FlowDirection {
  uint32_t next_hop = kNoSlot;  // index into the generation's next hops
  uint32_t judged = 0;          // low bits of the generation that `next_hop` and the direction's rule belong to
  wire::ChecksumDelta l3, l4;   // what translation adds to the checksums of a packet in this direction
  uint64_t packets = 0, bytes = 0;
};

// Three cache lines: what a packet of the original direction reads; the reply's key and the rest; both directions.
struct alignas(64) Flow {
  FlowKey original;
  FlowStateId state = FlowStateId::kNone;  // write through FlowTable::follow or set_state
  FlowMode mode = FlowMode::kPlain;
  uint8_t flags = 0;
  uint8_t tcp_seen = 0;
  base::Millis last_seen = 0;
  uint32_t rule[2] = {kNoSlot, kNoSlot};  // filter rule by direction (index in the generation of way[d].judged)
  uint32_t service = kNoSlot, endpoint = kNoSlot;

  FlowKey reply;
  uint16_t egress = kNoEgress;
  uint16_t from_peer = kNoPeer;  // out of whose tunnel the original direction comes: replies go back into it
  uint32_t created = 0;          // seconds of the table's clock
  TcpWindow window[2];

  FlowDirection way[2];

  void count(unsigned direction, uint32_t bytes, base::Millis now) {
    last_seen = now;
    if (direction != 0) flags |= kReplied;
    ++way[direction].packets;
    way[direction].bytes += bytes;
  }
  bool is(FlowFlag flag) const { return flags & flag; }
  bool translates() const { return mode != FlowMode::kPlain && mode != FlowMode::kDsr && mode != FlowMode::kIpip; }
};
static_assert(sizeof(Flow) == 192);

enum class MatchKind : uint8_t { kNone, kFlow, kSteer };

struct FlowMatch {
  Flow* flow = nullptr;  // kFlow
  uint32_t index = kNoSlot;
  uint8_t direction = 0;  // kFlow: 0 original, 1 reply
  uint8_t owner = 0;      // kSteer: the worker
  MatchKind kind = MatchKind::kNone;
};

enum class OpenStatus : uint8_t {
  kOk,
  kOriginalTaken,  // a flow or steer entry with this key exists
  kReplyTaken,     // the answer's key belongs to another flow: choose another port
  kRefused,        // table under pressure and nothing to evict: flow_table_full
};

struct OpenResult {
  OpenStatus status = OpenStatus::kRefused;
  Flow* flow = nullptr;
  uint32_t index = kNoSlot;
};

// What happened, since the start.
struct FlowTableStats {
  uint64_t created = 0, expired = 0, evicted = 0, refused = 0, steers_refused = 0;
  std::array<uint32_t, kFlowStateIds> by_state{};  // gauges
};

class FlowTable {
 public:
  static constexpr unsigned kMaxBatch = 64;

  FlowTable(uint32_t capacity, const HashSecret& secret);

  uint64_t hash(const FlowKey& key) const { return hash_of(key, secret_); }

  // Up to kMaxBatch keys at once, three passes with prefetches between them. Hashes are hash(key). Steer entries that
  // match are marked used at `now`.
  void find(const FlowKey* const* keys, const uint64_t* hashes, unsigned count, FlowMatch* matches, base::Millis now);
  FlowMatch find(const FlowKey& key, uint64_t hash, base::Millis now);

  // Whether a flow or a steer entry has this key.
  bool knows(const FlowKey& key) const { return find_ref(key, hash(key)) != 0; }

  // A flow under both keys (one_way: under the original alone), in `state`, otherwise default. on_evict(Flow&, index)
  // is called for the flow that had to make room, before it ends; it must not use the table.
  template <typename OnEvict>
  OpenResult open(const FlowKey& original, const FlowKey& reply, FlowStateId state, bool one_way, base::Millis now,
                  OnEvict&& on_evict) {
    const Hashes hashes{hash(original), one_way ? 0 : hash(reply)};
    index_.prefetch(hashes.original);
    index_.prefetch(hashes.reply);
    uint32_t victim = kNoSlot;
    if (is_under_pressure()) {
      victim = find_victim();
      if (victim == kNoSlot && size() == capacity()) {
        ++stats_.refused;
        return {};
      }
    }
    if (const OpenStatus status = check_free(original, reply, one_way, hashes); status != OpenStatus::kOk)
      return {status};
    if (victim != kNoSlot) {
      on_evict(flows_[victim], victim);
      ++stats_.evicted;
      close(flows_[victim]);
    }
    return add(original, reply, state, one_way, hashes, now);
  }

  // Ends a flow at once. The caller has done what removal means to others.
  void close(Flow& flow);

  // Moves the state by one packet: `segment` for TCP, null for all else. kReopen: close() it and begin anew.
  FollowResult follow(Flow& flow, unsigned direction, const TcpSegment* segment);
  void set_state(Flow& flow, FlowStateId state);

  // Steer entries. A key that a flow here has cannot be steered (false); neither when there are twice capacity() of
  // them.
  bool steer(const FlowKey& key, uint8_t owner, base::Millis now);
  bool unsteer(const FlowKey& key);

  // Ageing: looks at up to `count` flows and as many steer entries. on_expire(Flow&, index) is called for a flow that
  // was idle longer than its state allows; true: it ends, false: it is kept until the hand comes around again.
  template <typename OnExpire>
  void sweep(uint32_t count, base::Millis now, const StateTimeouts& timeouts, OnExpire&& on_expire) {
    advance(now);
    sweep_steers(count, now);
    for (count = count < high_ ? count : high_; count != 0; --count) {
      if (sweep_at_ >= high_) sweep_at_ = 0;
      const uint32_t index = sweep_at_++;
      __builtin_prefetch(&flows_[index + kAhead < high_ ? index + kAhead : 0]);
      Flow& flow = flows_[index];
      if (flow.state == FlowStateId::kNone || base::since(flow.last_seen, now) < timeouts.of(flow.state)) continue;
      if (!on_expire(flow, index)) continue;
      ++stats_.expired;
      close(flow);
    }
  }

  // By number, for dumps and walks: 0 .. high(). Null: free.
  Flow* at(uint32_t index) {
    return index < high_ && flows_[index].state != FlowStateId::kNone ? &flows_[index] : nullptr;
  }
  uint32_t index_of(const Flow& flow) const { return static_cast<uint32_t>(&flow - flows_.data()); }
  uint32_t high() const { return high_; }

  uint32_t size() const { return size_; }
  uint32_t capacity() const { return static_cast<uint32_t>(flows_.size()); }
  uint32_t steers() const { return steers_.size(); }
  bool is_under_pressure() const { return size_ >= high_water_; }
  uint32_t seconds() const { return seconds_; }  // the table's clock, for Flow::created
  const FlowTableStats& stats() const { return stats_; }
  const HashSecret& secret() const { return secret_; }
  size_t bytes() const;           // reserved
  size_t resident_bytes() const;  // measured

 private:
  // A reference in the index: number << 2 | kind.
  enum Kind : uint32_t { kOriginalRef = 1, kReplyRef = 2, kSteerRef = 3 };
  static constexpr uint32_t kAhead = 4;

  struct Hashes {
    uint64_t original, reply;
  };

  struct Steer {
    FlowKey key;
    base::Millis last_used = 0;
    uint8_t owner = 0;
  };

  const FlowKey& key_of(uint32_t ref) const;
  FlowMatch match_of(uint32_t ref, base::Millis now);
  void prefetch_ref(uint32_t ref) const;
  uint32_t find_ref(const FlowKey& key, uint64_t hash) const;
  OpenStatus check_free(const FlowKey& original, const FlowKey& reply, bool one_way, const Hashes& hashes) const;
  OpenResult add(const FlowKey& original, const FlowKey& reply, FlowStateId state, bool one_way, const Hashes& hashes,
                 base::Millis now);
  uint32_t find_victim();
  void mark(uint32_t index, bool evictable);
  void sweep_steers(uint32_t count, base::Millis now);
  void advance(base::Millis now);

  const HashSecret secret_;
  base::RegionArray<Flow> flows_;
  base::RegionArray<uint64_t> evictable_;  // bit per flow
  BucketIndex index_;
  Slab<Steer> steers_;
  const uint32_t high_water_;
  uint32_t free_ = kNoSlot;  // linked through Flow::created of free entries
  uint32_t high_ = 0, size_ = 0, sweep_at_ = 0, hand_ = 0;
  base::Millis clock_ = 0;
  uint32_t clock_rest_ = 0, seconds_ = 0;  // milliseconds beyond seconds_
  FlowTableStats stats_;
};

}  // namespace penstock::flow
