#include "engine/stages/steer.h"

#include "engine/clear_text.h"
#include "engine/crypto/sa.h"
#include "engine/tunnel.h"
#include "wire/headers.h"

namespace penstock::engine {

namespace {

using flow::DropReason;
using flow::Encryption;
using flow::RouteKind;
using flow::Verdict;

void deliver(Packet& p, WorkerState& w) {
  const flow::Interface& in = w.generation->interfaces->by_id[p.in];
  const bool excepted = in.twin_port != 0xffff && is_exception(p, in);
  // What an exception gives to the kernel no listener takes; a connection that is open is ours.
  if (p.terminates && (!excepted || p.connection != kNone32)) {
    p.verdict = Verdict::kTerminate;
    return;
  }
  if (excepted) {
    p.verdict = Verdict::kTwin;
    return;
  }
  p.verdict = Verdict::kLocal;
  w.has_replies = true;
}

bool is_link_local(const Packet& p) {
  const uint8_t* ip = p.data + p.headers.l2_length;
  if (p.headers.family == 4)
    return (ip[12] == 169 && ip[13] == 254) || (ip[16] == 169 && ip[17] == 254);  // RFC 3927 §2.7
  return (base::load_be16(ip + 8) & 0xffc0) == 0xfe80 || (base::load_be16(ip + 24) & 0xffc0) == 0xfe80;
}

void refuse(Packet& p, WorkerState& w, DropReason reason, Answer answer) {
  reject(p, reason, answer);
  w.has_replies = true;
}

// What does not fit `mtu` is cut, or its sender is told. False: the packet goes no further.
bool fit(Packet& p, WorkerState& w, uint16_t mtu) {
  const bool to_be_cut = (p.mbuf->ol_flags & RTE_MBUF_F_TX_TCP_SEG) != 0;
  const unsigned length = to_be_cut ? p.headers.payload_offset - p.headers.l2_length + p.mbuf->tso_segsz
                                    : p.headers.end - p.headers.l2_length;
  // IP-in-IP's inside is not cut: the sender learns the smaller MTU instead.
  const uint16_t overhead = tunnel_overhead(p);
  mtu = static_cast<uint16_t>(mtu - overhead);
  if (length <= mtu) [[likely]]
    return true;
  p.mtu = mtu;
  if (overhead == 0 && !p.headers.is(wire::kDontFragment)) {
    p.fragment_out = true;
    return true;
  }
  refuse(p, w, DropReason::too_big, Answer::kTooBig);
  return false;
}

// A peer without keys, or one that need not have them. True: into the tunnel all the same. False: in clear; or not now,
// and it waits in Encrypt or is dropped.
bool needs_tunnel(Packet& p, WorkerState& w, const flow::Peer& peer, uint16_t demand, bool live) {
  const flow::Interface& out = w.generation->interfaces->by_id[p.out];
  const bool by_link = out.encrypt == Encryption::kRequired;
  const bool required = demand != 0 || by_link || peer.encryption == Encryption::kRequired;
  const bool off = peer.encryption == Encryption::kOff;
  if (live && !off && (required || out.encrypt != Encryption::kOff)) return true;
  if (!required) {
    p.in_clear = true;
    fit(p, w, out.mtu);
  } else if (off) {
    p.demand = demand;
    drop(p, demand != 0 ? DropReason::clear_not_sent : DropReason::link_clear_not_sent);
  } else if (!peer.agrees) {
    drop(p, DropReason::no_association);
  }
  return false;
}

// Into the tunnel to a peer: `p.next_hop` becomes that of the underlay.
void enter_tunnel(Packet& p, WorkerState& w, uint16_t to, uint16_t demand) {
  const flow::Generation& g = *w.generation;
  const flow::Peer& peer = g.peers->by_slot[to];
  const uint32_t hash = owner_hash(p);
  const uint32_t route = p.path == flow::kActivePath ? peer.route : peer.paths[p.path].route;
  p.next_hop = g.routes->next_hop_of(g.routes->at(route), hash);
  p.out = g.routes->next_hop(p.next_hop).interface;
  p.to_peer = to;
  p.verdict = Verdict::kForward;
  const WorkerAssociations::Lanes lanes = w.associations->lanes_of(to);
  const bool live = lanes.count != 0 || lanes.relay != WorkerAssociations::kNobody;
  if ((!live || peer.encryption != Encryption::kRequired) && !needs_tunnel(p, w, peer, demand, live)) return;
  if (p.path == flow::kActivePath && !fit(p, w, lanes.inner_mtu(peer))) return;  // a probe is as long as it should be
  p.owner = static_cast<uint8_t>(lanes.relay);
  if (lanes.count != 0) p.association = w.associations->outbound(lanes, hash);
}

// A change of routes may lead what was left to one port out by another, or into a tunnel. TCP says it again.
bool finishes(const Packet& p, const WorkerState& w, const flow::NextHop& hop) {
  if (hop.peer != flow::kNoPeer) return false;
  const PortFacts& port = w.ports[w.generation->interfaces->by_id[hop.interface].port];
  return (p.mbuf->ol_flags & RTE_MBUF_F_TX_TCP_SEG) != 0 ? port.segments : port.checksums;
}

// Leaves through `p.next_hop`: what RFC 1812 §5.2.1.2 asks before a packet is forwarded.
void forward(Packet& p, WorkerState& w, bool own) {
  if (p.for_us) return drop(p, DropReason::clear_refused);
  if (!own && p.headers.hop_limit <= 1) return refuse(p, w, DropReason::ttl_expired, Answer::kTtlExpired);
  uint16_t demand = 0;
  if (!p.redirected) {
    const flow::NextHop& hop = w.generation->routes->next_hop(p.next_hop);
    if (is_unfinished(p.mbuf) && !finishes(p, w, hop)) [[unlikely]]
      return drop(p, DropReason::offload_refused);
    if (hop.peer != flow::kNoPeer) return enter_tunnel(p, w, hop.peer, hop.demand);
    p.out = hop.interface;
    demand = hop.demand;
  } else {
    p.out = p.exact->action.redirect_interface;
    demand = demand_of(*w.generation, p.route);  // whoever redirects past a tunnel sends in clear
  }
  const flow::Interface& out = w.generation->interfaces->by_id[p.out];
  if ((demand != 0 || out.encrypt == Encryption::kRequired) && !leaves_all_the_same(p, w, demand, own)) return;
  p.verdict = Verdict::kForward;
  fit(p, w, out.mtu);
}

// Another worker decided this, perhaps in another generation; or this one, of a piece. What was to be encrypted is, or
// is dropped.
void rejoin_tunnel(Packet& p, WorkerState& w, uint16_t to) {
  const auto& peers = w.generation->peers->by_slot;
  const bool relayed = carry_of(p.mbuf).hops != 0;
  if (to >= peers.size() || peers[to].slot == flow::kNoPeer || peers[to].encryption == Encryption::kOff ||
      (relayed && w.associations->lanes_of(to).count == 0))
    return drop(p, DropReason::no_association);
  p.path = carry_of(p.mbuf).path;
  if (p.path != flow::kActivePath && p.path >= peers[to].paths.size()) return drop(p, DropReason::probe_unknown_path);
  enter_tunnel(p, w, to, flow::kSomeDemand);
}

// The interface an exact entry redirects to may have gone since it was programmed.
bool names_interface(const Packet& p, const WorkerState& w) {
  const flow::InterfaceId id = p.exact->action.redirect_interface;
  const auto& table = w.generation->interfaces->by_id;
  return id < table.size() && table[id].id == id;
}

void decide(Packet& p, WorkerState& w, bool own) {
  if (own && carry_of(p.mbuf).to_peer != flow::kNoPeer) return rejoin_tunnel(p, w, carry_of(p.mbuf).to_peer);
  if (p.redirected && !names_interface(p, w)) return drop(p, DropReason::no_route);
  if (p.redirected || p.next_hop != kNone32) return forward(p, w, own);  // an exact entry or a flow knows
  const flow::RouteTable& routes = *w.generation->routes;
  const flow::RouteResult& route = routes.at(p.route);
  if (!own && to_group(p)) {
    const flow::Interface& in = w.generation->interfaces->by_id[p.in];
    if (in.twin_port != 0xffff && is_exception(p, in)) {
      p.verdict = Verdict::kTwin;
    } else {
      drop(p, DropReason::multicast_not_forwarded);
    }
    return;
  }
  switch (route.kind) {
    case RouteKind::kLocal:
      if (own) return drop(p, DropReason::local_unwanted);
      return deliver(p, w);
    case RouteKind::kConnected:
    case RouteKind::kGateway:
      if (!own && (is_link_local(p) || p.to_group_frame)) return drop(p, DropReason::martian_destination);
      p.next_hop = route.hops == 1 ? route.first : routes.next_hop_of(route, owner_hash(p));
      return forward(p, w, own);
    case RouteKind::kBroadcast:
      return drop(p, DropReason::multicast_not_forwarded);
    case RouteKind::kBlackhole:
      return drop(p, DropReason::route_blackhole);
    case RouteKind::kUnreachable:
      return refuse(p, w, DropReason::route_unreachable, Answer::kHostUnreachable);
    case RouteKind::kProhibit:
      return refuse(p, w, DropReason::route_prohibit, Answer::kProhibited);
    case RouteKind::kNone:
      return refuse(p, w, DropReason::no_route, Answer::kNetUnreachable);
  }
}

}  // namespace

bool is_exception(const Packet& p, const flow::Interface& in) {
  if (p.from_peer != flow::kNoPeer) return false;
  for (const flow::ExceptionRule& rule : in.exceptions) {
    if (rule.protocol != p.headers.protocol) continue;
    if (rule.port == 0 || rule.port == p.headers.dst_port || rule.port == p.headers.src_port) return true;
  }
  return false;
}

bool to_group(const Packet& p) {
  const uint8_t* ip = p.data + p.headers.l2_length;
  return p.headers.family == 4 ? ip[16] >= 224 : ip[24] == 0xff;
}

void Steer::run(Burst& burst, WorkerState& w) {
  const bool own = burst.origin == Origin::kOwn;
  for (Packet& p : burst) {
    if (p.verdict == Verdict::kReject) w.has_replies = true;
    if (p.verdict == Verdict::kContinue) decide(p, w, own);
  }
}

}  // namespace penstock::engine
