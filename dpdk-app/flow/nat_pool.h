// Source ports for translation, without a word between workers.
//
// Full NAT (services). The reply tuple (backend -> NAT address) belongs to the worker it hashes to, so a worker may use
// every port that lands on itself and that its own flow table does not know: find_reply_port(). Ports are computed
// (flow/shard.h: LandingPorts). Protocols whose ports NICs do not hash (ICMP identifiers) get one of the worker's own
// port blocks instead, and the reply must be steered.
//
// Egress. Endpoint-independent mappings (RFC 4787 REQ-1, RFC 5382 REQ-1, RFC 5508 REQ-1): one inside address and port
// has one outside address and port towards everybody. A mapping belongs to the worker mapping_owner(inside address),
// the same for all ports of a source: limits per source are exact and a source keeps its outside address (REQ-2,
// "paired"). Of every NAT address, blocks of 64 ports belong to the workers in turn: port_owner(port).
// The inside port is kept when it is free and in a block of ours; else a port is taken that brings the first remote's
// answers straight to this worker; else any of ours.
//
// A mapping lives while flows hold it, and for a while after the last outbound packet (UDP 120 s: REQ-5; ICMP 60 s:
// RFC 5508 REQ-2). Filtering is the flow table's: an inbound packet needs a flow, so it is address and port dependent
// (as in Linux; RFC 4787 §5 recommends looser filtering for transparency, stricter for safety, and safety is what a
// gateway is for). The exception is hairpinning (REQ-9): an inside host may reach any live mapping of another; the
// worker port_owner(port) has it, find_outside() tells.
// When an address leaves its pool, its flows are closed by the engine; retire() lets the source have a new mapping at
// once.
//
// A NAT address that serves full NAT and egress alike must give each its own PortRange: the two do not know of each
// other. One thread per table. Bounded by the capacity given and by 65536 / workers ports an address; results name what
// ran out. Not here: which pool, checksums, steer entries. SCTP and protocols without ports are kUnsupported.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "base/address.h"
#include "base/region.h"
#include "base/time.h"
#include "flow/bounded_map.h"
#include "flow/flow_table.h"
#include "flow/generation.h"
#include "flow/key.h"
#include "flow/shard.h"

namespace penstock::flow {

constexpr unsigned kPortBlock = 64;        // ports; a word of the bitmap
constexpr unsigned kAddressTries = 64;     // of a pool, for one mapping
constexpr size_t kMaxNatAddresses = 1024;  // with mappings at one time, per worker: 24 MiB of bitmap address space
constexpr unsigned kPortSteps = 8192;      // candidates computed for one port (20 us at the worst), and
constexpr unsigned kPortTries = 256;       // of them looked up, before a tuple counts as exhausted: at 95 % use of
                                           // all ports the chance to miss a free one is 2e-6
constexpr base::Millis kUdpMappingLinger = 120'000;  // RFC 4787 REQ-5
constexpr base::Millis kIcmpMappingLinger = 60'000;  // RFC 5508 REQ-2

struct PortRange {
  uint16_t first = 1024, last = 65535;
  bool holds(uint16_t port) const { return port >= first && port <= last; }
};

inline unsigned port_owner(uint16_t port, unsigned workers) { return port / kPortBlock % workers; }
inline unsigned mapping_owner(const base::IpAddress& inside, const HashSecret& secret, unsigned workers) {
  return static_cast<unsigned>((hash_of(inside, 0, secret) >> 32) % workers);
}

// For full NAT: `reply` without dst_port, which is what is returned; 0: exhausted. `seed` spreads the choice (RFC
// 6056).
uint16_t find_reply_port(const FlowTable& flows, FlowKey reply, PortRange range, uint32_t seed, unsigned worker,
                         unsigned workers);

struct MappingKey {
  base::IpAddress inside;
  uint16_t port = 0;  // ICMP: identifier
  uint8_t protocol = 0;
  uint8_t unused = 0;
  uint32_t egress = 0;  // slot of the egress rule: another way out is another mapping
  bool operator==(const MappingKey&) const = default;
};

struct Mapping {
  MappingKey key;
  base::IpAddress outside;
  uint16_t port = 0;     // outside
  bool retired = false;  // not found by its key any more
  uint32_t flows = 0;    // that hold it
  base::Millis last_used = 0;
};

enum class MappingStatus : uint8_t {
  kOk,
  kExhausted,    // no free port: nat_ports_exhausted
  kSourceLimit,  // nat_source_limit
  kTableFull,    // nat_ports_exhausted
  kNoAddress,    // the pool is empty: nat_no_address
  kUnsupported,  // the protocol has no ports
};

struct MappingResult {
  MappingStatus status = MappingStatus::kExhausted;
  Mapping* mapping = nullptr;
};

class MappingTable {
 public:
  MappingTable(uint32_t capacity, unsigned worker, unsigned workers, const HashSecret& secret);

