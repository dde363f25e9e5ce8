// Kind ServiceSubset.
#include "control/api/translate_kinds.h"
#include "control/api/translate_labels.h"

namespace penstock::api {

namespace {

constexpr Choice<model::SubsetFallback> kFallbacks[] = {{"NO_FALLBACK", model::SubsetFallback::kNone},
                                                        {"ANY_ENDPOINT", model::SubsetFallback::kAnyEndpoint}};

}  // namespace

void to_model(const v1alpha1::ServiceSubset& message, model::ServiceSubset& object, Fields& fields) {
  const v1alpha1::ServiceSubsetSpec& spec = message.spec();
  const Path path{nullptr, "spec"}, selector{&path, "selector"};
  object.service = {object.name.space, spec.service()};
  if (spec.has_fallback()) fields.choice({&path, "fallback"}, spec.fallback(), kFallbacks, object.fallback);
  read_selector(spec.selector(), selector, object.selector, fields);
}

void to_message(const model::ServiceSubset& object, v1alpha1::ServiceSubset& message) {
  v1alpha1::ServiceSubsetSpec& spec = *message.mutable_spec();
  spec.set_service(object.service.name);
  if (object.fallback != model::SubsetFallback::kNone) spec.set_fallback(name_of(object.fallback, kFallbacks));
  write_selector(object.selector, *spec.mutable_selector());
}

}  // namespace penstock::api
