#include "engine/stages/claim.h"

#include "engine/local_host.h"
#include "wire/checksum.h"
#include "wire/headers.h"

namespace penstock::engine {

namespace {

using flow::DropReason;
using flow::Verdict;

bool is_candidate(const Packet& p, const WorkerState& w) {
  return p.verdict == Verdict::kContinue && p.headers.family != 0 && p.headers.protocol == wire::kProtocolTcp &&
         p.flow == nullptr && p.exact == nullptr && w.generation->routes->at(p.route).kind == flow::RouteKind::kLocal;
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
    if (!is_candidate(p, w) || p.headers.is(wire::kIsFragment)) continue;
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
