#include "l7/host/way.h"

#include <algorithm>

#include "flow/own_address.h"
#include "wire/headers.h"

namespace penstock::host {

namespace {

// The first hop that leads on; null: it ends here, or nowhere.
const flow::NextHop* hop_of(const flow::RouteTable& routes, const flow::RouteResult& route) {
  if (route.kind != flow::RouteKind::kConnected && route.kind != flow::RouteKind::kGateway) return nullptr;
  return &routes.next_hop(routes.next_hop_of(route, 0));
}

}  // namespace

Way way_to(const engine::WorkerState& worker, const base::IpAddress& remote) {
  const flow::Generation& g = *worker.generation;
  const flow::RouteResult& route = g.routes->at(g.routes->find(remote));
  const flow::NextHop* found = hop_of(*g.routes, route);
  if (found == nullptr) return {};
  const flow::NextHop& hop = *found;
  if (hop.peer == flow::kNoPeer) {
    const flow::Interface& out = g.interfaces->by_id[hop.interface];
    return {.source = flow::address_on(out, hop, remote), .mtu = out.mtu};
  }
  return {.source = flow::address_inside(g, remote.is_v4()),
          .mtu = worker.associations->lanes_of(hop.peer).inner_mtu(g.peers->by_slot[hop.peer])};
}

uint16_t port_to(const engine::WorkerState& worker, const base::IpAddress& remote) {
  const flow::Generation& g = *worker.generation;
  const flow::RouteResult& route = g.routes->at(g.routes->find(remote));
  const flow::NextHop* hop = hop_of(*g.routes, route);
  const bool plain = hop != nullptr && route.hops == 1 && hop->peer == flow::kNoPeer;
  return plain ? g.interfaces->by_id[hop->interface].port : kNoPort;
}

uint16_t mss_of(const Way& way, bool v4) {
  const size_t headers = (v4 ? wire::kIpv4MinLength : wire::kIpv6Length) + wire::kTcpMinLength;
  return static_cast<uint16_t>(std::max<size_t>(way.mtu, headers + 88) - headers);
}

}  // namespace penstock::host
