#include "engine/clear_text.h"

#include <cstring>

#include "engine/stages/steer.h"
#include "engine/tracking.h"
#include "wire/headers.h"

namespace penstock::engine {

namespace {

using flow::DropReason;
using flow::Encryption;
using flow::Verdict;

base::IpAddress source_of(const Packet& p) {
  const uint8_t* ip = p.data + p.headers.l2_length;
  return p.headers.family == 4 ? base::IpAddress::v4_from(ip + wire::kIpv4SrcAt)
                               : base::IpAddress::v6_from(ip + wire::kIpv6SrcAt);
}
base::IpAddress destination_of(const Packet& p) {
  const uint8_t* ip = p.data + p.headers.l2_length;
  return p.headers.family == 4 ? base::IpAddress::v4_from(ip + wire::kIpv4DstAt)
                               : base::IpAddress::v6_from(ip + wire::kIpv6DstAt);
}

bool is_ours(const flow::Generation& g, const base::IpAddress& address) {
  return g.routes->at(g.routes->find(address)).kind == flow::RouteKind::kLocal;
}

void refuse(Packet& p, DropReason reason, uint16_t demand) {
  p.demand = demand;
  drop(p, reason);
}

// What is spared is for the gateway itself: a service on the same address, or a mapping, must not lead it on.
void keep_here(Packet& p) {
  p.for_us = true;
  carry_of(p.mbuf).for_us = true;  // for the worker that owns its flow
}

// Came in clear, or is about to leave so: from a kernel twin, which knows of no tunnel.
bool is_clear(const Packet& p) {
  return (p.verdict == Verdict::kContinue || p.verdict == Verdict::kTwin) && p.headers.family != 0 &&
         p.from_peer == flow::kNoPeer;
}

// The address that must not be where encryption is required.
const uint8_t* far_end(const Packet& p) {
  const uint8_t* ip = p.data + p.headers.l2_length;
  if (p.headers.family == 4) return ip + (p.verdict == Verdict::kTwin ? wire::kIpv4DstAt : wire::kIpv4SrcAt);
  return ip + (p.verdict == Verdict::kTwin ? wire::kIpv6DstAt : wire::kIpv6SrcAt);
}

// A router of the underlay tells of ESP that we sent: its path MTU is learned from that.
bool is_about_tunnel(const Packet& p, const flow::PeerTable& peers) {
  flow::FlowKey quoted;
  if (!wire::is_icmp_error(p.headers) || !peers.ends_here(destination_of(p)) || !quoted_key(p, quoted)) return false;
  const bool esp = quoted.protocol == wire::kProtocolEsp ||
                   (quoted.protocol == wire::kProtocolUdp && quoted.src_port == wire::kPortEspInUdp);
  return esp && peers.ends_here(quoted.dst) && peers.is_remote(quoted.src);
}

// Gateways agree on keys with each other before anything can be encrypted.
bool is_between_gateways(const Packet& p, const flow::Generation& g) {
  return p.verdict == Verdict::kTwin ? g.peers->is_remote(destination_of(p)) && is_ours(g, source_of(p))
                                     : g.peers->is_remote(source_of(p)) && is_ours(g, destination_of(p));
}

// ::/0 means what is routed, not what neighbours say to each other.
bool is_of_link(const Packet& p, const flow::Generation& g) {
  if (p.verdict == Verdict::kTwin) return to_group(p) || destination_of(p).is_link_local();
  return source_of(p).is_link_local() && (to_group(p) || is_ours(g, destination_of(p)));
}

// What a peer demands has no exception: its prefixes hold no gateway.
bool is_spared(const Packet& p, const flow::Generation& g, uint16_t demand) {
  return demand < flow::kDemandOfPeer &&
         (is_between_gateways(p, g) || is_of_link(p, g) || is_about_tunnel(p, *g.peers));
}

// Nobody outside the tunnel saw a packet that went into it, to tell of its fate. A fragment of an error could hide what
// it is about; honest ones are short enough for every link (RFC 1812 §4.3.2.3, RFC 4443 §2.4).
void refuse_errors(Burst& burst, const flow::Generation& g) {
  flow::FlowKey quoted;
  for (Packet& p : burst) {
    if (p.verdict != Verdict::kContinue || p.from_peer != flow::kNoPeer || p.headers.is(wire::kIsLaterFragment) ||
        !wire::is_icmp_error(p.headers))
      continue;
    if (p.headers.is(wire::kIsFragment)) {
      drop(p, DropReason::clear_refused);
      continue;
    }
    if (!quoted_key(p, quoted)) continue;
    const uint16_t demand = demand_of(g, g.routes->find(quoted.src));
    if (demand != 0 && !is_spared(p, g, demand)) refuse(p, DropReason::clear_refused, demand);
  }
}

void refuse_by_address(Burst& burst, const flow::Generation& g) {
  uint32_t v4[kBurst], results[kBurst];
  uint8_t v6[kBurst][16], who4[kBurst], who6[kBurst];
  unsigned count4 = 0, count6 = 0;
  for (unsigned i = 0; i < burst.count; ++i) {
    const Packet& p = burst.packets[i];
    if (!is_clear(p)) continue;
    if (p.headers.family == 4) {
      who4[count4] = static_cast<uint8_t>(i);
      v4[count4++] = base::load_be32(far_end(p));
    } else {
      who6[count6] = static_cast<uint8_t>(i);
      std::memcpy(v6[count6++], far_end(p), 16);
    }
  }
  const auto judge = [&](Packet& p, uint32_t route) {
    const uint16_t demand = demand_of(g, route);
    if (demand == 0) return;
    if (!is_spared(p, g, demand)) return refuse(p, DropReason::clear_refused, demand);
    if (p.verdict != Verdict::kTwin) keep_here(p);
  };
  if (count4 != 0) g.routes->find_v4(v4, results, count4);
  for (unsigned i = 0; i < count4; ++i) judge(burst.packets[who4[i]], results[i]);
  if (count6 != 0) g.routes->find_v6(v6, results, count6);
  for (unsigned i = 0; i < count6; ++i) judge(burst.packets[who6[i]], results[i]);
  refuse_errors(burst, g);
}

// The kernel behind a port that takes nothing in clear: of packets to the gateway what it was given by rule, and for
// the link (routing protocols) those to groups.
bool is_for_kernel(const Packet& p, const flow::Generation& g, const flow::Interface& in) {
  return in.twin_port != 0xffff && is_exception(p, in) && (to_group(p) || is_ours(g, destination_of(p)));
}

// What it sends is the gateway's own, or that of a host that has no address yet.
bool is_from_kernel(const Packet& p, const flow::Generation& g) {
  const base::IpAddress source = source_of(p);
  return source.is_unspecified() || source.is_link_local() || is_ours(g, source);
}

void refuse_by_link(Burst& burst, const flow::Generation& g) {
  const auto& interfaces = g.interfaces->by_id;
  for (Packet& p : burst) {
    if (!is_clear(p)) continue;
    const flow::Interface& in = interfaces[p.in];
    if (in.is_twin) {
      const flow::InterfaceId out = g.interfaces->untagged[in.port_of_twin];
      if (out >= interfaces.size() || interfaces[out].encrypt != Encryption::kRequired || is_from_kernel(p, g))
        continue;
      p.out = out;
      drop(p, DropReason::link_clear_not_sent);
    } else if (in.encrypt == Encryption::kRequired) {
      if (!is_for_kernel(p, g, in) && !is_about_tunnel(p, *g.peers)) {
        drop(p, DropReason::link_clear_refused);
      } else {
        keep_here(p);
      }
    }
  }
}

// The outer packets that a crypto device gave back come by the way of the gateway's own.
bool is_tunnel(const Packet& p, const flow::PeerTable& peers) {
  const wire::Headers& h = p.headers;
  const bool esp =
      h.protocol == wire::kProtocolEsp || (h.protocol == wire::kProtocolUdp && h.dst_port == wire::kPortEspInUdp);
  return esp && peers.ends_here(source_of(p)) && peers.is_remote(destination_of(p));
}

}  // namespace

uint16_t peer_of(const flow::Generation& g, uint32_t route) {
  const flow::RouteResult& result = g.routes->at(route);
  if (result.kind != flow::RouteKind::kGateway) return flow::kNoPeer;
  return g.routes->next_hop(g.routes->next_hop_in(result, 0)).peer;  // all of a prefix, or none
}

uint16_t demand_of(const flow::Generation& g, uint32_t route) {
  if (const uint16_t demand = g.routes->at(route).demand; demand != 0) return demand;
  const uint16_t peer = peer_of(g, route);
  const bool demands = peer != flow::kNoPeer && g.peers->by_slot[peer].encryption == Encryption::kRequired;
  return demands ? static_cast<uint16_t>(flow::kDemandOfPeer | peer) : 0;
}

void refuse_clear(Burst& burst, const WorkerState& w) {
  if (w.links_demand) refuse_by_link(burst, *w.generation);
  if (w.generation->peers->demands_encryption) refuse_by_address(burst, *w.generation);
}

bool leaves_all_the_same(Packet& p, const WorkerState& w, uint16_t demand, bool own) {
  const flow::Generation& g = *w.generation;
  const bool tunnel = own && is_tunnel(p, *g.peers);
  if (demand != 0 && !tunnel && !(own && demand < flow::kDemandOfPeer && g.peers->is_remote(destination_of(p)))) {
    refuse(p, DropReason::clear_not_sent, demand);
    return false;
  }
  if (g.interfaces->by_id[p.out].encrypt == Encryption::kRequired && !tunnel) {
    drop(p, DropReason::link_clear_not_sent);
    return false;
  }
  return true;
}

bool must_not_be_copied(const Packet& p, const WorkerState& w, const flow::MirrorRule& rule) {
  const flow::Generation& g = *w.generation;
  if (g.peers->required.empty()) return false;
  const flow::RouteTable& routes = *g.routes;
  const uint16_t there = p.next_hop != kNone32 ? routes.next_hop(p.next_hop).demand : routes.at(p.route).demand;
  if (there == 0 && routes.at(routes.find(source_of(p))).demand == 0) return false;
  // To anybody but another gateway, whom the own packets of this one may reach, it is encrypted itself, or dropped.
  return !rule.erspan || g.peers->is_remote(rule.collector) || demand_of(g, routes.find(rule.collector)) == 0;
}

}  // namespace penstock::engine
