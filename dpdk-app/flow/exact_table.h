// Exact flows (Flows.Program): entries by 5-tuple and interface that decide a packet before rules and services do.
// Programmed by the million from outside, so every operation is checked, bounded and cheap (batches overlap their cache
// misses). The caller applies an operation to the worker that owns the key (flow/shard.h).
//
// Idle and hard timeouts are enforced by sweep(), a bounded piece of it each round; they are at most
// kLongestExactTimeout. One thread. About 210 bytes an entry, touched as the table fills. Results are statuses, never
// exceptions. Not here: what an action means (engine), filters of a dump (control).
#pragma once

#include <cstdint>
#include <span>

#include "base/time.h"
#include "flow/bounded_map.h"
#include "flow/command.h"
#include "flow/key.h"
#include "flow/token_bucket.h"

namespace penstock::flow {

constexpr uint32_t kLongestExactTimeout = 20 * 24 * 3600;  // seconds: idle time is measured in wrapping milliseconds

struct ExactEntry {
  ExactAction action;
  TokenBucket bucket;  // when action.limited
  uint64_t cookie = 0, packets = 0, bytes = 0;
  base::Millis last_used = 0;
  uint32_t created = 0;  // seconds of the table's clock
  uint32_t idle_seconds = 0, hard_seconds = 0;

  void count(uint32_t length, base::Millis now) {
    ++packets;
    bytes += length;
    last_used = now;
  }
};

class ExactTable {
 public:
  ExactTable(uint32_t capacity, const HashSecret& secret);

  uint64_t hash(const FlowKey& key) const { return hash_of(key, secret_); }
  ExactEntry* find(const FlowKey& key) { return map_.find(key, hash(key)); }
  ExactEntry* find(const FlowKey& key, uint64_t key_hash) { return map_.find(key, key_hash); }
  // Null where there is none. Prefetches over the whole batch.
  void find(const FlowKey* const* keys, const uint64_t* hashes, unsigned count, ExactEntry** entries);

  ExactStatus apply(const ExactOp& op, base::Millis now);
  // In order; statuses.size() == ops.size().
  void apply(std::span<const ExactOp> ops, std::span<ExactStatus> statuses, base::Millis now);

  // Ageing: visits up to `count` entries; returns how many ended.
  uint32_t sweep(uint32_t count, base::Millis now);

  // Fills `out` from position `cursor` on and moves it, looking at up to `budget` positions; kEnd when there is no
  // more.
  static constexpr uint64_t kEnd = DumpExactCommand::kEnd;
  size_t dump(uint64_t& cursor, std::span<ExactEntryView> out, uint32_t budget, base::Millis now);
  // The one entry of `key`; false: none.
  bool view(const FlowKey& key, base::Millis now, ExactEntryView& out);

  size_t size() const { return map_.size(); }
  size_t capacity() const { return map_.capacity(); }
  size_t bytes() const { return map_.bytes(); }
  size_t resident_bytes() const { return map_.resident_bytes(); }

 private:
  ExactStatus apply(const ExactOp& op, uint64_t key_hash, base::Millis now);
  void fill_view(const FlowKey& key, const ExactEntry& entry, base::Millis now, ExactEntryView& out) const;
  void advance(base::Millis now);

  const HashSecret secret_;
  BoundedMap<FlowKey, ExactEntry> map_;
  base::Millis clock_ = 0;
  uint32_t clock_rest_ = 0, seconds_ = 0;
};

}  // namespace penstock::flow
