// Rate limits of one generation. The rate is here; the tokens are in the workers (flow/token_bucket.h), by slot.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/address.h"
#include "flow/token_bucket.h"

namespace penstock::flow {

// kRequests: measured by l7/limit; here only so that a limit of either sort has one table of names and slots.
enum class LimitUnit : uint8_t { kPackets, kBits, kConnections, kRequests };
enum class LimitBucket : uint8_t { kAggregate, kSource, kSourcePrefix, kFlow, kDestination };

struct Limit {
  uint32_t slot = 0;
  LimitUnit unit = LimitUnit::kPackets;
  LimitBucket bucket = LimitBucket::kAggregate;
  Rate rate;              // per second; of one bucket
  uint32_t chunk = 1;     // kAggregate: what a worker claims at once (Rate::chunk)
  double per_second = 0;  // as configured, for display
  double burst = 0;
  uint8_t v4_prefix_length = 32, v6_prefix_length = 128;  // how much of the address makes the bucket
  bool mark = false;                                      // over the rate: set DSCP instead of dropping
  uint8_t dscp = 0;
  std::string name;  // "namespace/name"
};

struct LimitTable {
  std::vector<Limit> by_slot;  // per_second == 0: unused slot
  // Limits attached to destination prefixes, longest prefix first.
  struct ByPrefix {
    base::Prefix prefix;
    uint32_t slot;
  };
  std::vector<ByPrefix> prefixes;
  bool any = false;
};

}  // namespace penstock::flow
