#include "engine/worker_state.h"

#include <algorithm>
#include <cstring>

#include "engine/local_host.h"
#include "engine/probe.h"

namespace penstock::engine {

namespace {
const WorkerAssociations kNoAssociations;
}

WorkerState::WorkerState(unsigned worker, Mesh& the_mesh, const WorkerSizes& sizes, flow::SharedBucket* shared_buckets,
                         flow::SourceBuckets& sources, rte_mempool* packets, const flow::HashSecret& hash_secret)
    : id(worker),
      workers(the_mesh.workers()),
      secret(hash_secret),
      associations(&kNoAssociations),
      counters(std::make_unique<flow::WorkerCounters>()),
      rules_(flow::kMaxRules, base::RegionKind::kSparse),
      services_(flow::kMaxServices, base::RegionKind::kSparse),
      endpoints_(flow::kMaxEndpoints, base::RegionKind::kSparse),
      limits_(flow::kMaxLimits, base::RegionKind::kSparse),
      egresses_(flow::kMaxEgresses, base::RegionKind::kSparse),
      mirrors_(flow::kMaxMirrors, base::RegionKind::kSparse),
      mesh(the_mesh),
      watch(worker, *counters),
      transmit(worker, the_mesh, *counters, watch),
      neighbours(worker, sizes.neighbours, hash_secret, events, *counters, transmit),
      limiter(hash_secret, shared_buckets, sources, *counters),
      flows(sizes.flows, hash_secret),
      origins(flows.capacity(), base::RegionKind::kSparse),
      exact(sizes.exact_flows, hash_secret),
      fragments(sizes.fragments, hash_secret),
      mappings(sizes.flows, worker, the_mesh.workers(), hash_secret),
      affinities(sizes.flows / 4),
      round_robin(flow::kMaxServices),
      probe_buckets(flow::kMaxPeers),
      punt_rate(flow::Rate::of(kPuntsPerSecond, kPuntsPerSecond / 10, base::cycles_per_second())),
      probe_rate(flow::Rate::of(kAnswersPerSecond, kAnswersPerSecond / 10, base::cycles_per_second())),
      probe_rate_of_peer(flow::Rate::of(kAnswersOfPeer, kAnswersOfPeer / 10, base::cycles_per_second())),
      pool(packets) {
  counters->rules = rules_.data();
  counters->services = services_.data();
  counters->endpoints = endpoints_.data();
  counters->limits = limits_.data();
  counters->egresses = egresses_.data();
  counters->mirrors = mirrors_.data();
  counters->flows_capacity.set(sizes.flows);
  counters->exact_capacity.set(sizes.exact_flows);
}

namespace {

// Which way tunnels take is the generation's; what encrypts wears it (OutboundSa::set_way).
void take_ways(const flow::PeerTable& peers, const WorkerAssociations& associations) {
  for (const flow::Peer& peer : peers.by_slot) {
    if (peer.slot == flow::kNoPeer) continue;
    const WorkerAssociations::Lanes lanes = associations.lanes_of(peer.slot);
    for (unsigned k = 0; k < lanes.count; ++k)
      associations.lane_at(lanes, k)->set_way(peer.local, peer.remote, peer.path_mtu);
  }
}

}  // namespace

void WorkerState::adopt(const WorkerAssociations* next) {
  associations = next;
  if (generation != nullptr) take_ways(*generation->peers, *next);
}

namespace {

// Some packet may not leave in clear that perhaps might before: what waits for a neighbour's address was decided then.
bool may_demand_more(const flow::Generation& before, const flow::Generation& next, bool links_demand) {
  return (next.peers->demands_encryption && (next.peers != before.peers || next.routes != before.routes)) ||
         (links_demand && next.interfaces != before.interfaces);
}

}  // namespace

void WorkerState::adopt(const flow::Generation* next) {
  const flow::Generation* before = generation;
  if (generation == nullptr || generation->peers != next->peers) take_ways(*next->peers, *associations);
  generation = next;
  any_rpf = clamps = links_demand = false;
  has_peers = !next->peers->by_slot.empty();
  identifies = !next->identities->sources.empty();
  by_identity = next->filter->uses_identities();
  filters = !next->filter->empty();
  tracks_plain = next->filter->uses_state() || by_identity;
  for (const flow::Limit& each : next->limits->by_slot)
    tracks_plain |= each.per_second != 0 && each.unit == flow::LimitUnit::kConnections;
  for (const flow::Interface& each : next->interfaces->by_id) {
    if (each.id == flow::kNoInterface) continue;
    any_rpf |= each.rpf != flow::Rpf::kOff;
    clamps |= each.mss_clamp != 0;
    filters |= each.default_deny;
    links_demand |= each.encrypt == flow::Encryption::kRequired;
    tracks_plain |= each.default_deny;  // replies must find their flow
  }
  refuses_clear = links_demand || next->peers->demands_encryption;
  if (before != nullptr && may_demand_more(*before, *next, links_demand))
    neighbours.drop_waiting(flow::DropReason::clear_not_sent);
  tracks = next->tracks || tracks_plain;
  if (host != nullptr) host->adopt(*next);
  terminates = !next->listeners->empty() || (host != nullptr && host->busy());
  timeouts = flow::StateTimeouts(next->settings.timeouts);
  const uint32_t icmp = next->settings.icmp_errors_per_second;
  icmp_rate = flow::Rate::of(std::max(1u, icmp), std::max(1u, icmp / 10), base::cycles_per_second());
}

void count_drop(WorkerState& w, flow::DropReason reason) { w.counters->drops[static_cast<size_t>(reason)].add(1); }

void record_trace(size_t stage, bool last, Burst& burst, WorkerState& w) {
  for (const Packet& p : burst)
    if (p.traced) w.watch.record(stage, p, w.generation->number, last ? FrameIs::kGone : FrameIs::kThere);
}

void log_packet(WorkerState& w, const Packet& p, uint32_t rule_slot) {
  constexpr size_t kLogged = 128;
  flow::Event* event = w.events.reserve();
  if (event == nullptr) return w.counters->log_lost.add(1);
  event->kind = flow::EventKind::kLog;
  event->worker = static_cast<uint8_t>(w.id);
  event->interface = p.in;
  event->rule = rule_slot;
  event->reason = p.reason;
  event->original_length = static_cast<uint16_t>(std::min<uint32_t>(p.length, 0xffff));
  event->length = static_cast<uint16_t>(std::min<size_t>(kLogged, rte_pktmbuf_data_len(p.mbuf)));
  std::memcpy(event->frame.data(), p.data, event->length);
  w.events.commit();
}

void add_own(WorkerState& w, rte_mbuf* m) {
  if (w.own_count == kOwnPackets) {
    count_drop(w, flow::DropReason::no_buffers);
    return rte_pktmbuf_free(m);
  }
  w.own[w.own_count++] = m;
}

namespace {
// In place and in whole words: the hash reads words, and a copy or smaller stores just before would make it wait.
void read_key(const uint8_t* frame, const wire::Headers& h, flow::FlowKey& key) {
  const uint8_t* ip = frame + h.l2_length;
  if (h.family == 4) {
    key.src = base::IpAddress::v4_from(ip + 12);
    key.dst = base::IpAddress::v4_from(ip + 16);
  } else {
    key.src = base::IpAddress::v6_from(ip + 8);
    key.dst = base::IpAddress::v6_from(ip + 24);
  }
  static_assert(offsetof(flow::FlowKey, dst_port) == offsetof(flow::FlowKey, src_port) + 2 &&
                offsetof(flow::FlowKey, protocol) == offsetof(flow::FlowKey, src_port) + 4);
  base::store_raw(&key.src_port, h.src_port | static_cast<uint64_t>(h.dst_port) << 16 |
                                     static_cast<uint64_t>(h.protocol) << 32);  // and zone 0
}
}  // namespace

flow::FlowKey key_of(const uint8_t* frame, const wire::Headers& h) {
  flow::FlowKey key;
  read_key(frame, h, key);
  return key;
}

void make_key(Packet& p, const flow::HashSecret& secret) {
  read_key(p.data, p.headers, p.key);
  p.key_hash = flow::hash_of(p.key, secret);
  p.has_key = true;
}

}  // namespace penstock::engine
