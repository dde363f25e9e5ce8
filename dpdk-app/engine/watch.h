// Looking at packets while they pass: captures (pcapng) and traces. Nothing is paid while nobody watches: one test of a
// byte per burst. Copies go over bounded rings to the asking thread; what does not fit is counted as lost, never waited
// for.
#pragma once

#include <rte_mbuf.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"
#include "base/spsc_ring.h"
#include "base/time.h"
#include "engine/capture_filter.h"
#include "flow/command.h"
#include "flow/counters.h"

namespace penstock::engine {

struct Burst;
struct Packet;

constexpr unsigned kMaxCaptures = 8;
constexpr size_t kCaptureRing = 4096;  // packets per worker and capture
constexpr size_t kTraceRing = 16384;   // steps per worker

struct CapturedFrame {
  base::Cycles at = 0;
  uint16_t port = 0;
  flow::CapturePoint point = flow::CapturePoint::kRx;
  flow::DropReason reason = flow::DropReason::kNone;
  uint32_t length = 0;
  rte_mbuf* copy = nullptr;  // truncated; the reader frees it
};

// One packet after one stage. The reader turns it into words.
struct TraceRecord {
  uint64_t packet = 0;
  uint8_t stage = 0;
  flow::Verdict verdict = flow::Verdict::kContinue;
  flow::DropReason reason = flow::DropReason::kNone;
  flow::InterfaceId in = flow::kNoInterface, out = flow::kNoInterface;
  uint32_t service = 0xffffffff, endpoint = 0xffffffff, rule = 0xffffffff, next_hop = 0xffffffff;
  uint16_t from_peer = 0xffff, to_peer = 0xffff;
  uint16_t demand = 0;
  flow::Identity from_identity = flow::kNobody, to_identity = flow::kNobody;
  uint32_t shadow_rule = 0xffffffff;
  uint64_t generation = 0;
  bool has_flow = false;
  uint8_t flow_state = 0;
  uint8_t direction = 0;
  uint16_t frame_length = 0;  // of `frame`, when the stage changed it or it is the first step
  std::array<uint8_t, 128> frame;
};

enum class FrameIs : uint8_t { kThere, kGone };

// One worker's side.
class Watch {
 public:
  Watch(unsigned worker, flow::WorkerCounters& counters);
  ~Watch();

  bool wants(flow::CapturePoint point) const { return points_ & static_cast<uint8_t>(point); }
  void capture(flow::CapturePoint point, rte_mbuf* frame, flow::DropReason reason);

  bool tracing() const { return trace_left_ != 0; }
  void mark_traced(Burst& burst);  // after parse: which packets match
  void record(size_t stage, const Packet& packet, uint64_t generation, FrameIs frame);

  // Commands, on the worker's thread.
  void install(const flow::CaptureCommand& command);
  void install(const flow::TraceCommand& command);

  // The asking thread.
  base::SpscRing<CapturedFrame>& captured(unsigned id) { return *captures_[id].ring; }
  base::SpscRing<TraceRecord>& traced() { return *trace_ring_; }

  base::Cycles now = 0;           // set by the worker each round
  rte_mempool* copies = nullptr;  // where capture copies come from

 private:
  struct Capture {
    const flow::WatchFilter* filter = nullptr;
    uint8_t points = 0;
    uint16_t snap_length = 0;
    std::unique_ptr<base::SpscRing<CapturedFrame>> ring;
  };

  const unsigned worker_;
  flow::WorkerCounters& counters_;
  uint8_t points_ = 0;  // union of all captures
  std::array<Capture, kMaxCaptures> captures_;
  const flow::WatchFilter* trace_filter_ = nullptr;
  uint32_t trace_left_ = 0;
  uint64_t trace_next_ = 0;
  std::unique_ptr<base::SpscRing<TraceRecord>> trace_ring_;
};

}  // namespace penstock::engine
