#include "engine/watch.h"

#include <rte_ether.h>
#include <rte_mempool.h>

#include <algorithm>

#include "engine/packet.h"
#include "flow/flow_table.h"
#include "wire/parse.h"

namespace penstock::engine {

Watch::Watch(unsigned worker, flow::WorkerCounters& counters)
    : worker_(worker), counters_(counters), trace_ring_(std::make_unique<base::SpscRing<TraceRecord>>(kTraceRing)) {
  for (Capture& c : captures_) c.ring = std::make_unique<base::SpscRing<CapturedFrame>>(kCaptureRing);
}

Watch::~Watch() {
  for (Capture& c : captures_)
    for (CapturedFrame f; c.ring->pop(f);) rte_pktmbuf_free(f.copy);
}

void Watch::install(const flow::CaptureCommand& command) {
  if (command.id >= kMaxCaptures) return;
  Capture& c = captures_[command.id];
  c.filter = command.filter;
  c.points = command.filter != nullptr ? command.points : 0;
  c.snap_length = command.snap_length;
  points_ = 0;
  for (const Capture& each : captures_) points_ |= each.points;
}

void Watch::install(const flow::TraceCommand& command) {
  trace_filter_ = command.filter;
  trace_left_ = command.filter != nullptr ? command.packets : 0;
}

namespace {

// What the wire carries in cipher stays out of captures, too, where a NIC makes and takes it: how much of the frame is
// not that.
uint32_t clear_part(const rte_mbuf* frame) {
  if ((frame->ol_flags & (RTE_MBUF_F_TX_SEC_OFFLOAD | RTE_MBUF_F_RX_SEC_OFFLOAD)) == 0) return frame->pkt_len;
  constexpr unsigned kEspHeaderAndIv = 16;
  const auto* data = rte_pktmbuf_mtod(frame, const uint8_t*);
  wire::Headers h;
  const bool known = wire::parse({data, frame->data_len}, frame->pkt_len, wire::Ipv4Checksum::kVerifiedByDevice, h) ==
                         wire::ParseError::kNone &&
                     h.family != 0;
  return std::min<uint32_t>(frame->pkt_len, known ? h.l4_offset + kEspHeaderAndIv : RTE_ETHER_HDR_LEN);
}

}  // namespace

void Watch::capture(flow::CapturePoint point, rte_mbuf* frame, flow::DropReason reason) {
  const auto* data = rte_pktmbuf_mtod(frame, const uint8_t*);
  for (Capture& c : captures_) {
    if ((c.points & static_cast<uint8_t>(point)) == 0) continue;
    if (!c.filter->matches(data, frame->pkt_len, frame->data_len)) continue;
    const uint32_t keep = std::min<uint32_t>(clear_part(frame), c.snap_length);
    rte_mbuf* copy = c.ring->room() == 0 ? nullptr : rte_pktmbuf_copy(frame, copies, 0, keep);
    if (copy == nullptr) {
      counters_.capture_lost.add(1);
      continue;
    }
    c.ring->push({now, frame->port, point, reason, frame->pkt_len, copy});
  }
}

void Watch::mark_traced(Burst& burst) {
  for (Packet& p : burst) {
    if (trace_left_ == 0) break;
    if (!trace_filter_->matches(p.data, p.length, rte_pktmbuf_data_len(p.mbuf))) continue;
    p.traced = true;
    p.trace_id = trace_next_++;
    burst.tracing = true;
    --trace_left_;
  }
}

void Watch::record(size_t stage, const Packet& p, uint64_t generation, FrameIs frame) {
  TraceRecord r;
  r.packet = p.trace_id * flow::kMaxWorkers + worker_;
  r.stage = static_cast<uint8_t>(stage);
  r.verdict = p.verdict;
  r.reason = p.reason;
  r.in = p.in;
  r.out = p.out;
  r.rule = p.rule;
  r.next_hop = p.next_hop;
  r.from_peer = p.from_peer;
  r.to_peer = p.to_peer;
  r.demand = p.demand;
  r.from_identity = p.identity;
  r.to_identity = p.to_identity;
  r.shadow_rule = p.shadow_rule;
  r.generation = generation;
  if (p.flow != nullptr) {
    r.has_flow = true;
    r.flow_state = static_cast<uint8_t>(p.flow->state);
    r.direction = p.direction;
    r.service = p.flow->service;
    r.endpoint = p.flow->endpoint;
  }
  r.frame_length = 0;
  if (frame == FrameIs::kThere && p.verdict != flow::Verdict::kHeld) {  // a held one may already be someone else's
    r.frame_length = static_cast<uint16_t>(std::min<size_t>(r.frame.size(), rte_pktmbuf_data_len(p.mbuf)));
    std::copy_n(p.data, r.frame_length, r.frame.begin());
  }
  if (!trace_ring_->push(r)) counters_.trace_lost.add(1);
}

}  // namespace penstock::engine
