// A worker's side of all rate limits: its shares of aggregate limits, and its own buckets per source, prefix,
// destination or flow. Shares of one aggregate limit are claimed from the bucket that all workers share
// (flow/token_bucket.h). A bucket that is full again owes nothing and is forgotten by the sweep. When no bucket is
// free, the packet is refused by name (limit_table_full): a limit that cannot be enforced must not be passed.
#pragma once

#include <cstdint>
#include <memory>

#include "base/address.h"
#include "base/time.h"
#include "flow/bounded_map.h"
#include "flow/counters.h"
#include "flow/key.h"
#include "flow/limit.h"

namespace penstock::engine {

enum class Admission : uint8_t { kPass, kOver, kTableFull };

// The bucket of one limit: limit slot and what the limit counts by.
struct BucketKey {
  base::IpAddress address;  // of the source, its prefix or the destination; unused parts zero
  uint64_t flow = 0;        // hash of the flow key, for limits per flow
  uint64_t slot = 0;
  bool operator==(const BucketKey&) const = default;
};

// Visits the limits of the longest prefix that holds the address, until `visit` says false; whether none did.
template <typename Visit>
bool for_each_destination_limit(const flow::LimitTable& limits, const base::IpAddress& address, Visit&& visit) {
  const base::Prefix* longest = nullptr;
  for (const flow::LimitTable::ByPrefix& each : limits.prefixes) {
    if (longest != nullptr ? each.prefix != *longest : !each.prefix.contains(address)) {
      if (longest != nullptr) break;
      continue;
    }
    longest = &each.prefix;
    if (!visit(each.slot)) return false;
  }
  return true;
}

class Limiter {
 public:
  Limiter(uint32_t capacity, const flow::HashSecret& secret, flow::SharedBucket* shared,
          flow::WorkerCounters& counters);

  // Takes `units` of limit `limit` for a packet of this identity and counts the outcome.
  Admission admit(const flow::Limit& limit, const flow::FlowKey& key, uint32_t units, uint32_t bytes, base::Cycles now);

  // Ageing: forgets buckets that are full again. Visits a few.
  void sweep(base::Cycles now);
  size_t size() const { return buckets_.size(); }

 private:
  Admission take(const flow::Limit& limit, const flow::FlowKey& key, uint32_t units, base::Cycles now);

  const flow::HashSecret secret_;
  flow::SharedBucket* shared_;  // by slot; owned by the engine
  flow::WorkerCounters& counters_;
  std::unique_ptr<flow::LocalShare[]> shares_;  // by slot
  flow::BoundedMap<BucketKey, flow::TokenBucket> buckets_;
};

}  // namespace penstock::engine
