// What the workers count. Every array belongs to one worker (the only writer); control/telemetry sums over workers.
// Large arrays are reserved as address space and cost memory only where a slot is used (base/region.h).
#pragma once

#include <array>
#include <cstdint>

#include "base/counter.h"
#include "flow/generation.h"
#include "flow/identity_pairs.h"
#include "flow/verdict.h"

namespace penstock::flow {

constexpr size_t kMaxStages = 32;
constexpr size_t kFlowStates = 16;  // see flow/tcp_state.h

struct StageCounters {
  base::Counter packets;          // that the stage looked at
  base::Counter sampled_packets;  // in the rounds whose cycles were measured
  base::Counter sampled_cycles;
};

struct InterfaceCounters {
  base::PacketCounter rx, tx;
};

struct ServiceCounters {
  base::PacketCounter forward, reply;
  base::Counter new_flows;
  base::Counter no_endpoint;
};

struct EndpointCounters {
  base::PacketCounter forward, reply;
  base::Counter new_flows;
  base::Counter active_flows;  // gauge
};

struct LimitCounters {
  base::PacketCounter passed, exceeded;  // exceeded: dropped or marked; of kRequests requests, without bytes
  base::Counter shadowed;                // kRequests: exceeded, and passed all the same
};

struct EgressCounters {
  base::PacketCounter out, in;
  base::Counter mappings;  // gauge
  base::Counter exhausted;
};

struct MirrorCounters {
  base::PacketCounter copied;
  base::Counter lost;  // no buffer
};

// packets: received + generated + taken from control == transmitted + terminated + dropped + punted + handed off(out) −
// handed off(in) + held
struct WorkerCounters {
  // Balance: in
  base::Counter received;      // from devices
  base::Counter from_workers;  // hand-off ring
  base::Counter from_control;  // injected frames
  base::Counter generated;     // ICMP errors, RSTs, echo replies, mirror copies, extra fragments
  // Balance: out
  base::Counter transmitted;  // accepted by devices
  base::Counter to_workers;
  base::Counter punted;      // to the control thread
  base::Counter terminated;  // to connections of the gateway itself
  base::Counter merged;      // consumed to make another (fragmented originals, answered requests)
  base::Counter held;        // gauge: in fragment and neighbour queues
  std::array<base::Counter, kDropReasons> drops;

  base::Counter rounds, empty_rounds;
  base::Counter busy_cycles, idle_cycles;  // cycles in rounds with and without packets (sleep included in idle)
  std::array<StageCounters, kMaxStages> stages;
  std::array<InterfaceCounters, kMaxInterfaces> interfaces;

  // Tables (gauges and events)
  base::Counter flows, flows_capacity, flows_created, flows_expired, flows_evicted, flows_refused;
  std::array<base::Counter, kFlowStates> flows_by_state;
  base::Counter exact_flows, exact_capacity;
  base::Counter sources, sources_capacity;  // dynamic rate-limit buckets
  base::Counter neighbours, fragments_held;
  base::Counter icmp_sent, icmp_suppressed;
  base::Counter capture_lost, trace_lost, log_lost;
  IdentityPairs identity_pairs;

  // By slot; kMax* entries each.
  base::PacketCounter* rules = nullptr;
  ServiceCounters* services = nullptr;
  EndpointCounters* endpoints = nullptr;
  LimitCounters* limits = nullptr;
  EgressCounters* egresses = nullptr;
  MirrorCounters* mirrors = nullptr;
};

}  // namespace penstock::flow
