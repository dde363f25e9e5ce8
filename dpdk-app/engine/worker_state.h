// Everything the stages of one worker may touch. One thread; no locks. Content is built before the worker runs, and
// bounded by the Node object; nothing here allocates while packets pass.
#pragma once

#include <rte_mbuf.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/region.h"
#include "base/spsc_ring.h"
#include "base/time.h"
#include "engine/associations.h"
#include "engine/key_queue.h"
#include "engine/limiter.h"
#include "engine/mesh.h"
#include "engine/neighbours.h"
#include "engine/packet.h"
#include "engine/transmit.h"
#include "engine/watch.h"
#include "flow/command.h"
#include "flow/counters.h"
#include "flow/exact_table.h"
#include "flow/flow_table.h"
#include "flow/fragment_table.h"
#include "flow/generation.h"
#include "flow/nat_pool.h"
#include "flow/shard.h"

namespace penstock::engine {

class LocalHost;

constexpr size_t kEventRing = 1024;           // events a worker may have waiting for the control thread
constexpr unsigned kOwnPackets = 256;         // answers and injected packets per round
constexpr uint32_t kPuntsPerSecond = 20'000;  // per worker: what the control thread takes without falling behind

struct PortFacts {  // what the packet path needs to know of a device
  bool rss = false;
  uint16_t twin = 0xffff;
  rte_mempool* jumbo = nullptr;  // of packets that are too long for WorkerState::pool; null: none goes there
  bool checksums = false;        // as Port's
  bool segments = false;
};

struct AffinityKey {
  base::IpAddress client;
  uint64_t service = 0;  // slot
  bool operator==(const AffinityKey&) const = default;
};
struct Affinity {
  uint32_t endpoint = 0;  // slot
  base::Millis last_used = 0;
};

// What a flow was opened with, beside the flow table: looked at once per generation, and for identities.
struct FlowOrigin {
  flow::InterfaceId in;          // of its first packet; kNoInterface: not known
  flow::Identity identity[2];    // of the sender by direction
  uint8_t tcp_flags, icmp_type;  // of its first packet
  uint32_t admitted;             // low bits of the generation whose filter let it in
};

struct WorkerSizes {
  uint32_t flows = 1u << 20, sources = 1u << 20, exact_flows = 1u << 20, neighbours = 8192, fragments = 4096;
  bool operator==(const WorkerSizes&) const = default;
};

struct WorkerState {
  WorkerState(unsigned id, Mesh& mesh, const WorkerSizes& sizes, flow::SharedBucket* shared_buckets,
              flow::SourceBuckets& sources, rte_mempool* pool, const flow::HashSecret& secret);

  // Adopts `next` between two rounds.
  void adopt(const flow::Generation* next);
  // The same for what it encrypts and decrypts with.
  void adopt(const WorkerAssociations* next);

  const unsigned id;
  const unsigned workers;
  flow::HashSecret secret;

  const base::Cycles hz = base::cycles_per_second();

  // This round.
  const flow::Generation* generation = nullptr;
  base::Cycles now = 0;
  base::Millis now_ms = 0;
  base::Nanos now_ns = 0;  // monotonic
  uint64_t round = 0;
  bool has_replies = false;   // some packet waits for Reply
  bool filters = false;       // rules, mirrors or a default deny are there
  bool any_rpf = false;       // some interface checks the reverse path
  bool clamps = false;        // some interface clamps the MSS
  bool tracks = false;        // some packet may open a flow
  bool tracks_plain = false;  // every forwarded packet does
  bool identifies = false;    // some Workload is behind an interface
  bool by_identity = false;   // some rule names identities
  bool has_peers = false;     // other gateways of the mesh
  bool explains = false;      // shows what would happen: no other worker, no crypto device
  // Somebody wants no clear text: an interface; an interface, a peer or a prefix.
  bool links_demand = false, refuses_clear = false;

  bool terminates = false;  // something listens, or connections are open

  LocalHost* host = nullptr;               // of this worker; null: what listens is only shown
  const WorkerAssociations* associations;  // never null
  std::atomic<bool> inline_ports{false};   // some port encrypts and decrypts by itself, or did; before it has a key

  std::unique_ptr<flow::WorkerCounters> counters;
  base::RegionArray<base::PacketCounter> rules_;  // what `counters` points to
  base::RegionArray<flow::ServiceCounters> services_;
  base::RegionArray<flow::EndpointCounters> endpoints_;
  base::RegionArray<flow::LimitCounters> limits_;
  base::RegionArray<flow::EgressCounters> egresses_;
  base::RegionArray<flow::MirrorCounters> mirrors_;
  std::array<PortFacts, flow::kMaxPorts> ports{};
  Mesh& mesh;
  Watch watch;
  Transmit transmit;
  Neighbours neighbours;
  KeyQueue key_queue;
  Limiter limiter;
  flow::FlowTable flows;
  base::RegionArray<FlowOrigin> origins;  // by number of the flow
  flow::ExactTable exact;
  flow::FragmentTable fragments;
  flow::MappingTable mappings;
  flow::BoundedMap<AffinityKey, Affinity> affinities;
  uint64_t flows_ended() const { return flows.stats().created - flows.size(); }
  uint64_t flows_ended_before = 0;    // when the burst began: whether its packets' flows need a second look
  std::vector<uint32_t> round_robin;  // by service slot: position in the sequence
  flow::StateTimeouts timeouts;       // of this generation
  base::Millis aged_at = 0;           // when tables were last aged
  flow::TokenBucket icmp_bucket, punt_bucket, probe_bucket;
  std::vector<flow::TokenBucket> probe_buckets;  // by peer
  flow::Rate icmp_rate, punt_rate, probe_rate, probe_rate_of_peer;
  base::SpscRing<flow::Event> events{kEventRing};
  rte_mempool* pool;  // for the packets we make

  // The gateway's own packets made in this round; they take the own-packet list at its end.
  std::array<rte_mbuf*, kOwnPackets> own{};
  unsigned own_count = 0;

  // Fragments whose first one came; they take the list again at the end of the round.
  std::array<rte_mbuf*, 1024> released{};
  unsigned released_count = 0;

  std::array<uint32_t, flow::kMaxMirrors> mirror_sequence{};  // ERSPAN

  uint32_t random_state = 0x9e3779b9;  // xorshift; sampling only
  uint32_t random() {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    random_state ^= random_state << 5;
    return random_state;
  }
};

void count_drop(WorkerState& w, flow::DropReason reason);
void log_packet(WorkerState& w, const Packet& p, uint32_t rule_slot);
// `last`: the stage gave the packets away; their frames may be anybody's by now.
void record_trace(size_t stage, bool last, Burst& burst, WorkerState& w);

// Takes the mbuf as a packet of the gateway's own; frees it under `no_buffers` when the round has made too many.
void add_own(WorkerState& w, rte_mbuf* m);

flow::FlowKey key_of(const uint8_t* frame, const wire::Headers& headers);

// The identity of the packet as it arrived. Addresses and ports; ICMP echo: the identifier in both.
void make_key(Packet& p, const flow::HashSecret& secret);
inline void fill_key(Packet& p, const flow::HashSecret& secret) {
  if (!p.has_key) make_key(p, secret);
}

// The hash that decides the owning worker; the device's own where it computed the same one.
inline uint32_t owner_hash(Packet& p) {
  if (!p.has_hash) {
    p.hash = flow::owner_hash(p.data, p.headers);
    p.has_hash = true;
  }
  return p.hash;
}

}  // namespace penstock::engine
