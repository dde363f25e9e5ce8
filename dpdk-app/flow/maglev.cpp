#include "flow/maglev.h"

#include <algorithm>
#include <bit>
#include <tuple>

#include "base/bytes.h"
#include "flow/key.h"

namespace penstock::flow {

namespace {

constexpr uint16_t kEmpty = 0xffff;
constexpr uint32_t kTooManyTimes = 8;

// An endpoint's walk over the places: position, position + skip, ... modulo the size visits each once, the size being
// prime. `due` is the weighted round in which it next has its turn, times its weight.
struct Walker {
  uint64_t order;  // a total order of its own, so that the input's does not matter
  uint32_t position, skip;
  uint16_t endpoint, weight;
  uint64_t due = 0;
};

std::vector<Walker> make_walkers(std::span<const MaglevEndpoint> endpoints, uint32_t size) {
  constexpr HashSecret kOffsetKey{{0x243f6a8885a308d3, 0x13198a2e03707344}};  // digits of pi: any constants would do,
  constexpr HashSecret kSkipKey{{0xa4093822299f31d0, 0x082efa98ec4e6c89}};    // but they are part of the contract
  std::vector<Walker> walkers;
  walkers.reserve(endpoints.size());
  for (size_t i = 0; i < endpoints.size(); ++i) {
    const MaglevEndpoint& e = endpoints[i];
    if (e.weight == 0) continue;
    const uint64_t first = hash_of(e.address, e.port, kOffsetKey);
    const uint64_t second = hash_of(e.address, e.port, kSkipKey);
    walkers.push_back({first, static_cast<uint32_t>(first % size), static_cast<uint32_t>(second % (size - 1)) + 1,
                       static_cast<uint16_t>(i), e.weight});
  }
  std::sort(walkers.begin(), walkers.end(), [&](const Walker& a, const Walker& b) {
    const MaglevEndpoint &x = endpoints[a.endpoint], &y = endpoints[b.endpoint];
    return std::tie(a.order, x.address, x.port, x.weight, a.endpoint) <
           std::tie(b.order, y.address, y.port, y.weight, b.endpoint);
  });
  return walkers;
}

bool is_prime(uint32_t n) {
  if (n % 2 == 0) return n == 2;
  for (uint32_t d = 3; static_cast<uint64_t>(d) * d <= n; d += 2)
    if (n % d == 0) return false;
  return n > 1;
}

}  // namespace

uint32_t next_prime(uint32_t at_least) {
  uint32_t n = std::max(at_least, 2u);
  while (!is_prime(n)) ++n;
  return n;
}

uint32_t maglev_size(size_t endpoints, uint32_t current) {
  const auto count = static_cast<uint32_t>(std::clamp<size_t>(endpoints, 1, kMaxMaglevEndpoints));
  const uint32_t enough = count * kMaglevPlacesPerEndpoint;
  if (current >= std::max(enough, kMinMaglevSize) && current / kTooManyTimes <= std::max(enough, kMinMaglevSize))
    return current;
  // 1, 2, 3, 4, 6, 8, 12, 16, 24, ... endpoints
  const uint32_t power = std::bit_ceil(count);
  const uint32_t rounded = power >= 4 && count <= power / 4 * 3 ? power / 4 * 3 : power;
  return next_prime(std::max(rounded * kMaglevPlacesPerEndpoint, kMinMaglevSize));
}

std::vector<uint16_t> build_maglev(std::span<const MaglevEndpoint> endpoints, uint32_t size) {
  std::vector<Walker> walkers =
      make_walkers(endpoints.first(std::min<size_t>(endpoints.size(), kMaxMaglevEndpoints)), size);
  if (walkers.empty()) return {};
  uint64_t heaviest = 0;
  for (const Walker& w : walkers) heaviest = std::max<uint64_t>(heaviest, w.weight);

  std::vector<uint16_t> table(size, kEmpty);
  uint16_t* const places = table.data();
  uint32_t left = size;
  for (uint64_t round = 0;; ++round) {
    for (Walker& w : walkers) {
      if (round * w.weight < w.due) continue;  // a lighter endpoint sits out some rounds
      w.due += heaviest;
      uint32_t position = w.position;  // in registers: this loop is where the time goes
      const uint32_t skip = w.skip, back = w.skip - size;
      while (places[position] != kEmpty)
        position = std::min(position + skip, position + back);  // short of `size` the second wraps to something large
      places[position] = w.endpoint;
      w.position = position;
      if (--left == 0) return table;
    }
  }
}

}  // namespace penstock::flow
