// Rules of ServiceSubset, and of a ServicePolicy that is about one. A Service that is
// missing is no fault: the status says it (gateway_status.h).
#include <map>

#include "control/model/diff.h"
#include "control/model/names.h"
#include "control/model/validation.h"

namespace penstock::model {

namespace {

void validate_subset(const ServiceSubset& subset, Faults& all) {
  ObjectFaults faults(all, Kind::kServiceSubset, subset.name);
  validate_name(faults, subset.name);
  if (!is_dns_label(subset.service.name)) faults.add("spec.service", text("want ", kDnsLabelRule));
  if (subset.selector.empty())
    faults.add("spec.selector", "selects nothing in particular: name the Service itself as the backend");
  validate_selector(subset.selector, "spec.selector", faults);
}

}  // namespace

void validate_subsets(const State& before, const State& state, Faults& faults) {
  bool changed = false;
  for_each_change(before.service_subsets, state.service_subsets, [&](const auto&, const auto& subset) {
    changed = true;
    if (subset) validate_subset(*subset, faults);
  });
  if (!changed) return;
  if (state.service_subsets.size() > kMaxSubsets)
    return faults.add({"bundle", "",
                       text(state.service_subsets.size(), " objects of kind ServiceSubset are too many (at most ",
                            kMaxSubsets, ")")});
  std::map<Name, size_t> counts;
  for (const auto& [name, subset] : state.service_subsets)
    if (++counts[subset->service] == kMaxSubsetsOfService + 1)
      ObjectFaults(faults, Kind::kServiceSubset, name)
          .add("spec.service", text("Service/", subset->service.to_string(), " has ", kMaxSubsetsOfService,
                                    " others, as many as it may have"));
}

void validate_subset_policy(const ServicePolicy& policy, const State& state, ObjectFaults& faults) {
  if (!state.service_subsets.contains(policy.subset))
    faults.add("spec.targetRef.name", text("there is no ServiceSubset/", policy.subset.to_string().substr(0, 320)));
  const ServicePolicy defaults;
  const auto want_none = [&faults](bool given, const char* field) {
    if (given) faults.add(field, "a ServiceSubset has none of its own: that of its Service counts");
  };
  want_none(policy.mode != defaults.mode, "spec.mode");
  want_none(policy.balancing != defaults.balancing, "spec.balancing");
  want_none(policy.maglev_table_size != defaults.maglev_table_size, "spec.maglevTableSize");
  want_none(policy.all_ports, "spec.allPorts");
  want_none(!policy.weights.empty(), "spec.weights");
  want_none(!policy.source_pool.empty(), "spec.sourcePool");
  want_none(policy.on_endpoint_down != defaults.on_endpoint_down, "spec.onEndpointDown");
  want_none(policy.no_endpoint != defaults.no_endpoint, "spec.noEndpoint");
  want_none(policy.health_check.kind != HealthCheckKind::kNone, "spec.healthCheck");
}

}  // namespace penstock::model
