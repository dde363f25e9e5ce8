// validate(): finds what changed, adds what looks at it, and gives each object to the rules of its kind.
#include "control/model/diff.h"
#include "control/model/names.h"
#include "control/model/validation.h"
#include "control/model/validation_gateway.h"

namespace penstock::model {

namespace {

// Objects to look at. Everything that refers to another object is listed with it: one rule for a first validation
// (everything changed) and for one of a change.
struct Work {
  Work(const State& before, const State& now) : state(now) {
    for_each_change(before.services, now.services, [&](const auto& old, const auto& service) {
      if (service) users.services.insert(service->name);
      touched_services.insert((service ? service : old)->name);
    });
    for_each_change(before.service_policies, now.service_policies, [&](const auto& old, const auto& policy) {
      if (policy) users.policies.insert(policy->name);
      if (old) touch_target(*old);
      if (policy) touch_target(*policy);
    });
    for_each_change(before.service_subsets, now.service_subsets, [&](const auto& old, const auto& subset) {
      touched_subsets.insert((subset ? subset : old)->name);
    });
    for_each_change(before.egresses, now.egresses, [&](const auto&, const auto& egress) {
      if (egress) users.egresses.insert(egress->name);
    });
    for_each_change(before.slices, now.slices, [&](const auto&, const auto& slice) {
      if (slice) slices.push_back(slice.get());
    });
    for_each_change(before.access_policies, now.access_policies, [&](const auto& old, const auto& policy) {
      if (policy) access_policies.push_back(policy.get());
      touched_access_policies.insert((policy ? policy : old)->name);
    });
    for_each_change(before.mirrors, now.mirrors, [&](const auto&, const auto& mirror) {
      if (mirror) mirrors.push_back(mirror.get());
    });
    for_each_change(before.rate_limits, now.rate_limits, [&](const auto&, const auto& limit) {
      if (limit) rate_limits.insert(limit->name);
    });
    for_each_change(before.http_routes, now.http_routes, [&](const auto&, const auto&) { request_targets = true; });
    for_each_change(before.gateways, now.gateways, [&](const auto&, const auto&) { request_targets = true; });
    for_each_change(before.peers, now.peers, [&](const auto&, const auto&) { peers = true; });
    for_each_change(before.workloads, now.workloads, [&](const auto&, const auto&) { workloads = true; });
    add_referrers();
  }

  const State& state;
  AddressUsers users;  // services, service policies and egresses to look at
  std::vector<const EndpointSlice*> slices;
  std::vector<const AccessPolicy*> access_policies;
  std::vector<const Mirror*> mirrors;
  std::set<Name> rate_limits;
  bool peers = false, workloads = false;                                      // some of them
  bool request_targets = false;                                               // Gateways or HTTPRoutes
  std::set<Name> touched_services, touched_access_policies, touched_subsets;  // those removed included

 private:
  void touch_service(const Name& name) {
    touched_services.insert(name);
    if (state.services.contains(name)) users.services.insert(name);
  }

  void touch_target(const ServicePolicy& policy) {
    if (policy.subset.name.empty()) return touch_service(policy.service);
    touched_subsets.insert(policy.subset);
  }

