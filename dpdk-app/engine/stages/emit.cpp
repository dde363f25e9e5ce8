#include "engine/stages/emit.h"

#include <algorithm>
#include <cstring>

#include "engine/local_host.h"
#include "wire/headers.h"

namespace penstock::engine {

namespace {

using flow::DropReason;
using flow::Verdict;

// Frees dropped packets in bulk: one pool operation for the burst.
struct Dropped {
  unsigned count = 0;
  rte_mbuf* mbufs[kBurst];
};

void discard(Packet& p, WorkerState& w, Dropped& dropped, DropReason reason) {
  count_drop(w, reason);
  if (w.watch.wants(flow::CapturePoint::kDrop)) [[unlikely]]
    w.watch.capture(flow::CapturePoint::kDrop, p.mbuf, reason);
  dropped.mbufs[dropped.count++] = p.mbuf;
}

void hand_off(Packet& p, WorkerState& w, Dropped& dropped) {
  Carry& carry = carry_of(p.mbuf);
  if (carry.hops >= kMaxHops) return discard(p, w, dropped, DropReason::hand_off_loop);
  ++carry.hops;
  if (!w.mesh.packets(w.id, p.owner).push({p.mbuf, Errand::kProcess}))
    return discard(p, w, dropped, DropReason::hand_off_full);
  w.counters->to_workers.add(1);
}

// The kernel twin gets the frame as it came; what a twin sends leaves through its port as it is.
void send_twin(Packet& p, WorkerState& w, Dropped& dropped) {
  const flow::Interface& in = w.generation->interfaces->by_id[p.in];
  const uint16_t to = in.is_twin ? in.port_of_twin : in.twin_port;
  if (to == 0xffff) return discard(p, w, dropped, DropReason::twin_missing);
  w.transmit.send(to, p.mbuf);
}

// Address resolution answers are also news for the kernel behind the twin.
void copy_to_twin(const Packet& p, WorkerState& w) {
  const flow::Interface& in = w.generation->interfaces->by_id[p.in];
  if (in.twin_port == 0xffff) return;
  rte_mbuf* copy = rte_pktmbuf_copy(p.mbuf, w.pool, 0, UINT32_MAX);
  if (copy == nullptr) return count_drop(w, DropReason::mirror_no_buffer);
  w.counters->generated.add(1);
  w.transmit.send(in.twin_port, copy);
}

void punt(Packet& p, WorkerState& w, Dropped& dropped) {
  copy_to_twin(p, w);
  if (!w.punt_bucket.take(w.punt_rate, 1, w.now)) return discard(p, w, dropped, DropReason::punt_limited);
  flow::Event* event = w.events.reserve();
  if (event == nullptr) return discard(p, w, dropped, DropReason::punt_queue_full);
  event->kind = flow::EventKind::kPunt;
  event->worker = static_cast<uint8_t>(w.id);
  event->interface = p.in;
  event->original_length = static_cast<uint16_t>(std::min<uint32_t>(p.length, 0xffff));
  event->length = static_cast<uint16_t>(std::min<size_t>(rte_pktmbuf_data_len(p.mbuf), event->frame.size()));
  std::memcpy(event->frame.data(), p.data, event->length);
  w.events.commit();
  w.counters->punted.add(1);
  dropped.mbufs[dropped.count++] = p.mbuf;
}

}  // namespace

void Emit::run(Burst& burst, WorkerState& w) {
  const flow::InterfaceTable& interfaces = *w.generation->interfaces;
  Dropped dropped;
  Packet* terminating[kBurst];
  unsigned ends_here = 0;
  for (Packet& p : burst) {
    switch (p.verdict) {
      case Verdict::kForward:
        count_sent(w.counters->interfaces[p.out].tx, p.mbuf);
        w.transmit.send(interfaces.by_id[p.out].port, p.mbuf);
        break;
      case Verdict::kHandOff:
        hand_off(p, w, dropped);
        break;
      case Verdict::kTwin:
        send_twin(p, w, dropped);
        break;
      case Verdict::kPunt:
        punt(p, w, dropped);
        break;
      case Verdict::kTerminate:
        terminating[ends_here++] = &p;
        dropped.mbufs[dropped.count++] = p.mbuf;
        break;
      case Verdict::kHeld:
        break;
      case Verdict::kDrop:
      case Verdict::kReject:
        discard(p, w, dropped, p.reason);
        break;
      case Verdict::kContinue:
      case Verdict::kLocal:
        discard(p, w, dropped, DropReason::local_unwanted);
        break;
    }
  }
  if (ends_here != 0) {
    if (w.host != nullptr) w.host->absorb(terminating, ends_here, w.now_ns);
    w.counters->terminated.add(ends_here);
  }
  if (dropped.count != 0) rte_pktmbuf_free_bulk(dropped.mbufs, dropped.count);
}

}  // namespace penstock::engine
