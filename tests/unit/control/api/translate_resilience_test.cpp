// What a ServicePolicy says of endpoints that fail: YAML to the model and back, and what is refused.
#include <gtest/gtest.h>

#include "control/api/manifest.h"
#include "control/api/translate.h"
#include "control/model/faults.h"
#include "control/model/validation.h"

namespace penstock::api {
namespace {

constexpr base::Nanos kMs = 1'000'000;

constexpr const char* kHead = R"(apiVersion: penstock.io/v1alpha1
kind: ServicePolicy
metadata: {name: web}
spec:
  targetRef: {kind: Service, name: web}
)";

// The policy, or what is wrong with the text.
std::string read(const std::string& spec, model::ServicePolicy& out) {
  std::vector<v1::Object> read;
  std::vector<ManifestError> faults;
  read_manifest(kHead + spec, read, faults);
  if (!faults.empty()) return faults.front().to_string();
  model::Object object;
  model::FieldErrors errors;
  if (!to_model(read.at(0), object, errors)) return errors.front().to_string();
  v1::Object message;
  to_message(object, message);
  model::Object back;
  if (!to_model(message, back, errors)) return errors.front().to_string();
  EXPECT_TRUE(back == object) << write_yaml({message});
  out = std::get<model::ServicePolicy>(object);
  model::Faults found;
  model::ObjectFaults of_policy(found, model::Kind::kServicePolicy, out.name);
  model::validate_resilience(out.resilience, of_policy);
  const model::FieldErrors wrong = std::move(found).take();
  return wrong.empty() ? "" : wrong.front().path + ": " + wrong.front().reason;
}
std::string fault_of(const std::string& spec) {
  model::ServicePolicy policy;
  return read(spec, policy);
}

TEST(TranslateResilience, DefaultsAreThoseOfEnvoyAndIstio) {
  model::ServicePolicy policy;
  ASSERT_EQ(read("  outlierDetection: {}\n  retryBudget: {}\n  retry: {}\n", policy), "");
  EXPECT_EQ(policy.resilience.outliers, config::OutlierDetection{});
  EXPECT_EQ(policy.resilience.budget, config::RetryBudget{});
  EXPECT_EQ(policy.resilience.retry, config::RetryRules{});
  EXPECT_EQ(policy.resilience.preconnect_percent, 100u);
  ASSERT_EQ(read("", policy), "");
  EXPECT_EQ(policy.resilience, config::Resilience{});
}

TEST(TranslateResilience, EveryField) {
  model::ServicePolicy policy;
  ASSERT_EQ(read(R"(  outlierDetection:
    consecutive5xxErrors: 7
    consecutiveGatewayErrors: 3
    splitExternalLocalOriginErrors: true
    consecutiveLocalOriginFailures: 2
    interval: 5s
    baseEjectionTime: 1m
    maxEjectionTime: 10m
    maxEjectionPercent: 40
    successRateEjection: {stdevFactor: 1500, minimumHosts: 3, requestVolume: 20}
    failurePercentageEjection: {threshold: 50, minimumHosts: 2, requestVolume: 10}
  retryBudget:
    budget: {percent: 30, interval: 20s}
    minRetryRate: {count: 3, interval: 2s}
  retry:
    attempts: 2
    backoff: 50ms
    retryOn: [5xx, reset]
    retriableStatusCodes: [429]
    retriableHeaderNames: [X-Again]
    perTryTimeout: 300ms
    maxRetryAfter: 2s
    nonIdempotent: true
    hedgeOnPerTryTimeout: true
  preconnect: {perUpstreamPreconnectRatio: 1.5}
  maxStreamDuration: 1h
)",
                 policy),
            "");
  const config::Resilience& got = policy.resilience;
  EXPECT_EQ(got.outliers, (config::OutlierDetection{7, 3, 2, true, 5000 * kMs, 60'000 * kMs, 600'000 * kMs, 40,
                                                    config::SuccessRateEjection{1500, 3, 20},
                                                    config::FailurePercentageEjection{50, 2, 10}}));
  EXPECT_EQ(got.budget, (config::RetryBudget{30, 20'000 * kMs, 3, 2000 * kMs}));
  EXPECT_EQ(
      got.retry,
      (config::RetryRules{
          2, 50 * kMs, config::kOn5xx | config::kOnReset, {429}, {"x-again"}, 300 * kMs, 2000 * kMs, true, true, {}}));
  EXPECT_EQ(got.preconnect_percent, 150u);
  EXPECT_EQ(got.max_stream, 3'600'000 * kMs);
}

TEST(TranslateResilience, WhatIsWrongIsNamed) {
  for (const auto& [spec, path] : {
           std::pair<const char*, const char*>{"  retry: {retryOn: [refused-stream]}\n", "spec.retry.retryOn[0]"},
           {"  retry: {attempts: 11}\n", "spec.retry.attempts"},
           {"  retry: {attempts: 300}\n", "spec.retry.attempts"},
           {"  retry: {backoff: 61s}\n", "spec.retry.backoff"},
           {"  retry: {retriableStatusCodes: [200]}\n", "spec.retry.retriableStatusCodes[0]"},
           {"  retry: {retriableHeaderNames: [\"a b\"]}\n", "spec.retry.retriableHeaderNames[0]"},
           {"  retry: {retriableHeaderNames: [Connection]}\n", "spec.retry.retriableHeaderNames[0]"},
           {"  retry: {maxRetryAfter: 10m}\n", "spec.retry.maxRetryAfter"},
           {"  retry: {perTryTimeout: fast}\n", "spec.retry.perTryTimeout"},
           {"  retryBudget: {budget: {percent: 101}}\n", "spec.retryBudget.budget.percent"},
           {"  retryBudget: {budget: {interval: 1ms}}\n", "spec.retryBudget.budget.interval"},
           {"  retryBudget: {minRetryRate: {interval: 2h}}\n", "spec.retryBudget.minRetryRate.interval"},
           {"  outlierDetection: {interval: 1ms}\n", "spec.outlierDetection.interval"},
           {"  outlierDetection: {maxEjectionPercent: 101}\n", "spec.outlierDetection.maxEjectionPercent"},
           {"  outlierDetection: {successRateEjection: {minimumHosts: 0}}\n",
            "spec.outlierDetection.successRateEjection.minimumHosts"},
           {"  outlierDetection: {failurePercentageEjection: {threshold: 0}}\n",
            "spec.outlierDetection.failurePercentageEjection.threshold"},
           {"  outlierDetection: {consecutiveErrors: 5}\n", "consecutiveErrors"},
           {"  preconnect: {perUpstreamPreconnectRatio: 3.5}\n", "spec.preconnect.perUpstreamPreconnectRatio"},
           {"  preconnect: {perUpstreamPreconnectRatio: .nan}\n", "perUpstreamPreconnectRatio"},
           {"  maxStreamDuration: 721h\n", "spec.maxStreamDuration"},
       })
    EXPECT_NE(fault_of(spec).find(path), std::string::npos) << spec << fault_of(spec);
}

}  // namespace
}  // namespace penstock::api
