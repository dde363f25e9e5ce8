// ServiceSubset as users write it, and the labels that it selects by.
#include "control/model/subset.h"
#include "translate_story.h"

namespace penstock::api {
namespace {

TEST(TranslateSubset, AllFields) {
  const std::string yaml = R"(apiVersion: penstock.io/v1alpha1
kind: ServiceSubset
metadata: {name: canary, namespace: shop}
spec:
  service: web
  selector:
    matchLabels: {version: v2, example.org/track: canary}
    matchExpressions:
      - {key: zone, operator: In, values: [a, b]}
      - {key: old, operator: NotIn, values: [x]}
      - {key: ready, operator: Exists}
      - {key: broken, operator: DoesNotExist}
  fallback: ANY_ENDPOINT
)";
  const auto subset = one<model::ServiceSubset>(yaml);
  EXPECT_EQ(subset.name.to_string(), "shop/canary");
  EXPECT_EQ(subset.service.to_string(), "shop/web");
  EXPECT_EQ(subset.selector.labels, (model::Labels{{"version", "v2"}, {"example.org/track", "canary"}}));
  ASSERT_EQ(subset.selector.requirements.size(), 4U);
  EXPECT_EQ(subset.selector.requirements[0].values, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(subset.selector.requirements[3].is, model::LabelRequirement::Operator::kDoesNotExist);
  EXPECT_EQ(subset.fallback, model::SubsetFallback::kAnyEndpoint);
}

TEST(TranslateSubset, FaultsNameTheirPaths) {
  EXPECT_EQ(read(R"({apiVersion: penstock.io/v1alpha1, kind: ServiceSubset, metadata: {name: a},
    spec: {service: web, selector: {matchExpressions: [{key: a, operator: Like}]}, fallback: SOME}})")
                .faults,
            "spec.fallback: \"SOME\" is not one of NO_FALLBACK, ANY_ENDPOINT\n"
            "spec.selector.matchExpressions[0].operator: \"Like\" is not one of In, NotIn, Exists, DoesNotExist");
}

TEST(TranslateSubset, LabelsOfSlicesAndWorkloadsAreKept) {
  const std::string slice = R"(apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, labels: {kubernetes.io/service-name: web, version: v2}}
addressType: IPv4
endpoints: [{addresses: [10.0.0.11]}]
)";
  EXPECT_EQ(one<model::EndpointSlice>(slice).labels, (model::Labels{{"version", "v2"}}));
  EXPECT_EQ(one<model::EndpointSlice>(slice).service.name, "web");
  const std::string workload = R"(apiVersion: penstock.io/v1alpha1
kind: Workload
metadata: {name: one, labels: {version: v2}}
spec: {identity: "spiffe://example.org/one", interface: lan, addresses: [10.0.0.11]}
)";
  EXPECT_EQ(one<model::Workload>(workload).labels, (model::Labels{{"version", "v2"}}));
}

TEST(TranslateSubset, APolicyMayBeAboutOne) {
  const std::string yaml = R"(apiVersion: penstock.io/v1alpha1
kind: ServicePolicy
metadata: {name: canary}
spec: {targetRef: {kind: ServiceSubset, name: v2}, connectionPool: {maxConnections: 7}}
)";
  const auto policy = one<model::ServicePolicy>(yaml);
  EXPECT_EQ(policy.subset.to_string(), "default/v2");
  EXPECT_EQ(policy.service.name, "");
  EXPECT_EQ(read("{apiVersion: penstock.io/v1alpha1, kind: ServicePolicy, metadata: {name: a}, spec: {targetRef: "
                 "{kind: ServiceSubset}}}")
                .faults,
            "spec.targetRef.name: is missing");
}

}  // namespace
}  // namespace penstock::api
