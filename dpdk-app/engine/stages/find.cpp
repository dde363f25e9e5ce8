#include "engine/stages/find.h"

#include "engine/tracking.h"
#include "wire/headers.h"

namespace penstock::engine {

namespace {

using flow::Verdict;

bool is_error(const wire::Headers& h) {
  if (h.is(wire::kIsFragment)) return false;
  if (h.protocol == wire::kProtocolIcmp)
    return h.icmp_type == wire::kIcmpUnreachable || h.icmp_type == wire::kIcmpTimeExceeded ||
           h.icmp_type == wire::kIcmpParameterProblem;
  return h.protocol == wire::kProtocolIcmpv6 && h.icmp_type < wire::kIcmpv6EchoRequest;
}

// An error arrives where its own addresses hash to; the flow is where the quoted packet's do.
void go_to_owner(Packet& p, const WorkerState& w, const flow::FlowKey& key) {
  if (w.workers == 1) return;
  const unsigned owner = flow::owner_of(flow::owner_hash(key), w.workers);
  if (owner == w.id || carry_of(p.mbuf).hops > 1) return;
  p.verdict = Verdict::kHandOff;
  p.owner = static_cast<uint8_t>(owner);
}

}  // namespace

void Find::run(Burst& burst, WorkerState& w) {
  const flow::FlowKey* keys[kBurst];
  uint64_t hashes[kBurst];
  flow::FlowMatch matches[kBurst];
  flow::FlowKey quoted[kBurst];
  Packet* who[kBurst];
  unsigned count = 0;
  for (Packet& p : burst) {
    if (p.verdict != Verdict::kContinue || p.headers.family == 0 || p.exact != nullptr) continue;
    fill_key(p, w.secret);
    p.state = flow::FlowState::kNew;
    p.related = is_error(p.headers) && quoted_key(p, quoted[count]);
    keys[count] = p.related ? &quoted[count] : &p.key;
    hashes[count] = p.related ? w.flows.hash(quoted[count]) : p.key_hash;
    who[count++] = &p;
  }
  if (count == 0) return;
  w.flows.find(keys, hashes, count, matches, w.now_ms);
  for (unsigned i = 0; i < count; ++i) {
    // A packet before it in the burst may have ended the flow: then it is a first packet.
    if (matches[i].kind == flow::MatchKind::kFlow && matches[i].flow->state == flow::FlowStateId::kNone) continue;
    if (matches[i].kind != flow::MatchKind::kNone) {
      attach(*who[i], w, matches[i]);
    } else if (who[i]->related) {
      go_to_owner(*who[i], w, quoted[i]);
    }
  }
}

}  // namespace penstock::engine
