#include "control/mesh/served.h"

#include <algorithm>

namespace penstock::mesh {

std::vector<base::Prefix> served_by(const model::State& state) {
  std::vector<base::Prefix> all;
  const auto take = [&](const std::vector<base::Prefix>& addresses) {
    for (const base::Prefix& each : addresses) all.push_back(each.network());
  };
  if (state.node) {
    for (const model::Interface& interface : state.node->interfaces) {
      take(interface.addresses);
      for (const model::Vlan& vlan : interface.vlans) take(vlan.addresses);
    }
    for (const model::Route& route : state.node->routes)
      if (route.action == model::RouteAction::kForward && route.prefix.length != 0)
        all.push_back(route.prefix.network());
  }
  for (const auto& [name, service] : state.services)
    for (const base::IpAddress& address : service->addresses)
      all.push_back({address, static_cast<uint8_t>(address.is_v4() ? 32 : 128)});
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return all;
}

std::vector<base::Prefix> unserved(const std::vector<base::Prefix>& seen, const std::vector<base::Prefix>& served) {
  std::vector<base::Prefix> out;
  for (const base::Prefix& each : seen) {
    const auto overlaps = [&](const base::Prefix& own) { return own.contains(each) || each.contains(own); };
    if (std::none_of(served.begin(), served.end(), overlaps)) out.push_back(each);
  }
  return out;
}

}  // namespace penstock::mesh
