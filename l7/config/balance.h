// How the endpoint of a request is chosen: the policy of a cluster, and what it needs.
//
// Immutable; owned by the generation, built by control. What a policy remembers of traffic (requests under way,
// latencies, since when an endpoint serves) lives in the workers. Names in comments are those of Istio's
// DestinationRule and Envoy's clusters, whose meaning they have.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/time.h"

namespace penstock::config {

constexpr uint32_t kMaxLevels = 4;             // priorities of endpoints in one cluster
constexpr uint32_t kMaxChoices = 16;           // that leastRequest and peakEwma compare
constexpr size_t kMaxHashKeys = 8;             // in one policy
constexpr uint32_t kMaxHashPlaces = 1u << 20;  // of a table; 2 or 10 bytes each

enum class Balancing : uint8_t {
  kRoundRobin,    // smooth, by weight
  kLeastRequest,  // the least busy of some that were picked at random, by weight
  kRandom,
  kPeakEwma,  // of some picked at random, that with the least latency times requests under way (Finagle's)
  kMaglev,    // consistent hashing over a Maglev table
  kRingHash,  // consistent hashing over a ring of points
};

// What of a request is hashed. Of several keys the first that the request has counts.
struct HashKey {
  enum class Kind : uint8_t { kHeader, kCookie, kQuery, kSource };
  Kind kind = Kind::kSource;
  std::string name;  // header: in lower case; none for kSource
  bool operator==(const HashKey&) const = default;
};

// Where hashes of requests fall, for the endpoints of one level: usable ones and those that health checks found down.
// Whoever may not serve is passed over, so that an endpoint's illness moves nobody else's requests.
struct HashTable {
  std::vector<uint16_t> places;  // each an endpoint's number in the cluster
  std::vector<uint64_t> points;  // kRingHash: ascending, points[i] begins the reach of places[i]; kMaglev: none
  bool operator==(const HashTable&) const = default;
};

struct Balance {
  uint32_t choices = 2;                                  // choiceCount, of kLeastRequest and kPeakEwma
  std::vector<HashKey> hash;                             // of kMaglev and kRingHash
  uint32_t most_load = 0;                                // hashBalanceFactor, percent of the average load; 0: no bound
  base::Nanos decay = 10 * base::kNanosPerSecond;        // of latencies: after this time a peak counts 1/e
  base::Nanos warmup = 0;                                // slow start's window; 0: none
  double aggression = 1;                                 // of slow start: 1 grows linearly
  uint32_t least_percent = 10;                           // of its weight, with which slow start begins
  uint32_t panic_percent = 0;                            // healthyPanicThreshold; 0: never
  uint32_t overprovision_percent = 140;                  // how much more than its share a level can take
  std::vector<std::shared_ptr<const HashTable>> tables;  // by level
  bool operator==(const Balance&) const = default;
};

}  // namespace penstock::config
