#include "engine/stages/shard.h"

namespace penstock::engine {

void Shard::run(Burst& burst, WorkerState& w) {
  for (Packet& p : burst) {
    if (p.verdict != flow::Verdict::kContinue || p.headers.family == 0) continue;
    if (w.ports[p.mbuf->port].rss || p.from_peer != flow::kNoPeer) continue;
    const unsigned owner = flow::owner_of(owner_hash(p), w.workers);
    if (owner == w.id) continue;
    p.verdict = flow::Verdict::kHandOff;
    p.owner = static_cast<uint8_t>(owner);
  }
}

}  // namespace penstock::engine
