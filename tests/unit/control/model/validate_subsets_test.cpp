// ServiceSubsets, labels, and policies that are about a ServiceSubset.
#include <gtest/gtest.h>

#include "tests/unit/control/model/sample_gateway.h"

namespace penstock::model {
namespace {

State with(const ServiceSubset& subset) {
  State state = sample_l7_state();
  put(state.service_subsets, subset);
  return state;
}

TEST(ValidateSubsets, AGoodOne) {
  ServiceSubset subset = sample_subset("v2", {{"version", "v2"}, {"example.org/track", ""}});
  subset.selector.requirements = {{"track", LabelRequirement::Operator::kIn, {"stable", "canary"}},
                                  {"old", LabelRequirement::Operator::kDoesNotExist, {}}};
  EXPECT_EQ(faults_of(with(subset)), "");
  subset.service = named("gone");  // the status says it
  EXPECT_EQ(faults_of(with(subset)), "");
}

TEST(ValidateSubsets, EachFaultIsNamed) {
  ServiceSubset subset = sample_subset("v2", {});
  EXPECT_EQ(
      faults_of(with(subset)),
      "ServiceSubset/default/v2 spec.selector: selects nothing in particular: name the Service itself as the backend");
  subset.selector.labels = {{"no good", "v2"}};
  EXPECT_NE(faults_of(with(subset)).find("spec.selector.matchLabels: \"no good\" is no key of a label"),
            std::string::npos);
  subset.selector.labels = {{"version", "-"}};
  EXPECT_NE(faults_of(with(subset)).find("spec.selector.matchLabels.version: \"-\" is no value"), std::string::npos);
  subset.selector.labels = {};
  for (size_t i = 0; i <= kMaxLabels; ++i) subset.selector.labels["k" + std::to_string(i)] = "x";
  EXPECT_NE(faults_of(with(subset)).find("65 labels are too many (at most 64)"), std::string::npos);
  subset.selector.labels = {};
  subset.selector.requirements = {{"a", LabelRequirement::Operator::kIn, {}},
                                  {"b", LabelRequirement::Operator::kExists, {"x"}}};
  const std::string said = faults_of(with(subset));
  EXPECT_NE(said.find("spec.selector.matchExpressions[0].values: 0 values (want 1 to 64)"), std::string::npos);
  EXPECT_NE(said.find("spec.selector.matchExpressions[1].values: Exists and DoesNotExist have none"),
            std::string::npos);
  subset.selector.requirements.assign(17, {"a", LabelRequirement::Operator::kExists, {}});
  EXPECT_NE(faults_of(with(subset)).find("spec.selector.matchExpressions: 17 are too many"), std::string::npos);
  subset = sample_subset("v2", {{"a", "b"}}, "");
  EXPECT_NE(faults_of(with(subset)).find("spec.service: want 1 to 63"), std::string::npos);
}

TEST(ValidateSubsets, AServiceHasABoundedNumber) {
  State state = sample_l7_state();
  for (size_t i = 0; i < kMaxSubsetsOfService; ++i)
    put(state.service_subsets, sample_subset("s" + std::to_string(i), {{"a", "b"}}));
  EXPECT_EQ(faults_of(state), "");
  put(state.service_subsets, sample_subset("zz", {{"a", "b"}}));
  EXPECT_EQ(faults_of(state),
            "ServiceSubset/default/zz spec.service: Service/default/web has 256 others, as many as it may have");
}

TEST(ValidateSubsets, LabelsOfSlicesAndWorkloads) {
  State state = sample_l7_state();
  EndpointSlice slice = sample_slice();
  slice.labels = {{"a b", "c"}};
  put(state.slices, slice);
  EXPECT_NE(faults_of(state).find("EndpointSlice/default/web-1 metadata.labels: \"a b\" is no key"), std::string::npos);
  state = sample_l7_state();
  put(state.workloads, sample_workload("one", {{"version", "v 2"}}, {net("10.0.0.11/32")}));
  EXPECT_NE(faults_of(state).find("Workload/default/one metadata.labels.version: \"v 2\" is no value"),
            std::string::npos);
}

ServicePolicy policy_for(const std::string& subset, const std::string& name = "canary") {
  ServicePolicy policy;
  policy.name = named(name);
  policy.subset = named(subset);
  return policy;
}

TEST(ValidateSubsets, APolicyIsAboutRequestsAlone) {
  State state = with(sample_subset("v2", {{"version", "v2"}}));
  ServicePolicy policy = policy_for("v2");
  policy.pool.connections = 7;
  put(state.service_policies, policy);
  EXPECT_EQ(faults_of(state), "");
  policy.weights = {{ip("10.0.0.11"), 1}};
  policy.health_check.kind = HealthCheckKind::kTcp;
  policy.mode = ServiceMode::kDsr;
  put(state.service_policies, policy);
  const std::string said = faults_of(state);
  for (const char* field : {"spec.weights", "spec.healthCheck", "spec.mode"})
    EXPECT_NE(said.find(std::string(field) + ": a ServiceSubset has none of its own"), std::string::npos) << said;
}

TEST(ValidateSubsets, APolicyNeedsItsSubsetAndIsAlone) {
  State state = with(sample_subset("v2", {{"version", "v2"}}));
  put(state.service_policies, policy_for("v2"));
  const State before = state;
  put(state.service_policies, policy_for("v2", "second"));
  EXPECT_EQ(faults_of(state, &before),
            "ServicePolicy/default/second spec.targetRef.name: ServiceSubset/default/v2 already has "
            "ServicePolicy/default/canary");
  state = before;
  state.service_subsets.erase(named("v2"));
  EXPECT_EQ(faults_of(state, &before),
            "ServicePolicy/default/canary spec.targetRef.name: there is no ServiceSubset/default/v2");
}

}  // namespace
}  // namespace penstock::model
