#include "engine/stages/open.h"

#include "engine/tracking.h"

namespace penstock::engine {

namespace {

using flow::Verdict;

// The packet of a flow that is no more becomes a first packet.
void forsake(Packet& p, const WorkerState& w) {
  p.flow = nullptr;
  p.route = w.generation->routes->find(p.key.dst);
  p.next_hop = kNone32;
  p.direction = 0;
  p.stale = false;
}

}  // namespace

void Open::run(Burst& burst, WorkerState& w) {
  for (Packet& p : burst) {
    if (p.verdict != Verdict::kContinue || p.headers.family == 0 || p.exact != nullptr || p.terminates) continue;
    if (w.flows_ended() != w.flows_ended_before && p.flow != nullptr && !still_has_flow(p)) forsake(p, w);
    if (p.flow == nullptr) {
      open_flow(p, w);
    } else if (p.stale) {
      judge_again(p, w);
    }
  }
  // Making room for a new flow may have ended that of a packet earlier in the burst.
  if (w.flows_ended() == w.flows_ended_before) return;
  for (Packet& p : burst)
    if (p.verdict == Verdict::kContinue && p.flow != nullptr && !still_has_flow(p))
      drop(p, flow::DropReason::flow_admission);
}

}  // namespace penstock::engine
