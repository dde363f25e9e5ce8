// What a ServicePolicy says of requests to endpoints that fail: outlierDetection, retryBudget, retry, preconnect and
// maxStreamDuration.
#include <cmath>

#include "control/api/translate_kinds.h"

namespace penstock::api {

namespace {

constexpr uint64_t kNanosPerMilli = 1'000'000;
constexpr Choice<uint8_t> kConditions[] = {{"connect-failure", config::kOnConnectFailure},
                                           {"reset", config::kOnReset},
                                           {"gateway-error", config::kOnGatewayError},
                                           {"5xx", config::kOn5xx},
                                           {"retriable-4xx", config::kOnRetriable4xx}};

void read_duration(const Path& path, std::string_view text, base::Nanos& out, Fields& fields) {
  uint32_t milliseconds = 0;
  const size_t before = fields.faults();
  fields.milliseconds(path, text, milliseconds);
  if (fields.faults() == before) out = milliseconds * kNanosPerMilli;
}

std::string duration_text(base::Nanos nanos) {
  return milliseconds_text(static_cast<uint32_t>(nanos / kNanosPerMilli));
}

void read_outliers(const v1alpha1::OutlierDetection& message, config::OutlierDetection& out, const Path& path,
                   Fields& fields) {
  if (message.has_consecutive_5xx_errors()) out.consecutive_5xx = message.consecutive_5xx_errors();
  if (message.has_consecutive_gateway_errors()) out.consecutive_gateway_errors = message.consecutive_gateway_errors();
  if (message.has_consecutive_local_origin_failures())
    out.consecutive_local_origin = message.consecutive_local_origin_failures();
  out.split_local_origin = message.split_external_local_origin_errors();
  if (message.has_interval()) read_duration({&path, "interval"}, message.interval(), out.interval, fields);
  if (message.has_base_ejection_time())
    read_duration({&path, "baseEjectionTime"}, message.base_ejection_time(), out.base_ejection, fields);
  if (message.has_max_ejection_time())
    read_duration({&path, "maxEjectionTime"}, message.max_ejection_time(), out.max_ejection, fields);
  if (message.has_max_ejection_percent()) out.max_ejection_percent = message.max_ejection_percent();
  if (message.has_success_rate_ejection()) {
    const v1alpha1::SuccessRateEjection& from = message.success_rate_ejection();
    config::SuccessRateEjection& rule = out.success_rate.emplace();
    if (from.has_stdev_factor()) rule.stdev_factor = from.stdev_factor();
    if (from.has_minimum_hosts()) rule.minimum_hosts = from.minimum_hosts();
    if (from.has_request_volume()) rule.request_volume = from.request_volume();
  }
  if (message.has_failure_percentage_ejection()) {
    const v1alpha1::FailurePercentageEjection& from = message.failure_percentage_ejection();
    config::FailurePercentageEjection& rule = out.failure_percentage.emplace();
    if (from.has_threshold()) rule.threshold = from.threshold();
    if (from.has_minimum_hosts()) rule.minimum_hosts = from.minimum_hosts();
    if (from.has_request_volume()) rule.request_volume = from.request_volume();
  }
}

void write_outliers(const config::OutlierDetection& rules, v1alpha1::OutlierDetection& out) {
  const config::OutlierDetection defaults;
  if (rules.consecutive_5xx != defaults.consecutive_5xx) out.set_consecutive_5xx_errors(rules.consecutive_5xx);
  if (rules.consecutive_gateway_errors != defaults.consecutive_gateway_errors)
    out.set_consecutive_gateway_errors(rules.consecutive_gateway_errors);
  if (rules.consecutive_local_origin != defaults.consecutive_local_origin)
    out.set_consecutive_local_origin_failures(rules.consecutive_local_origin);
  if (rules.split_local_origin) out.set_split_external_local_origin_errors(true);
  if (rules.interval != defaults.interval) out.set_interval(duration_text(rules.interval));
  if (rules.base_ejection != defaults.base_ejection) out.set_base_ejection_time(duration_text(rules.base_ejection));
  if (rules.max_ejection != defaults.max_ejection) out.set_max_ejection_time(duration_text(rules.max_ejection));
  if (rules.max_ejection_percent != defaults.max_ejection_percent)
    out.set_max_ejection_percent(rules.max_ejection_percent);
  if (rules.success_rate) {
    const config::SuccessRateEjection& rule = *rules.success_rate;
    v1alpha1::SuccessRateEjection& to = *out.mutable_success_rate_ejection();
    to.set_stdev_factor(rule.stdev_factor);
    to.set_minimum_hosts(rule.minimum_hosts);
    to.set_request_volume(rule.request_volume);
  }
  if (rules.failure_percentage) {
    const config::FailurePercentageEjection& rule = *rules.failure_percentage;
    v1alpha1::FailurePercentageEjection& to = *out.mutable_failure_percentage_ejection();
    to.set_threshold(rule.threshold);
    to.set_minimum_hosts(rule.minimum_hosts);
    to.set_request_volume(rule.request_volume);
  }
}

void read_budget(const v1alpha1::RetryBudget& message, config::RetryBudget& out, const Path& path, Fields& fields) {
  const Path budget{&path, "budget"}, rate{&path, "minRetryRate"};
  if (message.budget().has_percent()) out.percent = message.budget().percent();
  if (message.budget().has_interval())
    read_duration({&budget, "interval"}, message.budget().interval(), out.interval, fields);
  if (message.min_retry_rate().has_count()) out.least = message.min_retry_rate().count();
  if (message.min_retry_rate().has_interval())
    read_duration({&rate, "interval"}, message.min_retry_rate().interval(), out.least_interval, fields);
}

void write_budget(const config::RetryBudget& budget, v1alpha1::RetryBudget& out) {
  out.mutable_budget()->set_percent(budget.percent);
  out.mutable_budget()->set_interval(duration_text(budget.interval));
  out.mutable_min_retry_rate()->set_count(budget.least);
  out.mutable_min_retry_rate()->set_interval(duration_text(budget.least_interval));
}

void read_retry(const v1alpha1::ServiceRetry& message, config::RetryRules& out, const Path& path, Fields& fields) {
  if (message.has_attempts()) fields.number({&path, "attempts"}, message.attempts(), out.attempts);
  if (message.has_backoff()) read_duration({&path, "backoff"}, message.backoff(), out.backoff, fields);
  if (message.retry_on_size() != 0) out.on = 0;
  for (int i = 0; i < message.retry_on_size(); ++i) {
    uint8_t condition = 0;
    fields.choice({&path, "retryOn", i}, message.retry_on(i), kConditions, condition);
    out.on |= condition;
  }
  for (int i = 0; i < message.retriable_status_codes_size(); ++i)
    fields.number({&path, "retriableStatusCodes", i}, message.retriable_status_codes(i), out.codes.emplace_back());
  for (const std::string& name : message.retriable_header_names()) out.headers.push_back(config::lowered(name));
  if (message.has_per_try_timeout())
    read_duration({&path, "perTryTimeout"}, message.per_try_timeout(), out.try_timeout, fields);
  if (message.has_max_retry_after())
    read_duration({&path, "maxRetryAfter"}, message.max_retry_after(), out.max_retry_after, fields);
  out.non_idempotent = message.non_idempotent();
  out.hedge = message.hedge_on_per_try_timeout();
}

void write_retry(const config::RetryRules& rules, v1alpha1::ServiceRetry& out) {
  const config::RetryRules defaults;
  if (rules.attempts != defaults.attempts) out.set_attempts(rules.attempts);
  if (rules.backoff != defaults.backoff) out.set_backoff(duration_text(rules.backoff));
  for (const auto& condition : kConditions)
    if (rules.on & condition.value) out.add_retry_on(condition.name);
  for (const uint16_t code : rules.codes) out.add_retriable_status_codes(code);
  for (const std::string& name : rules.headers) out.add_retriable_header_names(name);
  if (rules.try_timeout != 0) out.set_per_try_timeout(duration_text(rules.try_timeout));
  if (rules.max_retry_after != 0) out.set_max_retry_after(duration_text(rules.max_retry_after));
  if (rules.non_idempotent) out.set_non_idempotent(true);
  if (rules.hedge) out.set_hedge_on_per_try_timeout(true);
}

void read_preconnect(const v1alpha1::Preconnect& message, uint32_t& percent, const Path& path, Fields& fields) {
  if (!message.has_per_upstream_preconnect_ratio()) return;
  const double parts = message.per_upstream_preconnect_ratio() * 100;
  if (!(parts >= 100 && parts <= config::kMaxPreconnectPercent) || std::abs(parts - std::round(parts)) > 1e-6)
    return fields.fault({&path, "perUpstreamPreconnectRatio"}, "is out of range (want 1 to 3, in steps of 0.01)");
  percent = static_cast<uint32_t>(std::lround(parts));
}

}  // namespace

void read_resilience(const v1alpha1::ServicePolicySpec& spec, config::Resilience& out, const Path& path,
                     Fields& fields) {
  if (spec.has_outlier_detection())
    read_outliers(spec.outlier_detection(), out.outliers.emplace(), {&path, "outlierDetection"}, fields);
  if (spec.has_retry_budget()) read_budget(spec.retry_budget(), out.budget.emplace(), {&path, "retryBudget"}, fields);
  if (spec.has_retry()) read_retry(spec.retry(), out.retry.emplace(), {&path, "retry"}, fields);
  if (spec.has_preconnect()) read_preconnect(spec.preconnect(), out.preconnect_percent, {&path, "preconnect"}, fields);
  if (spec.has_max_stream_duration())
    read_duration({&path, "maxStreamDuration"}, spec.max_stream_duration(), out.max_stream, fields);
}

void write_resilience(const config::Resilience& rules, v1alpha1::ServicePolicySpec& spec) {
  if (rules.outliers) write_outliers(*rules.outliers, *spec.mutable_outlier_detection());
  if (rules.budget) write_budget(*rules.budget, *spec.mutable_retry_budget());
  if (rules.retry) write_retry(*rules.retry, *spec.mutable_retry());
  if (rules.preconnect_percent != config::Resilience{}.preconnect_percent)
    spec.mutable_preconnect()->set_per_upstream_preconnect_ratio(rules.preconnect_percent / 100.0);
  if (rules.max_stream != 0) spec.set_max_stream_duration(duration_text(rules.max_stream));
}

}  // namespace penstock::api
