// Who owns which port of which address: virtual ports of services, NAT pools of egresses and of fullnat services. Two
// owners of one port would get each other's packets.
#include <algorithm>
#include <unordered_set>

#include "control/model/validation.h"

namespace penstock::model {

namespace {

// The engine's range for fullnat sources (flow::NatPool); an Egress names its own.
constexpr uint16_t kSourcePortFirst = 1024, kSourcePortLast = 65535;

struct Use {
  base::IpAddress address;
  uint8_t protocol = 0;              // services; 0: all
  uint16_t first = 0, last = 65535;  // services: both the port, or 0 for all ports
  Kind kind = Kind::kService;
  const Name* owner = nullptr;
  const void* list = nullptr;  // what `index` counts in; null: the whole spec
  size_t index = 0;

  std::string owner_text() const { return ObjectKey{kind, *owner}.to_string(); }
  std::string path() const {
    if (kind == Kind::kService) return list ? text("spec.ports[", index, "]") : "spec";
    return text(kind == Kind::kEgress ? "spec.pool[" : "spec.sourcePool[", index, "]");
  }
  std::string what() const {
    const char* name = protocol == 6     ? "TCP port "
                       : protocol == 17  ? "UDP port "
                       : protocol == 132 ? "SCTP port "
                                         : "port ";
    if (kind != Kind::kService) return text("ports ", first, "-", last);
    return first ? text(name, first) : protocol ? text("all ", std::string_view(name, 4), "ports") : "all ports";
  }
};

struct AddressHash {
  size_t operator()(const base::IpAddress& a) const {
    return (base::load_raw<uint64_t>(&a.bytes[0]) ^ base::load_raw<uint64_t>(&a.bytes[8]) * 0x9e3779b97f4a7c15) >> 7;
  }
};
using Addresses = std::unordered_set<base::IpAddress, AddressHash>;

class AddressValidator {
 public:
  AddressValidator(const AddressUsers& changed, const State& state, Faults& faults)
      : changed_(changed), state_(state), faults_(faults) {}

  void run() {
    collect_interesting();
    collect_uses();
    std::sort(uses_.begin(), uses_.end(), [](const Use& a, const Use& b) {
      if (a.address != b.address) return a.address < b.address;
      const bool a_pool = a.kind != Kind::kService, b_pool = b.kind != Kind::kService;
      if (a_pool != b_pool) return b_pool;
      if (a.first != b.first) return a.first < b.first;
      if (a.protocol != b.protocol) return a.protocol < b.protocol;
      return a.kind != b.kind ? a.kind < b.kind : *a.owner < *b.owner;
    });
    for (auto begin = uses_.begin(); begin != uses_.end();) {
      const auto end = std::find_if(begin, uses_.end(), [&](const Use& use) { return use.address != begin->address; });
      const auto pools = std::find_if(begin, end, [](const Use& use) { return use.kind != Kind::kService; });
      check_services(begin, pools);
      check_pools(begin, pools, end);
      begin = end;
    }
  }

 private:
  using At = std::vector<Use>::const_iterator;

  // Only addresses of changed objects can have new collisions.
  void collect_interesting() {
    for (const Name& name : changed_.services) {
      const auto& addresses = state_.services.at(name)->addresses;
      interesting_.insert(addresses.begin(), addresses.end());
    }
    for (const Name& name : changed_.policies) {
      const auto& pool = state_.service_policies.at(name)->source_pool;
      interesting_.insert(pool.begin(), pool.end());
    }
    for (const Name& name : changed_.egresses) {
      const auto& pool = state_.egresses.at(name)->pool;
      interesting_.insert(pool.begin(), pool.end());
    }
  }

  void collect_uses() {
    std::set<Name> all_ports;
    Addresses source_pools;  // shared by many services: one use of each says it all
    for (const auto& [name, policy] : state_.service_policies) {
      if (policy->all_ports) all_ports.insert(policy->service);
      for (size_t i = 0; i < policy->source_pool.size(); ++i) {
        const base::IpAddress& address = policy->source_pool[i];
        if (interesting_.contains(address) && source_pools.insert(address).second)
          uses_.push_back(
              {address, 0, kSourcePortFirst, kSourcePortLast, Kind::kServicePolicy, &name, policy.get(), i});
      }
    }
    for (const auto& [name, egress] : state_.egresses) {
      for (size_t i = 0; i < egress->pool.size(); ++i)
        if (interesting_.contains(egress->pool[i]))
          uses_.push_back(
              {egress->pool[i], 0, egress->port_first, egress->port_last, Kind::kEgress, &name, egress.get(), i});
    }
    for (const auto& [name, service] : state_.services) {
      for (const base::IpAddress& address : service->addresses)
        if (interesting_.contains(address)) add_service(address, name, *service, all_ports.contains(name));
    }
  }

  void add_service(const base::IpAddress& address, const Name& name, const Service& service, bool all_ports) {
    if (all_ports && service.ports.empty()) uses_.push_back({address, 0, 0, 0, Kind::kService, &name});
    std::set<uint8_t> protocols;
    for (size_t i = 0; i < service.ports.size(); ++i) {
      const ServicePort& port = service.ports[i];
      if (!all_ports) {
        uses_.push_back({address, port.protocol, port.port, port.port, Kind::kService, &name, &service, i});
      } else if (protocols.insert(port.protocol).second) {
        uses_.push_back({address, port.protocol, 0, 0, Kind::kService, &name});
      }
    }
  }

  // Equal virtual ports stand next to each other.
  void check_services(At begin, At end) {
    for (At use = begin; use != end; ++use) {
      if (use == begin) continue;
      const At other = use - 1;
      if (other->owner != use->owner && other->first == use->first && other->protocol == use->protocol)
        report(*use, *other, "is also that of");
    }
  }

  // Pools stand behind the services of their address, by first port.
  void check_pools(At begin, At pools, At end) {
    At widest = pools;
    for (At pool = pools; pool != end; ++pool) {
      At service = begin;  // all ports stand first; else the first port that is not below the range
      if (service == pools || service->first != 0)
        service =
            std::lower_bound(begin, pools, pool->first, [](const Use& use, uint16_t port) { return use.first < port; });
      if (service != pools && service->first <= pool->last) report(*pool, *service, "overlaps");
      if (pool != widest && pool->first <= widest->last && pool->owner != widest->owner)
        report(*pool, *widest, "overlaps");
      if (pool->last > widest->last) widest = pool;
    }
  }

  bool is_changed(const Use& use) const {
    switch (use.kind) {
      case Kind::kService:
        return changed_.services.contains(*use.owner);
      case Kind::kServicePolicy:
        return changed_.policies.contains(*use.owner);
      case Kind::kEgress:
        return changed_.egresses.contains(*use.owner);
      default:
        return false;
    }
  }

  // Blames the one that changed; between two changed ones, the later.
  void report(const Use& later, const Use& earlier, const char* verb) {
    const bool swap = !is_changed(later) && is_changed(earlier);
    const Use& at = swap ? earlier : later;
    const Use& other = swap ? later : earlier;
    faults_.add({at.owner_text(), at.path(),
                 text(at.what(), " of ", at.address.to_string(), " ", verb, " ", other.owner_text(),
                      other.what() == at.what() ? "" : " (" + other.what() + ")")});
  }

  const AddressUsers& changed_;
  const State& state_;
  Faults& faults_;
  Addresses interesting_;
  std::vector<Use> uses_;
};

}  // namespace

void validate_addresses(const AddressUsers& changed, const State& state, Faults& faults) {
  AddressValidator(changed, state, faults).run();
}

}  // namespace penstock::model
