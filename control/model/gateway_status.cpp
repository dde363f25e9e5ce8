#include "control/model/gateway_status.h"

#include <algorithm>
#include <set>

#include "control/model/faults.h"

namespace penstock::model {

namespace {

Condition accepted(ParentAnswer answer) {
  switch (answer) {
    case ParentAnswer::kAccepted:
      return {"Accepted", true, "Accepted", "attached"};
    case ParentAnswer::kNoMatchingParent:
      return {"Accepted", false, "NoMatchingParent", "there is no such Gateway, or no such listener of it"};
    case ParentAnswer::kNotAllowedByListeners:
      return {"Accepted", false, "NotAllowedByListeners", "allowedRoutes of the listeners leave it out"};
    case ParentAnswer::kNoMatchingListenerHostname:
      return {"Accepted", false, "NoMatchingListenerHostname", "no listener has one of its hostnames"};
    case ParentAnswer::kTaken:
      return {"Accepted", false, "NotAllowedByListeners", "an older TCPRoute has the listener"};
  }
  return {"Accepted", false, "Pending", ""};
}

// The first backend that is not to be had; of several the path of the first is told.
class References {
 public:
  References(const State& state, const char* kind, const std::string& space)
      : state_(state), kind_(kind), space_(space) {}

  void add(const BackendObject& object, const std::string& path) {
    if (worst_ != BackendAnswer::kFound) return;
    worst_ = judge(state_, kind_, space_, object);
    if (worst_ == BackendAnswer::kFound) return;
    message_ = text(path, ": ", object.kind.substr(0, 63), "/", object.name.to_string(), " port ", object.port);
  }

  Condition condition() const {
    switch (worst_) {
      case BackendAnswer::kFound:
        return {"ResolvedRefs", true, "ResolvedRefs", "all backends are there"};
      case BackendAnswer::kInvalidKind:
        return {"ResolvedRefs", false, "InvalidKind", message_ + ": want a Service, or a ServiceSubset of penstock.io"};
      case BackendAnswer::kNotPermitted:
        return {"ResolvedRefs", false, "RefNotPermitted", message_ + ": no ReferenceGrant there permits it"};
      case BackendAnswer::kNotFound:
        return {"ResolvedRefs", false, "BackendNotFound", message_ + " is not there"};
      case BackendAnswer::kServiceNotFound:
        return {"ResolvedRefs", false, "BackendNotFound", message_ + ": its Service is not there, or has no such port"};
      case BackendAnswer::kUnsupportedProtocol:
        return {"ResolvedRefs", false, "UnsupportedProtocol", message_ + ": its appProtocol is not HTTP/1.1"};
    }
    return {"ResolvedRefs", false, "Pending", ""};
  }

