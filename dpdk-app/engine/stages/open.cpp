#include "engine/stages/open.h"

#include "engine/tracking.h"

namespace penstock::engine {

void Open::run(Burst& burst, WorkerState& w) {
  for (Packet& p : burst) {
    if (p.verdict != flow::Verdict::kContinue || p.headers.family == 0 || p.exact != nullptr) continue;
    if (p.flow == nullptr) {
      open_flow(p, w);
    } else if (p.stale) {
      judge_again(p, w);
    }
  }
}

}  // namespace penstock::engine
