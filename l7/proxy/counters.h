// What the proxy counts: numbers with one writer, the worker, that the control thread reads at any time.
//
// Memory: arrays by stable slot, made once with the proxy; they never move. A slot beyond them is not counted there.
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "base/counter.h"
#include "l7/config/access.h"
#include "l7/h1/refusal.h"
#include "l7/proxy/access_record.h"
#include "l7/proxy/limits.h"
#include "l7/proxy_protocol/proxy_protocol.h"

namespace penstock::proxy {

#define PENSTOCK_PROXY_COUNTS(X)                                                                  \
  X(connections_accepted, "connections of clients")                                               \
  X(connections_refused, "connections of clients for which there was no room, or no listener")    \
  X(headers_late, "connections closed: their header of the PROXY protocol did not come in time")  \
  X(maintenance_answers, "requests and TCP connections turned away: the listener is closed")      \
  X(exchanges, "requests and TCP connections that ended, in whatever way")                        \
  X(exchanges_exhausted, "requests and TCP connections refused: Limits::exchanges are under way") \
  X(messages_exhausted, "requests refused: Limits::messages are under way")                       \
  X(heads_evicted, "clients reset: they sent a head slowly, and others needed its memory")        \
  X(connects, "connections to endpoints that were begun")                                         \
  X(connect_failures, "of them those that did not come about, those that took too long included") \
  X(connect_timeouts, "of them those that took too long")                                         \
  X(upstreams_exhausted, "connections to endpoints that were not begun: no port or no room")      \
  X(ports_exhausted, "of them those for which all source ports to the endpoint were taken")       \
  X(reuses, "requests on a connection that had served another one")                               \
  X(pool_overflows, "requests refused by a limit of their cluster")                               \
  X(pool_waits, "requests that waited for a connection of their cluster")                         \
  X(panic_picks, "requests sent to whoever is there: too few endpoints of the level are usable")  \
  X(failover_picks, "requests sent to another level (or zone) than the first")                    \
  X(hash_passes, "requests whose own endpoint, by hash, could not take them")                     \
  X(sessions_begun, "sessions that were given an endpoint")                                       \
  X(sessions_moved, "of them those whose endpoint before could not take them")                    \
  X(retries, "tries besides the first one")                                                       \
  X(retries_over_budget, "retries not made: the cluster's budget was spent")                      \
  X(hedges, "tries that were left to go on beside another one")                                   \
  X(hedges_won, "of them those whose answer was the first")                                       \
  X(preconnects, "connections to endpoints that were begun ahead of their request")               \
  X(preconnect_failures, "of them those that did not come about")                                 \
  X(stale_retries, "requests sent again because a kept connection had been closed meanwhile")     \
  X(idle_surprises, "kept connections that brought bytes nobody had asked for")                   \
  X(short_writes, "messages broken off: the transport took less than it had offered")             \
  X(mirrors, "copies of requests sent to mirrors")                                                \
  X(mirrors_dropped, "copies that were not sent, or not to their end")                            \
  X(mirrors_behind, "of them those whose mirror took them too slowly")                            \
  X(lingers_cut, "clients that went on sending after the last answer and were reset")             \
  X(drains_cut, "exchanges that had not ended when the time to drain was over")                   \
  X(filters_failed, "requests answered 500: a filter's change did not fit into the request")      \
  X(held_bodies_exhausted, "requests refused: Limits::held_bodies wait to be inspected")          \
  X(contents_inflated, "compressed contents that inspections looked into")                        \
  X(contents_cut, "of them those that hold more than inspections look at")                        \
  X(uninspectable_coding, "contents in a coding that inspections cannot take off")                \
  X(uninspectable_corrupt, "contents that are not, or not only, what Content-Encoding says")      \
  X(uninspectable_sparse, "contents that hold little behind many compressed bytes")               \
  X(limit_table_full, "requests refused: no room for another key of a rate limit")                \
  X(log_lost, "access records for which there was no room in the ring")

enum class Count : uint8_t {
#define PENSTOCK_PROXY_COUNT_ENUM(name, sentence) name,
  PENSTOCK_PROXY_COUNTS(PENSTOCK_PROXY_COUNT_ENUM)
#undef PENSTOCK_PROXY_COUNT_ENUM
      kCount
};
constexpr size_t kCounts = static_cast<size_t>(Count::kCount);

inline constexpr std::array<const char*, kCounts> kCountSentences = {
#define PENSTOCK_PROXY_COUNT_SENTENCE(name, sentence) sentence,
    PENSTOCK_PROXY_COUNTS(PENSTOCK_PROXY_COUNT_SENTENCE)
#undef PENSTOCK_PROXY_COUNT_SENTENCE
};

inline constexpr std::array<const char*, kCounts> kCountNames = {
#define PENSTOCK_PROXY_COUNT_NAME(name, sentence) #name,
    PENSTOCK_PROXY_COUNTS(PENSTOCK_PROXY_COUNT_NAME)
#undef PENSTOCK_PROXY_COUNT_NAME
};

// Of a cluster, besides how its requests ended.
#define PENSTOCK_CLUSTER_COUNTS(X)                                                                \
  X(connects, "connections to endpoints that were begun")                                         \
  X(connect_failures, "of them those that did not come about, those that took too long included") \
  X(connect_timeouts, "of them those that took too long")                                         \
  X(overflows, "requests refused by a limit of the service's connections")                        \
  X(waits, "requests that waited for a connection")                                               \
  X(retries, "tries besides the first one")                                                       \
  X(retries_over_budget, "retries not made: the budget was spent")                                \
  X(timeouts, "tries that were not answered in time")

enum class ClusterCount : uint8_t {
#define PENSTOCK_CLUSTER_COUNT_ENUM(name, sentence) name,
  PENSTOCK_CLUSTER_COUNTS(PENSTOCK_CLUSTER_COUNT_ENUM)
#undef PENSTOCK_CLUSTER_COUNT_ENUM
      kCount
};
constexpr size_t kClusterCounts = static_cast<size_t>(ClusterCount::kCount);

inline constexpr std::array<const char*, kClusterCounts> kClusterCountNames = {
#define PENSTOCK_CLUSTER_COUNT_NAME(name, sentence) #name,
    PENSTOCK_CLUSTER_COUNTS(PENSTOCK_CLUSTER_COUNT_NAME)
#undef PENSTOCK_CLUSTER_COUNT_NAME
};

inline constexpr std::array<const char*, kClusterCounts> kClusterCountSentences = {
#define PENSTOCK_CLUSTER_COUNT_SENTENCE(name, sentence) sentence,
    PENSTOCK_CLUSTER_COUNTS(PENSTOCK_CLUSTER_COUNT_SENTENCE)
#undef PENSTOCK_CLUSTER_COUNT_SENTENCE
};

constexpr size_t kProxyFaults = static_cast<size_t>(proxy_protocol::Fault::kCount);
constexpr size_t kResponseClasses = 6;   // no answer, 1xx (101 only), 2xx, ... 5xx
constexpr size_t kDurationBuckets = 28;  // by powers of two of a microsecond: under 1 us, under 2 us, ..., the rest

// The bucket of a duration; its upper bound is 2^bucket microseconds, of the last one nothing.
constexpr size_t duration_bucket(base::Nanos duration) {
  size_t bucket = 0;
  for (base::Nanos micros = duration / 1000; micros != 0 && bucket + 1 < kDurationBuckets; micros >>= 1) ++bucket;
  return bucket;
}

// Durations of exchanges that ended, by bucket.
struct Histogram {
  std::array<base::Counter, kDurationBuckets> buckets;
  base::Counter sum;  // nanoseconds

