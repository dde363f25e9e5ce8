// A worker's way out: per port a small buffer of frames, flushed when full and at the end of every round.
//
// A device with fewer transmit queues than workers is shared: a worker without a queue of its own hands its frames to
// the worker that has one, over the mesh. A frame the device does not take is dropped as tx_queue_full; the order of
// the frames of one flow is kept. A worker without devices (Explain, stories) collects frames in `sink` instead.
#pragma once

#include <rte_mbuf.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <vector>

#include "engine/mesh.h"
#include "engine/watch.h"
#include "flow/counters.h"
#include "flow/generation.h"

namespace penstock::engine {

constexpr unsigned kTxBuffer = 64;  // frames: a device call costs as much as ten of them

class Transmit {
 public:
  struct SentFrame {
    uint16_t port;
    rte_mbuf* mbuf;
  };

  Transmit(unsigned worker, Mesh& mesh, flow::WorkerCounters& counters, Watch& watch)
      : worker_(worker), mesh_(mesh), counters_(counters), watch_(watch) {}

  // Control thread. `queues`: how many the device has. After close() a device may go only when the round in progress
  // has ended: it may still have frames for it.
  // `offloads`: the device finishes checksums, and has to see such frames first.
  void open(uint16_t port, uint16_t queues, bool offloads = false);
  void close(uint16_t port);
  // Some port encrypts by itself: from now on no frame that waits for one leaves by another.
  void guard() { guards_.store(true, std::memory_order_relaxed); }

  // Takes the frame. The egress interface is counted by the caller.
  void send(uint16_t port, rte_mbuf* frame) {
    Out& out = ports_[port];
    if (!out.open.load(std::memory_order_acquire)) [[unlikely]]
      return refuse(frame, flow::DropReason::interface_down);
    out.frames[out.count++] = frame;
    if (out.count == kTxBuffer) flush(port);
  }

  void flush_all();

  std::vector<SentFrame>* sink = nullptr;  // set: nothing is sent, the frames are collected here

 private:
  struct Out {
    std::atomic<bool> open{false};  // last of what open() writes
    bool offloads = false;
    uint16_t queue = 0;
    uint8_t relay_to = 0xff;  // 0xff: `queue` is ours
    unsigned count = 0;
    std::array<rte_mbuf*, kTxBuffer> frames;
  };

  void flush(uint16_t port);
  void refuse(rte_mbuf* frame, flow::DropReason reason);
  void hold_back_strays(uint16_t port);
  void prepare(uint16_t port);

  const unsigned worker_;
  Mesh& mesh_;
  flow::WorkerCounters& counters_;
  Watch& watch_;
  std::atomic<bool> guards_{false};
  std::array<Out, flow::kMaxPorts> ports_{};
};

}  // namespace penstock::engine
