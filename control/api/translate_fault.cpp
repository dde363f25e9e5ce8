// Kind Fault.
#include <cmath>

#include "control/api/translate_kinds.h"

namespace penstock::api {

namespace {

constexpr double kPerPercent = 10'000;  // of a million

void read_percentage(const Path& path, double percentage, uint32_t& out, Fields& fields) {
  const double parts = percentage * kPerPercent;
  if (!(percentage >= 0 && percentage <= 100) || std::abs(parts - std::round(parts)) > 1e-3)
    return fields.fault(path, "is out of range (want 0 to 100, in steps of 0.0001)");
  out = static_cast<uint32_t>(std::lround(parts));
}

}  // namespace

void to_model(const v1alpha1::Fault& message, model::Fault& object, Fields& fields) {
  const v1alpha1::FaultSpec& spec = message.spec();
  const Path path{nullptr, "spec"}, target{&path, "targetRef"}, delay{&path, "delay"}, abort{&path, "abort"},
      reset{&path, "reset"}, throttle{&path, "throttle"};
  const v1alpha1::FaultTargetRef& ref = spec.target_ref();
  if (ref.has_group() && ref.group() != model::kGatewayGroup)
    fields.fault({&target, "group"}, Fields::quoted(ref.group()) + " is not " + model::kGatewayGroup);
  if (ref.kind() != "HTTPRoute") fields.fault({&target, "kind"}, Fields::quoted(ref.kind()) + " is not HTTPRoute");
  object.route = {object.name.space, ref.name()};
  object.section = ref.section_name();
  if (spec.has_delay()) {
    object.delay_per_million = 1'000'000;
    fields.milliseconds({&delay, "fixedDelay"}, spec.delay().fixed_delay(), object.delay_milliseconds);
    if (spec.delay().has_percentage())
      read_percentage({&delay, "percentage"}, spec.delay().percentage(), object.delay_per_million, fields);
  }
  if (spec.has_abort()) {
    object.abort_per_million = 1'000'000;
    fields.number({&abort, "httpStatus"}, spec.abort().http_status(), object.abort_status);
    if (spec.abort().has_percentage())
      read_percentage({&abort, "percentage"}, spec.abort().percentage(), object.abort_per_million, fields);
  }
  if (spec.has_reset()) {
    object.resets = true;
    object.reset_per_million = 1'000'000;
    if (spec.reset().has_percentage())
      read_percentage({&reset, "percentage"}, spec.reset().percentage(), object.reset_per_million, fields);
  }
  if (spec.has_throttle()) {
    object.throttle_bits = spec.throttle().bits_per_second();
    object.throttle_per_million = 1'000'000;
    if (spec.throttle().has_percentage())
      read_percentage({&throttle, "percentage"}, spec.throttle().percentage(), object.throttle_per_million, fields);
  }
  for (int i = 0; i < spec.headers_size(); ++i) {
    const gateway::HTTPHeaderMatch& header = spec.headers(i);
    const Path at{&path, "headers", i};
    if (!header.type().empty() && header.type() != "Exact")
      fields.fault({&at, "type"}, Fields::quoted(header.type()) + " is not Exact");
    object.headers.push_back({config::lowered(header.name()), header.value()});
  }
}

void to_message(const model::Fault& object, v1alpha1::Fault& message) {
  v1alpha1::FaultSpec& spec = *message.mutable_spec();
  spec.mutable_target_ref()->set_kind("HTTPRoute");
  spec.mutable_target_ref()->set_name(object.route.name);
  spec.mutable_target_ref()->set_section_name(object.section);
  if (object.delay_milliseconds != 0) {
    spec.mutable_delay()->set_fixed_delay(milliseconds_text(object.delay_milliseconds));
    if (object.delay_per_million != 1'000'000)
      spec.mutable_delay()->set_percentage(object.delay_per_million / kPerPercent);
  }
  if (object.abort_status != 0) {
    spec.mutable_abort()->set_http_status(object.abort_status);
    if (object.abort_per_million != 1'000'000)
      spec.mutable_abort()->set_percentage(object.abort_per_million / kPerPercent);
  }
  const auto percentage = [](uint32_t per_million, auto& out) {
    if (per_million != 1'000'000) out.set_percentage(per_million / kPerPercent);
  };
  if (object.resets) percentage(object.reset_per_million, *spec.mutable_reset());
  if (object.throttle_bits != 0) {
    spec.mutable_throttle()->set_bits_per_second(object.throttle_bits);
    percentage(object.throttle_per_million, *spec.mutable_throttle());
  }
  for (const config::FaultHeader& each : object.headers) {
    auto& header = *spec.add_headers();
    header.set_name(each.name);
    header.set_value(each.value);
  }
}

}  // namespace penstock::api