  void add(base::Nanos duration) {
    buckets[duration_bucket(duration)].add(1);
    sum.add(duration);
  }
};

struct PoolCounters {
  std::array<base::Counter, kClusterCounts> counts;
  Histogram durations;
};

struct ExchangeCounters {
  std::array<base::Counter, kResponseClasses> responses;
  base::Counter bytes_received, bytes_sent;

  void add(const AccessRecord& record) {
    responses[record.status / 100 % kResponseClasses].add(1);
    bytes_received.add(record.bytes_received);
    bytes_sent.add(record.bytes_sent);
  }
};

class Counters {
 public:
  explicit Counters(const Limits& limits)
      : listeners_(limits.listener_slots),
        routes_(limits.route_slots),
        clusters_(limits.cluster_slots),
        endpoints_(limits.endpoint_slots),
        pools_(std::make_unique<PoolCounters[]>(limits.pool_slots)),
        pool_slots_(limits.pool_slots) {}

  void count(Count what) { counts_[static_cast<size_t>(what)].add(1); }
  void count(ClusterCount what, uint32_t slot) {
    if (slot < pool_slots_) pools_[slot].counts[static_cast<size_t>(what)].add(1);
  }
  void count(proxy_protocol::Fault why) { proxy_faults_[static_cast<size_t>(why)].add(1); }
  void add(const AccessRecord& record) {
    count(Count::exchanges);
    for (uint32_t flags = record.flags; flags != 0; flags &= flags - 1)
      flags_[static_cast<size_t>(__builtin_ctz(flags))].add(1);
    if (record.refusal != h1::Refusal::kNone) refusals_[static_cast<size_t>(record.refusal)].add(1);
    durations_.add(record.ended - record.began);
    if (record.cluster < pool_slots_) pools_[record.cluster].durations.add(record.ended - record.began);
    listeners_.add(record.listener, record);
    routes_.add(record.route, record);
    clusters_.add(record.cluster, record);
    endpoints_.add(record.endpoint, record);
  }

