#include "control/api/translate_labels.h"

#include "control/api/translate_kinds.h"

namespace penstock::api {

namespace {

using Operator = model::LabelRequirement::Operator;
constexpr Choice<Operator> kOperators[] = {{"In", Operator::kIn},
                                           {"NotIn", Operator::kNotIn},
                                           {"Exists", Operator::kExists},
                                           {"DoesNotExist", Operator::kDoesNotExist}};

}  // namespace

void read_selector(const kubernetes::LabelSelector& message, const Path& at, model::LabelSelector& out,
                   Fields& fields) {
  out.labels = {message.match_labels().begin(), message.match_labels().end()};
  for (int i = 0; i < message.match_expressions_size(); ++i) {
    const auto& expression = message.match_expressions(i);
    const Path each{&at, "matchExpressions", i};
    model::LabelRequirement& requirement = out.requirements.emplace_back();
    requirement.key = expression.key();
    fields.choice({&each, "operator"}, expression.operator_(), kOperators, requirement.is);
    requirement.values = {expression.values().begin(), expression.values().end()};
  }
}

void write_selector(const model::LabelSelector& selector, kubernetes::LabelSelector& out) {
  out.mutable_match_labels()->insert(selector.labels.begin(), selector.labels.end());
  for (const model::LabelRequirement& requirement : selector.requirements) {
    auto& each = *out.add_match_expressions();
    each.set_key(requirement.key);
    each.set_operator_(name_of(requirement.is, kOperators));
    for (const std::string& value : requirement.values) each.add_values(value);
  }
}

void to_model(const kubernetes::Namespace& message, model::Namespace& object, Fields&) {
  object.labels = {message.metadata().labels().begin(), message.metadata().labels().end()};
}

void to_message(const model::Namespace& object, kubernetes::Namespace& message) {
  message.mutable_metadata()->mutable_labels()->insert(object.labels.begin(), object.labels.end());
}

}  // namespace penstock::api
