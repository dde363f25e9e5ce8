#include "engine/stages/limit.h"

namespace penstock::engine {

namespace {

using flow::DropReason;
using flow::Verdict;

uint32_t units_of(const Packet& p, flow::LimitUnit unit) {
  return unit == flow::LimitUnit::kBits ? (p.headers.end - p.headers.l2_length) * 8u : 1;
}

bool pass_exact(Packet& p, const WorkerState& w) {
  flow::ExactEntry& entry = *p.exact;
  if (!entry.action.limited || entry.bucket.take(entry.action.rate, units_of(p, entry.action.unit), w.now)) return true;
  drop(p, DropReason::limit_exceeded);
  return false;
}

// A packet that a limit is about. Buckets are found for the whole burst first, so that their memory is on its way.
struct Claim {
  Packet* packet;
  const flow::Limit* limit;
  uint64_t bucket;
};
constexpr unsigned kMostClaims = 2 * kBurst;

void settle(const Claim& claim, WorkerState& w) {
  Packet& p = *claim.packet;
  if (p.verdict != Verdict::kContinue) return;  // an earlier limit's
  const flow::Limit& limit = *claim.limit;
  switch (w.limiter.admit(limit, claim.bucket, units_of(p, limit.unit), p.length, w.now)) {
    case Admission::kPass:
      return;
    case Admission::kOver:
      if (!limit.mark) return drop(p, DropReason::limit_exceeded);
      p.dscp = limit.dscp;
      return;
    case Admission::kTableFull:
      return drop(p, DropReason::limit_table_full);
  }
}

// The limits of a packet, in the order in which they are asked.
template <typename Visit>
void for_each_limit(const Packet& p, const flow::Generation& g, Visit&& visit) {
  const auto all = [&](const std::vector<uint32_t>& slots) {
    for (const uint32_t slot : slots) visit(slot);
  };
  all(g.interfaces->by_id[p.in].limits);
  if (p.flow != nullptr && p.direction == 0)
    if (const flow::ServiceEntry* service = g.services->by_slot(p.flow->service); service != nullptr)
      all(service->limits);
  if (p.rule != flow::kNoRule) all(g.filter->rules()[p.rule].limits);
  if (g.limits->prefixes.empty()) return;
  (void)for_each_destination_limit(*g.limits, p.key.dst, [&](uint32_t slot) {
    visit(slot);
    return true;
  });
}

}  // namespace

void Limit::run(Burst& burst, WorkerState& w) {
  const flow::Generation& g = *w.generation;
  Claim claims[kMostClaims];
  unsigned count = 0;
  const auto settle_all = [&] {
    for (unsigned i = 0; i < count; ++i) settle(claims[i], w);
    count = 0;
  };
  for (Packet& p : burst) {
    if (p.verdict != Verdict::kContinue || p.headers.family == 0) continue;
    fill_key(p, w.secret);
    if (p.exact != nullptr && !pass_exact(p, w)) continue;
    if (!g.limits->any) continue;
    for_each_limit(p, g, [&](uint32_t slot) {
      const flow::Limit& limit = g.limits->by_slot[slot];
      if (limit.per_second == 0 || limit.unit == flow::LimitUnit::kConnections) return;
      if (count == kMostClaims) settle_all();
      claims[count++] = {&p, &limit, w.limiter.bucket_of(limit, p.key)};
    });
  }
  settle_all();
}

}  // namespace penstock::engine
