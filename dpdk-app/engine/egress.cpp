#include "engine/egress.h"

#include <algorithm>
#include <optional>
#include <span>

#include "engine/opening.h"
#include "engine/tracking.h"
#include "wire/headers.h"

namespace penstock::engine {

using flow::DropReason;
using flow::Flow;
using flow::FlowKey;
using flow::FlowMode;

namespace {

bool leaves_by(const flow::EgressRule& rule, flow::InterfaceId out, flow::InterfaceId in) {
  if (rule.interfaces.empty()) return out != in;
  return std::find(rule.interfaces.begin(), rule.interfaces.end(), out) != rule.interfaces.end();
}

bool hand_over(Packet& p, const WorkerState& w, unsigned owner) {
  if (owner == w.id) return false;
  carry_of(p.mbuf).open_here = 1;
  p.verdict = flow::Verdict::kHandOff;
  p.owner = static_cast<uint8_t>(owner);
  return true;
}

// The mapping of one inside endpoint belongs to one worker, whatever its destinations hash to.
bool go_to_mapping_owner(Packet& p, const WorkerState& w) {
  return w.workers != 1 && hand_over(p, w, flow::mapping_owner(p.key.src, w.secret, w.workers));
}

struct Inside {
  base::IpAddress address;
  uint16_t port;
};

// Who is behind the NAT address and port of a hairpin. Nothing: nobody, or the packet is on its way to the worker that
// knows.
std::optional<Inside> behind(Packet& p, WorkerState& w) {
  Carry& carry = carry_of(p.mbuf);
  if (carry.has_inside != 0) return Inside{carry.inside, carry.inside_port};
  if (const flow::Mapping* mapping = w.mappings.find_outside(p.key.dst, p.key.dst_port, p.key.protocol);
      mapping != nullptr)
    return Inside{mapping->key.inside, mapping->key.port};
  if (w.workers == 1 || carry.open_here != 0 || !hand_over(p, w, flow::port_owner(p.key.dst_port, w.workers)))
    drop(p, DropReason::nat_no_mapping);
  return {};
}

flow::MappingResult mapping_for(const Packet& p, WorkerState& w, const flow::EgressRule& rule,
                                const base::IpAddress& destination, uint16_t destination_port) {
  const flow::MappingKey key{p.key.src, p.key.src_port, p.key.protocol, 0, rule.slot};
  if (flow::Mapping* known = w.mappings.find_inside(key); known != nullptr) return {flow::MappingStatus::kOk, known};
  const bool masquerades = rule.pool.v4.empty() && rule.pool.v6.empty();
  const base::IpAddress own = masquerades ? masquerade_address(w, destination, 0) : base::IpAddress{};
  // Our own address: not the ports of the gateway's own conversations.
  const uint16_t last = masquerades ? std::min(rule.pool.port_last, kNatPorts.last) : rule.pool.port_last;
  std::span<const base::IpAddress> pool = p.key.src.is_v4() ? rule.pool.v4 : rule.pool.v6;
  if (masquerades && !own.is_unspecified()) pool = {&own, 1};
  return w.mappings.open(key, pool, {rule.pool.port_first, last}, destination, destination_port,
                         rule.max_ports_per_source, w.now_ms);
}

DropReason reason_of(flow::MappingStatus status) {
  switch (status) {
    case flow::MappingStatus::kExhausted:
    case flow::MappingStatus::kTableFull:
      return DropReason::nat_ports_exhausted;
    case flow::MappingStatus::kSourceLimit:
      return DropReason::nat_source_limit;
    case flow::MappingStatus::kNoAddress:
      return DropReason::nat_no_address;
    case flow::MappingStatus::kUnsupported:
      return DropReason::flow_invalid;
    case flow::MappingStatus::kOk:
      break;
  }
  return DropReason::kNone;
}

// Source NAT of `p` to `destination`: its own, or for a hairpin the inside host behind the NAT address it was sent to.
void open_source_nat(Packet& p, WorkerState& w, const flow::EgressRule& rule, const base::IpAddress& destination,
                     uint16_t destination_port, FlowMode mode) {
  flow::EgressCounters& counters = w.counters->egresses[rule.slot];
  const flow::MappingResult granted = mapping_for(p, w, rule, destination, destination_port);
  if (granted.status != flow::MappingStatus::kOk) {
    counters.exhausted.add(1);
    return drop(p, reason_of(granted.status));
  }
  flow::Mapping& mapping = *granted.mapping;
  const bool icmp = p.key.protocol == wire::kProtocolIcmp || p.key.protocol == wire::kProtocolIcmpv6;
  const FlowKey reply{destination, mapping.outside, icmp ? mapping.port : destination_port, mapping.port,
                      p.key.protocol};
  Flow* f = insert(p, w, reply, mode);
  if (f == nullptr) return;
  flow::MappingTable::hold(mapping, w.now_ms);
  f->flags |= flow::kHoldsMapping;
  f->egress = static_cast<uint16_t>(rule.slot);
  counters.mappings.set(w.mappings.count_of_egress(rule.slot));
  count_flow(p, w);
  take_hop(p);
}

}  // namespace

const flow::EgressRule* egress_for(const Packet& p, const WorkerState& w, flow::InterfaceId out) {
  for (const flow::EgressRule& rule : w.generation->egresses)
    if (holds(rule.from, p.key.src) && leaves_by(rule, out, p.in)) return &rule;
  return nullptr;
}

bool is_nat_address(const WorkerState& w, const base::IpAddress& address) {
  for (const flow::EgressRule& rule : w.generation->egresses) {
    const auto& pool = address.is_v4() ? rule.pool.v4 : rule.pool.v6;
    if (std::find(pool.begin(), pool.end(), address) != pool.end()) return true;
  }
  return false;
}

// Masquerading rules translate to interface addresses: a packet from inside to such an address and a port that NAT may
// use.
bool is_hairpin_to_own_address(const Packet& p, const WorkerState& w) {
  if (p.headers.protocol != wire::kProtocolTcp && p.headers.protocol != wire::kProtocolUdp) return false;
  for (const flow::EgressRule& rule : w.generation->egresses)
    if (rule.pool.v4.empty() && rule.pool.v6.empty() && p.headers.dst_port >= rule.pool.port_first &&
        p.headers.dst_port <= rule.pool.port_last && holds(rule.from, p.key.src))
      return true;
  return false;
}

void open_egress(Packet& p, WorkerState& w, const flow::EgressRule& rule) {
  if (!rule.allow.empty() && !holds(rule.allow, p.key.dst))
    return reject(p, DropReason::egress_not_allowed, Answer::kProhibited);
  if (!begins_connection(p)) return reject(p, DropReason::flow_invalid, Answer::kReset);
  if ((carry_of(p.mbuf).open_here == 0 && go_to_mapping_owner(p, w)) || !admit_flow(p, w)) return;
  open_source_nat(p, w, rule, p.key.dst, p.key.dst_port, FlowMode::kSnat);
}

// Two workers have a say: the one with the mapping of the destination knows who is behind it, the one with the mapping
// of the source opens the flow.
void open_towards_nat(Packet& p, WorkerState& w) {
  const std::optional<Inside> inside = behind(p, w);
  if (!inside) return;
  const auto rule = std::find_if(w.generation->egresses.begin(), w.generation->egresses.end(),
                                 [&](const flow::EgressRule& each) { return holds(each.from, p.key.src); });
  if (rule == w.generation->egresses.end()) return drop(p, DropReason::nat_no_mapping);
  if (!begins_connection(p)) return reject(p, DropReason::flow_invalid, Answer::kReset);
  Carry& carry = carry_of(p.mbuf);
  if (carry.has_inside == 0) {
    carry.has_inside = 1;
    carry.inside = inside->address;
    carry.inside_port = inside->port;
    if (go_to_mapping_owner(p, w)) return;
  }
  if (!admit_flow(p, w)) return;
  open_source_nat(p, w, *rule, inside->address, inside->port, FlowMode::kHairpin);
}

bool is_egress_outdated(const Flow& f, const WorkerState& w) {
  const flow::Generation& g = *w.generation;
  const auto rule = std::find_if(g.egresses.begin(), g.egresses.end(),
                                 [&](const flow::EgressRule& each) { return each.slot == f.egress; });
  if (rule == g.egresses.end() || !holds(rule->from, f.original.src)) return true;
  if (f.mode == FlowMode::kSnat && !rule->allow.empty() && !holds(rule->allow, f.original.dst)) return true;
  const base::IpAddress& outside = f.reply.dst;
  const auto& pool = outside.is_v4() ? rule->pool.v4 : rule->pool.v6;
  const bool masquerades = rule->pool.v4.empty() && rule->pool.v6.empty();
  if (!masquerades) return std::find(pool.begin(), pool.end(), outside) == pool.end();
  return g.routes->at(g.routes->find(outside)).kind != flow::RouteKind::kLocal;
}

}  // namespace penstock::engine
