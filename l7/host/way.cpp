#include "l7/host/way.h"

#include <algorithm>

#include "flow/own_address.h"
#include "wire/headers.h"

namespace penstock::host {

Way way_to(const engine::WorkerState& worker, const base::IpAddress& remote) {
  const flow::Generation& g = *worker.generation;
  const flow::RouteResult& route = g.routes->at(g.routes->find(remote));
  if (route.kind != flow::RouteKind::kConnected && route.kind != flow::RouteKind::kGateway) return {};
  const flow::NextHop& hop = g.routes->next_hop(g.routes->next_hop_of(route, 0));
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
  if (route.kind != flow::RouteKind::kConnected && route.kind != flow::RouteKind::kGateway) return kNoPort;
  const flow::NextHop& hop = g.routes->next_hop(g.routes->next_hop_of(route, 0));
  return route.hops == 1 && hop.peer == flow::kNoPeer ? g.interfaces->by_id[hop.interface].port : kNoPort;
}

uint16_t mss_of(const Way& way, bool v4) {
  const size_t headers = (v4 ? wire::kIpv4MinLength : wire::kIpv6Length) + wire::kTcpMinLength;
  return static_cast<uint16_t>(std::max<size_t>(way.mtu, headers + 88) - headers);
}

}  // namespace penstock::host
