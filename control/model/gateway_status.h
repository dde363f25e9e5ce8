// What came of Gateways and routes, as Gateway API says it: conditions with the reasons of the standard. Pure functions
// of the state that is live; nothing is kept. "Programmed" is true of what the live generation holds, which is all that
// these functions are asked about: a change that did not reach every worker is told by its own answer.
#pragma once

#include <string>
#include <vector>

#include "control/model/gateway_view.h"

namespace penstock::model {

struct Condition {
  const char* type;
  bool status;
  const char* reason;
  std::string message;
};

struct ListenerStatus {
  std::string name;
  std::vector<const char*> kinds;  // of routes that may attach
  uint32_t attached = 0;
  // Accepted, Programmed, ResolvedRefs (not where the protocol is not served: nobody has looked), Conflicted
  std::vector<Condition> conditions;
};

struct GatewayStatus {
  std::vector<base::IpAddress> addresses;  // where some listener accepts
  std::vector<Condition> conditions;       // Accepted, Programmed
  std::vector<ListenerStatus> listeners;   // as they stand in the Gateway
};

// Of one parent: Accepted, ResolvedRefs.
using ParentStatus = std::vector<Condition>;

// The objects are those of the state that the view is of.
GatewayStatus status_of(const GatewayView& view, const Gateway& gateway);
std::vector<ParentStatus> status_of(const GatewayView& view, const State& state, const HttpRoute& route);
std::vector<ParentStatus> status_of(const GatewayView& view, const State& state, const TcpRoute& route);

}  // namespace penstock::model
