#include "engine/stages/identify.h"

#include "wire/headers.h"

namespace penstock::engine {

namespace {

constexpr size_t kSourceMacAt = 6;

base::IpAddress source_of(const Packet& p) {
  const uint8_t* ip = p.data + p.headers.l2_length;
  return p.headers.family == 4 ? base::IpAddress::v4_from(ip + wire::kIpv4SrcAt)
                               : base::IpAddress::v6_from(ip + wire::kIpv6SrcAt);
}

}  // namespace

void Identify::run(Burst& burst, WorkerState& w) {
  const flow::SourceTable& sources = w.generation->identities->sources;
  for (Packet& p : burst) {
    if (p.verdict != flow::Verdict::kContinue || p.headers.family == 0 || p.from_peer != flow::kNoPeer) continue;
    const flow::SourceTable::Found found = sources.find(p.in, source_of(p), p.data + kSourceMacAt);
    if (found.forged) {
      drop(p, flow::DropReason::identity_spoofed);
      continue;
    }
    p.identity = found.identity;
    carry_of(p.mbuf).identity = found.identity;
  }
}

}  // namespace penstock::engine
