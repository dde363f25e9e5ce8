// What the Gateway API objects of a state mean together: which route is attached to which listener, which backends may
// be referred to, and what must be told about it. Compilation and status both read it, so that they cannot disagree.
//
// Pure functions of a validated State; views point into it. Control thread and gRPC threads. Cost: the listeners and
// the routes times their parents; nothing here depends on endpoints.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "control/model/state.h"

namespace penstock::model {

// Listeners that want the same address and port: that of the older Gateway has it, of one Gateway the first.
enum class ListenerConflict : uint8_t { kNone, kProtocol, kHostname };

struct AttachedHttp {
  const HttpRoute* route = nullptr;
  std::vector<std::string> hostnames;  // of both the listener and the route; none: every host
};

struct ListenerView {
  const Gateway* gateway = nullptr;
  const GatewayListener* listener = nullptr;
  std::vector<base::IpAddress> addresses;  // free of conflicts; in order
  ListenerConflict conflict = ListenerConflict::kNone;
  std::string rival;                        // "Gateway/ns/name/listener" that has the address
  std::vector<AttachedHttp> http;           // older routes first
  const TcpRoute* tcp = nullptr;            // the one that serves
  uint32_t attached = 0;                    // routes
  bool takes(std::string_view kind) const;  // allowedRoutes.kinds and the protocol

  std::string name() const;  // "Gateway/ns/name/listener"
};

enum class ParentAnswer : uint8_t {
  kAccepted,
  kNoMatchingParent,
  kNotAllowedByListeners,
  kNoMatchingListenerHostname,
  kTaken,  // another TCPRoute has the listener
};

// In the order of the route's parents.
using ParentAnswers = std::vector<ParentAnswer>;

struct GatewayView {
  std::vector<base::IpAddress> own;     // of the Node, in order: nobody listens elsewhere
  std::vector<ListenerView> listeners;  // older Gateways first, then as they stand
  std::map<Name, ParentAnswers> http_routes, tcp_routes;
};

GatewayView view_of(const State& state);

// The addresses of the Node's interfaces, in order, each once.
std::vector<base::IpAddress> own_addresses(const State& state);

enum class BackendAnswer : uint8_t {
  kFound,
  kInvalidKind,
  kNotPermitted,
  kNotFound,
  kServiceNotFound,      // that of the ServiceSubset, which is there
  kUnsupportedProtocol,  // the port is there, and its appProtocol is not what an HTTPRoute carries
};
bool names_subset(const BackendObject& object);  // not a Service
// For a reference from a route of this kind ("HTTPRoute") and namespace. kFound: the Service, or that of the
// ServiceSubset, has that port for TCP, and from an HTTPRoute nothing is known of it that speaks against HTTP/1.1.
BackendAnswer judge(const State& state, std::string_view kind, const std::string& space, const BackendObject& object);

}  // namespace penstock::model
