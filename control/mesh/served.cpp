#include "control/mesh/served.h"

#include <algorithm>

namespace penstock::mesh {

namespace {

// In order of addresses, what is inside a prefix stands together; but all of IPv4 stands inside ::/80 and its like.
bool holds_part_of(const base::Prefix& whole, const std::vector<base::Prefix>& ordered) {
  constexpr uint8_t kBehindAll = 255;
  const auto end = ordered.end();
  auto first = std::lower_bound(ordered.begin(), end, base::Prefix{whole.network().address, whole.length});
  if (first != end && first->is_v4() && !whole.is_v4())
    first = std::upper_bound(first, end, base::Prefix{base::IpAddress::v4(0xffffffff), kBehindAll});
  return first != end && whole.contains(*first);
}

bool is_part_of(const base::Prefix& part, const std::vector<base::Prefix>& ordered) {
  for (uint8_t length = 0; length < part.length; ++length)
    if (std::binary_search(ordered.begin(), ordered.end(), base::Prefix{part.address, length}.network())) return true;
  return false;
}

}  // namespace

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
  for (const base::Prefix& each : seen)
    if (!holds_part_of(each, served) && !is_part_of(each, served)) out.push_back(each);
  return out;
}

}  // namespace penstock::mesh
