// Which endpoints failed their health check, as the compiler sees it. Unknown endpoints are up: a gateway that has just
// started serves at once and takes out what proves to be down.
// One thread (control). Keyed as the endpoint stands in flow::ServiceEntry: its address and port (0: all ports).
#pragma once

#include <map>
#include <memory>
#include <set>
#include <utility>

#include "base/address.h"
#include "control/model/objects.h"

namespace penstock::compile {

class HealthView {
 public:
  using Endpoints = std::set<std::pair<base::IpAddress, uint16_t>>;

  void set(const model::Name& service, const base::IpAddress& address, uint16_t port, bool up) {
    const auto at = down_.find(service);
    Endpoints next = at == down_.end() ? Endpoints{} : *at->second;
    const bool changed = up ? next.erase({address, port}) != 0 : next.emplace(address, port).second;
    if (!changed) return;
    if (next.empty()) {
      down_.erase(service);
    } else {
      down_[service] = std::make_shared<const Endpoints>(std::move(next));
    }
  }
  void forget(const model::Name& service) { down_.erase(service); }

  // Those that are down, by service. A service whose set did not change keeps its pointer.
  const model::Objects<Endpoints>& down() const { return down_; }

 private:
  model::Objects<Endpoints> down_;
};

}  // namespace penstock::compile
