// A worker's side of all rate limits. Shares of aggregate limits are claimed in chunks from the bucket that all workers
// share (flow/token_bucket.h); buckets per source, prefix, destination or flow are shared themselves
// (flow/source_buckets.h). No bucket free: the packet is refused by name (limit_table_full).
#pragma once

#include <cstdint>
#include <memory>

#include "base/address.h"
#include "base/time.h"
#include "flow/counters.h"
#include "flow/key.h"
#include "flow/limit.h"
#include "flow/source_buckets.h"

namespace penstock::engine {

enum class Admission : uint8_t { kPass, kOver, kTableFull };

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
  Limiter(const flow::HashSecret& secret, flow::SharedBucket* shared, flow::SourceBuckets& sources,
          flow::WorkerCounters& counters);

  // The limit's bucket for a packet of this identity, as admit() wants it; asks for the memory that it will read.
  uint64_t bucket_of(const flow::Limit& limit, const flow::FlowKey& key) const;

  // Takes `units` of the limit's bucket and counts the outcome.
  Admission admit(const flow::Limit& limit, uint64_t bucket, uint32_t units, uint32_t bytes, base::Cycles now);

  // The gauge of buckets in use, a few sets at a time. One worker only.
  void count_sources(base::Cycles now);

 private:
  Admission take(const flow::Limit& limit, uint64_t bucket, uint32_t units, base::Cycles now);

  const flow::HashSecret secret_;
  flow::SharedBucket* shared_;  // by slot; owned by the engine
  flow::WorkerCounters& counters_;
  std::unique_ptr<flow::LocalShare[]> shares_;  // by slot
  flow::SourceBuckets& sources_;                // owned by the engine
};

}  // namespace penstock::engine
