#include "control/model/gateway_view.h"

#include <algorithm>
#include <set>
#include <tuple>

#include "l7/config/hostname.h"

namespace penstock::model {

namespace {

constexpr const char* kNameLabel = "kubernetes.io/metadata.name";  // Kubernetes gives it to every namespace

const char* kind_of(const HttpRoute&) { return "HTTPRoute"; }
const char* kind_of(const TcpRoute&) { return "TCPRoute"; }

template <typename T>
std::vector<const T*> oldest_first(const Objects<T>& objects) {
  std::vector<const T*> out;
  out.reserve(objects.size());
  for (const auto& [name, object] : objects) out.push_back(object.get());  // by name already
  std::stable_sort(out.begin(), out.end(), [](const T* a, const T* b) { return a->created < b->created; });
  return out;
}

// The hosts of both, or nothing: there are none. "" is every host.
std::vector<std::string> common(const std::string& listener, const std::vector<std::string>& route) {
  if (route.empty()) return {listener};
  std::vector<std::string> out;
  for (const std::string& hostname : route) {
    if (!config::intersect(listener, hostname)) continue;
    // The narrower: what the other covers, or of two wildcards the longer.
    const bool listeners_own =
        config::is_wildcard(hostname) && (!config::is_wildcard(listener) || listener.size() > hostname.size());
    out.push_back(listener.empty() || !listeners_own ? hostname : listener);
  }
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

class Viewer {
 public:
  explicit Viewer(const State& state) : state_(state) {}

  GatewayView run() {
    add_listeners();
    for (const HttpRoute* route : oldest_first(state_.http_routes)) view_.http_routes[route->name] = attach(*route);
    for (const TcpRoute* route : oldest_first(state_.tcp_routes)) view_.tcp_routes[route->name] = attach(*route);
    return std::move(view_);
  }

 private:
  void add_listeners() {
    view_.own = own_addresses(state_);
    const std::vector<base::IpAddress>& own = view_.own;
    for (const Gateway* gateway : oldest_first(state_.gateways)) {
      first_[gateway->name] = view_.listeners.size();
      for (const GatewayListener& listener : gateway->listeners) {
        ListenerView each;
        each.gateway = gateway;
        each.listener = &listener;
        if (listener.unserved.empty()) each.addresses = gateway->addresses.empty() ? own : gateway->addresses;
        std::sort(each.addresses.begin(), each.addresses.end());
        // Packets to others are not the gateway's to take.
        std::erase_if(each.addresses,
                      [&](const auto& address) { return !std::binary_search(own.begin(), own.end(), address); });
        claim(each);
        view_.listeners.push_back(std::move(each));
      }
    }
  }

  // An address and port has one protocol, and each hostname of it one listener. A listener keeps the addresses that are
  // left to it.
  void claim(ListenerView& each) {
    std::vector<base::IpAddress> free;
    for (const base::IpAddress& address : each.addresses) {
      Port& port = ports_[{address, each.listener->port}];
      const auto rival = port.by_hostname.find(each.listener->hostname);
      if (!port.by_hostname.empty() && port.protocol != each.listener->protocol) {
        each.conflict = ListenerConflict::kProtocol;
        each.rival = port.by_hostname.begin()->second;
      } else if (rival != port.by_hostname.end()) {
        if (each.conflict == ListenerConflict::kNone) each.conflict = ListenerConflict::kHostname;
        each.rival = rival->second;
      } else {
        port.protocol = each.listener->protocol;
        port.by_hostname.emplace(each.listener->hostname, each.name());
        free.push_back(address);
      }
    }
    each.addresses = std::move(free);
  }

  template <typename Route>
  ParentAnswers attach(const Route& route) {
    ParentAnswers out;
    std::set<size_t> counted;  // a route counts once for a listener, however many parents name it
    for (const ParentRef& parent : route.parents) {
      const auto gateway = first_.find(parent.gateway);
      const size_t count = gateway == first_.end() ? 0 : state_.gateways.at(parent.gateway)->listeners.size();
      ParentAnswer answer = ParentAnswer::kNoMatchingParent;
      const auto at_least = [&answer](ParentAnswer next) {
        // Accepted by one listener is accepted; else the fault that came furthest is told.
        if (answer != ParentAnswer::kAccepted && (next == ParentAnswer::kAccepted || next > answer)) answer = next;
      };
      for (size_t i = 0; i < count; ++i) {
        ListenerView& listener = view_.listeners[gateway->second + i];
        const bool meant = (parent.section.empty() || parent.section == listener.listener->name) &&
                           (parent.port == 0 || parent.port == listener.listener->port);
        if (!meant) continue;
        at_least(ParentAnswer::kNotAllowedByListeners);
        if (!takes_from(listener, route.name.space) || !listener.takes(kind_of(route))) continue;
        at_least(attach_to(listener, route, counted.insert(gateway->second + i).second));
      }
      out.push_back(answer);
    }
    return out;
  }

  bool takes_from(const ListenerView& listener, const std::string& space) const {
    switch (listener.listener->from) {
      case RoutesFrom::kAll:
        return true;
      case RoutesFrom::kSame:
        return space == listener.gateway->name.space;
      case RoutesFrom::kSelector:
        break;
    }
    const auto found = state_.namespaces.find({.name = space});
    return selects(listener.listener->namespaces, [&](const std::string& key) -> const std::string* {
      if (key == kNameLabel) return &space;
      if (found == state_.namespaces.end()) return nullptr;
      const auto at = found->second->labels.find(key);
      return at == found->second->labels.end() ? nullptr : &at->second;
    });
  }

  ParentAnswer attach_to(ListenerView& listener, const HttpRoute& route, bool fresh) {
    std::vector<std::string> hostnames = common(listener.listener->hostname, route.hostnames);
    if (hostnames.empty()) return ParentAnswer::kNoMatchingListenerHostname;
    if (!fresh) return ParentAnswer::kAccepted;
    if (hostnames.size() == 1 && hostnames[0].empty()) hostnames.clear();
    listener.http.push_back({&route, std::move(hostnames)});
    ++listener.attached;
    return ParentAnswer::kAccepted;
  }

  ParentAnswer attach_to(ListenerView& listener, const TcpRoute& route, bool fresh) {
    if (listener.tcp && listener.tcp != &route) return ParentAnswer::kTaken;
    listener.tcp = &route;
    listener.attached += fresh;
    return ParentAnswer::kAccepted;
  }

  struct Port {
    config::Protocol protocol = config::Protocol::kHttp;
    std::map<std::string, std::string> by_hostname;  // the listener's name
  };

  const State& state_;
  GatewayView view_;
  std::map<Name, size_t> first_;  // listener of the Gateway
  std::map<std::pair<base::IpAddress, uint16_t>, Port> ports_;
};

bool permits(const ReferenceGrant& grant, std::string_view kind, const std::string& space, const BackendObject& to) {
  const auto from_us = [&](const GrantFrom& from) {
    return from.group == kGatewayGroup && from.kind == kind && from.space == space;
  };
  const auto to_it = [&](const GrantTo& each) {
    return each.group == to.group && each.kind == to.kind && (each.name.empty() || each.name == to.name.name);
  };
  return std::any_of(grant.from.begin(), grant.from.end(), from_us) &&
         std::any_of(grant.to.begin(), grant.to.end(), to_it);
}

// Names that say something else than HTTP/1.1 without TLS. What nobody knows says nothing.
bool may_speak_http1(std::string_view app_protocol) {
  constexpr std::string_view kOthers[] = {"kubernetes.io/h2c", "kubernetes.io/wss", "https", "http2", "h2c", "grpc"};
  return std::find(std::begin(kOthers), std::end(kOthers), app_protocol) == std::end(kOthers);
}

}  // namespace

bool ListenerView::takes(std::string_view kind) const {
  if (!listener->unserved.empty()) return false;
  if (kind != (listener->protocol == config::Protocol::kHttp ? "HTTPRoute" : "TCPRoute")) return false;
  const auto is_it = [&](const RouteKind& each) { return each.group == kGatewayGroup && each.kind == kind; };
  return listener->kinds.empty() || std::any_of(listener->kinds.begin(), listener->kinds.end(), is_it);
}

std::string ListenerView::name() const {
  return ObjectKey{Kind::kGateway, gateway->name}.to_string() + "/" + listener->name;
}

GatewayView view_of(const State& state) { return Viewer(state).run(); }

std::vector<base::IpAddress> own_addresses(const State& state) {
  std::set<base::IpAddress> all;
  const auto add = [&all](const auto& interface) {
    for (const base::Prefix& prefix : interface.addresses) all.insert(prefix.address);
  };
  if (state.node) {
    for (const Interface& interface : state.node->interfaces) {
      add(interface);
      for (const Vlan& vlan : interface.vlans) add(vlan);
    }
  }
  return {all.begin(), all.end()};
}

bool names_subset(const BackendObject& object) {
  return object.group == kPenstockGroup && object.kind == "ServiceSubset";
}

BackendAnswer judge(const State& state, std::string_view kind, const std::string& space, const BackendObject& object) {
  const bool part = names_subset(object);
  if (!part && (!object.group.empty() || object.kind != "Service")) return BackendAnswer::kInvalidKind;
  // Before it is looked for: nobody is to learn by this what other namespaces have.
  if (object.name.space != space) {
    bool permitted = false;
    for (const auto& [name, grant] : state.grants)
      permitted |= name.space == object.name.space && permits(*grant, kind, space, object);
    if (!permitted) return BackendAnswer::kNotPermitted;
  }
  const auto subset = state.service_subsets.find(object.name);
  if (part && subset == state.service_subsets.end()) return BackendAnswer::kNotFound;
  const BackendAnswer missing = part ? BackendAnswer::kServiceNotFound : BackendAnswer::kNotFound;
  const auto service = state.services.find(part ? subset->second->service : object.name);
  if (service == state.services.end()) return missing;
  const auto& ports = service->second->ports;
  const auto port = std::find_if(ports.begin(), ports.end(), [&](const ServicePort& each) {
    return each.protocol == 6 && each.port == object.port;
  });
  if (port == ports.end()) return missing;
  return kind == "HTTPRoute" && !may_speak_http1(port->app_protocol) ? BackendAnswer::kUnsupportedProtocol
                                                                     : BackendAnswer::kFound;
}

}  // namespace penstock::model
