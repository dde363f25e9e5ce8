#include "engine/stages/limit.h"

namespace penstock::engine {

namespace {

using flow::DropReason;
using flow::Verdict;

class Judge {
 public:
  Judge(Packet& p, WorkerState& w) : p_(p), w_(w) {}

  // False: the packet is dropped; look no further.
  bool pass(uint32_t slot) {
    const flow::Limit& limit = w_.generation->limits->by_slot[slot];
    if (limit.per_second == 0 || limit.unit == flow::LimitUnit::kConnections) return true;
    const uint32_t units = limit.unit == flow::LimitUnit::kBits ? ip_bits() : 1;
    switch (w_.limiter.admit(limit, p_.key, units, p_.length, w_.now)) {
      case Admission::kPass:
        return true;
      case Admission::kOver:
        if (!limit.mark) return lose(DropReason::limit_exceeded);
        p_.dscp = limit.dscp;
        return true;
      case Admission::kTableFull:
        return lose(DropReason::limit_table_full);
    }
    return true;
  }

  bool pass_exact() {
    flow::ExactEntry& entry = *p_.exact;
    if (!entry.action.limited) return true;
    const uint32_t units = entry.action.unit == flow::LimitUnit::kBits ? ip_bits() : 1;
    return entry.bucket.take(entry.action.rate, units, w_.now) || lose(DropReason::limit_exceeded);
  }

 private:
  uint32_t ip_bits() const { return (p_.headers.end - p_.headers.l2_length) * 8u; }

  bool lose(DropReason reason) {
    drop(p_, reason);
    return false;
  }

  Packet& p_;
  WorkerState& w_;
};

// The limits of a packet, in the order in which they are asked, until `visit` says false.
template <typename Visit>
void for_each_limit(const Packet& p, const flow::Generation& g, Visit&& visit) {
  const auto all = [&](const std::vector<uint32_t>& slots) {
    for (const uint32_t slot : slots)
      if (!visit(slot)) return false;
    return true;
  };
  if (!all(g.interfaces->by_id[p.in].limits)) return;
  if (p.flow != nullptr && p.direction == 0)
    if (const flow::ServiceEntry* service = g.services->by_slot(p.flow->service);
        service != nullptr && !all(service->limits))
      return;
  if (p.rule != flow::kNoRule && !all(g.filter->rules()[p.rule].limits)) return;
  (void)for_each_destination_limit(*g.limits, p.key.dst, visit);
}

bool concerns(const Packet& p) { return p.verdict == Verdict::kContinue && p.headers.family != 0; }

}  // namespace

void Limit::run(Burst& burst, WorkerState& w) {
  const flow::Generation& g = *w.generation;
  const bool separate = g.limits->any && g.limits->any_separate;
  for (Packet& p : burst) {
    if (!concerns(p)) continue;
    fill_key(p, w.secret);
    if (!separate) continue;
    for_each_limit(p, g, [&](uint32_t slot) {
      w.limiter.prefetch(g.limits->by_slot[slot], p.key);
      return true;
    });
  }
  for (Packet& p : burst) {
    if (!concerns(p)) continue;
    Judge judge(p, w);
    if (p.exact != nullptr && !judge.pass_exact()) continue;
    if (g.limits->any) for_each_limit(p, g, [&](uint32_t slot) { return judge.pass(slot); });
  }
}

}  // namespace penstock::engine
