// Rules of Gateway, ReferenceGrant and Fault, and which of the kinds of Gateway API have to be looked at. What Gateway
// API answers by status (a missing Gateway, Service or grant, listeners of different Gateways) is no fault here.
#include <algorithm>
#include <map>

#include "control/model/diff.h"
#include "control/model/gateway_view.h"
#include "control/model/names.h"
#include "control/model/validation.h"
#include "control/model/validation_gateway.h"
#include "l7/config/hostname.h"

namespace penstock::model {

namespace {

void validate_tls(const ListenerTls& tls, const std::string& at, ObjectFaults& faults) {
  if (tls.certificates.size() > kMaxCertificates)
    return faults.add(at + ".certificateRefs", text("more than ", kMaxCertificates, " entries"));
  for (size_t i = 0; i < tls.certificates.size(); ++i) {
    const ListenerTls::Certificate& each = tls.certificates[i];
    const std::string ref = text(at, ".certificateRefs[", i, "]");
    if (each.group.size() > kMaxGroup || each.kind.size() > kMaxKindName)
      faults.add(ref, "want a kind of 1 to 63 characters, its group of at most 253");
    if (!is_dns_name(each.name.name)) faults.add(ref + ".name", text("want ", kDnsNameRule));
    if (!is_dns_label(each.name.space)) faults.add(ref + ".namespace", text("want ", kDnsLabelRule));
  }
  if (tls.options.size() > kMaxTlsOptions)
    return faults.add(at + ".options", text("more than ", kMaxTlsOptions, " entries"));
  for (const auto& [key, value] : tls.options)
    if (key.empty() || key.size() > kMaxTlsOptionKey || value.size() > kMaxTlsOption)
      faults.add(at + ".options", "want keys of 1 to 317 characters, values of at most 4096");
}

// That two listeners contend for a port is told by status, as Gateway API wants it.
void validate_listeners(const Gateway& gateway, ObjectFaults& faults) {
  std::set<std::string_view> names;
  for (size_t i = 0; i < gateway.listeners.size(); ++i) {
    const GatewayListener& listener = gateway.listeners[i];
    const std::string at = text("spec.listeners[", i, "]");
    if (!is_dns_name(listener.name)) faults.add(at + ".name", text("want ", kDnsNameRule));
    if (!names.insert(listener.name).second) faults.add(at + ".name", text("\"", listener.name, "\" is given twice"));
    if (listener.port == 0) faults.add(at + ".port", "is missing (want 1 to 60999)");
    if (listener.port > kMaxListenerPort)
      faults.add(at + ".port", text("want at most ", kMaxListenerPort, ": answers to health checks come in above"));
    if (listener.tls) validate_tls(*listener.tls, at + ".tls", faults);
    if (listener.unserved.empty() && listener.protocol == config::Protocol::kTcp) {
      if (!listener.hostname.empty()) faults.add(at + ".hostname", "protocol TCP knows none");
    } else if (!listener.hostname.empty()) {
      add_checked(faults, config::check_hostname(listener.hostname, at + ".hostname"));
    }
    validate_selector(listener.namespaces, at + ".allowedRoutes.namespaces.selector", faults);
    if (listener.kinds.size() > kMaxRouteKinds)
      faults.add(at + ".allowedRoutes.kinds", text("more than ", kMaxRouteKinds, " entries"));
    for (const RouteKind& kind : listener.kinds)
      if (kind.group.size() > kMaxGroup || kind.kind.size() > kMaxKindName || kind.kind.empty())
        faults.add(at + ".allowedRoutes.kinds", "want a kind of 1 to 63 characters, its group of at most 253");
  }
}

void validate_gateway(const Gateway& gateway, Faults& all) {
  ObjectFaults faults(all, Kind::kGateway, gateway.name);
  validate_name(faults, gateway.name);
  if (gateway.class_name != kGatewayClass)
    faults.add("spec.gatewayClassName",
               text("\"", gateway.class_name.substr(0, kMaxGroup), "\" is not ", kGatewayClass));
  if (gateway.addresses.size() > kMaxGatewayAddresses)
    faults.add("spec.addresses", text("more than ", kMaxGatewayAddresses, " entries"));
  std::set<base::IpAddress> seen;
  for (size_t i = 0; i < gateway.addresses.size() && i < kMaxGatewayAddresses; ++i) {
    const base::IpAddress& address = gateway.addresses[i];
    const std::string at = text("spec.addresses[", i, "].value");
    const char* why = why_no_host(address);
    if (!why && address.is_link_local()) why = "is link-local: it says nothing about the interface";
    if (!why && !seen.insert(address).second) why = "is given twice";
    if (why) faults.add(at, text(address.to_string(), " ", why));
  }
  if (gateway.listeners.empty() || gateway.listeners.size() > kMaxGatewayListeners)
    faults.add("spec.listeners", text(gateway.listeners.size(), " listeners (want 1 to ", kMaxGatewayListeners, ")"));
  if (gateway.listeners.size() <= kMaxGatewayListeners) validate_listeners(gateway, faults);
}

void validate_namespace(const Namespace& space, Faults& all) {
  ObjectFaults faults(all, Kind::kNamespace, space.name);
  validate_name(faults, space.name, true);
  validate_labels(space.labels, "metadata.labels", faults);
}

void validate_grant(const ReferenceGrant& grant, Faults& all) {
  ObjectFaults faults(all, Kind::kReferenceGrant, grant.name);
  validate_name(faults, grant.name);
  const auto want_count = [&](size_t count, const char* at) {
    if (count == 0 || count > kMaxGrantEntries)
      faults.add(at, text(count, " entries (want 1 to ", kMaxGrantEntries, ")"));
    return count <= kMaxGrantEntries;
  };
  const auto want_type = [&](const std::string& group, const std::string& kind, const std::string& at) {
    if (group.size() > kMaxGroup) faults.add(at + ".group", "is longer than 253 characters");
    if (kind.empty() || kind.size() > kMaxKindName) faults.add(at + ".kind", "want 1 to 63 characters");
  };
  if (want_count(grant.from.size(), "spec.from")) {
    for (size_t i = 0; i < grant.from.size(); ++i) {
      const std::string at = text("spec.from[", i, "]");
      want_type(grant.from[i].group, grant.from[i].kind, at);
      if (!is_dns_label(grant.from[i].space)) faults.add(at + ".namespace", text("want ", kDnsLabelRule));
    }
  }
  if (!want_count(grant.to.size(), "spec.to")) return;
  for (size_t i = 0; i < grant.to.size(); ++i) {
    const std::string at = text("spec.to[", i, "]");
    want_type(grant.to[i].group, grant.to[i].kind, at);
    if (!grant.to[i].name.empty() && !is_dns_name(grant.to[i].name))
      faults.add(at + ".name", text("want ", kDnsNameRule));
  }
}

void validate_fault(const Fault& fault, const State& state, Faults& all) {
  ObjectFaults faults(all, Kind::kFault, fault.name);
  validate_name(faults, fault.name);
  const auto route = state.http_routes.find(fault.route);
  if (route == state.http_routes.end()) {
    faults.add("spec.targetRef.name", text("there is no HTTPRoute/", fault.route.to_string().substr(0, 320)));
  } else if (!fault.section.empty()) {
    const auto& rules = route->second->rules;
    if (std::none_of(rules.begin(), rules.end(), [&](const HttpRule& rule) { return rule.name == fault.section; }))
      faults.add("spec.targetRef.sectionName", text("HTTPRoute/", fault.route.to_string(), " has no such rule"));
  }
  const bool delays = fault.delay_per_million != 0 || fault.delay_milliseconds != 0;
  const bool aborts = fault.abort_per_million != 0 || fault.abort_status != 0;
  const bool throttles = fault.throttle_per_million != 0 || fault.throttle_bits != 0;
  if (!delays && !aborts && !throttles && !fault.resets)
    faults.add("spec", "want at least one of delay, abort, reset and throttle");
  // Written so that NaN fails.
  if (throttles && !(fault.throttle_bits >= 1e3 && fault.throttle_bits <= 1e12))
    faults.add("spec.throttle.bitsPerSecond", "is out of range (want 1000 to 1e12)");
  if (fault.headers.size() > config::kMaxConditionsPerMatch)
    faults.add("spec.headers", text(fault.headers.size(), " entries are too many (at most 16)"));
  for (size_t i = 0; i < fault.headers.size() && i < config::kMaxConditionsPerMatch; ++i) {
    config::Match match;
    match.headers = {{fault.headers[i].name, fault.headers[i].value, false}};
    if (const auto checked = config::check(match, text("spec.headers[", i, "]")); !checked)
      faults.add(text("spec.headers[", i, "]"), checked.error().substr(checked.error().rfind(": ") + 2));
  }
  if (delays) want_range(faults, "spec.delay.fixedDelay", fault.delay_milliseconds, 1, 3'600'000, "milliseconds");
  if (aborts) want_range(faults, "spec.abort.httpStatus", fault.abort_status, 200, 599);
}

void validate_faults(const State& state, Faults& all) {
  std::map<std::pair<Name, std::string_view>, const Fault*> targets;
  for (const auto& [name, fault] : state.faults) {
    validate_fault(*fault, state, all);
    const auto [first, fresh] = targets.emplace(std::pair(fault->route, std::string_view(fault->section)), fault.get());
    if (!fresh)
      ObjectFaults(all, Kind::kFault, name)
          .add("spec.targetRef", text("Fault/", first->second->name.to_string(), " has this target"));
  }
}

// A listener and a Service that both want a port of an address. The one that changed is blamed, else the listener.
class FrontendValidator {
 public:
  FrontendValidator(const State& before, const State& state, Faults& all) : before_(before), state_(state), all_(all) {
    const std::vector<base::IpAddress> own = own_addresses(state);
    for (const auto& [name, gateway] : state.gateways)
      for (size_t i = 0; i < gateway->listeners.size(); ++i)
        for (const base::IpAddress& address : gateway->addresses.empty() ? own : gateway->addresses)
          if (gateway->listeners[i].unserved.empty())
            listeners_[address].emplace(gateway->listeners[i].port, Place{gateway.get(), i});
  }

