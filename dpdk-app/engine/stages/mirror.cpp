#include "engine/stages/mirror.h"

#include <algorithm>

#include "engine/clear_text.h"
#include "wire/build.h"
#include "wire/headers.h"

namespace penstock::engine {

namespace {

void lose(WorkerState& w, const flow::MirrorRule& rule) {
  count_drop(w, flow::DropReason::mirror_no_buffer);
  w.counters->mirrors[rule.slot].lost.add(1);
}

// Counts as a copy that was made and dropped.
void refuse(WorkerState& w, const flow::MirrorRule& rule) {
  w.counters->generated.add(1);
  w.counters->mirrors[rule.slot].lost.add(1);
  count_drop(w, flow::DropReason::mirror_clear_refused);
}

void count_copy(WorkerState& w, const flow::MirrorRule& rule, size_t bytes) {
  w.counters->generated.add(1);
  w.counters->mirrors[rule.slot].copied.add(bytes);
}

// A slot without a mirror, or whose interface went: exact entries name slots and outlive generations.
bool is_there(const flow::MirrorRule& rule, const flow::InterfaceTable& interfaces) {
  if (rule.erspan) return true;
  return rule.interface < interfaces.by_id.size() && interfaces.by_id[rule.interface].id == rule.interface;
}

// The headers are an own packet: routed, resolved and sent like any other. Outer IP headers carry no VLAN of ours.
void send_to_collector(Packet& p, WorkerState& w, const flow::MirrorRule& rule, rte_mbuf* copy, bool cut) {
  wire::ErspanHeaders headers;
  headers.link = wire::Link{};
  headers.ip.src = rule.source;
  headers.ip.dst = rule.collector;
  headers.sequence = w.mirror_sequence[rule.slot]++;
  headers.session = rule.session;
  headers.vlan = p.headers.is(wire::kIsTagged) ? p.headers.vlan : 0;
  headers.truncated = cut;
  headers.frame_length = rte_pktmbuf_pkt_len(copy);
  uint8_t head[128];
  const size_t length = wire::build_erspan_headers({head, sizeof head}, headers);
  auto* at =
      reinterpret_cast<uint8_t*>(length == 0 ? nullptr : rte_pktmbuf_prepend(copy, static_cast<uint16_t>(length)));
  if (at == nullptr) {
    rte_pktmbuf_free(copy);
    return lose(w, rule);
  }
  count_copy(w, rule, headers.frame_length);
  std::copy_n(head, length, at);
  add_own(w, copy);
}

void mirror(Packet& p, WorkerState& w, const flow::MirrorRule& rule) {
  if (rule.sample > 1 && w.random() % rule.sample != 0) return;
  if (must_not_be_copied(p, w, rule)) return refuse(w, rule);
  const uint32_t whole = rte_pktmbuf_pkt_len(p.mbuf);
  const uint32_t keep = rule.truncate == 0 ? whole : std::min<uint32_t>(whole, rule.truncate);
  rte_mbuf* copy = rte_pktmbuf_copy(p.mbuf, p.mbuf->pool, 0, keep);
  if (copy == nullptr) return lose(w, rule);
  copy->ol_flags = 0;
  carry_of(copy) = Carry{};
  if (rule.erspan) return send_to_collector(p, w, rule, copy, keep < whole);
  const flow::Interface& out = w.generation->interfaces->by_id[rule.interface];
  count_copy(w, rule, keep);
  w.counters->interfaces[rule.interface].tx.add(keep);
  w.transmit.send(out.port, copy);
}

}  // namespace

void Mirror::run(Burst& burst, WorkerState& w) {
  for (Packet& p : burst) {
    if (p.verdict != flow::Verdict::kContinue) continue;
    for (uint64_t left = p.mirrors; left != 0; left &= left - 1) {
      const auto slot = static_cast<size_t>(__builtin_ctzll(left));
      if (slot >= w.generation->mirrors.size()) continue;
      const flow::MirrorRule& rule = w.generation->mirrors[slot];
      if (is_there(rule, *w.generation->interfaces)) mirror(p, w, rule);
    }
  }
}

}  // namespace penstock::engine
