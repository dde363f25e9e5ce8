// What other threads ask of a worker, and how it answers. A command is allocated by the asker, pushed on the worker's
// command ring (many producers, one consumer), worked on a little each round, and marked done; the asker owns it
// before the push and after done(). Workers never allocate or free them.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>
#include <vector>

#include "base/address.h"
#include "base/time.h"
#include "flow/generation.h"
#include "flow/key.h"
#include "flow/limit.h"
#include "flow/verdict.h"

namespace penstock::flow {

enum class CommandKind : uint8_t { kProgram, kDumpExact, kDumpTracked, kNeighbour, kInject, kProbe, kCapture, kTrace };

struct Command {
  explicit Command(CommandKind k) : kind(k) {}
  const CommandKind kind;
  bool done() const { return done_.load(std::memory_order_acquire); }
  void finish() { done_.store(true, std::memory_order_release); }  // worker, once

 private:
  std::atomic<bool> done_{false};
};

// ---- exact flows ----------------------------------------------------------------------------------------------------

enum class ExactVerb : uint8_t { kAllow, kDrop, kRedirect, kNat };  // plus the optional parts below

struct ExactAction {
  ExactVerb verb = ExactVerb::kAllow;
  uint8_t dscp = 0xff;  // 0xff: leave
  bool mirror = false;
  bool limited = false;
  LimitUnit unit = LimitUnit::kPackets;
  uint16_t mirror_slot = 0;
  uint16_t redirect_interface = 0xffff;                    // kRedirect
  base::IpAddress redirect_via;                            // kRedirect; kNat: new destination (unspecified: keep)
  base::IpAddress nat_source;                              // kNat: new source (unspecified: keep)
  uint16_t nat_source_port = 0, nat_destination_port = 0;  // 0: keep
  Rate rate;                                               // limited
};

enum class ExactOpKind : uint8_t { kAdd, kReplace, kDelete };  // kAdd of what exists: kExists; kReplace adds or changes

enum class ExactStatus : uint8_t { kOk, kExists, kNotFound, kTableFull, kInvalid };

struct ExactOp {
  ExactOpKind kind = ExactOpKind::kAdd;
  FlowKey key;  // zone: ingress interface id + 1, or 0
  ExactAction action;
  uint64_t cookie = 0;
  uint32_t idle_seconds = 0;  // 0: no timeout
  uint32_t hard_seconds = 0;
};

struct ProgramCommand : Command {
  ProgramCommand() : Command(CommandKind::kProgram) {}
  std::vector<ExactOp> ops;           // all owned by this worker (flow/shard.h)
  std::vector<ExactStatus> statuses;  // sized like ops by the asker
  size_t next = 0;                    // worker's cursor
};

struct ExactEntryView {
  FlowKey key;
  ExactAction action;
  uint64_t cookie = 0, packets = 0, bytes = 0;
  uint32_t age_seconds = 0, idle_seconds = 0;  // since creation; since the last packet
  uint32_t idle_timeout = 0, hard_timeout = 0;
};

struct TrackedFlowView {
  FlowKey original, reply;  // reply: as it arrives from the other side (after translation)
  uint8_t state = 0;        // flow/tcp_state.h
  uint8_t mode = 0;         // flow/flow_table.h FlowMode
  bool replied = false;     // a packet of the reply direction was seen
  uint32_t service = 0xffffffff, endpoint = 0xffffffff, egress = 0xffffffff;  // slots
  uint16_t from_peer = kNoPeer;
  uint64_t packets[2] = {}, bytes[2] = {};
  uint32_t age_seconds = 0, idle_seconds = 0, timeout_seconds = 0;  // timeout: what is left
};

// Fills `entries` from table position `cursor` on; `cursor` becomes the next position, kEnd when there is no more.
template <typename View, CommandKind K>
struct DumpCommand : Command {
  static constexpr uint64_t kEnd = ~0ull;
  DumpCommand() : Command(K) {}
  uint64_t cursor = 0;
  std::vector<View> entries;  // sized by the asker: how many at most
  size_t count = 0;           // how many were filled
  bool one = false;           // only the entry of `key`
  FlowKey key;
};
using DumpExactCommand = DumpCommand<ExactEntryView, CommandKind::kDumpExact>;
using DumpTrackedCommand = DumpCommand<TrackedFlowView, CommandKind::kDumpTracked>;

// ---- neighbours and frames from the control thread ------------------------------------------------------------------

enum class NeighbourState : uint8_t { kReachable, kFailed };

struct NeighbourCommand : Command {
  NeighbourCommand() : Command(CommandKind::kNeighbour) {}
  InterfaceId interface = kNoInterface;
  base::IpAddress address;
  base::MacAddress mac;
  NeighbourState state = NeighbourState::kReachable;
  uint32_t refresh_ms = 30000;  // after this, use of the entry asks the control thread to probe again
};

enum class InjectAs : uint8_t {
  kFrame,   // a whole frame for `interface`, transmitted as it is
  kPacket,  // an Ethernet frame whose IP packet is routed as the gateway's own (MACs are filled in)
};

struct InjectCommand : Command {
  InjectCommand() : Command(CommandKind::kInject) {}
  InterfaceId interface = kNoInterface;
  InjectAs as = InjectAs::kFrame;
  std::vector<uint8_t> frame;
};

// A probe of a path to a peer (engine/probe.h), through its tunnel.
struct ProbeCommand : Command {
  ProbeCommand() : Command(CommandKind::kProbe) {}
  uint16_t peer = kNoPeer;
  uint8_t path = 0;
  uint32_t sequence = 0;
  uint16_t size = 0;  // of the outer datagram: does the path carry so much? 0: a short one
};

// ---- watching -------------------------------------------------------------------------------------------------------

enum class CapturePoint : uint8_t { kRx = 1, kTx = 2, kDrop = 4 };

struct WatchFilter;  // a compiled tcpdump expression (engine/watch.h)

struct CaptureCommand : Command {  // installs (filter set) or ends (null) this worker's part of capture `id`
  CaptureCommand() : Command(CommandKind::kCapture) {}
  uint32_t id = 0;  // 0..7
  const WatchFilter* filter = nullptr;
  uint8_t points = 0;  // set of CapturePoint
  uint16_t snap_length = 0xffff;
};

struct TraceCommand : Command {  // records the next `packets` that match
  TraceCommand() : Command(CommandKind::kTrace) {}
  const WatchFilter* filter = nullptr;  // null: end
  uint32_t packets = 0;
};

// ---- what workers tell the control thread ---------------------------------------------------------------------------

enum class EventKind : uint8_t { kPunt, kWantNeighbour, kLog, kProbeAnswer };

// Fixed size, by value over a ring. A punted frame is copied (it is small: ARP, ND, ICMP, health-check answers).
struct Event {
  EventKind kind = EventKind::kPunt;
  uint8_t worker = 0;
  InterfaceId interface = kNoInterface;  // ingress of a punted frame; the neighbour's; the logged packet's
  uint16_t length = 0;                   // of `frame`
  uint16_t original_length = 0;
  uint32_t rule = 0xffffffff;             // kLog: filter rule slot
  DropReason reason = DropReason::kNone;  // kLog
  base::IpAddress address;                // kWantNeighbour
  uint16_t peer = kNoPeer;                // kProbeAnswer, this and the next three
  uint8_t path = 0;
  uint32_t sequence = 0;
  base::Nanos round_trip = 0;
  std::array<uint8_t, 2000> frame;  // kPunt: Ethernet frame; kLog: its first 128 bytes
};

}  // namespace penstock::flow
