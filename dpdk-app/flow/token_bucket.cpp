#include "flow/token_bucket.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace penstock::flow {

namespace {

using Wide = unsigned __int128;

constexpr uint64_t kOne = 1ull << kCostFractionBits;
// No credit longer than this many cycles (73 years of a 2 GHz counter): sums with a time never wrap.
constexpr uint64_t kLongest = 1ull << 62;

uint64_t rounded(long double value, uint64_t most) {  // to 1..most; NaN is 1
  if (!(value >= 1)) return 1;
  if (value >= static_cast<long double>(most)) return most;
  return static_cast<uint64_t>(std::roundl(value));
}

uint64_t cycles_of(const Rate& rate, uint64_t units) {  // to the nearest cycle
  return static_cast<uint64_t>(std::min<Wide>((Wide{rate.cost} * units + kOne / 2) / kOne, kLongest));
}

uint64_t units_in(const Rate& rate, uint64_t cycles) {
  return static_cast<uint64_t>(std::min<Wide>(Wide{cycles} * kOne / rate.cost, UINT64_MAX));
}

}  // namespace

Rate Rate::of(double per_second, double burst, base::Cycles hz) {
  const long double cycles = static_cast<long double>(hz) / (per_second > 0 ? per_second : 1);  // of one unit
  Rate rate;
  rate.cost = rounded(cycles * kOne, std::numeric_limits<uint64_t>::max());
  const uint64_t credit = rounded(std::ceil((burst > 1 ? burst : 1) * cycles), kLongest);
  rate.burst = std::max(credit, rate.cost / kOne + 1);
  return rate;
}

uint32_t Rate::chunk(base::Cycles hz) const {
  const uint64_t units = units_in(*this, std::min(hz / 1000, burst / 4));
  return static_cast<uint32_t>(std::clamp<uint64_t>(units, 1, std::numeric_limits<uint32_t>::max()));
}

// After a change of the rate the bucket owes at most the new burst. Only then: a worker whose `now` is a little behind
// the one that emptied the bucket must not give back the difference. While workers still differ in their generation
// this may happen a few times; each costs no more than the time between their rounds.
void SharedBucket::adopt(const Rate& rate, base::Cycles now) {
  mark_.store(rate.mark(), std::memory_order_relaxed);
  base::Cycles full_at = full_at_.load(std::memory_order_relaxed);
  while (full_at > now + rate.burst &&
         !full_at_.compare_exchange_weak(full_at, now + rate.burst, std::memory_order_relaxed)) {
  }
}

uint32_t SharedBucket::claim(const Rate& rate, uint32_t want, base::Cycles now) {
  if (mark_.load(std::memory_order_relaxed) != rate.mark()) adopt(rate, now);
  base::Cycles full_at = full_at_.load(std::memory_order_relaxed);
  for (;;) {
    const base::Cycles start = std::max(full_at, now);
    if (start - now >= rate.burst) return 0;
    const uint64_t units = std::min<uint64_t>(units_in(rate, rate.burst - (start - now)), want);
    if (units == 0) return 0;
    const base::Cycles next = start + cycles_of(rate, units);
    // Relaxed: the word is the whole message, nothing else is published with it.
    if (full_at_.compare_exchange_weak(full_at, next, std::memory_order_relaxed)) return static_cast<uint32_t>(units);
  }
}

void SharedBucket::give_back(const Rate& rate, uint32_t units) {
  // Not below nothing: somebody may have emptied it meanwhile.
  const base::Cycles back = cycles_of(rate, units);
  base::Cycles full_at = full_at_.load(std::memory_order_relaxed);
  while (!full_at_.compare_exchange_weak(full_at, full_at - std::min(full_at, back), std::memory_order_relaxed)) {
  }
}

base::Cycles SharedBucket::next_at(const Rate& rate) const {
  const base::Cycles one_more = full_at_.load(std::memory_order_relaxed) + rate.cost / kOne;
  return one_more > rate.burst ? one_more - rate.burst : 0;
}

bool LocalShare::take(SharedBucket& shared, const Rate& rate, uint32_t chunk, uint32_t units_wanted, base::Cycles now) {
  if (mark != rate.mark()) {
    mark = rate.mark();
    retry_at = 0;
    units = std::min<uint64_t>(units, chunk);
  }
  if (units < units_wanted && now >= retry_at) {
    const uint32_t want = std::max(chunk, static_cast<uint32_t>(units_wanted - units));
    const uint32_t got = shared.claim(rate, want, now);
    units += got;
    // The bucket is empty: come back when it can hold a chunk again, not for every unit that drops in.
    if (got < want) retry_at = shared.next_at(rate) + cycles_of(rate, chunk - 1);
  }
  if (units < units_wanted) return false;
  units -= units_wanted;
  return true;
}

}  // namespace penstock::flow
