// Rules of Service, EndpointSlice and ServicePolicy. The first two are accepted as Kubernetes accepts them; what they
// say about each other (ports by name, how many endpoints there are in all) control/compile sees when it joins them.
#include <algorithm>

#include "control/model/names.h"
#include "control/model/validation.h"

namespace penstock::model {

namespace {

bool is_prime(uint32_t n) {
  if (n < 2) return false;
  for (uint32_t d = 2; d * d <= n; ++d)
    if (n % d == 0) return false;
  return true;
}

void validate_virtual_address(const base::IpAddress& address, const Surroundings& around, ObjectFaults& faults) {
  if (const char* why = why_no_host(address))
    faults.add("spec", text("virtual address ", address.to_string(), " ", why));
  for (const Connected& c : around.connected) {
    if (!c.prefix.is_v4() || c.prefix.length >= 31 || !c.prefix.contains(address)) continue;
    if (address == c.prefix.last() || address == c.prefix.network().address)
      faults.add("spec", text("virtual address ", address.to_string(), " is the network or broadcast address of ",
                              c.prefix.network().to_string(), " on \"", c.interface, "\""));
  }
}

template <typename Port>
void validate_port_names(const std::vector<Port>& ports, const char* list, ObjectFaults& faults) {
  std::set<std::string_view> names;
  for (size_t i = 0; i < ports.size(); ++i) {
    const Port& port = ports[i];
    if (!port.name.empty() && !is_dns_label(port.name))
      faults.add(text(list, "[", i, "].name"), text("want ", kDnsLabelRule));
    if (!names.insert(port.name).second)
      faults.add(text(list, "[", i, "].name"), port.name.empty()
                                                   ? "is missing: with several ports each needs a name of its own"
                                                   : text("\"", port.name, "\" is given twice"));
    if (!has_ports(port.protocol)) faults.add(text(list, "[", i, "].protocol"), "want TCP, UDP or SCTP");
  }
}

bool is_printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 127; });
}

void validate_health_check(const HealthCheck& check, bool all_ports, ObjectFaults& faults) {
  if (check.kind == HealthCheckKind::kNone) return;
  const std::string at = "spec.healthCheck";
  want_range(faults, at + ".interval", check.interval_milliseconds, 100, 3'600'000, "milliseconds");
  want_range(faults, at + ".timeout", check.timeout_milliseconds, 10, 3'600'000, "milliseconds");
  if (check.timeout_milliseconds > check.interval_milliseconds)
    faults.add(at + ".timeout", text(check.timeout_milliseconds, " ms is longer than the interval of ",
                                     check.interval_milliseconds, " ms: a check must end before the next begins"));
  want_range(faults, at + ".rise", check.rise, 1, 100);
  want_range(faults, at + ".fall", check.fall, 1, 100);
  if (check.kind == HealthCheckKind::kIcmp) {
    if (check.port != 0) faults.add(at + ".port", "ICMP has no ports");
  } else if (all_ports && check.port == 0) {
    faults.add(at + ".port", "is needed with allPorts: there is no one port to check");
  }
  if (check.kind == HealthCheckKind::kHttp) {
    if (check.path.empty() || check.path[0] != '/' || check.path.size() > 1024 || !is_printable(check.path))
      faults.add(at + ".http.path",
                 "want a path that begins with '/': at most 1024 printable characters without blanks");
    if (check.host.size() > 253 || !is_printable(check.host))
      faults.add(at + ".http.host", "want at most 253 printable characters without blanks");
    want_range(faults, at + ".http.statusLow", check.status_low, 100, 599);
    want_range(faults, at + ".http.statusHigh", check.status_high, 100, 599);
    if (check.status_low > check.status_high)
      faults.add(at + ".http.statusLow", text(check.status_low, " is above statusHigh ", check.status_high));
  }
  if (check.kind == HealthCheckKind::kUdp) {
    // Both fit into the smallest packet that every path carries.
    if (check.send.empty() || check.send.size() > 512) faults.add(at + ".udp.send", "want 1 to 512 bytes");
    if (check.expect.size() > 512) faults.add(at + ".udp.expect", "want at most 512 bytes");
  }
}

// `dsr` and `ipip` leave the destination port alone, so the server must listen on the service's.
void validate_kept_ports(const ServicePolicy& policy, const Service& service, ObjectFaults& faults) {
  for (const ServicePort& port : service.ports) {
    if (port.target_port != 0 && port.target_port != port.port)
      faults.add("spec.mode",
                 text(policy.mode == ServiceMode::kDsr ? "dsr" : "ipip", " cannot change ports, but port ", port.port,
                      " of Service/", service.name.to_string(), " has targetPort ", port.target_port));
  }
}

// With a pool every virtual address needs a source of its family in it.
void validate_pool_families(const ServicePolicy& policy, const Service& service, ObjectFaults& faults) {
  const auto has = [](const std::vector<base::IpAddress>& addresses, bool v4) {
    return std::any_of(addresses.begin(), addresses.end(), [v4](const auto& a) { return a.is_v4() == v4; });
  };
  for (const bool v4 : {true, false}) {
    if (!policy.source_pool.empty() && has(service.addresses, v4) && !has(policy.source_pool, v4))
      faults.add("spec.sourcePool",
                 text("has no ", family(v4), " address, but Service/", service.name.to_string(), " has"));
  }
}

}  // namespace

bool is_maglev_size(uint32_t places) { return places <= kMaxMaglevTable && is_prime(places); }

