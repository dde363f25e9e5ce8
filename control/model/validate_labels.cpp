// Rules of labels and of selectors: Kubernetes'.
#include <algorithm>

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

}  // namespace

void validate_labels(const Labels& labels, const std::string& at, ObjectFaults& faults) {
  if (labels.size() > kMaxLabels)
    return faults.add(at, text(labels.size(), " labels are too many (at most ", kMaxLabels, ")"));
  for (const auto& [key, value] : labels) {
    want_key(key, at, faults);
    want_value(value, at + "." + key.substr(0, kMaxLabelPrefix), faults);
  }
}

void validate_selector(const LabelSelector& selector, const std::string& at, ObjectFaults& faults) {
  validate_labels(selector.labels, at + ".matchLabels", faults);
  if (selector.requirements.size() > kMaxLabelRequirements)
    return faults.add(at + ".matchExpressions",
                      text(selector.requirements.size(), " are too many (at most ", kMaxLabelRequirements, ")"));
  for (size_t i = 0; i < selector.requirements.size(); ++i)
    validate_requirement(selector.requirements[i], text(at, ".matchExpressions[", i, "]"), faults);
}

}  // namespace penstock::model
