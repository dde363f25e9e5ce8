#include "engine/stages/exact.h"

namespace penstock::engine {

namespace {

using flow::DropReason;
using flow::Verdict;

void act(Packet& p, WorkerState& w) {
  const flow::ExactAction& action = p.exact->action;
  p.exact->count(p.length, w.now_ms);
  p.dscp = action.dscp;
  if (action.mirror) p.mirrors |= 1ull << action.mirror_slot;
  switch (action.verb) {
    case flow::ExactVerb::kAllow:
    case flow::ExactVerb::kNat:
      return;
    case flow::ExactVerb::kDrop:
      return drop(p, DropReason::exact_drop);
    case flow::ExactVerb::kRedirect:
      p.redirected = true;
      return;
  }
}

}  // namespace

void Exact::run(Burst& burst, WorkerState& w) {
  for (Packet& p : burst) {
    if (p.verdict != Verdict::kContinue || p.headers.family == 0) continue;
    fill_key(p, w.secret);
    flow::FlowKey on_interface = p.key;
    on_interface.zone = static_cast<uint16_t>(p.in + 1);
    p.exact = w.exact.find(on_interface);
    if (p.exact == nullptr) p.exact = w.exact.find(p.key);
    if (p.exact != nullptr) act(p, w);
  }
}

}  // namespace penstock::engine
