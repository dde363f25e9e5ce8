// Rate limits of requests, on one worker: may this request pass, and what is left?
//
// The tokens are those of the engine's limits (flow/token_bucket.h, flow/source_buckets.h) with a nanosecond as their
// cycle. A limit without a key has a bucket that all workers share; where a millisecond of its rate is more than a
// request, a worker takes so much at once (flow::Rate::chunk), and that is the bound of its exactness over workers.
// Below that every request asks the shared bucket itself, and the limit is exact. Limits with a key have a bucket per
// key in a table that all workers share; one whose places are all taken refuses, by name (Decision::table_full).
//
// All limits of a request are asked; only when none refuses has it been charged by any. Limits in shadow are asked and
// charged like others, but refuse nothing. Of a request that is refused only the limits that refuse it count.
//
// Limits of bandwidth refuse nobody: ask() says which the content of the request and of its answer are under, join()
// the same of a TCP connection, and draw() gives credit for bytes as long as all of those have it.
//
// Owner: Tables are the process's, a Limiter is its proxy's. Thread: the worker's; counters are read by anybody.
// Memory: allocated by adopt(), nothing by ask(). Buckets are found by the limit's slot, which survives changes of
// configuration; another rate holds at once, as the buckets say. Not here: answers, response fields.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <span>
#include <vector>

#include "base/region.h"
#include "base/time.h"
#include "flow/counters.h"
#include "flow/source_buckets.h"
#include "flow/token_bucket.h"
#include "l7/config/request_limit.h"
#include "l7/limit/key.h"

namespace penstock::limit {

// Keys of all limits and workers that owe something at once; 32 bytes each. Beyond it requests are refused.
constexpr size_t kMaxKeys = 1u << 18;

// What all workers share.
struct Tables {
  explicit Tables(const tcp::HashKey& key, size_t keys = kMaxKeys);
  const tcp::HashKey secret;
  base::RegionArray<flow::SharedBucket> aggregates;  // by slot
  base::RegionArray<std::atomic<uint32_t>> owners;   // by slot: marks of the limits' names
  flow::SourceBuckets keyed;
};

// A limit of bandwidth that the content of an exchange is under: numbers that outlive a generation.
struct Share {
  uint32_t slot;
  uint32_t mark;  // of the limit's name: the slot may be another's one day
  uint64_t key;
};
struct Shares {
  std::array<Share, config::kMaxSharesPerContent> all;
  uint8_t count = 0;
};

// Into RequestLimits::all: of the listener, of the action, and what findings of inspections name.
using Lists = std::array<std::span<const uint32_t>, 3>;

struct Decision {
  bool limited = false;
  bool table_full = false;                      // a limit had no room for the key
  base::Nanos retry_after = 0;                  // limited: until the strictest of those that refuse would pass it
  const config::RequestLimit* shown = nullptr;  // the refusing one, or of those with `headers` the one with least left
  uint64_t remaining = 0;                       // of it: requests that would pass now
  base::Nanos reset = 0;                        // and until its bucket is full
  Shares request_content, response_content;     // of a request that passes
};

class Limiter {
 public:
  // Nothing is limited before adopt(). Without tables, or counters by slot, it makes its own when it needs them.
  explicit Limiter(std::shared_ptr<Tables> tables = nullptr, flow::LimitCounters* counters = nullptr)
      : tables_(std::move(tables)), counters_(counters) {}

  // `limits` stays until the next adopt().
  void adopt(const config::RequestLimits& limits);
  bool any() const { return !rates_.empty(); }

  // Numbers of limits; no two lists have one in common.
  Decision ask(const Lists& lists, const Subject& request, base::Nanos now);
  // `list`: limits of bandwidth whose keys are at most the source.
  Decision join(std::span<const uint32_t> list, const base::IpAddress& source);
  // Of the limit that has the slot in the adopted configuration.
  std::optional<uint32_t> number_of(uint32_t slot) const {
    if (slot >= of_slot_.size() || of_slot_[slot] == kNoLimit) return std::nullopt;
    return of_slot_[slot];
  }

  // Credit for up to `bytes` of content, from all shares or from none; 0: ask again at `again`. A share whose limit is
  // no more is no limit.
  uint32_t draw(const Shares& shares, size_t bytes, base::Nanos now, base::Nanos& again);

  const flow::LimitCounters& counters(uint32_t slot) const { return counters_[slot]; }

 private:
  static constexpr uint32_t kNoLimit = UINT32_MAX;
  struct Pace {         // of one limit, as its buckets want it
    uint32_t mark = 0;  // of its name
    flow::Rate rate;
    uint32_t units = 1;  // of one request: slow limits count in parts, since no bucket is slower than a unit in 8 s
    uint32_t chunk = 0;  // 0: the shared bucket itself is asked
  };
  struct Asked {
    uint32_t limit;
    uint32_t units;
    uint64_t key;
    flow::BucketResult result;
  };

  static Pace pace_of(const config::RequestLimit& limit);
  flow::BucketResult take(const Asked& asked, base::Nanos now);
  void give_back(const Asked& asked);
  base::Nanos debt(const Asked& asked, base::Nanos now);
  void judge(const Asked& asked, Decision& decision, base::Nanos now);
  void settle(const Asked& asked, Decision& decision, base::Nanos now);
  uint64_t bucket_of(uint32_t number, uint64_t key) const;
  void add_share(const Asked& asked, Decision& decision);
  void count_shares(const Decision& decision);
  void show(const Asked& asked, Decision& decision, base::Nanos now);

  std::shared_ptr<Tables> tables_;
  flow::LimitCounters* counters_;
  base::RegionArray<flow::LocalShare> shares_;  // by slot
  base::RegionArray<flow::LimitCounters> own_counters_;
  const config::RequestLimits* limits_ = nullptr;
  std::vector<Pace> rates_;        // as limits_->all
  std::vector<uint32_t> of_slot_;  // into them
};

}  // namespace penstock::limit
