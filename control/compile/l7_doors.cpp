#include "control/compile/l7_doors.h"

#include <algorithm>
#include <map>
#include <set>

namespace penstock::compile {

namespace {

std::vector<Door> group(const model::GatewayView& view) {
  std::map<std::pair<uint16_t, base::IpAddress>, std::vector<const model::ListenerView*>> behind;
  for (const model::ListenerView& listener : view.listeners)
    for (const base::IpAddress& address : listener.addresses)
      behind[{listener.listener->port, address}].push_back(&listener);
  std::map<std::pair<uint16_t, std::vector<const model::ListenerView*>>, size_t> numbers;
  std::vector<Door> doors;
  for (auto& [place, listeners] : behind) {
    const auto [at, fresh] = numbers.try_emplace({place.first, listeners}, doors.size());
    if (fresh) doors.push_back({"", listeners.front()->listener->protocol, place.first, std::move(listeners), {}});
    doors[at->second].addresses.push_back(place.second);
  }
  return doors;
}

// Whether the door may be called so: as a listener behind it, "Gateway/ns/name/listener", or that with "@" and one of
// its addresses. So no two doors want the same name with an address.
bool may_have(const Door& door, const std::string& name) {
  const size_t at = name.find('@');
  const auto is_own = [&](const model::ListenerView* each) { return name.compare(0, at, each->name()) == 0; };
  const auto is_here = [&](const base::IpAddress& each) {
    return name.compare(at + 1, name.npos, each.to_string()) == 0;
  };
  return std::any_of(door.listeners.begin(), door.listeners.end(), is_own) &&
         (at == name.npos || std::any_of(door.addresses.begin(), door.addresses.end(), is_here));
}

void name_doors(const route::L7Config* before, std::vector<Door>& doors) {
  std::set<std::string> names;
  for (Door& door : doors) {
    for (size_t i = 0; before != nullptr && i < before->listeners.size() && door.name.empty(); ++i) {
      const config::Listener& old = before->listeners[i];
      const bool same = old.port == door.port && old.protocol == door.protocol && may_have(door, old.name) &&
                        std::find_first_of(old.addresses.begin(), old.addresses.end(), door.addresses.begin(),
                                           door.addresses.end()) != old.addresses.end();
      if (same && names.insert(old.name).second) door.name = old.name;
    }
  }
  for (Door& door : doors) {
    if (!door.name.empty()) continue;
    door.name = door.listeners.front()->name();
    if (names.insert(door.name).second) continue;
    door.name += "@" + door.addresses.front().to_string();
    names.insert(door.name);
  }
}

}  // namespace

std::vector<Door> doors_of(const model::GatewayView& view, const route::L7Config* before) {
  std::vector<Door> doors = group(view);
  name_doors(before, doors);
  return doors;
}

}  // namespace penstock::compile
