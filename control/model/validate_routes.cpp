// Rules of Node.spec.routes. There may be a million of them: every lookup here is by hash or ends soon.
#include <unordered_map>

#include "control/model/validation.h"

namespace penstock::model {

namespace {

struct AddressHash {
  size_t operator()(const base::IpAddress& a) const {
    return base::load_raw<uint64_t>(&a.bytes[0]) * 0x9e3779b97f4a7c15 ^
           base::load_raw<uint64_t>(&a.bytes[8]) * 0xbf58476d1ce4e5b9;
  }
};
struct PrefixHash {
  size_t operator()(const base::Prefix& p) const { return AddressHash{}(p.address) * 131 + p.length; }
};

class RouteValidator {
 public:
  RouteValidator(const Surroundings& around, ObjectFaults& faults) : around_(around), faults_(faults) {
    for (const Connected& c : around.connected) {
      connected_.try_emplace(c.prefix.network(), &c);
      own_.try_emplace(c.prefix.address, &c);
    }
  }

  void check(const Route& route, size_t index) {
    if (const std::string why = fault_of_prefix(route.prefix, index); !why.empty())
      faults_.add(text("spec.routes[", index, "].prefix"), why);
    const size_t hops = route.next_hops.size();
    if (route.action != RouteAction::kForward) {
      if (hops)
        faults_.add(text("spec.routes[", index, "].nextHops"), "only a route with action forward has next hops");
      return;
    }
    if (hops == 0) faults_.add(text("spec.routes[", index, "].nextHops"), "at least one is needed (or another action)");
    if (hops > kMaxNextHops)
      faults_.add(text("spec.routes[", index, "].nextHops"), text("too many (at most ", kMaxNextHops, ")"));
    for (size_t j = 0; j < hops && j < kMaxNextHops; ++j) {
      check_hop(route, index, j);
      for (size_t k = 0; k < j; ++k) {
        if (route.next_hops[j].via == route.next_hops[k].via &&
            route.next_hops[j].interface == route.next_hops[k].interface)
          faults_.add(text("spec.routes[", index, "].nextHops[", j, "]"), text("is the same as nextHops[", k, "]"));
      }
    }
  }

 private:
  std::string fault_of_prefix(const base::Prefix& prefix, size_t index) {
    if (prefix.has_host_bits())
      return text(prefix.to_string(), " has host bits set (want ", prefix.network().to_string(), ")");
    if (prefix.length != 0 && (prefix.address.is_multicast() || prefix.address.is_loopback()))
      return text(prefix.to_string(), " is not routed: multicast or loopback");
    const auto [there, fresh] = seen_.try_emplace(prefix, index);
    if (!fresh) return text(prefix.to_string(), " is also the prefix of spec.routes[", there->second, "]");
    if (const auto at = connected_.find(prefix); at != connected_.end())
      return text(prefix.to_string(), " is connected on \"", at->second->interface, "\"");
    if (prefix.length == (prefix.is_v4() ? 32 : 128) && own_.contains(prefix.address))
      return text(prefix.to_string(), " is the gateway's own address");
    return {};
  }

  void check_hop(const Route& route, size_t i, size_t j) {
    const NextHop& hop = route.next_hops[j];
    const auto path = [&](const char* field) { return text("spec.routes[", i, "].nextHops[", j, "]", field); };
    if (hop.weight < 1 || hop.weight > kMaxHopWeight)
      faults_.add(path(".weight"), text(hop.weight, " is out of range (want 1 to ", kMaxHopWeight, ")"));
    const bool known = around_.interfaces.contains(hop.interface);
    if (!hop.interface.empty() && !known)
      faults_.add(path(".interface"), text("there is no interface \"", hop.interface, "\""));
    if (!hop.via) {
      if (hop.interface.empty()) faults_.add(path(""), "want via, interface or both");
      if (route.next_hops.size() > 1)
        faults_.add(path(".via"), "is missing: only a single next hop may be the link itself");
      return;
    }
    const std::string why = fault_of_via(*hop.via, route.prefix, hop.interface, known);
    if (!why.empty()) faults_.add(path(".via"), hop.via->to_string() + " " + why);
  }

  std::string fault_of_via(const base::IpAddress& via, const base::Prefix& prefix, const std::string& interface,
                           bool known) {
    if (via.is_v4() != prefix.is_v4())
      return text("is ", family(via.is_v4()), ", but the route is ", family(prefix.is_v4()));
    if (const char* unfit = why_no_host(via)) return unfit;
    if (own_.contains(via)) return "is the gateway's own address";
    if (via.is_v6() && via.is_link_local()) return interface.empty() ? "is link-local: it needs an interface" : "";
    const Connected* link = link_of(via);
    if (!link) return "lies in no connected prefix";
    if (known && link->interface != interface)
      return text("is on \"", link->interface, "\", not on \"", interface, "\"");
    return {};
  }

  // A million routes have few gateways: each is looked up once.
  const Connected* link_of(const base::IpAddress& via) {
    const auto [at, fresh] = links_.try_emplace(via, nullptr);
    if (fresh) {
      for (const Connected& c : around_.connected)
        if (c.prefix.contains(via) && (!at->second || c.prefix.length > at->second->prefix.length)) at->second = &c;
    }
    return at->second;
  }

  const Surroundings& around_;
  ObjectFaults& faults_;
  std::unordered_map<base::Prefix, size_t, PrefixHash> seen_;
  std::unordered_map<base::Prefix, const Connected*, PrefixHash> connected_;
  std::unordered_map<base::IpAddress, const Connected*, AddressHash> own_, links_;
};

}  // namespace

void validate_routes(const Node& node, const Surroundings& around, ObjectFaults& faults) {
  if (node.routes.size() > kMaxRoutes) {
    faults.add("spec.routes", text(node.routes.size(), " routes are too many (at most ", kMaxRoutes, ")"));
    return;
  }
  RouteValidator validator(around, faults);
  for (size_t i = 0; i < node.routes.size(); ++i) validator.check(node.routes[i], i);
}

}  // namespace penstock::model
