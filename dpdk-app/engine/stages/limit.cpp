#include "engine/stages/limit.h"

namespace penstock::engine {

namespace {

using flow::DropReason;
using flow::Verdict;

class Judge {
 public:
  Judge(Packet& p, WorkerState& w) : p_(p), w_(w) { fill_key(p, w.secret); }

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

  bool pass_all(const std::vector<uint32_t>& slots) {
    for (const uint32_t slot : slots)
      if (!pass(slot)) return false;
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

void judge(Packet& p, WorkerState& w) {
  const flow::Generation& g = *w.generation;
  Judge judge(p, w);
  if (p.exact != nullptr && !judge.pass_exact()) return;
  if (!g.limits->any) return;
  if (!judge.pass_all(g.interfaces->by_id[p.in].limits)) return;
  if (p.flow != nullptr && p.direction == 0)
    if (const flow::ServiceEntry* service = g.services->by_slot(p.flow->service);
        service != nullptr && !judge.pass_all(service->limits))
      return;
  if (p.rule != flow::kNoRule && !judge.pass_all(g.filter->rules()[p.rule].limits)) return;
  (void)for_each_destination_limit(*g.limits, p.key.dst, [&](uint32_t slot) { return judge.pass(slot); });
}

}  // namespace

void Limit::run(Burst& burst, WorkerState& w) {
  for (Packet& p : burst)
    if (p.verdict == Verdict::kContinue && p.headers.family != 0) judge(p, w);
}

}  // namespace penstock::engine
