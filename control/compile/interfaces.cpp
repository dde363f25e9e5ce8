// Node.spec.interfaces and the open devices → InterfaceTable.
#include <algorithm>

#include "control/compile/parts.h"

namespace penstock::compile {

namespace {

flow::Rpf rpf_of(model::ReversePath path) {
  switch (path) {
    case model::ReversePath::kOff:
      return flow::Rpf::kOff;
    case model::ReversePath::kLoose:
      return flow::Rpf::kLoose;
    case model::ReversePath::kStrict:
      return flow::Rpf::kStrict;
  }
  return flow::Rpf::kOff;
}

// fe80::/64 with the interface identifier made from the MAC address (RFC 4291 Appendix A).
base::Prefix link_local_of(const base::MacAddress& mac) {
  base::Prefix prefix{{}, 64};
  auto& b = prefix.address.bytes;
  b[0] = 0xfe, b[1] = 0x80;
  b[8] = mac.bytes[0] ^ 0x02, b[9] = mac.bytes[1], b[10] = mac.bytes[2];
  b[11] = 0xff, b[12] = 0xfe;
  b[13] = mac.bytes[3], b[14] = mac.bytes[4], b[15] = mac.bytes[5];
  return prefix;
}

// Every link that can carry IPv6 has a link-local address (RFC 4291 §2.1); the user's own, or one made from the MAC.
void add_link_local(flow::Interface& interface) {
  if (interface.mtu < model::kMinMtu6) return;
  const auto& own = interface.addresses;
  if (std::none_of(own.begin(), own.end(), [](const auto& p) { return !p.is_v4() && p.address.is_link_local(); }))
    interface.addresses.push_back(link_local_of(interface.mac));
}

// Fields that ports and VLANs share.
template <typename T>
flow::Interface compile_common(const T& model, const PortFacts& facts, flow::InterfaceId id, uint16_t mtu) {
  flow::Interface out;
  out.id = id;
  out.port = facts.port;
  out.mac = facts.mac;
  out.mtu = mtu;
  out.rpf = rpf_of(model.reverse_path);
  out.default_deny = model.default_action != model::DefaultAction::kAllow;
  out.default_reject = model.default_action == model::DefaultAction::kReject;
  out.mss_clamp = model.mss_clamp;
  out.encrypt = encryption_of(model.encrypt);
  out.addresses = model.addresses;
  out.name = model.name;
  add_link_local(out);
  return out;
}

// Interface names have no blank: a twin's slot cannot be mistaken for one.
std::string twin_key(const model::Interface& interface) { return interface.name + " twin"; }

std::vector<std::string> names_of(const model::Node& node) {
  std::vector<std::string> names;
  for (const model::Interface& interface : node.interfaces) {
    names.push_back(interface.name);
    if (!interface.twin.empty()) names.push_back(twin_key(interface));
    for (const model::Vlan& vlan : interface.vlans) names.push_back(vlan.name);
  }
  return names;
}

class TableBuilder {
 public:
  TableBuilder(const InterfacePart& part, flow::InterfaceTable& table) : part_(part), table_(table) {
    table_.by_id.resize(part.ids.bound());
    table_.untagged.fill(flow::kNoInterface);
  }

  void add(const model::Interface& interface, const PortFacts& facts) {
    flow::Interface port = compile_common(interface, facts, part_.id(interface.name), interface.mtu);
    port.twin_port = interface.twin.empty() ? 0xffff : facts.twin_port;
    for (const model::ExceptionRule& rule : interface.exceptions) port.exceptions.push_back({rule.protocol, rule.port});
    table_.untagged[facts.port] = port.id;
    if (!interface.twin.empty()) add_twin(interface, facts);
    put(std::move(port));
    for (const model::Vlan& vlan : interface.vlans) {
      flow::Interface tagged = compile_common(vlan, facts, part_.id(vlan.name), vlan.mtu ? vlan.mtu : interface.mtu);
      tagged.vlan = vlan.id;
      auto& by_vlan = table_.tagged[facts.port];
      if (by_vlan.empty()) by_vlan.resize(4096, flow::kNoInterface);
      by_vlan[vlan.id] = tagged.id;
      put(std::move(tagged));
    }
  }

 private:
  void add_twin(const model::Interface& interface, const PortFacts& facts) {
    flow::Interface twin;
    twin.id = part_.id(twin_key(interface));
    twin.port = facts.twin_port;
    twin.mtu = interface.mtu;
    twin.mac = facts.mac;
    twin.is_twin = true;
    twin.port_of_twin = facts.port;
    twin.name = interface.twin;
    table_.untagged[facts.twin_port] = twin.id;
    put(std::move(twin));
  }

  void put(flow::Interface&& interface) {
    if (const auto limits = part_.limits.find(interface.name); limits != part_.limits.end() && !interface.is_twin)
      interface.limits = limits->second;
    const size_t id = interface.id;
    table_.by_id[id] = std::move(interface);
  }

  const InterfacePart& part_;
  flow::InterfaceTable& table_;
};

}  // namespace

std::vector<flow::InterfaceId> InterfacePart::ids_of(const std::vector<std::string>& interfaces) const {
  std::vector<flow::InterfaceId> out;
  for (const std::string& name : interfaces) out.push_back(id(name));
  return out;
}

void InterfacePart::update(const Round& round, const LimitPart& limit_part) {
  const bool same_ports = std::equal(ports.begin(), ports.end(), round.ports.begin(), round.ports.end());
  if (table && node == round.state.node && same_ports && limits == limit_part.attached->interfaces) return;
  node = round.state.node;
  ports.assign(round.ports.begin(), round.ports.end());
  limits = limit_part.attached->interfaces;

  if (!ids.assign(node ? names_of(*node) : std::vector<std::string>{}, round.last, round.retired)) {
    round.fault(model::Kind::kNode, node_name(round.state), "spec.interfaces",
                "no room until every worker has left the generations of those removed: try again");
    return;
  }
  auto next = std::make_shared<flow::InterfaceTable>();
  TableBuilder builder(*this, *next);
  for (size_t i = 0; node && i < node->interfaces.size(); ++i) {
    const model::Interface& interface = node->interfaces[i];
    const auto facts = std::find_if(ports.begin(), ports.end(),
                                    [&](const PortFacts& port) { return port.interface == interface.name; });
    const bool open = facts != ports.end() && facts->port < flow::kMaxPorts;
    const bool twin_open = interface.twin.empty() || (open && facts->twin_port < flow::kMaxPorts);
    if (open && twin_open) {
      builder.add(interface, *facts);
    } else {
      round.fault(model::Kind::kNode, node_name(round.state), "spec.interfaces[" + std::to_string(i) + "]",
                  open ? "its kernel twin \"" + interface.twin + "\" is not open" : "its device is not open");
    }
  }
  table = std::move(next);
}

}  // namespace penstock::compile
