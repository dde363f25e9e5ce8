// Kind ServiceSubset.
#include "control/api/translate_kinds.h"

namespace penstock::api {

namespace {

using Operator = model::LabelRequirement::Operator;
constexpr Choice<Operator> kOperators[] = {{"In", Operator::kIn},
                                           {"NotIn", Operator::kNotIn},
                                           {"Exists", Operator::kExists},
                                           {"DoesNotExist", Operator::kDoesNotExist}};
constexpr Choice<model::SubsetFallback> kFallbacks[] = {{"NO_FALLBACK", model::SubsetFallback::kNone},
                                                        {"ANY_ENDPOINT", model::SubsetFallback::kAnyEndpoint}};

}  // namespace

void to_model(const v1alpha1::ServiceSubset& message, model::ServiceSubset& object, Fields& fields) {
  const v1alpha1::ServiceSubsetSpec& spec = message.spec();
  const Path path{nullptr, "spec"}, selector{&path, "selector"};
  object.service = {object.name.space, spec.service()};
  if (spec.has_fallback()) fields.choice({&path, "fallback"}, spec.fallback(), kFallbacks, object.fallback);
  object.labels = {spec.selector().match_labels().begin(), spec.selector().match_labels().end()};
  for (int i = 0; i < spec.selector().match_expressions_size(); ++i) {
    const auto& expression = spec.selector().match_expressions(i);
    const Path at{&selector, "matchExpressions", i};
    model::LabelRequirement& out = object.requirements.emplace_back();
    out.key = expression.key();
    fields.choice({&at, "operator"}, expression.operator_(), kOperators, out.is);
    out.values = {expression.values().begin(), expression.values().end()};
  }
}

void to_message(const model::ServiceSubset& object, v1alpha1::ServiceSubset& message) {
  v1alpha1::ServiceSubsetSpec& spec = *message.mutable_spec();
  spec.set_service(object.service.name);
  if (object.fallback != model::SubsetFallback::kNone) spec.set_fallback(name_of(object.fallback, kFallbacks));
  v1alpha1::LabelSelector& selector = *spec.mutable_selector();
  selector.mutable_match_labels()->insert(object.labels.begin(), object.labels.end());
  for (const model::LabelRequirement& each : object.requirements) {
    auto& out = *selector.add_match_expressions();
    out.set_key(each.key);
    out.set_operator_(name_of(each.is, kOperators));
    for (const std::string& value : each.values) out.add_values(value);
  }
}

}  // namespace penstock::api
