// Peers → slots, routes to what is behind them, and the table of tunnels.
#include <algorithm>

#include "control/compile/parts.h"

namespace penstock::compile {

namespace {

flow::Encryption encryption_of(model::Encryption encryption) {
  switch (encryption) {
    case model::Encryption::kRequired:
      return flow::Encryption::kRequired;
    case model::Encryption::kPreferred:
      return flow::Encryption::kPreferred;
    case model::Encryption::kOff:
      return flow::Encryption::kOff;
  }
  return flow::Encryption::kRequired;
}

// The smallest MTU of the ways that a route has; 0: it does not lead out of an interface.
uint16_t mtu_of(const flow::RouteResult& route, const flow::RouteTable& table, const flow::InterfaceTable& interfaces) {
  if (route.kind != flow::RouteKind::kConnected && route.kind != flow::RouteKind::kGateway) return 0;
  uint16_t least = UINT16_MAX;
  for (uint32_t slot = 0; slot < (route.hops > 1 ? flow::kEcmpSlots : 1); ++slot) {
    const flow::InterfaceId out = table.next_hop(table.next_hop_in(route, slot)).interface;
    if (out >= interfaces.by_id.size()) return 0;  // a tunnel
    least = std::min(least, interfaces.by_id[out].mtu);
  }
  return least;
}

}  // namespace

base::IpAddress source_towards(const base::IpAddress& destination, const flow::RouteTable& routes,
                               const flow::InterfaceTable& interfaces) {
  const flow::RouteResult& route = routes.at(routes.find(destination));
  // Of several equal ways the first: one source for all.
  const flow::InterfaceId out =
      route.hops > 1 ? routes.next_hop(routes.next_hop_in(route, 0)).interface : route.interface;
  if (out >= interfaces.by_id.size()) return {};
  for (const base::Prefix& each : interfaces.by_id[out].addresses)
    if (each.is_v4() == destination.is_v4() && !each.address.is_link_local()) return each.address;
  return {};
}

void PeerPart::assign(const Round& round) {
  std::vector<std::string> names;
  for (const auto& [name, peer] : round.state.peers) names.push_back(name.to_string());
  if (!slots.assign(names, round.last, round.retired))
    round.errors.push_back({"bundle", "",
                            "no room for so many objects of kind Peer until every worker has left the generations of "
                            "those removed: try again"});
}

// Of the peers that name a prefix those of the lowest priority number share its flows.
std::vector<flow::RouteSpec> PeerPart::routes(const model::State& state) const {
  struct Candidate {
    base::Prefix prefix;
    int32_t priority;
    uint16_t slot, weight;
    auto operator<=>(const Candidate&) const = default;
  };
  std::vector<Candidate> candidates;
  for (const auto& [name, peer] : state.peers)
    for (const base::Prefix& prefix : peer->prefixes)
      candidates.push_back(
          {prefix.network(), peer->priority, static_cast<uint16_t>(slots.at(name.to_string())), peer->weight});
  std::sort(candidates.begin(), candidates.end());
  std::vector<flow::RouteSpec> specs;
  int32_t priority = 0;
  for (const Candidate& each : candidates) {
    if (specs.empty() || specs.back().prefix != each.prefix) {
      specs.push_back({each.prefix, flow::RouteKind::kGateway, {}, {}});
      priority = each.priority;
    }
    flow::RouteSpec& spec = specs.back();
    if (each.priority != priority || spec.next_hops.size() == flow::kMaxNextHops) continue;
    spec.next_hops.push_back({.peer = each.slot});
    spec.weights.push_back(each.weight);
  }
  return specs;
}

void PeerPart::resolve(const Round& round, const flow::RouteTable& table, const flow::InterfaceTable& interfaces) {
  if (round.state.peers.empty()) {
    static const auto kNone = std::make_shared<const flow::PeerTable>();
    peers = kNone;
    return;
  }
  auto next = std::make_shared<flow::PeerTable>();
  next->by_slot.resize(slots.bound());
  for (const auto& [name, peer] : round.state.peers) {
    flow::Peer out;
    out.name = name.to_string();
    out.slot = static_cast<uint16_t>(slots.at(out.name));
    out.encryption = encryption_of(peer->encryption);
    out.agrees = !peer->identity.empty();
    out.remote = peer->address;
    out.prefixes = peer->prefixes;
    out.route = table.find(out.remote);
    const uint16_t mtu = mtu_of(table.at(out.route), table, interfaces);
    if (mtu == 0) {
      round.fault(model::Kind::kPeer, name, "spec.address", "no route of the Node leads to " + out.remote.to_string());
      continue;
    }
    out.local = peer->local ? *peer->local : source_towards(out.remote, table, interfaces);
    if (out.local == base::IpAddress{})
      round.fault(model::Kind::kPeer, name, "spec.localAddress",
                  "required: the interface that leads to the peer has no address of that family");
    out.path_mtu = peer->path_mtu == 0 ? mtu : std::min(mtu, peer->path_mtu);
    if (!next->ends_here(out.local)) next->locals.push_back(out.local);
    next->demands_encryption |= out.encryption == flow::Encryption::kRequired;
    const size_t slot = out.slot;
    next->by_slot[slot] = std::move(out);
  }
  peers = std::move(next);
}

}  // namespace penstock::compile
