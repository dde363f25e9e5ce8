// Which services have to be compiled again: those whose Service, ServicePolicy, EndpointSlices, health or limits differ
// from the last accepted generation. The others keep their entries, and with them their tables.
#include <algorithm>

#include "control/compile/parts.h"
#include "control/compile/service_entries.h"
#include "control/model/diff.h"

namespace penstock::compile {

namespace {

using Names = std::set<model::Name>;

void touch_services(const ServicePart& part, const Round& round, Names& touched) {
  model::for_each_change(part.state.services, round.state.services,
                         [&](const auto& old, const auto& now) { touched.insert((now ? now : old)->name); });
}

// The indices from a service, or a part of one, to its policy.
void update_policies(ServicePart& part, const Round& round, Names& touched) {
  std::vector<std::shared_ptr<const model::ServicePolicy>> added;
  model::for_each_change(part.state.service_policies, round.state.service_policies,
                         [&](const auto& old, const auto& now) {
                           if (old && !old->subset.name.empty()) {
                             part.subset_policies.erase(old->subset);
                           } else if (old) {
                             touched.insert(old->service);
                             part.policies.erase(old->service);
                           }
                           if (now) added.push_back(now);
                         });
  for (const auto& policy : added) {
    if (!policy->subset.name.empty()) {
      part.subset_policies[policy->subset] = policy;
      continue;
    }
    touched.insert(policy->service);
    part.policies[policy->service] = policy;
  }
}

// The index from a service to its slices.
void update_slices(ServicePart& part, const Round& round, Names& touched) {
  std::map<model::Name, ServicePart::Slices> lists;
  const auto list_of = [&](const model::Name& service) -> auto& {
    const auto [at, fresh] = lists.try_emplace(service);
    if (const auto old = part.slices.find(service); fresh && old != part.slices.end()) at->second = *old->second;
    return at->second.list;
  };
  model::for_each_change(part.state.slices, round.state.slices, [&](const auto& old, const auto& now) {
    if (old) std::erase(list_of(old->service), old);
    if (now) list_of(now->service).push_back(now);
  });
  for (auto& [service, slices] : lists) {
    touched.insert(service);
    std::sort(slices.list.begin(), slices.list.end(), [](const auto& a, const auto& b) { return a->name < b->name; });
    if (slices.list.empty()) {
      part.slices.erase(service);
    } else {
      part.slices[service] = std::make_shared<const ServicePart::Slices>(std::move(slices));
    }
  }
}

void touch_health(ServicePart& part, const HealthView& health, Names& touched) {
  // The sets carry no name: walk the maps themselves.
  const auto add_missing = [&touched](const auto& from, const auto& in) {
    for (const auto& [service, endpoints] : from) {
      const auto other = in.find(service);
      if (other == in.end() || other->second != endpoints) touched.insert(service);
    }
  };
  add_missing(part.down, health.down());
  add_missing(health.down(), part.down);
  part.down = health.down();
}

void touch_limits(ServicePart& part, const LimitPart& limits, Names& touched) {
  if (part.attached == limits.attached) return;
  const auto add_missing = [&touched](const auto& from, const auto& in) {
    for (const auto& [service, list] : from) {
      const auto other = in.find(service);
      if (other == in.end() || other->second != list) touched.insert(service);
    }
  };
  add_missing(part.attached->services, limits.attached->services);
  add_missing(limits.attached->services, part.attached->services);
  part.attached = limits.attached;
}

// Services with an endpoint that is elsewhere now, or behind a peer that went or came.
void touch_reach(ServicePart& part, std::shared_ptr<const PeerReach> next, Names& touched) {
  if (next == part.reach || (next && part.reach && *next == *part.reach)) return;
  const auto where = [](const std::shared_ptr<const PeerReach>& reach, const base::IpAddress& address) {
    return reach ? reach->of(address) : Reach{};
  };
  for (const auto& [name, service] : part.services)
    for (const auto& entry : service->entries)
      if (std::any_of(entry->endpoints.begin(), entry->endpoints.end(),
                      [&](const flow::Endpoint& e) { return where(part.reach, e.address) != where(next, e.address); }))
        touched.insert(name);
  part.reach = std::move(next);
}

template <typename T>
const T* get(const model::Objects<T>& objects, const model::Name& name) {
  const auto at = objects.find(name);
  return at == objects.end() ? nullptr : at->second.get();
}

// What has to be done to the table: nothing, some entries replaced in their place, or all anew.
struct TableChange {
  bool anew = false;
  Entries replacements;

  void add(const Entries& before, const Entries& after) {
    const auto in_place = [](const auto& a, const auto& b) {
      return a->slot == b->slot && a->address == b->address && a->protocol == b->protocol && a->port == b->port;
    };
    anew |= !std::equal(before.begin(), before.end(), after.begin(), after.end(), in_place);
    for (size_t i = 0; !anew && i < after.size(); ++i)
      if (after[i] != before[i]) replacements.push_back(after[i]);
  }
};

void compile_touched(const model::Name& name, ServicePart& part, const Round& round, TableChange& change) {
  const auto old = part.services.find(name);
  const Entries before = old == part.services.end() ? Entries{} : old->second->entries;
  const model::Service* service = get(round.state.services, name);
  if (!service) {
    release_service(before, round, part);
    part.services.erase(name);
    change.add(before, {});
    return;
  }
  Entries after = compile_service(input_of(part, *service), before, round, part);
  change.add(before, after);
  part.services[name] = std::make_shared<const CompiledService>(CompiledService{std::move(after)});
}

}  // namespace

ServiceInput input_of(const ServicePart& part, const model::Service& service) {
  const auto limits = part.attached->services.find(service.name);
  return {service,
          get(part.policies, service.name),
          get(part.slices, service.name),
          get(part.down, service.name),
          limits == part.attached->services.end() ? nullptr : &limits->second,
          part.reach.get()};
}

void ServicePart::update(const Round& round, const HealthView& health, const LimitPart& limits,
                         std::shared_ptr<const PeerReach> peers) {
  Names touched;
  touch_services(*this, round, touched);
  update_policies(*this, round, touched);
  update_slices(*this, round, touched);
  touch_health(*this, health, touched);
  touch_limits(*this, limits, touched);
  touch_reach(*this, std::move(peers), touched);
  state.services = round.state.services;
  state.service_policies = round.state.service_policies;
  state.slices = round.state.slices;

  TableChange change;
  for (const model::Name& name : touched) {
    if (round.errors.size() >= model::kMaxFaults) break;
    compile_touched(name, *this, round, change);
  }
  if (!round.errors.empty()) return;
  if (table && !change.anew) {
    if (!change.replacements.empty()) table = std::make_shared<const flow::ServiceTable>(*table, change.replacements);
    return;
  }
  Entries entries;
  for (const auto& [name, service] : services)
    entries.insert(entries.end(), service->entries.begin(), service->entries.end());
  table = std::make_shared<const flow::ServiceTable>(std::move(entries), round.secret);
}

}  // namespace penstock::compile
