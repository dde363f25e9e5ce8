// Rules of kind Node, routes excepted (validate_routes.cpp).
#include <algorithm>
#include <map>

#include "control/model/names.h"
#include "control/model/validation.h"

namespace penstock::model {

namespace {

void validate_workers(const Workers& workers, ObjectFaults& faults) {
  if (workers.cores.size() > kMaxWorkers)
    faults.add("spec.workers.cores", text(workers.cores.size(), " workers are too many (at most ", kMaxWorkers, ")"));
  std::set<unsigned> seen;
  for (size_t i = 0; i < workers.cores.size(); ++i) {
    const unsigned core = workers.cores[i];
    if (core >= kMaxCores) faults.add(text("spec.workers.cores[", i, "]"), text("there is no core ", core));
    if (!seen.insert(core).second)
      faults.add(text("spec.workers.cores[", i, "]"), text("core ", core, " is given twice"));
  }
  want_range(faults, "spec.workers.flows", workers.flows, kMinTableEntries, kMaxTableEntries, "entries");
  want_range(faults, "spec.workers.sources", workers.sources, kMinTableEntries, kMaxTableEntries, "entries");
  want_range(faults, "spec.workers.exactFlows", workers.exact_flows, kMinTableEntries, kMaxTableEntries, "entries");
  want_range(faults, "spec.workers.neighbours", workers.neighbours, kMinTableEntries, 1u << 20, "entries");
  want_range(faults, "spec.workers.buffers", workers.buffers, kMinBuffers, kMaxBuffers, "packets");
  want_range(faults, "spec.workers.connections", workers.connections, 1024, 1u << 22);
  want_range(faults, "spec.workers.requests", workers.requests, 64, 1u << 17);
  want_range(faults, "spec.workers.streamMebibytes", workers.stream_mebibytes, 8, 1u << 16, "MiB");
  want_range(faults, "spec.workers.halfOpen", workers.half_open, 0, 1u << 20);
}

// Fields that ports and VLANs share.
template <typename T>
void validate_common(const T& interface, unsigned mtu, const std::string& at, ObjectFaults& faults) {
  if (!is_interface_name(interface.name)) faults.add(at + ".name", text("want ", kInterfaceNameRule));
  if (interface.mss_clamp > 1) want_range(faults, at + ".mssClamp", interface.mss_clamp, 536, kMaxMtu - 40, "bytes");
  if (interface.addresses.size() > kMaxAddresses)
    faults.add(at + ".addresses", text("too many (at most ", kMaxAddresses, ")"));
  bool v6 = false;
  for (size_t i = 0; i < interface.addresses.size(); ++i) {
    const base::Prefix& prefix = interface.addresses[i];
    const std::string path = text(at, ".addresses[", i, "]");
    const unsigned bits = prefix.is_v4() ? 32 : 128;
    v6 |= !prefix.is_v4();
    if (const char* why = why_no_host(prefix.address)) {
      faults.add(path, text(prefix.to_string(), " ", why));
    } else if (prefix.length == 0) {
      faults.add(path, text(prefix.to_string(), " would make every address connected (want a prefix length above 0)"));
    } else if (prefix.length + 1u < bits && !prefix.has_host_bits()) {
      faults.add(path, text(prefix.to_string(), " is the network's address (want one of a host in it)"));
    } else if (prefix.is_v4() && prefix.length < 31 && prefix.address == prefix.last()) {
      faults.add(path, text(prefix.to_string(), " is the network's broadcast address (want one of a host in it)"));
    }
  }
  if (v6 && mtu >= kMinMtu4 && mtu < kMinMtu6)
    faults.add(at + ".mtu", text(mtu, " is too small for IPv6 (want at least ", kMinMtu6, " bytes)"));
}

void validate_exceptions(const Interface& interface, const std::string& at, ObjectFaults& faults) {
  if (!interface.exceptions.empty() && interface.twin.empty())
    faults.add(at + ".exception.twin", "rules need the name of the kernel interface that gets the packets");
  if (!interface.twin.empty() && !is_interface_name(interface.twin))
    faults.add(at + ".exception.twin", text("want ", kInterfaceNameRule));
  if (interface.exceptions.size() > kMaxExceptions)
    faults.add(at + ".exception.rules", text("too many (at most ", kMaxExceptions, ")"));
  std::set<std::pair<uint8_t, uint16_t>> seen;
  for (size_t i = 0; i < interface.exceptions.size(); ++i) {
    const ExceptionRule& rule = interface.exceptions[i];
    const std::string path = text(at, ".exception.rules[", i, "]");
    if (rule.protocol == 0) faults.add(path + ".protocol", "is missing (want 1 to 255, or a name)");
    if (rule.port != 0 && !has_ports(rule.protocol)) faults.add(path + ".port", "only TCP, UDP and SCTP have ports");
    if (!seen.emplace(rule.protocol, rule.port).second) faults.add(path, "is given twice");
  }
}

void validate_vlans(const Interface& interface, const std::string& at, ObjectFaults& faults) {
  std::set<uint16_t> ids;
  for (size_t i = 0; i < interface.vlans.size(); ++i) {
    const Vlan& vlan = interface.vlans[i];
    const std::string path = text(at, ".vlans[", i, "]");
    want_range(faults, path + ".id", vlan.id, 1, 4094);
    if (!ids.insert(vlan.id).second)
      faults.add(path + ".id", text("VLAN ", vlan.id, " is given twice on \"", interface.name, "\""));
    if (vlan.mtu != 0) {
      want_range(faults, path + ".mtu", vlan.mtu, kMinMtu4, kMaxMtu, "bytes");
      if (vlan.mtu > interface.mtu && vlan.mtu <= kMaxMtu)
        faults.add(path + ".mtu",
                   text(vlan.mtu, " is more than the ", interface.mtu, " bytes of \"", interface.name, "\""));
    }
    validate_common(vlan, vlan.mtu ? vlan.mtu : interface.mtu, path, faults);
  }
}

void validate_interface(const Interface& interface, const std::string& at, ObjectFaults& faults) {
  if (interface.device.empty()) faults.add(at + ".device", "is missing (want a PCI address or devargs)");
  const bool printable =
      std::all_of(interface.device.begin(), interface.device.end(), [](char c) { return c > ' ' && c < 127; });
  if (interface.device.size() > 255 || !printable)
    faults.add(at + ".device", "want a PCI address or devargs: at most 255 printable characters without blanks");
  want_range(faults, at + ".queues", interface.queues, 0, kMaxWorkers);
  want_range(faults, at + ".mtu", interface.mtu, kMinMtu4, kMaxMtu, "bytes");
  if (interface.mac && (interface.mac->is_zero() || interface.mac->is_multicast()))
    faults.add(at + ".mac", text(interface.mac->to_string(), " is no address of a single station"));
  validate_common(interface, interface.mtu, at, faults);
  validate_exceptions(interface, at, faults);
  validate_vlans(interface, at, faults);
}

// What may occur only once on a node.
void validate_unique(const Node& node, ObjectFaults& faults) {
  std::map<std::string_view, std::string> names, devices;
  const auto once = [&faults](auto& seen, std::string_view key, const std::string& path, const char* what) {
    if (key.empty()) return;
    const auto [there, fresh] = seen.try_emplace(key, path);
    if (!fresh) faults.add(path, text(what, " \"", key, "\" is also that of ", there->second));
  };
  size_t interfaces = 0, ports = 0;
  for (size_t i = 0; i < node.interfaces.size(); ++i) {
    const Interface& interface = node.interfaces[i];
    const std::string at = text("spec.interfaces[", i, "]");
    once(names, interface.name, at + ".name", "name");
    // DPDK knows a device by what stands before its arguments.
    const std::string_view device = interface.device;
    once(devices, device.substr(0, device.find(',')), at + ".device", "device");
    once(names, interface.twin, at + ".exception.twin", "name");  // both are seen in statistics
    for (size_t j = 0; j < interface.vlans.size(); ++j)
      once(names, interface.vlans[j].name, text(at, ".vlans[", j, "].name"), "name");
    const size_t devices_of_it = interface.twin.empty() ? 1 : 2;
    interfaces += devices_of_it + interface.vlans.size();
    ports += devices_of_it;
  }
  if (interfaces > kMaxInterfaces)
    faults.add("spec.interfaces",
               text(interfaces, " interfaces, VLANs and kernel twins are too many (at most ", kMaxInterfaces, ")"));
  if (ports > kMaxPorts)
    faults.add("spec.interfaces", text(ports, " devices and kernel twins are too many (at most ", kMaxPorts, ")"));
}

// Two interfaces may not hold the same destinations: a packet to one would have two ways. Several addresses in one
// prefix on one interface are fine; so are link-local prefixes, which are per link (RFC 4291 §2.5.6).
void validate_overlaps(const Node& node, ObjectFaults& faults) {
  struct Place {
    const base::Prefix* prefix;
    std::string_view interface;
    std::string path;
    size_t owner;  // the interface or VLAN, counted: names may be given twice
  };
  std::vector<Place> places;
  size_t owners = 0;
  const auto crowded = [](const auto& interface) { return interface.addresses.size() > kMaxAddresses; };
  for (size_t i = 0; i < node.interfaces.size(); ++i) {
    const Interface& interface = node.interfaces[i];
    const std::string at = text("spec.interfaces[", i, "]");
    // Already a fault; and without it the comparison below is bounded.
    if (crowded(interface) || std::any_of(interface.vlans.begin(), interface.vlans.end(), crowded)) return;
    for (size_t j = 0; j < interface.addresses.size(); ++j)
      places.push_back({&interface.addresses[j], interface.name, text(at, ".addresses[", j, "]"), owners});
    ++owners;
    for (size_t k = 0; k < interface.vlans.size(); ++k, ++owners)
      for (size_t j = 0; j < interface.vlans[k].addresses.size(); ++j)
        places.push_back({&interface.vlans[k].addresses[j], interface.vlans[k].name,
                          text(at, ".vlans[", k, "].addresses[", j, "]"), owners});
  }
  // In the order of their first address a prefix follows those that contain it: comparing with the open ones is enough.
  // Link-local ones, which are next to each other in it, go by interface: each is compared with its own link's only.
  std::vector<const Place*> order;
  for (const Place& place : places) order.push_back(&place);
  std::sort(order.begin(), order.end(), [](const Place* a, const Place* b) {
    if (a->prefix->is_v4() != b->prefix->is_v4()) return a->prefix->is_v4();
    const base::IpAddress at = a->prefix->network().address, bt = b->prefix->network().address;
    if (at.is_link_local() && bt.is_link_local() && a->owner != b->owner) return a->owner < b->owner;
    const auto first = at <=> bt;
    return first != 0 ? first < 0 : a->prefix->length < b->prefix->length;
  });
  std::vector<const Place*> open;
  for (const Place* place : order) {
    const base::Prefix network = place->prefix->network();
    const auto is_over = [&](const Place* outer) {
      const base::Prefix wide = outer->prefix->network();
      return !wide.contains(network) || (wide.address.is_link_local() && outer->owner != place->owner);
    };
    while (!open.empty() && is_over(open.back())) open.pop_back();
    for (const Place* outer : open) {
      const bool apart = outer->owner != place->owner;
      const bool same = outer->prefix->address == place->prefix->address;
      if (apart ? network.address.is_link_local() : !same) continue;
      // Report at the one that stands later in the document, and there only once.
      const auto [first, second] = std::minmax(outer, place);
      faults.add(second->path, same ? text(second->prefix->address.to_string(), " is also the address at ", first->path)
                                    : text(second->prefix->to_string(), " on \"", second->interface, "\" overlaps ",
                                           first->prefix->to_string(), " on \"", first->interface, "\""));
      break;
    }
    open.push_back(place);
  }
}

void validate_settings(const Node& node, ObjectFaults& faults) {
  const FlowTimeouts& t = node.flow_timeouts;
  const std::pair<const char*, uint32_t> timeouts[] = {
      {"tcpSynSent", t.tcp_syn_sent},
      {"tcpSynReceived", t.tcp_syn_received},
      {"tcpEstablished", t.tcp_established},
      {"tcpFinWait", t.tcp_fin_wait},
      {"tcpCloseWait", t.tcp_close_wait},
      {"tcpLastAck", t.tcp_last_ack},
      {"tcpTimeWait", t.tcp_time_wait},
      {"tcpClose", t.tcp_close},
      {"udp", t.udp},
      {"udpStream", t.udp_stream},
      {"icmp", t.icmp},
      {"other", t.other},
  };
  for (const auto& [name, seconds] : timeouts)
    want_range(faults, text("spec.flowTimeouts.", name), seconds, 1, kMaxFlowTimeoutSeconds, "seconds");
  want_range(faults, "spec.neighbours.reachableTime", node.neighbours.reachable_seconds, 1, 86400, "seconds");
  want_range(faults, "spec.neighbours.retryInterval", node.neighbours.retry_milliseconds, 100, 60000, "milliseconds");
  want_range(faults, "spec.neighbours.retries", node.neighbours.retries, 1, 20);
  want_range(faults, "spec.neighbours.queuePackets", node.neighbours.queue_packets, 1, 1024, "packets");
  want_range(faults, "spec.icmpErrorsPerSecond", node.icmp_errors_per_second, 0, 1'000'000);
  // RFC 8200 §4.5 and RFC 1122 §3.3.2 name 60 and 60 to 120 seconds as the longest.
  want_range(faults, "spec.fragments.timeout", node.fragment_timeout_milliseconds, 100, 120'000, "milliseconds");
  want_range(faults, "spec.fragments.datagrams", node.fragment_datagrams, 1, 1u << 20);
  if (!node.session_key_file.empty()) want_path(faults, "spec.sessions.keyFile", node.session_key_file);
  if (node.zone.size() > 63) faults.add("spec.zone", "is longer than 63 characters");
  want_range(faults, "spec.drainTimeout", node.drain_seconds, 0, 86400, "seconds");
}

void validate_mesh(const MeshIdentity& mesh, ObjectFaults& faults) {
  want_path(faults, "spec.mesh.identity.certificate", mesh.certificate);
  want_path(faults, "spec.mesh.identity.key", mesh.key);
  want_path(faults, "spec.mesh.identity.bundle", mesh.bundle);
  if (!mesh.revocation_lists.empty()) want_path(faults, "spec.mesh.identity.revocationLists", mesh.revocation_lists);
  if (mesh.listen.address.is_multicast() || mesh.listen.address.is_broadcast())
    faults.add("spec.mesh.listen", text(mesh.listen.address.to_string(), " is no address of a host"));
  if (mesh.listen.port == 0) faults.add("spec.mesh.listen", "port 0 is none (want 1 to 65535)");
}

void validate_crypto(const Node& node, ObjectFaults& faults) {
  if (node.crypto_devices.size() > kMaxCryptoDevices)
    faults.add("spec.crypto.devices", text("too many (at most ", kMaxCryptoDevices, ")"));
  constexpr size_t kMostName = 40;  // DPDK's names have 63 characters, and the gateway's own device puts some before
  std::map<std::string_view, std::string> names;
  for (size_t i = 0; i < node.crypto_devices.size(); ++i) {
    const std::string& device = node.crypto_devices[i];
    const std::string path = text("spec.crypto.devices[", i, "].device");
    const std::string_view name = std::string_view(device).substr(0, device.find(','));
    if (name.empty()) {
      faults.add(path, "is missing (want a PCI address or devargs)");
      continue;
    }
    const bool printable = std::all_of(device.begin(), device.end(), [](char c) { return c > ' ' && c < 127; });
    if (device.size() > 255 || name.size() > kMostName || !printable)
      faults.add(path, text("want a PCI address or devargs: at most 255 printable characters without blanks, ",
                            kMostName, " before the first comma"));
    const auto [there, fresh] = names.try_emplace(name, path);
    if (!fresh) faults.add(path, text("device \"", name, "\" is also that of ", there->second));
  }
}

}  // namespace

void validate_node(const Node& node, const Surroundings& around, Faults& all) {
  const Name name{.name = node.name};
  ObjectFaults faults(all, Kind::kNode, name);
  validate_name(faults, name);
  validate_workers(node.workers, faults);
  for (size_t i = 0; i < node.interfaces.size(); ++i)
    validate_interface(node.interfaces[i], text("spec.interfaces[", i, "]"), faults);
  validate_unique(node, faults);
  validate_overlaps(node, faults);
  validate_routes(node, around, faults);
  validate_settings(node, faults);
  if (node.mesh) validate_mesh(*node.mesh, faults);
  validate_encrypt_rules(node, faults);
  validate_crypto(node, faults);
}

}  // namespace penstock::model
