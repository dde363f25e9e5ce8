// Where the listeners of all Gateways are entered: addresses and ports, and what each is called.
#pragma once

#include <string>
#include <vector>

#include "control/model/gateway_view.h"
#include "l7/route/l7_config.h"

namespace penstock::compile {

// Listeners of one address and port: one to TCP, told apart by the Host of requests.
struct Door {
  std::string name;
  config::Protocol protocol = config::Protocol::kHttp;
  uint16_t port = 0;
  std::vector<const model::ListenerView*> listeners;
  std::vector<base::IpAddress> addresses;
};

// Addresses with the same listeners behind a port are one door. In the order of ports, then of addresses.
//
// A door keeps the name that it had in `before` (null: nothing was), at one of its addresses, while the listener that
// it was named after is behind it and the address in its name, if there is one, its own: counters go by it, and a
// listener that joins must not change it, however old its Gateway is. Others are named after the first listener behind
// them.
std::vector<Door> doors_of(const model::GatewayView& view, const route::L7Config* before);

}  // namespace penstock::compile
