// Labels of objects and selectors of them, as in Kubernetes (apimachinery, meta/v1 LabelSelector).
//
// Pure values and functions.
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <vector>

namespace penstock::model {

using Labels = std::map<std::string, std::string>;

constexpr size_t kMaxLabels = 64;             // of one object, matchLabels included
constexpr size_t kMaxLabelRequirements = 16;  // matchExpressions
constexpr size_t kMaxLabelValues = 64;        // of one of them

// Kubernetes' LabelSelectorRequirement.
struct LabelRequirement {
  enum class Operator : uint8_t { kIn, kNotIn, kExists, kDoesNotExist };
  std::string key;
  Operator is = Operator::kIn;
  std::vector<std::string> values;  // of kIn and kNotIn
  bool operator==(const LabelRequirement&) const = default;
};

struct LabelSelector {
  Labels labels;                               // matchLabels
  std::vector<LabelRequirement> requirements;  // matchExpressions

  bool empty() const { return labels.empty() && requirements.empty(); }  // selects everything
  bool operator==(const LabelSelector&) const = default;
};

// `value`: of the object's label of that key; null: it has none.
bool meets(const LabelRequirement& requirement, const std::string* value);

// `find` gives what an object's label of a key says, or null.
template <typename Find>
bool selects(const LabelSelector& selector, const Find& find) {
  const auto has = [&](const auto& label) {
    const std::string* value = find(label.first);
    return value && *value == label.second;
  };
  const auto met = [&](const LabelRequirement& requirement) { return meets(requirement, find(requirement.key)); };
  return std::all_of(selector.labels.begin(), selector.labels.end(), has) &&
         std::all_of(selector.requirements.begin(), selector.requirements.end(), met);
}

}  // namespace penstock::model