  uint64_t of(Count what) const { return counts_[static_cast<size_t>(what)].read(); }
  uint64_t of(proxy_protocol::Fault why) const { return proxy_faults_[static_cast<size_t>(why)].read(); }
  uint64_t of(Flag flag) const { return flags_[static_cast<size_t>(__builtin_ctz(flag))].read(); }
  uint64_t of(h1::Refusal refusal) const { return refusals_[static_cast<size_t>(refusal)].read(); }
  const Histogram& durations() const { return durations_; }
  void count_guard(uint32_t slot) {
    if (slot < config::kMaxGuardSlots) guards_[slot].add(1);
  }
  uint64_t guard(uint32_t slot) const { return slot < config::kMaxGuardSlots ? guards_[slot].read() : 0; }
  // Null: no such slot.
  const ExchangeCounters* listener(uint32_t slot) const { return listeners_.find(slot); }
  const ExchangeCounters* route(uint32_t slot) const { return routes_.find(slot); }
  const ExchangeCounters* cluster(uint32_t slot) const { return clusters_.find(slot); }
  const ExchangeCounters* endpoint(uint32_t slot) const { return endpoints_.find(slot); }
  const PoolCounters* pool(uint32_t cluster) const { return cluster < pool_slots_ ? &pools_[cluster] : nullptr; }

 private:
  class Table {
   public:
    explicit Table(uint32_t size) : all_(std::make_unique<ExchangeCounters[]>(size)), size_(size) {}
    void add(uint32_t slot, const AccessRecord& record) {
      if (slot < size_) all_[slot].add(record);
    }
    const ExchangeCounters* find(uint32_t slot) const { return slot < size_ ? &all_[slot] : nullptr; }

   private:
    std::unique_ptr<ExchangeCounters[]> all_;
    uint32_t size_;
  };

  std::array<base::Counter, kCounts> counts_;
  std::array<base::Counter, kFlags> flags_;
  std::array<base::Counter, h1::kRefusals> refusals_;
  std::array<base::Counter, kProxyFaults> proxy_faults_;
  Histogram durations_;
  std::unique_ptr<base::Counter[]> guards_ = std::make_unique<base::Counter[]>(config::kMaxGuardSlots);
  Table listeners_, routes_, clusters_, endpoints_;
  std::unique_ptr<PoolCounters[]> pools_;
  uint32_t pool_slots_;
};

}  // namespace penstock::proxy