 private:
  const State& state_;
  const char* kind_;
  const std::string& space_;
  BackendAnswer worst_ = BackendAnswer::kFound;
  std::string message_;
};

std::vector<ParentStatus> for_parents(const ParentAnswers& answers, const Condition& references) {
  std::vector<ParentStatus> out;
  for (const ParentAnswer answer : answers) out.push_back({accepted(answer), references});
  return out;
}

std::vector<Condition> accepted(const ListenerView& view) {
  const Condition nowhere{"Programmed", false, "Invalid", "it accepts nowhere"};
  if (!view.listener->unserved.empty())
    return {{"Accepted", false, "UnsupportedProtocol",
             text("protocol ", view.listener->unserved, " is not served (want HTTP or TCP)")},
            nowhere};
  if (view.addresses.empty() && view.conflict != ListenerConflict::kNone)
    return {{"Accepted", false, "PortUnavailable", view.rival + " has it"}, nowhere};
  if (view.addresses.empty())
    return {{"Accepted", true, "Accepted", ""},
            {"Programmed", false, "Pending", "no address of the Gateway is the Node's"}};
  return {{"Accepted", true, "Accepted", ""}, {"Programmed", true, "Programmed", ""}};
}

ListenerStatus status_of(const ListenerView& view) {
  const bool served = view.listener->unserved.empty();
  const char* kind = view.listener->protocol == config::Protocol::kHttp ? "HTTPRoute" : "TCPRoute";
  ListenerStatus out{view.listener->name, {}, view.attached, accepted(view)};
  if (view.takes(kind)) out.kinds.push_back(kind);
  const bool kinds_known =
      std::all_of(view.listener->kinds.begin(), view.listener->kinds.end(),
                  [&](const RouteKind& each) { return each.group == kGatewayGroup && each.kind == kind; });
  if (served)  // else nobody has looked
    out.conditions.push_back(kinds_known ? Condition{"ResolvedRefs", true, "ResolvedRefs", ""}
                                         : Condition{"ResolvedRefs", false, "InvalidRouteKinds",
                                                     text("allowedRoutes.kinds: this protocol serves ", kind)});
  if (view.conflict == ListenerConflict::kNone) {
    out.conditions.push_back({"Conflicted", false, "NoConflicts", ""});
  } else {
    const bool protocol = view.conflict == ListenerConflict::kProtocol;
    out.conditions.push_back(
        {"Conflicted", true, protocol ? "ProtocolConflict" : "HostnameConflict", view.rival + " has it"});
  }
  return out;
}

// An address that was asked for and is not to be had is told, also where others accept.
Condition programmed(const GatewayView& view, const Gateway& gateway, bool any_listener, bool nowhere) {
  if (!any_listener) return {"Programmed", false, "Invalid", "see the listeners"};
  std::string others;
  for (const base::IpAddress& address : gateway.addresses)
    if (!std::binary_search(view.own.begin(), view.own.end(), address))
      others += (others.empty() ? "" : ", ") + address.to_string();
  if (!others.empty()) return {"Programmed", false, "AddressNotUsable", "not the Node's: " + others};
  if (nowhere) return {"Programmed", false, "AddressNotAssigned", "the Node has no addresses"};
  return {"Programmed", true, "Programmed", ""};
}

}  // namespace

GatewayStatus status_of(const GatewayView& view, const Gateway& gateway) {
  GatewayStatus out;
  std::set<base::IpAddress> addresses;
  bool all = true, any = false;
  for (const ListenerView& listener : view.listeners) {
    if (listener.gateway != &gateway) continue;
    addresses.insert(listener.addresses.begin(), listener.addresses.end());
    out.listeners.push_back(status_of(listener));
    const bool taken = out.listeners.back().conditions.front().status;
    any |= taken;
    all &= taken && listener.conflict == ListenerConflict::kNone;
  }
  out.addresses.assign(addresses.begin(), addresses.end());
  out.conditions.push_back(all ? Condition{"Accepted", true, "Accepted", ""}
                               : Condition{"Accepted", any, "ListenersNotValid", "see the listeners"});
  out.conditions.push_back(programmed(view, gateway, any, addresses.empty()));
  return out;
}

std::vector<ParentStatus> status_of(const GatewayView& view, const State& state, const HttpRoute& route) {
  References references(state, "HTTPRoute", route.name.space);
  const auto add_mirrors = [&references](const RouteFilters& filters, const std::string& at) {
    for (size_t i = 0; i < filters.mirrors.size(); ++i)
      references.add(filters.mirrors[i].backend, text(at, ".filters.requestMirror[", i, "].backendRef"));
  };
  for (size_t r = 0; r < route.rules.size(); ++r) {
    const std::string at = text("spec.rules[", r, "]");
    add_mirrors(route.rules[r].filters, at);
    for (size_t b = 0; b < route.rules[r].backends.size(); ++b) {
      const std::string ref = text(at, ".backendRefs[", b, "]");
      references.add(route.rules[r].backends[b].object, ref);
      add_mirrors(route.rules[r].backends[b].filters, ref);
    }
  }
  return for_parents(view.http_routes.at(route.name), references.condition());
}

std::vector<ParentStatus> status_of(const GatewayView& view, const State& state, const TcpRoute& route) {
  References references(state, "TCPRoute", route.name.space);
  for (size_t b = 0; b < route.backends.size(); ++b)
    references.add(route.backends[b].object, text("spec.rules[0].backendRefs[", b, "]"));
  return for_parents(view.tcp_routes.at(route.name), references.condition());
}

}  // namespace penstock::model