  void add_referrers() {
    if (!touched_services.empty() || !touched_subsets.empty()) {
      for (const auto& [name, policy] : state.service_policies)
        if (touched_services.contains(policy->service) || touched_subsets.contains(policy->subset))
          users.policies.insert(name);
    }
    if (touched_services.empty() && touched_access_policies.empty() && !request_targets) return;
    for (const auto& [name, limit] : state.rate_limits) {
      if ((request_targets && limits_requests(*limit)) ||
          (limit->target == LimitTarget::kService && touched_services.contains(limit->service)) ||
          (limit->target == LimitTarget::kRule && touched_access_policies.contains(limit->policy)))
        rate_limits.insert(name);
    }
  }
};

void validate_services(const Work& work, const Surroundings& around, Faults& faults) {
  // The policies of the services at hand; a second one for the same service is a fault.
  std::map<Name, const ServicePolicy*> policy_of, policy_of_subset;
  for (const Name& name : work.users.policies) {
    const ServicePolicy& policy = *work.state.service_policies.at(name);
    const bool whole = policy.subset.name.empty();
    const ObjectKey target =
        whole ? ObjectKey{Kind::kService, policy.service} : ObjectKey{Kind::kServiceSubset, policy.subset};
    const auto [first, fresh] = (whole ? policy_of : policy_of_subset).try_emplace(target.name, &policy);
    if (!fresh)
      ObjectFaults(faults, Kind::kServicePolicy, name)
          .add("spec.targetRef.name",
               text(target.to_string(), " already has ServicePolicy/", first->second->name.to_string()));
    validate_service_policy(policy, work.state, faults);
  }
  for (const Name& name : work.users.services) {
    const auto policy = policy_of.find(name);
    validate_service(*work.state.services.at(name), policy == policy_of.end() ? nullptr : policy->second, around,
                     faults);
  }
  for (const EndpointSlice* slice : work.slices) validate_slice(*slice, faults);
  if (!work.users.empty()) validate_addresses(work.users, work.state, faults);
}

void validate_counts(const Work& work, Faults& faults) {
  const State& state = work.state;
  const auto at_most = [&faults](size_t count, size_t most, Kind kind) {
    if (count > most)
      faults.add(
          {"bundle", "", text(count, " objects of kind ", to_string(kind), " are too many (at most ", most, ")")});
  };
  at_most(state.services.size(), kMaxServices, Kind::kService);
  at_most(state.service_policies.size(), kMaxServices, Kind::kServicePolicy);
  at_most(state.rate_limits.size(), kMaxLimits, Kind::kRateLimit);
  at_most(state.egresses.size(), kMaxEgresses, Kind::kEgress);
  at_most(state.mirrors.size(), kMaxMirrors, Kind::kMirror);
  at_most(state.peers.size(), kMaxPeers, Kind::kPeer);
  at_most(state.workloads.size(), kMaxWorkloads, Kind::kWorkload);
  if (work.access_policies.empty()) return;
  size_t rules = 0;
  for (const auto& [name, policy] : state.access_policies) rules += policy->rules.size();
  if (rules > kMaxRules)
    faults.add({"bundle", "", text(rules, " access rules are too many (at most ", kMaxRules, ")")});
}

}  // namespace

void validate_name(ObjectFaults& faults, const Name& name, bool label) {
  if (label ? !is_dns_label(name.name) : !is_dns_name(name.name))
    faults.add("metadata.name", text("\"", name.name, "\": want ", label ? kDnsLabelRule : kDnsNameRule));
  if (!is_dns_label(name.space)) faults.add("metadata.namespace", text("\"", name.space, "\": want ", kDnsLabelRule));
}

Surroundings surroundings_of(const State& state) {
  Surroundings around{state, {}, {}};
  if (!state.node) return around;
  const auto add = [&around](const auto& interface) {
    if (!interface.name.empty()) around.interfaces.insert(interface.name);
    for (const base::Prefix& prefix : interface.addresses) around.connected.push_back({prefix, interface.name});
  };
  for (const Interface& interface : state.node->interfaces) {
    add(interface);
    for (const Vlan& vlan : interface.vlans) add(vlan);
  }
  return around;
}

FieldErrors validate(const State& state, const State* before) {
  // Interfaces are named everywhere: with another Node everything is looked at again.
  static const State kNothing;
  const bool everything = !before || before->node != state.node;
  const Work work(everything ? kNothing : *before, state);
  const Surroundings around = surroundings_of(state);
  Faults faults;
  if (everything && state.node) validate_node(*state.node, around, faults);
  validate_counts(work, faults);
  validate_services(work, around, faults);
  validate_subsets(everything ? kNothing : *before, state, faults);
  for (const AccessPolicy* policy : work.access_policies) validate_access_policy(*policy, around, faults);
  for (const Name& name : work.rate_limits) validate_rate_limit(*state.rate_limits.at(name), around, faults);
  for (const Name& name : work.users.egresses) validate_egress(*state.egresses.at(name), around, faults);
  for (const Mirror* mirror : work.mirrors) validate_mirror(*mirror, around, faults);
  if (work.peers) validate_peers(around, faults);
  if (work.workloads) validate_workloads(around, faults);
  if (!work.access_policies.empty()) validate_selector_count(state, faults);
  validate_gateway_api(everything ? kNothing : *before, state, faults);
  return std::move(faults).take();
}

}  // namespace penstock::model
