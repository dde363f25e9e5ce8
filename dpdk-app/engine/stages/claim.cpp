#include "engine/stages/claim.h"

#include "engine/local_host.h"
#include "engine/tracking.h"
#include "wire/checksum.h"
#include "wire/headers.h"

namespace penstock::engine {

namespace {

using flow::DropReason;
using flow::Verdict;

bool is_for_us(const Packet& p, const WorkerState& w) {
  return p.verdict == Verdict::kContinue && p.headers.family != 0 && p.flow == nullptr && p.exact == nullptr &&
         !p.headers.is(wire::kIsFragment) && w.generation->routes->at(p.route).kind == flow::RouteKind::kLocal;
}

// An error about what one of our connections sent.
void take_error(Packet& p, WorkerState& w) {
  flow::FlowKey key;
  if (w.host != nullptr && quoted_key(p, key) && w.host->learn(p, key, w.now_ns)) p.verdict = Verdict::kTerminate;
}

bool checksum_holds(const Packet& p) {
  return (p.mbuf->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_GOOD ||
         wire::verify_l4(frame_of(p), p.headers) == wire::ChecksumState::kGood;
}

}  // namespace

void Claim::run(Burst& burst, WorkerState& w) {
  Packet* who[kBurst];
  unsigned count = 0;
  for (Packet& p : burst) {
    if (!is_for_us(p, w)) continue;
    if (wire::is_icmp_error(p.headers)) take_error(p, w);
    if (p.headers.protocol != wire::kProtocolTcp) continue;
    fill_key(p, w.secret);
    who[count++] = &p;
  }
  if (count == 0) return;
  if (w.host != nullptr) w.host->recognise(who, count);
  const flow::ListenerTable& listeners = *w.generation->listeners;
  for (unsigned i = 0; i < count; ++i) {
    Packet& p = *who[i];
    p.terminates = p.terminates || listeners.accepts(p.key.dst, p.key.dst_port);
    if (p.terminates && !checksum_holds(p)) drop(p, DropReason::bad_l4_checksum);
  }
}

}  // namespace penstock::engine
