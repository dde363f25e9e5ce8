// A generation: everything the workers decide by, compiled from the desired state, immutable and numbered.
//
// Built by control/compile, handed over by control/publish, read by every worker between two of its rounds. Parts are
// shared between generations when their content did not change. Nothing here is written after publication; content that
// changes with traffic (buckets, counters, flows) lives in the workers, addressed by the slots named here.
// Slots are stable: the same object keeps its slot from generation to generation, and a slot is reused only after every
// worker has adopted a generation without it.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/time.h"
#include "flow/filter.h"
#include "flow/identity.h"
#include "flow/limit.h"
#include "flow/listener_table.h"
#include "flow/peer_table.h"
#include "flow/route_table.h"
#include "flow/service_table.h"

namespace penstock::route {
struct L7Config;  // l7/route/l7_config.h: what those who terminate connections decide by; this room only holds it
}

namespace penstock::flow {

using InterfaceId = uint16_t;
constexpr InterfaceId kNoInterface = 0xffff;
constexpr size_t kMaxInterfaces = 256;      // ports and VLAN sub-interfaces together
constexpr size_t kMaxPorts = 32;            // DPDK's RTE_MAX_ETHPORTS
constexpr size_t kMaxWorkers = 64;          // hand-off rings are a full mesh: 64² × 8 KiB = 32 MiB
constexpr size_t kMaxServices = 1u << 16;   // slots; per-worker counters are 64 B each, touched when used
constexpr size_t kMaxEndpoints = 1u << 20;  // slots
constexpr size_t kMaxRules = 1u << 17;      // filter rules, slots
constexpr size_t kMaxLimits = 1u << 14;     // rate limits, slots
constexpr size_t kMaxEgresses = 1u << 10;
constexpr size_t kMaxMirrors = 64;  // a packet's matching mirrors are one 64-bit set

enum class Rpf : uint8_t { kOff, kLoose, kStrict };

struct ExceptionRule {
  uint8_t protocol = 0;
  uint16_t port = 0;  // either port of the packet; 0: any
};

// A port or a VLAN on a port, as the packet path sees it.
struct Interface {
  InterfaceId id = kNoInterface;
  uint16_t port = 0;    // DPDK port id
  uint16_t vlan = 0;    // 0: untagged
  uint16_t mtu = 1500;  // IP bytes
  base::MacAddress mac;
  Rpf rpf = Rpf::kOff;
  bool default_deny = false;
  bool default_reject = false;  // and says so
  // What passes here. kOff: peers that only prefer it are sent clear text.
  Encryption encrypt = Encryption::kPreferred;
  uint16_t mss_clamp = 0;       // 0: off; 1: egress MTU minus headers; else the highest MSS
  uint16_t twin_port = 0xffff;  // DPDK port of the kernel twin; 0xffff: none
  bool is_twin = false;         // this port is a twin: what it sends goes out of `port_of_twin` unchanged
  uint16_t port_of_twin = 0xffff;
  std::vector<ExceptionRule> exceptions;
  std::vector<base::Prefix> addresses;  // own addresses, host bits kept
  std::vector<uint32_t> limits;         // rate-limit slots attached to packets that come in here
  std::string name;
};

// Interfaces by id and by (port, vlan). Dense and small: looked up per packet.
struct InterfaceTable {
  std::vector<Interface> by_id;                            // index = id; id == kNoInterface: unused
  std::array<InterfaceId, kMaxPorts> untagged;             // kNoInterface: none
  std::array<std::vector<InterfaceId>, kMaxPorts> tagged;  // empty, or 4096 entries by VLAN id
};

struct NatPool {
  std::vector<base::IpAddress> v4, v6;
  uint16_t port_first = 1024, port_last = 65535;
};

struct EgressRule {
  uint32_t slot = 0;
  std::vector<base::Prefix> from;
  std::vector<InterfaceId> interfaces;  // egress; empty: any other than the ingress one
  NatPool pool;                         // empty family: the egress interface's first address of that family
  std::vector<base::Prefix> allow;      // empty: all
  uint32_t max_ports_per_source = 0;
  std::string name;
};

struct MirrorRule {
  uint32_t slot = 0;  // 0..63; FilterResult::mirrors has bit `slot`
  uint32_t sample = 1;
  uint16_t truncate = 0;
  InterfaceId interface = kNoInterface;  // copy as it is
  base::IpAddress collector, source;     // or ERSPAN type II
  bool erspan = false;
  uint16_t session = 0;
  std::string name;
};

struct Timeouts {  // seconds, by flow state; see flow/tcp_state.h
  uint32_t tcp_syn_sent = 120, tcp_syn_received = 60, tcp_established = 432000, tcp_fin_wait = 120, tcp_close_wait = 60,
           tcp_last_ack = 30, tcp_time_wait = 120, tcp_close = 10, udp = 30, udp_stream = 120, icmp = 30, other = 600;
};

struct Settings {
  Timeouts timeouts;
  uint32_t icmp_errors_per_second = 1000;  // per worker
  uint32_t neighbour_queue = 32;
  uint32_t fragment_timeout_ms = 30000;
  uint32_t fragment_datagrams = 4096;
  bool poll = false;  // idle policy
  bool draining = false;
  // While draining: when requests and TCP connections that end here are broken off, in monotonic time. 0: never.
  base::Nanos drain_until = 0;
  bool tcp_pacing = true;  // of connections that end here
};

struct Generation {
  uint64_t number = 0;
  std::shared_ptr<const InterfaceTable> interfaces;
  std::shared_ptr<const RouteTable> routes;
  std::shared_ptr<const ServiceTable> services;
  std::shared_ptr<const Filter> filter;  // access rules and mirror matches
  std::shared_ptr<const LimitTable> limits;
  std::shared_ptr<const PeerTable> peers = std::make_shared<const PeerTable>();
  std::shared_ptr<const IdentityTable> identities = std::make_shared<const IdentityTable>();
  std::shared_ptr<const ListenerTable> listeners = std::make_shared<const ListenerTable>();
  std::shared_ptr<const route::L7Config> l7;  // what is done there; null: nothing. The packet path never looks inside
  std::vector<EgressRule> egresses;           // in order; first whose `from` holds the source wins
  std::vector<MirrorRule> mirrors;            // index = slot
  Settings settings;
  // Something needs per-flow state: services, egress, filter rules with state, per-flow limits. When false the packet
  // path does not look at the flow table unless a worker has entries left in it.
  bool tracks = false;
};

// How a generation reaches the workers and how they say what they still read. One writer per word.
struct GenerationSlot {
  alignas(64) std::atomic<const Generation*> current{nullptr};  // written by the control thread
  struct alignas(64) PerWorker {
    std::atomic<uint64_t> adopted{0};        // generation number in use since the last round; written by its worker
    std::atomic<base::Nanos> adopted_at{0};  // when (CLOCK_MONOTONIC)
    std::atomic<bool> running{false};
  };
  std::array<PerWorker, kMaxWorkers> workers;
};

}  // namespace penstock::flow