  void run() {
    std::set<Name> all_ports;
    for (const auto& [name, policy] : state_.service_policies)
      if (policy->all_ports) all_ports.insert(policy->service);
    for (const auto& [name, service] : state_.services)
      for (const base::IpAddress& address : service->addresses)
        if (const auto at = listeners_.find(address); at != listeners_.end())
          check(*service, address, all_ports.contains(name), at->second);
  }

 private:
  struct Place {
    const Gateway* gateway;
    size_t listener;
  };
  using Ports = std::multimap<uint16_t, Place>;

  void check(const Service& service, const base::IpAddress& address, bool all_ports, const Ports& ports) {
    if (all_ports) {
      const bool tcp = service.ports.empty() || std::any_of(service.ports.begin(), service.ports.end(),
                                                            [](const ServicePort& p) { return p.protocol == 6; });
      for (const auto& [port, place] : ports)
        if (tcp) report(service, "spec", address, port, place);
      return;
    }
    for (size_t i = 0; i < service.ports.size(); ++i) {
      if (service.ports[i].protocol != 6) continue;
      const auto [first, last] = ports.equal_range(service.ports[i].port);
      for (auto at = first; at != last; ++at)
        report(service, text("spec.ports[", i, "]"), address, at->first, at->second);
    }
  }