void validate_service(const Service& service, const ServicePolicy* policy, const Surroundings& around, Faults& all) {
  ObjectFaults faults(all, Kind::kService, service.name);
  validate_name(faults, service.name, true);
  if (service.addresses.size() > kMaxServiceAddresses) {
    faults.add("spec",
               text(service.addresses.size(), " virtual addresses are too many (at most ", kMaxServiceAddresses, ")"));
    return;
  }
  for (const base::IpAddress& address : service.addresses) validate_virtual_address(address, around, faults);
  if (service.ports.size() > kMaxServicePorts) {
    faults.add("spec.ports", text(service.ports.size(), " ports are too many (at most ", kMaxServicePorts, ")"));
    return;
  }
  if (service.ports.empty() && !service.addresses.empty() && !(policy && policy->all_ports))
    faults.add("spec.ports", "at least one is needed (or a ServicePolicy with allPorts)");
  validate_port_names(service.ports, "spec.ports", faults);
  std::set<std::pair<uint8_t, uint16_t>> seen;
  for (size_t i = 0; i < service.ports.size(); ++i) {
    const ServicePort& port = service.ports[i];
    if (port.port == 0) faults.add(text("spec.ports[", i, "].port"), "is missing (want 1 to 65535)");
    if (!seen.emplace(port.protocol, port.port).second)
      faults.add(text("spec.ports[", i, "]"), text("port ", port.port, " of this protocol is given twice"));
    if (port.app_protocol.size() > kMaxAppProtocol || !is_printable(port.app_protocol))
      faults.add(text("spec.ports[", i, "].appProtocol"), "want at most 317 printable characters");
  }
  if (service.client_affinity)
    want_range(faults, "spec.sessionAffinityConfig.clientIP.timeoutSeconds", service.affinity_seconds, 1, 86400,
               "seconds");
}

void validate_slice(const EndpointSlice& slice, Faults& all) {
  ObjectFaults faults(all, Kind::kEndpointSlice, slice.name);
  validate_name(faults, slice.name);
  validate_labels(slice.labels, "metadata.labels", faults);
  if (slice.endpoints.size() > kMaxSliceEndpoints)
    faults.add("endpoints", text(slice.endpoints.size(), " endpoints are too many (at most ", kMaxSliceEndpoints, ")"));
  if (slice.ports.size() > kMaxSlicePorts)
    faults.add("ports", text(slice.ports.size(), " ports are too many (at most ", kMaxSlicePorts, ")"));
  validate_port_names(slice.ports, "ports", faults);
  for (size_t i = 0; i < slice.endpoints.size(); ++i) {
    const Endpoint& endpoint = slice.endpoints[i];
    if (endpoint.addresses.empty() || endpoint.addresses.size() > 100)
      faults.add(text("endpoints[", i, "].addresses"), "want 1 to 100 addresses");
    for (size_t j = 0; j < endpoint.addresses.size(); ++j) {
      const base::IpAddress& address = endpoint.addresses[j];
      const char* why = why_no_host(address);
      if (!why && address.is_link_local()) why = "is link-local: it says nothing about the interface";
      if (why) faults.add(text("endpoints[", i, "].addresses[", j, "]"), text(address.to_string(), " ", why));
    }
  }
}

void validate_service_policy(const ServicePolicy& policy, const State& state, Faults& all) {
  ObjectFaults faults(all, Kind::kServicePolicy, policy.name);
  validate_name(faults, policy.name);
  if (!policy.subset.name.empty()) {
    validate_subset_policy(policy, state, faults);
  } else if (const auto service = state.services.find(policy.service); service == state.services.end()) {
    faults.add("spec.targetRef.name", text("there is no Service/", policy.service.to_string()));
  } else {
    const bool keeps_ports = policy.mode == ServiceMode::kDsr || policy.mode == ServiceMode::kIpip;
    if (keeps_ports && !policy.all_ports) validate_kept_ports(policy, *service->second, faults);
    if (policy.mode == ServiceMode::kFullNat) validate_pool_families(policy, *service->second, faults);
  }
  if (policy.maglev_table_size != 0) {
    if (policy.balancing != Balancing::kMaglev) faults.add("spec.maglevTableSize", "only balancing maglev has a table");
    if (!is_maglev_size(policy.maglev_table_size))
      faults.add("spec.maglevTableSize",
                 text(policy.maglev_table_size, " is not a prime of at most ", kMaxMaglevTable));
  }
  if (policy.weights.size() > kMaxEndpointsPerService)
    faults.add("spec.weights", text(policy.weights.size(), " are too many (at most ", kMaxEndpointsPerService, ")"));
  for (const auto& [address, weight] : policy.weights) {
    if (weight > kMaxWeight)
      faults.add("spec.weights",
                 text(weight, " for ", address.to_string(), " is out of range (want 0 to ", kMaxWeight, ")"));
    if (const char* why = why_no_host(address)) faults.add("spec.weights", text(address.to_string(), " ", why));
  }
  if (!policy.source_pool.empty() && policy.mode != ServiceMode::kFullNat)
    faults.add("spec.sourcePool", "only mode fullnat translates sources");
  validate_pool(policy.source_pool, "spec.sourcePool", faults);
  validate_health_check(policy.health_check, policy.all_ports, faults);
  if (policy.load_balancer) validate_load_balancer(*policy.load_balancer, state, faults);
  validate_pool_limits(policy.pool, faults);
  validate_resilience(policy.resilience, faults);
}

}  // namespace penstock::model
