#include "flow/weighted_sequence.h"

#include <algorithm>
#include <numeric>

namespace penstock::flow {

std::vector<uint16_t> weighted_sequence(std::span<const uint16_t> weights) {
  std::vector<int32_t> share(weights.begin(), weights.begin() + std::min<size_t>(weights.size(), kMaxSequence));
  int32_t divisor = 0;
  int64_t total = 0;
  for (const int32_t w : share) {
    divisor = std::gcd(divisor, w);
    total += w;
  }
  if (total == 0) return {};
  const bool too_long = total / divisor > kMaxSequence;
  const int64_t spare = kMaxSequence - static_cast<int64_t>(share.size());  // beside one visit each
  int32_t length = 0;
  for (int32_t& s : share) {
    if (s != 0) s = too_long ? std::max<int32_t>(1, static_cast<int32_t>(s * spare / total)) : s / divisor;
    length += s;
  }

  // nginx's smooth weighted round robin: all gain their share, the richest is visited and pays for all.
  std::vector<int32_t> credit(share.size());
  std::vector<uint16_t> sequence;
  sequence.reserve(length);
  for (int32_t i = 0; i < length; ++i) {
    size_t richest = 0;
    for (size_t k = 0; k < share.size(); ++k) {
      credit[k] += share[k];
      if (credit[k] > credit[richest]) richest = k;
    }
    credit[richest] -= length;
    sequence.push_back(static_cast<uint16_t>(richest));
  }
  return sequence;
}

}  // namespace penstock::flow