  void report(const Service& service, const std::string& path, const base::IpAddress& address, uint16_t port,
              const Place& place) {
    const Gateway& gateway = *place.gateway;
    const auto old = before_.gateways.find(gateway.name);
    const std::string what = text("TCP port ", port, " of ", address.to_string());
    if (old != before_.gateways.end() && old->second.get() == &gateway) {
      ObjectFaults(all_, Kind::kService, service.name)
          .add(path, text(what, " is that of listener \"", gateway.listeners[place.listener].name, "\" of Gateway/",
                          gateway.name.to_string()));
    } else {
      ObjectFaults(all_, Kind::kGateway, gateway.name)
          .add(text("spec.listeners[", place.listener, "].port"),
               text(what, " is that of Service/", service.name.to_string()));
    }
  }

  const State& before_;
  const State& state_;
  Faults& all_;
  std::map<base::IpAddress, Ports> listeners_;
};

// Addresses and ports on which Gateways want to listen; before anything multiplies them.
size_t count_places(const State& state) {
  const size_t own = own_addresses(state).size();
  size_t places = 0;
  for (const auto& [name, gateway] : state.gateways) {
    std::set<uint16_t> ports;
    for (const GatewayListener& listener : gateway->listeners)
      if (listener.unserved.empty()) ports.insert(listener.port);
    places += ports.size() * (gateway->addresses.empty() ? own : gateway->addresses.size());
  }
  return places;
}

// False: what follows must not be done with so many.
bool validate_l7_counts(const State& state, Faults& faults) {
  bool fits = true;
  const auto at_most = [&](size_t count, size_t most, Kind kind) {
    if (count <= most) return;
    fits = false;
    faults.add({"bundle", "", text(count, " objects of kind ", to_string(kind), " are too many (at most ", most, ")")});
  };
  at_most(state.gateways.size(), kMaxGateways, Kind::kGateway);
  at_most(state.http_routes.size(), kMaxHttpRoutes, Kind::kHttpRoute);
  at_most(state.tcp_routes.size(), kMaxTcpRoutes, Kind::kTcpRoute);
  at_most(state.grants.size(), kMaxGrants, Kind::kReferenceGrant);
  at_most(state.namespaces.size(), kMaxNamespaces, Kind::kNamespace);
  at_most(state.listener_policies.size(), kMaxListenerPolicies, Kind::kListenerPolicy);
  at_most(state.direct_responses.size(), kMaxDirectResponses, Kind::kDirectResponse);
  for (const auto& [name, gateway] : state.gateways)
    fits =
        fits && gateway->listeners.size() <= kMaxGatewayListeners && gateway->addresses.size() <= kMaxGatewayAddresses;
  if (!fits) return false;
  const size_t places = count_places(state);
  if (places <= kMaxPlaces) return true;
  faults.add({"bundle", "", text(places, " addresses and ports of Gateways are too many (at most ", kMaxPlaces, ")")});
  return false;
}

}  // namespace

void add_checked(ObjectFaults& faults, const base::Result<void>& checked) {
  if (checked) return;
  const std::string& error = checked.error();
  const size_t colon = error.find(": ");
  if (colon == std::string::npos) return faults.add("", error);
  faults.add(error.substr(0, colon), error.substr(colon + 2));
}

void validate_gateway_api(const State& before, const State& state, Faults& faults) {
  bool frontends = before.node != state.node, routes = false, with_faults = false;
  for_each_change(before.gateways, state.gateways, [&](const auto&, const auto& gateway) {
    frontends = true;
    if (gateway) validate_gateway(*gateway, faults);
  });
  for_each_change(before.http_routes, state.http_routes, [&](const auto&, const auto& route) {
    routes = true;
    if (route) validate_http_route(*route, faults);
  });
  for_each_change(before.tcp_routes, state.tcp_routes, [&](const auto&, const auto& route) {
    if (route) validate_tcp_route(*route, faults);
  });
  for_each_change(before.grants, state.grants, [&](const auto&, const auto& grant) {
    if (grant) validate_grant(*grant, faults);
  });
  for_each_change(before.namespaces, state.namespaces, [&](const auto&, const auto& space) {
    if (space) validate_namespace(*space, faults);
  });
  for_each_change(before.faults, state.faults, [&](const auto&, const auto&) { with_faults = true; });
  if (with_faults || (routes && !state.faults.empty())) validate_faults(state, faults);
  validate_listener_policies(before, state, faults);
  const auto touch = [&](const auto&, const auto&) { frontends = true; };
  for_each_change(before.services, state.services, touch);
  for_each_change(before.service_policies, state.service_policies, touch);
  validate_request_policies(before, state, faults);
  const bool fits = validate_l7_counts(state, faults);
  if (fits && frontends && !state.gateways.empty()) FrontendValidator(before, state, faults).run();
}

}  // namespace penstock::model
