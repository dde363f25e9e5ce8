#include "engine/limiter.h"

#include <algorithm>

#include "flow/generation.h"

namespace penstock::engine {

namespace {

constexpr size_t kCountStep = 64;  // sets

// The first `length` bits of the address; `length` counts in its own family.
base::IpAddress masked(const base::IpAddress& address, uint8_t length) {
  return base::Prefix{address, length}.network().address;
}

// What the bucket is for, as a keyed hash; never 0.
uint64_t id_of(const flow::Limit& limit, const flow::FlowKey& key, const flow::HashSecret& secret) {
  const uint8_t length = key.src.is_v4() ? limit.v4_prefix_length : limit.v6_prefix_length;
  const uint64_t salt = limit.slot + 1;
  switch (limit.bucket) {
    case flow::LimitBucket::kAggregate:
    case flow::LimitBucket::kSource:
      return flow::hash_of(key.src, salt, secret) | 1;
    case flow::LimitBucket::kSourcePrefix:
      return flow::hash_of(masked(key.src, length), salt, secret) | 1;
    case flow::LimitBucket::kDestination:
      return flow::hash_of(key.dst, salt, secret) | 1;
    case flow::LimitBucket::kFlow:
      return flow::mix(flow::hash_of(key, secret) ^ secret.word[1], salt * 0x9e3779b97f4a7c15) | 1;
  }
  return 1;
}

}  // namespace

Limiter::Limiter(const flow::HashSecret& secret, flow::SharedBucket* shared, flow::SourceBuckets& sources,
                 flow::WorkerCounters& counters)
    : secret_(secret),
      shared_(shared),
      counters_(counters),
      shares_(std::make_unique<flow::LocalShare[]>(flow::kMaxLimits)),
      sources_(sources) {}

uint64_t Limiter::bucket_of(const flow::Limit& limit, const flow::FlowKey& key) const {
  if (limit.bucket == flow::LimitBucket::kAggregate) return 0;
  const uint64_t id = id_of(limit, key, secret_);
  sources_.prefetch(id);
  return id;
}

Admission Limiter::take(const flow::Limit& limit, uint64_t bucket, uint32_t units, base::Cycles now) {
  if (limit.bucket == flow::LimitBucket::kAggregate)
    return shares_[limit.slot].take(shared_[limit.slot], limit.rate, limit.chunk, units, now) ? Admission::kPass
                                                                                              : Admission::kOver;
  switch (sources_.take(bucket, limit.rate, units, now)) {
    case flow::BucketResult::kPass:
      return Admission::kPass;
    case flow::BucketResult::kOver:
      return Admission::kOver;
    case flow::BucketResult::kTableFull:
      break;
  }
  return Admission::kTableFull;
}

Admission Limiter::admit(const flow::Limit& limit, uint64_t bucket, uint32_t units, uint32_t bytes, base::Cycles now) {
  const Admission admission = take(limit, bucket, units, now);
  flow::LimitCounters& count = counters_.limits[limit.slot];
  (admission == Admission::kPass ? count.passed : count.exceeded).add(bytes);
  return admission;
}

void Limiter::count_sources(base::Cycles now) {
  counters_.sources_capacity.set(sources_.capacity());
  counters_.sources.set(sources_.count_some(kCountStep, now));
}

}  // namespace penstock::engine
