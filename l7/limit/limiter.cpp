#include "l7/limit/limiter.h"

#include <algorithm>
#include <array>
#include <functional>

#include "flow/generation.h"

namespace penstock::limit {

namespace {

constexpr base::Nanos kHz = base::kNanosPerSecond;
using flow::BucketResult;

// In a table of its own nobody else needs to be kept out.
constexpr tcp::HashKey kOwnKey{0x9e3779b97f4a7c15, 0xbf58476d1ce4e5b9};
constexpr size_t kOwnKeys = 4096;

// A draw is at most half a burst, so that whoever waits finds it in the bucket one day; in bits it stays below what a
// bucket takes at once.
constexpr uint64_t kMostDrawn = 65536;
constexpr base::Nanos kLeastWait = 1'000'000;  // finer than a timer is not worth a wake-up

base::Nanos cycles_of(const flow::Rate& rate, uint64_t units) {
  return static_cast<base::Nanos>((static_cast<unsigned __int128>(rate.cost) * units) >> flow::kCostFractionBits);
}

}  // namespace

Tables::Tables(const tcp::HashKey& key, size_t keys)
    : secret(key),
      aggregates(flow::kMaxLimits, base::RegionKind::kSparse),
      owners(flow::kMaxLimits, base::RegionKind::kSparse),
      keyed(keys) {}

Limiter::Pace Limiter::pace_of(const config::RequestLimit& limit) {
  Pace pace;
  pace.mark = static_cast<uint32_t>(std::hash<std::string>{}(limit.name));
  double per_second = limit.per_second;
  for (; per_second < 1 && pace.units < 1u << 16; per_second *= 2) pace.units *= 2;
  // A claim is rounded to whole nanoseconds, so a burst of many would end a hair before its last request.
  const double slack = std::min(0.5, 1e-3 + limit.burst * limit.per_second / static_cast<double>(kHz));
  pace.rate = flow::Rate::of(per_second, (limit.burst + slack) * pace.units, kHz);
  if (limit.measure != config::RequestLimit::Measure::kRequests) return pace;
  pace.chunk = pace.rate.chunk(kHz);
  if (pace.chunk <= pace.units) pace.chunk = 0;
  return pace;
}

void Limiter::adopt(const config::RequestLimits& limits) {
  limits_ = &limits;
  rates_.clear();
  std::fill(of_slot_.begin(), of_slot_.end(), kNoLimit);
  for (const config::RequestLimit& each : limits.all) {
    if (each.slot >= of_slot_.size()) of_slot_.resize(each.slot + 1, kNoLimit);
    of_slot_[each.slot] = static_cast<uint32_t>(rates_.size());
    rates_.push_back(pace_of(each));
  }
  if (rates_.empty()) return;
  if (shares_.size() == 0) shares_ = {flow::kMaxLimits, base::RegionKind::kSparse};
  if (tables_ == nullptr) tables_ = std::make_shared<Tables>(kOwnKey, kOwnKeys);
  // A slot that another limit had is taken over empty of debts, by the first worker that hears of it; nobody asks for
  // the other limit any more, or the slot would not have been given out.
  for (size_t i = 0; i < rates_.size(); ++i) {
    const uint32_t slot = limits.all[i].slot;
    if (tables_->owners[slot].exchange(rates_[i].mark, std::memory_order_relaxed) != rates_[i].mark)
      tables_->aggregates[slot].reset();
  }
  if (counters_ != nullptr) return;
  own_counters_ = {flow::kMaxLimits, base::RegionKind::kSparse};
  counters_ = own_counters_.data();
}

BucketResult Limiter::take(const Asked& asked, base::Nanos now) {
  const config::RequestLimit& limit = limits_->all[asked.limit];
  const Pace& pace = rates_[asked.limit];
  if (!limit.key.empty()) return tables_->keyed.take(asked.key, pace.rate, asked.units, now);
  flow::SharedBucket& bucket = tables_->aggregates[limit.slot];
  if (pace.chunk != 0) {
    flow::LocalShare& share = shares_[limit.slot];
    return share.take(bucket, pace.rate, pace.chunk, asked.units, now) ? BucketResult::kPass : BucketResult::kOver;
  }
  const uint32_t got = bucket.claim(pace.rate, asked.units, now);
  if (got == asked.units) return BucketResult::kPass;
  if (got != 0) bucket.give_back(pace.rate, got);
  return BucketResult::kOver;
}

void Limiter::give_back(const Asked& asked) {
  const config::RequestLimit& limit = limits_->all[asked.limit];
  const Pace& pace = rates_[asked.limit];
  if (!limit.key.empty())
    tables_->keyed.give_back(asked.key, pace.rate, asked.units);
  else if (pace.chunk != 0)
    shares_[limit.slot].units += asked.units;
  else
    tables_->aggregates[limit.slot].give_back(pace.rate, asked.units);
}

base::Nanos Limiter::debt(const Asked& asked, base::Nanos now) {
  const config::RequestLimit& limit = limits_->all[asked.limit];
  return limit.key.empty() ? tables_->aggregates[limit.slot].debt(now) : tables_->keyed.debt(asked.key, now);
}

// The limit becomes the one that the answer tells of.
void Limiter::show(const Asked& asked, Decision& decision, base::Nanos now) {
  const config::RequestLimit& limit = limits_->all[asked.limit];
  const Pace& pace = rates_[asked.limit];
  const base::Nanos owed = debt(asked, now), one = std::max<base::Nanos>(1, cycles_of(pace.rate, pace.units));
  decision.reset = owed;
  decision.remaining = owed < pace.rate.burst ? (pace.rate.burst - owed) / one : 0;
  if (pace.chunk != 0) decision.remaining += shares_[limit.slot].units;
  decision.shown = &limit;
}

void Limiter::judge(const Asked& asked, Decision& decision, base::Nanos now) {
  const config::RequestLimit& limit = limits_->all[asked.limit];
  if (asked.result == BucketResult::kPass || limit.shadow) return;
  const flow::Rate& rate = rates_[asked.limit].rate;
  const base::Nanos one = cycles_of(rate, rates_[asked.limit].units), owed = debt(asked, now);
  // A table without room has it at the earliest when some bucket is full; nobody knows which.
  const base::Nanos wait = owed + one > rate.burst ? owed + one - rate.burst : one;
  decision.table_full |= asked.result == BucketResult::kTableFull;
  if (!decision.limited || wait > decision.retry_after) {
    decision.retry_after = wait;
    show(asked, decision, now);
    decision.remaining = 0;
  }
  decision.limited = true;
}

// Those beyond kMaxSharesPerContent control refuses.
void Limiter::add_share(const Asked& asked, Decision& decision) {
  const config::RequestLimit& limit = limits_->all[asked.limit];
  Shares& shares = limit.measure == config::RequestLimit::Measure::kRequestContent ? decision.request_content
                                                                                   : decision.response_content;
  if (shares.count == shares.all.size()) return;
  shares.all[shares.count++] = {limit.slot, rates_[asked.limit].mark, asked.key};
}

Decision Limiter::ask(const Lists& lists, const Subject& request, base::Nanos now) {
  std::array<Asked, config::kMaxLimitsPerRequest + config::kMaxFoundLimits> all;
  size_t count = 0;
  Decision decision;
  for (const std::span<const uint32_t> list : lists) {
    for (const uint32_t number : list) {
      const config::RequestLimit& limit = limits_->all[number];
      if (count == all.size() || !request.matches.meets(number, request.head, request.scratch)) continue;
      Asked& asked = all[count];
      asked = {number, rates_[number].units, 0, BucketResult::kPass};
      if (!limit.key.empty()) {
        const auto key = key_of(limit, request, tables_->secret);
        if (!key) continue;
        asked.key = bucket_of(number, *key);
      }
      if (limit.measure != config::RequestLimit::Measure::kRequests) {
        add_share(asked, decision);
        continue;
      }
      ++count;
      asked.result = take(asked, now);
      judge(asked, decision, now);
    }
  }
  for (size_t i = 0; i < count; ++i) settle(all[i], decision, now);
  if (decision.limited) return decision;
  count_shares(decision);
  return decision;
}

Decision Limiter::join(std::span<const uint32_t> list, const base::IpAddress& source) {
  Decision decision;
  for (const uint32_t number : list) {
    const config::RequestLimit& limit = limits_->all[number];
    const uint64_t key = limit.key.empty() ? 0 : bucket_of(number, key_of(limit, source, tables_->secret));
    add_share({number, 0, key, BucketResult::kPass}, decision);
  }
  count_shares(decision);
  return decision;
}

// Not what another limit in this slot had.
uint64_t Limiter::bucket_of(uint32_t number, uint64_t key) const {
  return (key ^ uint64_t{rates_[number].mark} << 24) | 1;
}

void Limiter::count_shares(const Decision& decision) {
  for (const Shares* shares : {&decision.request_content, &decision.response_content})
    for (size_t i = 0; i < shares->count; ++i) counters_[shares->all[i].slot].passed.packets.add(1);
}

// When all were asked: what one of them counts, keeps or gives back.
void Limiter::settle(const Asked& asked, Decision& decision, base::Nanos now) {
  const config::RequestLimit& limit = limits_->all[asked.limit];
  flow::LimitCounters& counters = counters_[limit.slot];
  const bool passed = asked.result == BucketResult::kPass;
  if (decision.limited) {
    if (passed)
      give_back(asked);
    else if (!limit.shadow)
      counters.exceeded.packets.add(1);
    return;
  }
  (passed ? counters.passed.packets : counters.shadowed).add(1);
  if (!limit.headers || limit.shadow) return;
  Decision own;
  show(asked, own, now);
  if (decision.shown != nullptr && own.remaining >= decision.remaining) return;
  decision.shown = own.shown;
  decision.remaining = own.remaining;
  decision.reset = own.reset;
}

uint32_t Limiter::draw(const Shares& shares, size_t bytes, base::Nanos now, base::Nanos& again) {
  std::array<Asked, config::kMaxSharesPerContent> taken;
  size_t count = 0;
  uint64_t most = std::min<uint64_t>(bytes, kMostDrawn);
  for (size_t i = 0; i < shares.count; ++i) {
    const Share& share = shares.all[i];
    const auto number = number_of(share.slot);
    if (!number || rates_[*number].mark != share.mark) continue;
    taken[count++] = {*number, 0, share.key, BucketResult::kPass};
    most = std::min(most, std::max<uint64_t>(1, static_cast<uint64_t>(limits_->all[*number].burst / 16)));
  }
  for (size_t i = 0; i < count; ++i) {
    taken[i].units = static_cast<uint32_t>(most * 8);
    if (take(taken[i], now) == BucketResult::kPass) continue;
    const flow::Rate& rate = rates_[taken[i].limit].rate;
    const base::Nanos need = debt(taken[i], now) + cycles_of(rate, taken[i].units);
    again = now + std::max(kLeastWait, need > rate.burst ? need - rate.burst : 0);
    counters_[limits_->all[taken[i].limit].slot].exceeded.packets.add(1);
    while (i-- != 0) give_back(taken[i]);
    return 0;
  }
  for (size_t i = 0; i < count; ++i) counters_[limits_->all[taken[i].limit].slot].passed.bytes.add(most);
  return static_cast<uint32_t>(most);
}

}  // namespace penstock::limit
