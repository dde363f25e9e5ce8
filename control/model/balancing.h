// How requests are balanced over a Service's endpoints: part of ServicePolicy, see control/api/balancing.proto. What L7
// decides by is kept as L7 has it (l7/config).
#pragma once

#include <cstdint>

#include "l7/config/cluster.h"

namespace penstock::model {

struct LoadBalancer {
  config::Balancing policy = config::Balancing::kRoundRobin;
  config::Balance balance;  // without tables
  uint32_t table_size = 0;  // of kMaglev: 0: by the number of endpoints; of kRingHash: points, 0: kDefaultRing
  bool by_zone = false;
  bool operator==(const LoadBalancer&) const = default;
};

constexpr uint32_t kDefaultRing = 1024;  // Istio's and Envoy's

inline bool is_hashed(config::Balancing policy) {
  return policy == config::Balancing::kMaglev || policy == config::Balancing::kRingHash;
}
inline bool has_choices(config::Balancing policy) {
  return policy == config::Balancing::kLeastRequest || policy == config::Balancing::kPeakEwma;
}

}  // namespace penstock::model
