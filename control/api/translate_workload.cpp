// Kind Workload.
#include "control/api/translate_kinds.h"

namespace penstock::api {

void to_model(const v1alpha1::Workload& message, model::Workload& object, Fields& fields) {
  const v1alpha1::WorkloadSpec& spec = message.spec();
  const Path path{nullptr, "spec"};
  object.labels = {message.metadata().labels().begin(), message.metadata().labels().end()};
  object.identity = spec.identity();
  object.interface = spec.interface();
  if (spec.has_mac()) fields.mac({&path, "mac"}, spec.mac(), object.mac.emplace());
  fields.prefixes(path, "addresses", spec.addresses(), object.addresses);
  fields.number({&path, "number"}, spec.number(), object.number);
}

void to_message(const model::Workload& object, v1alpha1::Workload& message) {
  v1alpha1::WorkloadSpec& spec = *message.mutable_spec();
  message.mutable_metadata()->mutable_labels()->insert(object.labels.begin(), object.labels.end());
  spec.set_identity(object.identity);
  spec.set_interface(object.interface);
  if (object.mac) spec.set_mac(object.mac->to_string());
  for (const base::Prefix& prefix : object.addresses) spec.add_addresses(prefix.to_string());
  if (object.number != 0) spec.set_number(object.number);
}

}  // namespace penstock::api
