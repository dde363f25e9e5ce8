#include "engine/services.h"

#include "engine/opening.h"
#include "engine/tracking.h"
#include "wire/headers.h"

namespace penstock::engine {

using flow::DropReason;
using flow::Flow;
using flow::FlowKey;
using flow::FlowMode;

namespace {

const flow::Endpoint* by_slot(const flow::ServiceEntry& s, uint32_t slot) {
  for (const flow::Endpoint& e : s.endpoints)
    if (e.slot == slot) return &e;
  return nullptr;
}

const flow::Endpoint* least_connected(const flow::ServiceEntry& s, const WorkerState& w) {
  const flow::Endpoint* best = nullptr;
  double best_load = 0;
  for (const flow::Endpoint& e : s.endpoints) {
    if (e.state != flow::EndpointState::kReady || e.weight == 0) continue;
    const double load = static_cast<double>(w.counters->endpoints[e.slot].active_flows.read() + 1) / e.weight;
    if (best == nullptr || load < best_load) {
      best = &e;
      best_load = load;
    }
  }
  return best;
}

const flow::Endpoint* balance(const flow::ServiceEntry& s, const Packet& p, WorkerState& w) {
  switch (s.balancing) {
    case flow::Balancing::kLeastConnections:
      return least_connected(s, w);
    case flow::Balancing::kRoundRobin:
      return s.table.empty() ? nullptr : &s.endpoints[s.table[w.round_robin[s.slot]++ % s.table.size()]];
    case flow::Balancing::kMaglev:
      // A hash that every gateway computes alike: no secret, no state.
      return s.table.empty() ? nullptr : &s.endpoints[s.table[flow::hash_of(p.key, {}) % s.table.size()]];
  }
  return nullptr;
}

const flow::Endpoint* choose(const flow::ServiceEntry& s, const Packet& p, WorkerState& w) {
  if (s.affinity_seconds == 0) return balance(s, p, w);
  const AffinityKey key{p.key.src, s.slot};
  const uint64_t hash = flow::hash_of(key.client, key.service, w.secret);
  Affinity* known = w.affinities.find(key, hash);
  if (known != nullptr && base::since(known->last_used, w.now_ms) < s.affinity_seconds * 1000ull) {
    const flow::Endpoint* e = by_slot(s, known->endpoint);
    if (e != nullptr && e->state == flow::EndpointState::kReady && e->weight != 0) {
      known->last_used = w.now_ms;
      return e;
    }
  }
  // The first choice depends on the client alone, so that every worker makes the same one.
  const flow::Endpoint* e =
      s.table.empty() ? balance(s, p, w) : &s.endpoints[s.table[flow::hash_of(p.key.src, 0, {}) % s.table.size()]];
  if (e == nullptr) return nullptr;
  if (known == nullptr) known = w.affinities.insert(key, hash);
  if (known != nullptr) *known = {e->slot, w.now_ms};  // a full table costs stickiness, not service
  return e;
}

bool choose_source(Packet& p, WorkerState& w, const flow::ServiceEntry& s, FlowKey& reply) {
  const std::vector<base::IpAddress>& pool = s.source_pool;
  const uint32_t hash = owner_hash(p);
  reply.dst = {};
  for (size_t i = 0; i < pool.size() && reply.dst.is_unspecified(); ++i) {
    const base::IpAddress& each = pool[(hash + i) % pool.size()];
    if (each.is_v4() == reply.src.is_v4()) reply.dst = each;
  }
  if (pool.empty()) reply.dst = masquerade_address(w, reply.src, hash);
  if (reply.dst.is_unspecified()) {
    drop(p, DropReason::nat_no_address);
    return false;
  }
  const uint16_t port = flow::find_reply_port(w.flows, reply, kNatPorts, w.random(), w.id, w.workers);
  if (port == 0) {
    drop(p, DropReason::nat_ports_exhausted);
    return false;
  }
  reply.dst_port = port;
  return true;
}

}  // namespace

void open_service(Packet& p, WorkerState& w, const flow::ServiceEntry& s) {
  const bool steady = s.balancing == flow::Balancing::kMaglev && s.mode != flow::ServiceMode::kFullNat;
  if (!begins_connection(p) && !steady) return reject(p, DropReason::flow_invalid, Answer::kReset);
  if (!admit_flow(p, w) || !admit_connection(p, w, s.limits)) return;
  flow::ServiceCounters& counters = w.counters->services[s.slot];
  const flow::Endpoint* e = choose(s, p, w);
  if (e == nullptr) {
    counters.no_endpoint.add(1);
    p.from_us = true;
    if (s.reject_without_endpoint) return reject(p, DropReason::service_no_endpoint, Answer::kReset);
    return drop(p, DropReason::service_no_endpoint);
  }
  FlowKey reply{e->address, p.key.src, e->port == 0 ? p.key.dst_port : e->port, p.key.src_port, p.key.protocol};
  FlowMode mode = FlowMode::kNat;
  switch (s.mode) {
    case flow::ServiceMode::kNat:
      break;
    case flow::ServiceMode::kFullNat:
      mode = FlowMode::kFullNat;
      if (!choose_source(p, w, s, reply)) return;
      break;
    case flow::ServiceMode::kDsr:
      mode = FlowMode::kDsr;
      break;
    case flow::ServiceMode::kIpip:
      mode = FlowMode::kIpip;
      break;
  }
  Flow* f = insert(p, w, reply, mode);
  if (f == nullptr) return;
  f->service = s.slot;
  f->endpoint = e->slot;
  counters.new_flows.add(1);
  flow::EndpointCounters& at_endpoint = w.counters->endpoints[e->slot];
  at_endpoint.new_flows.add(1);
  at_endpoint.active_flows.set(at_endpoint.active_flows.read() + 1);
  f->flags |= flow::kCountedAtEndpoint;
  count_flow(p, w);
  take_hop(p);
}

void refuse_virtual(Packet& p, WorkerState& w) {
  p.from_us = true;
  if (p.headers.protocol == wire::kProtocolIcmp || p.headers.protocol == wire::kProtocolIcmpv6) {
    p.verdict = flow::Verdict::kLocal;
    w.has_replies = true;
    return;
  }
  reject(p, DropReason::service_no_port, Answer::kReset);
}

bool is_of(const flow::ServiceEntry& s, const Flow& f) {
  return s.address == f.original.dst && (s.protocol == 0 || s.protocol == f.original.protocol) &&
         (s.port == 0 || s.port == f.original.dst_port);
}

bool is_service_outdated(const Flow& f, const flow::ServiceTable& services) {
  const flow::ServiceEntry* s = services.by_slot(f.service);
  return s == nullptr || !is_of(*s, f) || services.endpoint_state(f.endpoint) == flow::EndpointState::kDown;
}

}  // namespace penstock::engine
