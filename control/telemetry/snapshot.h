// Everything an operator may want to see of a running gateway, as plain values: names and sums over all workers at one
// moment. Counters only grow while an object lives; gauges say so. Counts of bytes are IP bytes unless a name says
// frame.
//
// Memory: a Snapshot owns all of it. Built on any thread (telemetry/collect.h) without disturbing the workers; numbers
// of different counters may be a few packets apart. What it does not hold: single flows (Flows.Dump), history.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/time.h"
#include "flow/counters.h"
#include "flow/limit.h"
#include "flow/service_table.h"

namespace penstock::telemetry {

struct Traffic {
  uint64_t packets = 0, bytes = 0;
};

struct PortStats {  // the device's own counters; bytes are frame bytes
  std::string name, driver;
  bool link_up = false;
  uint32_t speed_mbps = 0;
  uint16_t rx_queues = 0, tx_queues = 0;
  Traffic rx, tx;
  uint64_t rx_missed = 0, rx_errors = 0, rx_no_buffer = 0, tx_errors = 0;
};

struct WorkerStats {
  unsigned id = 0, core = 0;
  bool running = false;
  uint64_t generation = 0;
  base::Nanos adopted_at = 0;
  std::vector<std::string> queues;  // "wan/0"
  double busy = 0;                  // share of cycles in rounds with packets since the worker started, 0..1
  uint64_t busy_cycles = 0, idle_cycles = 0, rounds = 0, empty_rounds = 0;
  uint64_t received = 0, from_workers = 0, from_control = 0, generated = 0;  // in
  uint64_t transmitted = 0, to_workers = 0, punted = 0, terminated = 0, merged = 0, dropped = 0,
           held = 0;                                                               // out; held is a gauge
  uint64_t flows = 0, flows_capacity = 0, exact_flows = 0, exact_capacity = 0;     // gauges
  uint64_t sources = 0, sources_capacity = 0, neighbours = 0, fragments_held = 0;  // gauges
  uint64_t flows_created = 0, flows_expired = 0, flows_evicted = 0, flows_refused = 0;
  uint64_t icmp_sent = 0, icmp_suppressed = 0, capture_lost = 0, trace_lost = 0, log_lost = 0;
};

struct StageStats {
  std::string name;
  uint64_t packets = 0;
  uint64_t sampled_packets = 0, sampled_cycles = 0;
  double cycles_per_packet = 0;  // 0 until sampled
};

struct DropStats {
  std::string reason, sentence, severity;
  uint64_t packets = 0;
};

struct InterfaceStats {
  std::string name;
  Traffic rx, tx;
};

struct EndpointStats {
  std::string address;  // "10.0.1.11:80", "[2001:db8::1]:80"; no port when all ports are served
  flow::EndpointState state = flow::EndpointState::kReady;
  uint16_t weight = 0;
  Traffic forward, reply;
  uint64_t new_flows = 0, active_flows = 0;  // active: gauge
};

struct ServiceStats {
  std::string name;      // "namespace/name:port"
  std::string address;   // "192.0.2.10:80"
  uint8_t protocol = 0;  // 0: all
  flow::ServiceMode mode = flow::ServiceMode::kNat;
  flow::Balancing balancing = flow::Balancing::kMaglev;
  Traffic forward, reply;
  uint64_t new_flows = 0, no_endpoint = 0;
  std::vector<EndpointStats> endpoints;
};

struct RuleStats {
  std::string name;  // "namespace/policy/rule", as the generation names it
  flow::FilterAction action = flow::FilterAction::kAllow;
  Traffic matched;
  bool shadow = false;  // it decides nothing
};

// What the filter decided between two identities: for flows as they begin or are judged again, and for packets refused.
struct IdentityPairStats {
  std::string from, to;  // SPIFFE IDs, "unknown", or "_other" for the pairs beyond the bound
  uint64_t allowed = 0, denied = 0, shadowed = 0;
};

struct LimitStats {
  std::string name;  // "namespace/name"
  flow::LimitUnit unit = flow::LimitUnit::kPackets;
  flow::LimitBucket bucket = flow::LimitBucket::kAggregate;
  double rate = 0, burst = 0;  // units per second, units
  bool mark = false;
  Traffic passed, exceeded;  // of kRequests requests, without bytes
  uint64_t shadowed = 0;     // requests that a limit in shadow would have refused
};

struct EgressStats {
  std::string name;
  Traffic out, in;
  uint64_t mappings = 0;  // gauge
  uint64_t exhausted = 0;
};

struct MirrorStats {
  std::string name;
  Traffic copied;
  uint64_t lost = 0;
};

struct AssociationStats {  // a security association of a tunnel
  std::string peer;        // "namespace/name"
  std::string direction;   // "out", "in"
  uint32_t spi = 0;
  unsigned worker = 0;
  std::string cipher, path, device;
  Traffic done;                                           // encrypted, or decrypted and found in order
  std::vector<std::pair<std::string, uint64_t>> refused;  // packets by reason, those that are not 0
};

struct LinkStats {   // agreement on keys with a peer
  std::string peer;  // "namespace/name"
  bool up = false;   // keys in both directions
  uint64_t agreed_outbound = 0, agreed_inbound = 0, failures = 0;
  uint64_t differences = 0;  // in what the two see behind each other
};

struct PathStats {  // one address of a peer
  std::string address;
  bool up = true, active = false;
  base::Nanos round_trip = 0;  // 0: not known
  double loss = 0;
  uint64_t sent = 0, answered = 0;
  uint16_t path_mtu = 0;
  uint16_t confirmed_mtu = 0;  // by a probe of that length; 0: none
  std::string mtu_state;       // "complete"; empty: not searched
};

struct PeerStats {   // that is asked whether it is alive
  std::string name;  // "namespace/name"
  bool up = true;
  base::Nanos probe_interval = 0;  // as it is
  std::vector<PathStats> paths;
};

struct CryptoDeviceStats {
  std::string name;
  bool up = true;  // false: it failed and is used no more
};

struct FlowStateStats {
  std::string state;   // "established", "udp_stream"
  uint64_t flows = 0;  // gauge
};

struct HealthStats {
  std::string service;   // "namespace/name"
  std::string endpoint;  // "10.0.1.11:80"
  std::string check;     // "tcp", "udp", "icmp", "http"
  bool known = false;    // some check has ended
  bool up = true;
  uint64_t succeeded = 0, failed = 0;
  base::Nanos last_duration = 0;
};

struct ControlStats {
  uint64_t revision = 0, generation = 0;  // applied; published
  uint64_t oldest_generation = 0;         // that a worker may still read
  uint64_t applied = 0, refused = 0;      // changes since start
  uint64_t last_compile_us = 0, last_store_us = 0, last_adopt_us = 0;
  uint64_t events = 0;                           // from the workers
  uint64_t neighbours = 0;                       // gauge: resolved, as the control thread knows them
  uint64_t health_targets = 0, health_down = 0;  // gauges
  uint64_t key_commits = 0;                      // tables of agreed keys that were handed to all workers
  uint64_t path_mtu_refused = 0;                 // messages that do not show that they are about packets of ours
  uint32_t session_key_since = 0;                // when the key that seals sessions was made; seconds since 1970
  bool draining = false;
};

struct Snapshot {
  base::Nanos monotonic = 0, wall = 0;  // when
  base::Nanos started = 0;              // CLOCK_REALTIME of the gateway's start
  std::vector<PortStats> ports;
  std::vector<WorkerStats> workers;
  std::vector<InterfaceStats> interfaces;
  std::vector<StageStats> stages;  // in the order of the pipeline
  std::vector<DropStats> drops;    // every reason, zero or not
  std::vector<ServiceStats> services;
  std::vector<RuleStats> rules;  // in the order of matching
  std::vector<IdentityPairStats> identity_pairs;
  std::vector<LimitStats> limits;
  std::vector<EgressStats> egresses;
  std::vector<MirrorStats> mirrors;
  std::vector<AssociationStats> associations;
  std::vector<CryptoDeviceStats> crypto_devices;
  std::vector<PeerStats> peers;
  std::vector<LinkStats> links;
  std::map<std::string, uint64_t> link_refusals;  // of others' connections and offers, by reason
  uint64_t link_connections = 0;                  // of others, now
  std::vector<FlowStateStats> flows_by_state;     // every state, zero or not
  std::vector<HealthStats> health;
  ControlStats control;
};

}  // namespace penstock::telemetry
