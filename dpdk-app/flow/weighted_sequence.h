// The order in which weighted round robin visits endpoints: smooth, i.e. weights 5, 1, 1 give a a b a c a a and not
// a a a a a b c. A worker walks the sequence with a cursor of its own.
// Pure and deterministic; any thread; called when a service changed.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace penstock::flow {

// Longest sequence, 16 KiB; weights that would need a longer one are scaled down (each keeps at least one visit).
constexpr uint32_t kMaxSequence = 8192;

// Indexes into `weights`, each as often as its weight says after division by their common divisor; weight 0 never.
// At most kMaxSequence weights are looked at. Empty when all are 0.
std::vector<uint16_t> weighted_sequence(std::span<const uint16_t> weights);

}  // namespace penstock::flow
