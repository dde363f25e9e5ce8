#include "engine/limiter.h"

#include <algorithm>

#include "flow/generation.h"

namespace penstock::engine {

namespace {

constexpr unsigned kSweepStep = 64;

// The first `length` bits of the address; `length` counts in its own family.
base::IpAddress masked(const base::IpAddress& address, uint8_t length) {
  return base::Prefix{address, length}.network().address;
}

BucketKey bucket_of(const flow::Limit& limit, const flow::FlowKey& key, const flow::HashSecret& secret) {
  BucketKey bucket;
  bucket.slot = limit.slot;
  const uint8_t length = key.src.is_v4() ? limit.v4_prefix_length : limit.v6_prefix_length;
  switch (limit.bucket) {
    case flow::LimitBucket::kAggregate:
      break;
    case flow::LimitBucket::kSource:
      bucket.address = key.src;
      break;
    case flow::LimitBucket::kSourcePrefix:
      bucket.address = masked(key.src, length);
      break;
    case flow::LimitBucket::kDestination:
      bucket.address = key.dst;
      break;
    case flow::LimitBucket::kFlow:
      bucket.flow = flow::hash_of(key, secret) | 1;
      break;
  }
  return bucket;
}

}  // namespace

Limiter::Limiter(uint32_t capacity, const flow::HashSecret& secret, flow::SharedBucket* shared,
                 flow::WorkerCounters& counters)
    : secret_(secret),
      shared_(shared),
      counters_(counters),
      shares_(std::make_unique<flow::LocalShare[]>(flow::kMaxLimits)),
      buckets_(capacity) {
  counters_.sources_capacity.set(capacity);
}

Admission Limiter::take(const flow::Limit& limit, const flow::FlowKey& key, uint32_t units, base::Cycles now) {
  if (limit.bucket == flow::LimitBucket::kAggregate)
    return shares_[limit.slot].take(shared_[limit.slot], limit.rate, limit.chunk, units, now) ? Admission::kPass
                                                                                              : Admission::kOver;
  const BucketKey id = bucket_of(limit, key, secret_);
  const uint64_t hash = flow::hash_of(id.address, id.flow ^ (id.slot << 1), secret_);
  flow::TokenBucket* bucket = buckets_.find(id, hash);
  if (bucket == nullptr) {
    bucket = buckets_.insert(id, hash);
    if (bucket == nullptr) return Admission::kTableFull;
    *bucket = flow::TokenBucket{};
    counters_.sources.set(buckets_.size());
  }
  return bucket->take(limit.rate, units, now) ? Admission::kPass : Admission::kOver;
}

Admission Limiter::admit(const flow::Limit& limit, const flow::FlowKey& key, uint32_t units, uint32_t bytes,
                         base::Cycles now) {
  const Admission admission = take(limit, key, units, now);
  flow::LimitCounters& count = counters_.limits[limit.slot];
  (admission == Admission::kPass ? count.passed : count.exceeded).add(bytes);
  return admission;
}

void Limiter::sweep(base::Cycles now) {
  if (buckets_.size() == 0) return;
  buckets_.sweep(kSweepStep, [&](const BucketKey&, flow::TokenBucket& bucket) { return !bucket.is_full(now); });
  counters_.sources.set(buckets_.size());
}

}  // namespace penstock::engine
