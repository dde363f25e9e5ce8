// Addresses and static routes of the Node, and what is behind peers → RouteTable. Building one costs tens of
// milliseconds even when it is small (rte_fib zeroes its tables), so it is done only when a route really is another;
// when peers go up or down their prefixes stay, and only where they lead is exchanged.
#include <algorithm>
#include <utility>

#include "control/compile/parts.h"
#include "control/model/diff.h"

namespace penstock::compile {

namespace {

using flow::RouteKind;
using flow::RouteSpec;

bool same(const RouteSpec& a, const RouteSpec& b) {
  return a.prefix == b.prefix && a.kind == b.kind && a.next_hops == b.next_hops && a.weights == b.weights &&
         a.demand == b.demand && a.group == b.group;
}

// One of each group that leads elsewhere now. The prefixes are the same.
std::vector<RouteSpec> moved(const std::vector<RouteSpec>& before, const std::vector<RouteSpec>& now) {
  std::map<uint32_t, const RouteSpec*> by_group;
  for (size_t i = 0; i < now.size(); ++i)
    if (!same(before[i], now[i])) by_group.emplace(now[i].group, &now[i]);
  std::vector<RouteSpec> out;
  for (const auto& [group, spec] : by_group) out.push_back(*spec);
  return out;
}

RouteKind kind_of(const model::Route& route) {
  switch (route.action) {
    case model::RouteAction::kForward:
      return route.next_hops.front().via ? RouteKind::kGateway : RouteKind::kConnected;
    case model::RouteAction::kBlackhole:
      return RouteKind::kBlackhole;
    case model::RouteAction::kUnreachable:
      return RouteKind::kUnreachable;
    case model::RouteAction::kProhibit:
      return RouteKind::kProhibit;
  }
  return RouteKind::kNone;
}

// What an interface's own address means to destinations. Link-local prefixes are per link and not in the table: nothing
// is forwarded to them (RFC 4291 §2.5.6), and gateways on them name their interface.
void add_address(const base::Prefix& own, flow::InterfaceId id, std::vector<RouteSpec>& connected,
                 std::vector<RouteSpec>& local) {
  const uint8_t bits = own.is_v4() ? 32 : 128;
  const std::vector<flow::NextHop> here = {{id, {}}};
  if (own.length < bits && !(own.address.is_v6() && own.address.is_link_local()))
    connected.push_back({own.network(), RouteKind::kConnected, here, {}});
  if (own.is_v4() && own.length < 31) local.push_back({{own.last(), bits}, RouteKind::kBroadcast, here, {}});
  local.push_back({{own.address, bits}, RouteKind::kLocal, here, {}});
}

class Gateways {
 public:
  explicit Gateways(const flow::InterfaceTable& table) {
    for (const flow::Interface& interface : table.by_id)
      for (const base::Prefix& prefix : interface.addresses) links_.push_back({prefix, interface.id});
    std::stable_sort(links_.begin(), links_.end(),
                     [](const auto& a, const auto& b) { return a.first.length > b.first.length; });
  }
  // The interface whose connected prefix holds the gateway; validation has seen that there is one.
  flow::InterfaceId interface_of(const base::IpAddress& via) {
    if (via == last_) return last_id_;  // neighbouring routes mostly share their gateway
    const auto link = std::find_if(links_.begin(), links_.end(), [&](const auto& l) { return l.first.contains(via); });
    last_ = via;
    last_id_ = link == links_.end() ? flow::kNoInterface : link->second;
    return last_id_;
  }

 private:
  std::vector<std::pair<base::Prefix, flow::InterfaceId>> links_;
  base::IpAddress last_;
  flow::InterfaceId last_id_ = flow::kNoInterface;
};

RouteSpec static_route(const model::Route& route, const InterfacePart& interfaces, Gateways& gateways) {
  RouteSpec spec{route.prefix, kind_of(route), {}, {}};
  bool weighted = false;
  for (const model::NextHop& hop : route.next_hops) {
    const flow::InterfaceId id = hop.interface.empty() ? gateways.interface_of(*hop.via) : interfaces.id(hop.interface);
    spec.next_hops.push_back({id, hop.via.value_or(base::IpAddress{})});
    spec.weights.push_back(hop.weight);
    weighted |= hop.weight != spec.weights.front();
  }
  if (!weighted) spec.weights.clear();
  return spec;
}

// Of equal prefixes the last wins: static routes, then those through peers, then connected ones, then the gateway's own
// addresses.
std::vector<RouteSpec> specs_of(const model::Node& node, const InterfacePart& interfaces,
                                const std::vector<RouteSpec>& to_peers) {
  std::vector<RouteSpec> specs, connected, local;
  specs.reserve(node.routes.size() + 64);
  Gateways gateways(*interfaces.table);
  for (const model::Route& route : node.routes) specs.push_back(static_route(route, interfaces, gateways));
  specs.insert(specs.end(), to_peers.begin(), to_peers.end());
  for (const flow::Interface& interface : interfaces.table->by_id)
    for (const base::Prefix& own : interface.addresses) add_address(own, interface.id, connected, local);
  // A host's own address beats the broadcast address of another prefix on the link.
  std::stable_partition(local.begin(), local.end(), [](const RouteSpec& s) { return s.kind == RouteKind::kBroadcast; });
  specs.insert(specs.end(), connected.begin(), connected.end());
  specs.push_back({{base::IpAddress::v4(0xffffffff), 32}, RouteKind::kBroadcast, {}, {}});  // RFC 919
  specs.insert(specs.end(), local.begin(), local.end());
  demand_encryption(node, specs);
  return specs;
}

}  // namespace

void RoutePart::update(const Round& round, const InterfacePart& interface_part, const PeerPart& peer_part,
                       const PeerView& view) {
  std::set<model::Name> dead;
  for (const auto& [name, state] : view)
    if (!state.up) dead.insert(name);
  bool other_peers = false;
  model::for_each_change(peers, round.state.peers, [&](const auto&, const auto&) { other_peers = true; });
  const bool same_routes = table && node == round.state.node && interfaces == interface_part.table && !other_peers;
  if (same_routes && dead == down) return;
  node = round.state.node;
  interfaces = interface_part.table;
  peers = round.state.peers;
  down = std::move(dead);
  const std::vector<RouteSpec> before =
      std::exchange(to_peers, node ? peer_part.routes(round.state, view) : std::vector<RouteSpec>{});
  const auto use = [&](const base::Result<std::shared_ptr<const flow::RouteTable>>& made) {
    if (made) {
      table = *made;
    } else {
      round.fault(model::Kind::kNode, node_name(round.state), "spec.routes", made.error());
    }
  };
  if (same_routes) {
    const std::vector<RouteSpec> elsewhere = moved(before, to_peers);
    if (elsewhere.empty()) return;
    specs = nullptr;  // says no longer what the table holds
    return use(table->exchange(elsewhere));
  }
  auto next = node ? specs_of(*node, interface_part, to_peers) : std::vector<RouteSpec>{};
  const std::vector<uint16_t> tunnels = peer_part.used(round.state);
  const auto has_hop = [this](uint16_t peer) { return table->hop_to(peer) != flow::RouteTable::kNoHop; };
  if (table && specs && std::equal(next.begin(), next.end(), specs->begin(), specs->end(), same) &&
      std::all_of(tunnels.begin(), tunnels.end(), has_hop))
    return;
  specs = std::make_shared<const std::vector<RouteSpec>>(std::move(next));
  use(flow::RouteTable::build(*specs, tunnels));
}

}  // namespace penstock::compile