  Mapping* find_inside(const MappingKey& key);
  Mapping* find_outside(const base::IpAddress& address, uint16_t port, uint8_t protocol);

  // A new mapping for a key that has none. `pool`: addresses of the key's family. `remote` and `remote_port`: the first
  // packet's destination. `most`: mappings per source and egress, 0: no limit. It is held by nobody yet.
  MappingResult open(const MappingKey& key, std::span<const base::IpAddress> pool, PortRange range,
                     const base::IpAddress& remote, uint16_t remote_port, uint32_t most, base::Millis now);

  static void hold(Mapping& mapping, base::Millis now) {
    ++mapping.flows;
    mapping.last_used = now;
  }
  // `last_packet`: when the flow's last packet passed; the mapping lingers from there.
  static void release(Mapping& mapping, base::Millis last_packet) {
    if (mapping.flows != 0) --mapping.flows;
    if (base::since(mapping.last_used, last_packet) != 0) mapping.last_used = last_packet;
  }
  void retire(Mapping& mapping);  // find_inside() no longer finds it

  // Ageing: looks at up to `count` mappings and ends those that nobody holds or will want.
  void sweep(uint32_t count, base::Millis now);

  uint32_t size() const { return slab_.size(); }
  uint32_t capacity() const { return slab_.capacity(); }
  uint32_t count_of(const base::IpAddress& inside, uint32_t egress) const;  // mappings of a source
  uint32_t count_of_egress(uint32_t egress) const { return by_egress_[egress % kMaxEgresses]; }

 private:
  struct SourceKey {
    base::IpAddress inside;
    uint64_t egress = 0;
    bool operator==(const SourceKey&) const = default;
  };
  struct Ports {       // of one NAT address; exists while it has mappings
    uint32_t set = 0;  // which of the bitmaps
    uint32_t used = 0;
  };

  uint64_t hash_inside(const MappingKey& key) const;
  uint64_t hash_outside(const base::IpAddress& address, uint16_t port, uint8_t protocol) const;
  uint64_t* bitmap(uint32_t set, uint8_t protocol) const;
  bool is_ours_and_free(const uint64_t* words, uint16_t port) const;
  uint16_t choose_port(const uint64_t* words, uint16_t inside_port, PortRange range, const FlowKey& answer,
                       uint64_t hash) const;
  uint16_t any_port(const uint64_t* words, PortRange range, uint64_t hash) const;
  Ports* ports_of(const base::IpAddress& address);
  void forget_if_unused(const base::IpAddress& address, Ports& ports);
  Mapping* add(const MappingKey& key, const base::IpAddress& outside, uint16_t port, Ports& ports, base::Millis now);
  void end(uint32_t index);

  const unsigned worker_, workers_;
  const uint32_t blocks_;  // of a worker, per address and protocol
  const HashSecret secret_;
  Slab<Mapping> slab_;
  BucketIndex inside_, outside_;
  BoundedMap<SourceKey, uint32_t> sources_;
  BoundedMap<base::IpAddress, Ports> addresses_;
  base::RegionArray<uint64_t> words_;      // [set][protocol][block]
  base::RegionArray<uint32_t> free_sets_;  // stack
  uint32_t free_count_ = 0;
  std::array<uint32_t, kMaxEgresses> by_egress_{};
};

}  // namespace penstock::flow
