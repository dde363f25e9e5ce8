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

// Whether the door may be called so: "Gateway/ns/name/listener", as a listener behind it, or that with "@address".
bool may_have(const Door& door, const std::string& name) {
  return std::any_of(door.listeners.begin(), door.listeners.end(), [&](const model::ListenerView* each) {
    const std::string own = each->name();
    return name.starts_with(own) && (name.size() == own.size() || name[own.size()] == '@');
  });
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
    if (!names.insert(door.name).second) names.insert(door.name += "@" + door.addresses.front().to_string());
  }
}

}  // namespace

std::vector<Door> doors_of(const model::GatewayView& view, const route::L7Config* before) {
  std::vector<Door> doors = group(view);
  name_doors(before, doors);
  return doors;
}

}  // namespace penstock::compile
