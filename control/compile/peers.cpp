// Peers → slots, routes to what is behind them, and the table of tunnels.
#include <algorithm>

#include "control/compile/parts.h"

namespace penstock::compile {

namespace {

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

bool is_up(const PeerView& view, const model::Name& name) {
  const auto known = view.find(name);
  return known == view.end() || known->second.up;
}

}  // namespace

base::IpAddress source_towards(const base::IpAddress& destination, const flow::RouteTable& routes,
                               const flow::InterfaceTable& interfaces) {
  const flow::RouteResult& route = routes.at(routes.find(destination));
  if (route.kind != flow::RouteKind::kConnected && route.kind != flow::RouteKind::kGateway) return {};
  // Of several equal ways the first: one source for all.
  const flow::NextHop& hop = routes.next_hop(routes.next_hop_in(route, 0));
  if (hop.interface >= interfaces.by_id.size()) return {};
  const base::IpAddress& neighbour = hop.via.is_unspecified() ? destination : hop.via;
  // The address on the neighbour's network, as Linux chooses it; else the first of the family.
  base::IpAddress first;
  for (const base::Prefix& each : interfaces.by_id[hop.interface].addresses) {
    if (each.is_v4() != destination.is_v4() || each.address.is_link_local()) continue;
    if (each.contains(neighbour)) return each.address;
    if (first == base::IpAddress{}) first = each.address;
  }
  return first;
}

void PeerPart::assign(const Round& round) {
  std::vector<std::string> names;
  for (const auto& [name, peer] : round.state.peers) names.push_back(name.to_string());
  if (!slots.assign(names, round.last, round.retired))
    round.errors.push_back({"bundle", "",
                            "no room for so many objects of kind Peer until every worker has left the generations of "
                            "those removed: try again"});
}

std::vector<uint16_t> PeerPart::used(const model::State& state) const {
  std::vector<uint16_t> all;
  for (const auto& [name, peer] : state.peers) all.push_back(static_cast<uint16_t>(slots.at(name.to_string())));
  return all;
}

// Of the peers that name a prefix those of the lowest priority number share its flows, of those that are up. Prefixes
// with the same peers are a group: whoever of them goes up or down, they change together.
std::vector<flow::RouteSpec> PeerPart::routes(const model::State& state, const PeerView& view) const {
  struct Candidate {
    base::Prefix prefix;
    bool down;
    int32_t priority;
    uint16_t slot, weight;
    auto operator<=>(const Candidate&) const = default;
  };
  std::vector<Candidate> candidates;
  for (const auto& [name, peer] : state.peers)
    for (const base::Prefix& prefix : peer->prefixes)
      candidates.push_back({prefix.network(), !is_up(view, name), peer->priority,
                            static_cast<uint16_t>(slots.at(name.to_string())), peer->weight});
  std::sort(candidates.begin(), candidates.end());
  std::vector<flow::RouteSpec> specs;
  std::map<std::set<uint16_t>, uint32_t> groups;  // by the peers of a prefix
  std::set<uint16_t> together;
  const auto close_prefix = [&] {
    if (!specs.empty()) specs.back().group = groups.try_emplace(together, groups.size() + 1).first->second;
    together.clear();
  };
  const Candidate* first = nullptr;  // of the prefix
  for (const Candidate& each : candidates) {
    if (specs.empty() || specs.back().prefix != each.prefix) {
      close_prefix();
      specs.push_back({each.prefix, flow::RouteKind::kGateway, {}, {}});
      first = &each;
    }
    together.insert(each.slot);
    flow::RouteSpec& spec = specs.back();
    if (each.down != first->down || each.priority != first->priority || spec.next_hops.size() == flow::kMaxNextHops)
      continue;
    spec.next_hops.push_back({.peer = each.slot});
    spec.weights.push_back(each.weight);
  }
  close_prefix();
  return specs;
}

std::shared_ptr<const PeerReach> PeerPart::reach(const model::State& state, const PeerView& view,
                                                 std::shared_ptr<const flow::RouteTable> table) const {
  if (state.peers.empty()) return nullptr;
  std::vector<Reach> by_slot(slots.bound());
  for (const auto& [name, peer] : state.peers)
    by_slot[slots.at(name.to_string())] = {
        .remote = true, .up = is_up(view, name), .priority = peer->priority, .weight = peer->weight};
  return std::make_shared<const PeerReach>(std::move(table), std::move(by_slot));
}

// The ways to a peer; a fault for those that lead nowhere. Towards addresses of its family our end is `localAddress`.
std::vector<flow::PeerPath> PeerPart::paths_of(const Round& round, const model::Peer& peer, const PeerState* known,
                                               const flow::RouteTable& table,
                                               const flow::InterfaceTable& interfaces) const {
  std::vector<flow::PeerPath> paths;
  const std::vector<base::IpAddress> addresses = peer.addresses();
  for (size_t i = 0; i < addresses.size(); ++i) {
    const std::string where = i == 0 ? "spec.address" : "spec.addresses[" + std::to_string(i - 1) + "]";
    flow::PeerPath path;
    path.remote = addresses[i];
    path.route = table.find(path.remote);
    const uint16_t mtu = mtu_of(table.at(path.route), table, interfaces);
    if (mtu == 0) {
      round.fault(model::Kind::kPeer, peer.name, where, "no route of the Node leads to " + path.remote.to_string());
      continue;
    }
    path.local = peer.local && peer.local->is_v4() == path.remote.is_v4()
                     ? *peer.local
                     : source_towards(path.remote, table, interfaces);
    if (path.local == base::IpAddress{})
      round.fault(model::Kind::kPeer, peer.name, i == 0 ? "spec.localAddress" : where,
                  i == 0 ? "required: the interface that leads to the peer has no address of that family"
                         : "the interface that leads there has no address of that family");
    path.configured_mtu = peer.path_mtu == 0 ? mtu : std::min(mtu, peer.path_mtu);
    path.path_mtu = path.configured_mtu;
    if (known)
      if (const auto less = known->path_mtus.find(path.remote); less != known->path_mtus.end())
        path.path_mtu = std::min(path.path_mtu, less->second);
    paths.push_back(path);
  }
  return paths;
}

void PeerPart::resolve(const Round& round, const PeerView& view, const flow::RouteTable& table,
                       const flow::InterfaceTable& interfaces) {
  std::vector<base::Prefix> required;
  if (round.state.node) required = required_of(*round.state.node);
  if (round.state.peers.empty() && required.empty()) {
    static const auto kNone = std::make_shared<const flow::PeerTable>();
    peers = kNone;
    return;
  }
  flow::PeerTable next;
  next.demands_encryption = !required.empty();
  next.required = std::move(required);
  next.remotes = remotes_of(round.state);
  next.by_slot.resize(slots.bound());
  for (const auto& [name, peer] : round.state.peers) {
    const auto known = view.find(name);
    const PeerState* state = known == view.end() ? nullptr : &known->second;
    flow::Peer out;
    out.name = name.to_string();
    out.slot = static_cast<uint16_t>(slots.at(out.name));
    out.encryption = encryption_of(peer->encryption);
    out.agrees = !peer->identity.empty();
    out.prefixes = peer->prefixes;
    out.identities = speaks_identities(*peer);
    out.paths = paths_of(round, *peer, state, table, interfaces);
    if (out.paths.size() != peer->addresses().size()) continue;  // a fault
    auto active = std::find_if(out.paths.begin(), out.paths.end(),
                               [&](const auto& path) { return state && path.remote == state->active; });
    if (active == out.paths.end()) active = out.paths.begin();
    out.local = active->local;
    out.remote = active->remote;
    out.route = active->route;
    out.path_mtu = active->path_mtu;
    out.up = !state || state->up;
    for (const flow::PeerPath& path : out.paths)
      if (!next.ends_here(path.local)) next.locals.push_back(path.local);
    next.esp_in_udp |= peer->encapsulation == model::Encapsulation::kUdp && out.encryption != flow::Encryption::kOff;
    next.demands_encryption |= out.encryption == flow::Encryption::kRequired;
    const size_t slot = out.slot;
    next.by_slot[slot] = std::move(out);
  }
  // Workers look again at every association when this is another table.
  if (!peers || *peers != next) peers = std::make_shared<const flow::PeerTable>(std::move(next));
}

}  // namespace penstock::compile
