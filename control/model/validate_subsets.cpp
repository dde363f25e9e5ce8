// Rules of ServiceSubset, of the labels that it selects by, and of a ServicePolicy that is about one. A Service that is
// missing is no fault: the status says it (gateway_status.h).
#include <algorithm>
#include <map>

#include "control/model/diff.h"
#include "control/model/names.h"
#include "control/model/validation.h"

namespace penstock::model {

namespace {

constexpr size_t kMaxLabelPrefix = 253, kMaxLabelText = 63;  // Kubernetes

bool is_label_text(std::string_view text) {
  const auto alphanumeric = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  };
  return !text.empty() && text.size() <= kMaxLabelText && alphanumeric(text.front()) && alphanumeric(text.back()) &&
         std::all_of(text.begin(), text.end(),
                     [&](char c) { return alphanumeric(c) || c == '-' || c == '_' || c == '.'; });
}

bool is_label_key(std::string_view key) {
  const size_t slash = key.find('/');
  if (slash == std::string_view::npos) return is_label_text(key);
  return slash <= kMaxLabelPrefix && is_dns_name(key.substr(0, slash)) && is_label_text(key.substr(slash + 1));
}

std::string shown(const std::string& text) { return "\"" + text.substr(0, kMaxLabelText) + "\""; }

void want_key(const std::string& key, const std::string& at, ObjectFaults& faults) {
  if (!is_label_key(key))
    faults.add(at, text(shown(key),
                        " is no key of a label (want 1 to 63 letters, digits, '-', '_' or '.', beginning and "
                        "ending with a letter or digit, after a name and '/' or without)"));
}

void want_value(const std::string& value, const std::string& at, ObjectFaults& faults) {
  if (!value.empty() && !is_label_text(value))
    faults.add(at, text(shown(value),
                        " is no value of a label (want at most 63 letters, digits, '-', '_' or '.', "
                        "beginning and ending with a letter or digit)"));
}

void validate_requirement(const LabelRequirement& requirement, const std::string& at, ObjectFaults& faults) {
  want_key(requirement.key, at + ".key", faults);
  const bool listed =
      requirement.is == LabelRequirement::Operator::kIn || requirement.is == LabelRequirement::Operator::kNotIn;
  const size_t count = requirement.values.size();
  if (listed != (count != 0) || count > kMaxLabelValues)
    return faults.add(at + ".values", listed ? text(count, " values (want 1 to ", kMaxLabelValues, ")")
                                             : text("Exists and DoesNotExist have none"));
  for (size_t i = 0; i < count; ++i) want_value(requirement.values[i], text(at, ".values[", i, "]"), faults);
}

void validate_subset(const ServiceSubset& subset, Faults& all) {
  ObjectFaults faults(all, Kind::kServiceSubset, subset.name);
  validate_name(faults, subset.name);
  if (!is_dns_label(subset.service.name)) faults.add("spec.service", text("want ", kDnsLabelRule));
  if (subset.labels.empty() && subset.requirements.empty())
    faults.add("spec.selector", "selects nothing in particular: name the Service itself as the backend");
  validate_labels(subset.labels, "spec.selector.matchLabels", faults);
  if (subset.requirements.size() > kMaxLabelRequirements)
    return faults.add("spec.selector.matchExpressions",
                      text(subset.requirements.size(), " are too many (at most ", kMaxLabelRequirements, ")"));
  for (size_t i = 0; i < subset.requirements.size(); ++i)
    validate_requirement(subset.requirements[i], text("spec.selector.matchExpressions[", i, "]"), faults);
}

}  // namespace

void validate_labels(const Labels& labels, const std::string& at, ObjectFaults& faults) {
  if (labels.size() > kMaxLabels)
    return faults.add(at, text(labels.size(), " labels are too many (at most ", kMaxLabels, ")"));
  for (const auto& [key, value] : labels) {
    want_key(key, at, faults);
    want_value(value, at + "." + key.substr(0, kMaxLabelPrefix), faults);
  }
}

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
