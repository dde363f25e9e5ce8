// What a ServicePolicy says of requests to endpoints that fail.
#include <algorithm>

#include "control/model/gateway.h"
#include "control/model/validation.h"
#include "l7/config/route.h"
#include "l7/http/chars.h"

namespace penstock::model {

namespace {

constexpr base::Nanos kMilli = 1'000'000;
constexpr uint64_t kHour = 3'600'000, kDay = 24 * kHour;

void want_time(ObjectFaults& faults, const std::string& at, base::Nanos time, uint64_t low, uint64_t high) {
  want_range(faults, at, time / kMilli, low, high, "milliseconds");
}

void validate_outliers(const config::OutlierDetection& rules, ObjectFaults& faults) {
  const std::string at = "spec.outlierDetection";
  want_range(faults, at + ".consecutive5xxErrors", rules.consecutive_5xx, 0, 1'000'000);
  want_range(faults, at + ".consecutiveGatewayErrors", rules.consecutive_gateway_errors, 0, 1'000'000);
  want_range(faults, at + ".consecutiveLocalOriginFailures", rules.consecutive_local_origin, 0, 1'000'000);
  want_time(faults, at + ".interval", rules.interval, 100, kHour);
  want_time(faults, at + ".baseEjectionTime", rules.base_ejection, 100, kDay);
  want_time(faults, at + ".maxEjectionTime", rules.max_ejection, 100, kDay);
  want_range(faults, at + ".maxEjectionPercent", rules.max_ejection_percent, 0, 100, "percent");
  if (rules.success_rate) {
    want_range(faults, at + ".successRateEjection.stdevFactor", rules.success_rate->stdev_factor, 0, 100'000);
    want_range(faults, at + ".successRateEjection.minimumHosts", rules.success_rate->minimum_hosts, 1, 1000);
    want_range(faults, at + ".successRateEjection.requestVolume", rules.success_rate->request_volume, 1, 1'000'000'000);
  }
  if (rules.failure_percentage) {
    const std::string ejection = at + ".failurePercentageEjection";
    want_range(faults, ejection + ".threshold", rules.failure_percentage->threshold, 1, 100, "percent");
    want_range(faults, ejection + ".minimumHosts", rules.failure_percentage->minimum_hosts, 1, 1000);
    want_range(faults, ejection + ".requestVolume", rules.failure_percentage->request_volume, 1, 1'000'000'000);
  }
}

void validate_budget(const config::RetryBudget& budget, ObjectFaults& faults) {
  want_range(faults, "spec.retryBudget.budget.percent", budget.percent, 0, 100);
  want_time(faults, "spec.retryBudget.budget.interval", budget.interval, 100, kHour);
  want_range(faults, "spec.retryBudget.minRetryRate.count", budget.least, 0, 1'000'000);
  want_time(faults, "spec.retryBudget.minRetryRate.interval", budget.least_interval, 100, kHour);
}

void validate_retry(const config::RetryRules& rules, ObjectFaults& faults) {
  const std::string at = "spec.retry";
  want_range(faults, at + ".attempts", rules.attempts, 0, kMaxRetryAttempts);
  want_time(faults, at + ".backoff", rules.backoff, 1, 60'000);
  if (rules.codes.size() > kMaxRetryCodes)
    faults.add(at + ".retriableStatusCodes",
               text(rules.codes.size(), " entries are too many (at most ", kMaxRetryCodes, ")"));
  for (size_t i = 0; i < rules.codes.size() && i < kMaxRetryCodes; ++i)
    want_range(faults, text(at, ".retriableStatusCodes[", i, "]"), rules.codes[i], 400, 599);
  if (rules.headers.size() > config::kMaxRetriableHeaders)
    faults.add(at + ".retriableHeaderNames",
               text(rules.headers.size(), " entries are too many (at most ", config::kMaxRetriableHeaders, ")"));
  for (size_t i = 0; i < rules.headers.size() && i < config::kMaxRetriableHeaders; ++i)
    if (!http::is_token(rules.headers[i]) || rules.headers[i].size() > config::kMaxConditionNameBytes ||
        !config::is_matchable_header(rules.headers[i]))
      faults.add(text(at, ".retriableHeaderNames[", i, "]"),
                 "want the name of a header field that passes (not Connection, Transfer-Encoding, ...)");
  if (rules.try_timeout != 0) want_time(faults, at + ".perTryTimeout", rules.try_timeout, 1, kDay);
  if (rules.max_retry_after != 0) want_time(faults, at + ".maxRetryAfter", rules.max_retry_after, 1000, 300'000);
}

}  // namespace

void validate_resilience(const config::Resilience& rules, ObjectFaults& faults) {
  if (rules.outliers) validate_outliers(*rules.outliers, faults);
  if (rules.budget) validate_budget(*rules.budget, faults);
  if (rules.retry) validate_retry(*rules.retry, faults);
  if (rules.max_stream != 0) want_time(faults, "spec.maxStreamDuration", rules.max_stream, 1, 30 * kDay);
}

}  // namespace penstock::model
