#include "engine/transmit.h"

#include <rte_ethdev.h>

#include <algorithm>

#include "engine/packet.h"

namespace penstock::engine {

void Transmit::open(uint16_t port, uint16_t queues, bool offloads) {
  Out& out = ports_[port];
  out.offloads = offloads;
  out.queue = static_cast<uint16_t>(worker_ % queues);
  out.relay_to = worker_ < queues ? 0xff : static_cast<uint8_t>(worker_ % queues);
  out.open.store(true, std::memory_order_release);
}

void Transmit::close(uint16_t port) { ports_[port].open.store(false, std::memory_order_release); }

void Transmit::refuse(rte_mbuf* frame, flow::DropReason reason) {
  counters_.drops[static_cast<size_t>(reason)].add(1);
  rte_pktmbuf_free(frame);
}

// In clear until the device of that port has them (crypto/esp_inline.h). None is here unless the code is wrong: this is
// the last place where that can be told.
void Transmit::hold_back_strays(uint16_t port) {
  Out& out = ports_[port];
  unsigned kept = 0;
  for (unsigned i = 0; i < out.count; ++i) {
    rte_mbuf* frame = out.frames[i];
    if ((frame->ol_flags & RTE_MBUF_F_TX_SEC_OFFLOAD) != 0 && carry_of(frame).sealed_for != port) {
      refuse(frame, flow::DropReason::esp_inline_strayed);
    } else {
      out.frames[kept++] = frame;
    }
  }
  out.count = kept;
}

// Drivers put right what their device wants otherwise; what they cannot would stop the queue.
void Transmit::prepare(uint16_t port) {
  Out& out = ports_[port];
  unsigned good = 0;
  while ((good += rte_eth_tx_prepare(port, out.queue, &out.frames[good], static_cast<uint16_t>(out.count - good))) <
         out.count) {
    refuse(out.frames[good], flow::DropReason::offload_refused);
    std::copy(&out.frames[good + 1], &out.frames[out.count], &out.frames[good]);
    --out.count;
  }
}

void Transmit::flush(uint16_t port) {
  Out& out = ports_[port];
  if (guards_.load(std::memory_order_relaxed)) [[unlikely]]
    hold_back_strays(port);
  if (out.offloads && out.relay_to == 0xff && sink == nullptr) prepare(port);
  const unsigned count = out.count;
  out.count = 0;
  if (watch_.wants(flow::CapturePoint::kTx)) [[unlikely]]
    for (unsigned i = 0; i < count; ++i) {
      out.frames[i]->port = port;  // a capture names the port the frame leaves by
      watch_.capture(flow::CapturePoint::kTx, out.frames[i], flow::DropReason::kNone);
    }
  if (sink != nullptr) [[unlikely]] {
    for (unsigned i = 0; i < count; ++i) sink->push_back({port, out.frames[i]});
    counters_.transmitted.add(count);
    return;
  }
  if (out.relay_to != 0xff) {
    for (unsigned i = 0; i < count; ++i) {
      out.frames[i]->port = port;
      if (mesh_.packets(worker_, out.relay_to).push({out.frames[i], Errand::kSend})) {
        counters_.to_workers.add(1);
      } else {
        refuse(out.frames[i], flow::DropReason::hand_off_full);
      }
    }
    return;
  }
  // A device may take part of a burst and the rest a moment later (a ring being drained by the kernel): try twice.
  unsigned sent = rte_eth_tx_burst(port, out.queue, out.frames.data(), static_cast<uint16_t>(count));
  if (sent < count) [[unlikely]]
    sent += rte_eth_tx_burst(port, out.queue, out.frames.data() + sent, static_cast<uint16_t>(count - sent));
  counters_.transmitted.add(sent);
  if (sent < count) [[unlikely]] {
    counters_.drops[static_cast<size_t>(flow::DropReason::tx_queue_full)].add(count - sent);
    rte_pktmbuf_free_bulk(out.frames.data() + sent, count - sent);
  }
}

void Transmit::flush_all() {
  for (uint16_t port = 0; port < flow::kMaxPorts; ++port)
    if (ports_[port].count != 0) flush(port);
}

}  // namespace penstock::engine
