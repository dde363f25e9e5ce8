#include "flow/own_address.h"

namespace penstock::flow {

base::IpAddress address_on(const Interface& interface, const NextHop& hop, const base::IpAddress& destination) {
  const bool by_router = !hop.via.is_unspecified() && hop.via.is_v4() == destination.is_v4();
  const base::IpAddress& near = by_router ? hop.via : destination;
  base::IpAddress first, link_local;
  for (const base::Prefix& each : interface.addresses) {
    if (each.is_v4() != near.is_v4()) continue;
    const bool of_link = each.address.is_link_local();
    if (each.contains(near) && (!of_link || destination.is_link_local())) return each.address;
    base::IpAddress& best = of_link ? link_local : first;
    if (best.is_unspecified()) best = each.address;
  }
  return first.is_unspecified() ? link_local : first;
}

base::IpAddress address_inside(const Generation& generation, bool v4) {
  for (const Interface& interface : generation.interfaces->by_id) {
    if (interface.id == kNoInterface) continue;
    for (const base::Prefix& each : interface.addresses)
      if (each.is_v4() == v4 && !each.address.is_link_local() && !generation.peers->ends_here(each.address))
        return each.address;
  }
  return {};
}

}  // namespace penstock::flow
