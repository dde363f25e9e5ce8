#include "control/model/labels.h"

namespace penstock::model {

bool meets(const LabelRequirement& requirement, const std::string* value) {
  const auto is_listed = [&] {
    return std::find(requirement.values.begin(), requirement.values.end(), *value) != requirement.values.end();
  };
  switch (requirement.is) {
    case LabelRequirement::Operator::kIn:
      return value && is_listed();
    case LabelRequirement::Operator::kNotIn:  // Kubernetes: also what has no such label
      return !value || !is_listed();
    case LabelRequirement::Operator::kExists:
      return value != nullptr;
    case LabelRequirement::Operator::kDoesNotExist:
      return value == nullptr;
  }
  return false;
}

}  // namespace penstock::model
