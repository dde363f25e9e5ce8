// Maglev's lookup table (Eisenbud et al., NSDI 2016, §3.4): a hash picks a place, the place names an endpoint. Every
// endpoint has about its share of the places, and a change of the endpoints moves few others.
//
// Pure and deterministic: the same set of endpoints gives the same choices in any order, after a restart and on another
// gateway (the permutations come from address and port under a fixed key). Any thread; called when a service changed.
//
// Weights change how often an endpoint has its turn, as the paper proposes. Weight 0 has no place; any other weight has
// at least one while places last. An endpoint listed twice counts twice.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/address.h"

namespace penstock::flow {

// The paper's measure: with 100 places an endpoint, shares differ by about 1 % and a removal moves few bystanders.
constexpr uint32_t kMaglevPlacesPerEndpoint = 100;
// A service with one or two endpoints gets others, one day: small tables make coarse shares.
constexpr uint32_t kMinMaglevSize = 211;
constexpr uint32_t kMaxMaglevEndpoints = 0xffff;  // places are 16 bits; 0xffff marks an empty one while filling

struct MaglevEndpoint {
  base::IpAddress address;
  uint16_t port = 0;
  uint16_t weight = 100;
};

// The smallest prime >= `at_least` (which is at most 2^31).
uint32_t next_prime(uint32_t at_least);

// A prime of at least 100 places for each of `endpoints`, to be given the number of *all* endpoints of the service,
// also those down or draining: another size is another table, in which every choice moves. For the same reason sizes go
// in steps (places for 1, 2, 3, 4, 6, 8, 12, 16, ... endpoints), and `current` (the size in use, 0: none) is kept while
// it has enough places and not eight times too many.
uint32_t maglev_size(size_t endpoints, uint32_t current = 0);

// `size` places, each an index into `endpoints`; `size` is a prime, and more than the number of endpoints with a
// weight. Empty when no endpoint has a weight. About 20 µs for 10 endpoints in 1201 places.
std::vector<uint16_t> build_maglev(std::span<const MaglevEndpoint> endpoints, uint32_t size);

}  // namespace penstock::flow
