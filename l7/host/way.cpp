#include "l7/host/way.h"

#include <algorithm>

#include "wire/headers.h"

namespace penstock::host {

namespace {

base::IpAddress address_of(const flow::Interface& interface, bool v4, const flow::PeerTable* avoid) {
  for (const base::Prefix& each : interface.addresses)
    if (each.is_v4() == v4 && !each.address.is_link_local() && (avoid == nullptr || !avoid->ends_here(each.address)))
      return each.address;
  return {};
}

}  // namespace

Way way_to(const engine::WorkerState& worker, const base::IpAddress& remote) {
  const flow::Generation& g = *worker.generation;
  const flow::RouteResult& route = g.routes->at(g.routes->find(remote));
  if (route.kind != flow::RouteKind::kConnected && route.kind != flow::RouteKind::kGateway) return {};
  const flow::NextHop& hop = g.routes->next_hop(g.routes->next_hop_of(route, 0));
  const bool v4 = remote.is_v4();
  if (hop.peer == flow::kNoPeer) {
    const flow::Interface& out = g.interfaces->by_id[hop.interface];
    return {.source = address_of(out, v4, nullptr), .mtu = out.mtu};
  }
  const flow::Peer& peer = g.peers->by_slot[hop.peer];
  Way way{.source = {}, .mtu = worker.associations->lanes_of(hop.peer).inner_mtu(peer)};
  for (const flow::Interface& each : g.interfaces->by_id) {
    if (each.id == flow::kNoInterface) continue;
    way.source = address_of(each, v4, g.peers.get());
    if (!way.source.is_unspecified()) break;
  }
  return way;
}

uint16_t mss_of(const Way& way, bool v4) {
  const size_t headers = (v4 ? wire::kIpv4MinLength : wire::kIpv6Length) + wire::kTcpMinLength;
  return static_cast<uint16_t>(std::max<size_t>(way.mtu, headers + 88) - headers);
}

}  // namespace penstock::host
