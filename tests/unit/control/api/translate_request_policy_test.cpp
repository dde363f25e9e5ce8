// RequestAccessPolicy and RequestInspection as YAML: every field arrives and comes back.
#include <gtest/gtest.h>

#include "control/api/manifest.h"
#include "control/api/translate.h"

namespace penstock::api {
namespace {

using config::TextKind;

template <typename T>
T read(const std::string& yaml, std::string* faults = nullptr) {
  std::vector<v1::Object> messages;
  std::vector<ManifestError> errors;
  read_manifest(yaml, messages, errors);
  model::FieldErrors found;
  model::Object object;
  for (const ManifestError& error : errors) ADD_FAILURE() << error.path << ": " << error.reason;
  if (messages.empty()) return {};
  to_model(messages[0], object, found);
  std::string all;
  for (const model::FieldError& each : found) all += each.path + "\n";
  if (faults != nullptr)
    *faults = all;
  else
    EXPECT_EQ(all, "");
  return std::get<T>(object);
}

template <typename T>
T there_and_back(const std::string& yaml) {
  const T object = read<T>(yaml);
  v1::Object message;
  to_message(model::Object(object), message);
  const std::string text = write_yaml({message});
  EXPECT_TRUE(read<T>(text) == object) << text;
  return object;
}

TEST(TranslateRequestPolicy, Access) {
  const auto policy = there_and_back<model::RequestAccessPolicy>(R"(
apiVersion: penstock.io/v1alpha1
kind: RequestAccessPolicy
metadata: {name: no, namespace: shop}
spec:
  targetRefs:
  - {group: gateway.networking.k8s.io, kind: Gateway, name: edge, sectionName: web}
  - {kind: HTTPRoute, name: front}
  action: DENY
  shadow: true
  rules:
  - name: first
    remoteIpBlocks: [192.0.2.0/24, "2001:db8::1"]
    notRemoteIpBlocks: [192.0.2.7]
    hosts: ["*.Example", Shop]
    notHosts: [x.example]
    paths: [/a, /b*, "*c", "*"]
    pathExpressions: ["/d.*"]
    notPaths: [/e]
    notPathExpressions: ["/f+"]
    methods: [GET]
    notMethods: [BREW]
    headers: [{name: X-Key, values: [a, "b*"], notValues: ["*"], expressions: [c], notExpressions: [d]}]
    queryParams: [{name: Q, values: [x]}]
  - {}
)");
  EXPECT_EQ(policy.name.to_string(), "shop/no");
  ASSERT_EQ(policy.targets.size(), 2u);
  EXPECT_TRUE(policy.targets[0] == (model::RequestTarget{false, {"shop", "edge"}, "web"}));
  EXPECT_TRUE(policy.targets[1] == (model::RequestTarget{true, {"shop", "front"}, ""}));
  EXPECT_EQ(policy.action, config::AccessAction::kDeny);
  EXPECT_TRUE(policy.shadow);
  ASSERT_EQ(policy.rules.size(), 2u);
  const config::AccessRule& rule = policy.rules[0];
  EXPECT_EQ(rule.name + policy.rules[1].name, "first1");
  EXPECT_EQ(rule.from.size() + rule.not_from.size(), 3u);
  const auto is = [](const config::TextMatches& a, const config::TextMatches& b) { return a == b; };
  EXPECT_TRUE(is(rule.hosts, {{TextKind::kSuffix, ".example"}, {TextKind::kExact, "shop"}}));
  EXPECT_TRUE(is(rule.paths, {{TextKind::kExact, "/a"},
                              {TextKind::kPrefix, "/b"},
                              {TextKind::kSuffix, "c"},
                              {TextKind::kPresent, ""},
                              {TextKind::kRegex, "/d.*"}}));
  EXPECT_TRUE(is(rule.not_paths, {{TextKind::kExact, "/e"}, {TextKind::kRegex, "/f+"}}));
  EXPECT_EQ(rule.headers.at(0).name, "x-key");
  EXPECT_EQ(rule.headers.at(0).values.size() + rule.headers.at(0).not_values.size(), 5u);
  EXPECT_EQ(rule.query.at(0).name, "Q");
}

TEST(TranslateRequestPolicy, Inspection) {
  const auto inspection = there_and_back<model::RequestInspection>(R"(
apiVersion: penstock.io/v1alpha1
kind: RequestInspection
metadata: {name: look}
spec:
  targetRefs: [{kind: Gateway, name: edge}]
  bodyBytes: 4096
  onUninspectable: log
  patterns:
  - {name: a, expression: evil, ignoreCase: true, dotAll: true, in: [path, query, headers, body, "header:X-One"], action: deny}
  - {name: b, expression: odd, in: [path], action: tag, tag: {header: X-Seen}}
  - {name: c, expression: odd, in: [path], action: log}
  - {name: d, expression: odd, in: [path], action: limit, rateLimit: probes}
)");
  ASSERT_EQ(inspection.patterns.size(), 4u);
  EXPECT_EQ(inspection.patterns[3].action, config::InspectionAction::kLimit);
  EXPECT_EQ(inspection.patterns[3].limit, "probes");
  EXPECT_EQ(inspection.body_bytes, 4096u);
  EXPECT_TRUE(inspection.uninspectable == config::InspectionAction::kLog);
  const config::InspectionPattern& first = inspection.patterns[0];
  EXPECT_EQ(first.parts, 15);
  EXPECT_EQ(first.headers, std::vector<std::string>{"x-one"});
  EXPECT_TRUE(first.ignore_case && first.dot_all);
  EXPECT_EQ(first.action, config::InspectionAction::kDeny);
  EXPECT_EQ(inspection.patterns[1].tag_name + "=" + inspection.patterns[1].tag_value, "x-seen=b");
}

TEST(TranslateRequestPolicy, ALimitOfFindings) {
  const auto limit = there_and_back<model::RateLimit>(R"(
apiVersion: penstock.io/v1alpha1
kind: RateLimit
metadata: {name: probes}
spec: {target: {findings: {}}, rate: {requestsPerMinute: 10}, per: source}
)");
  EXPECT_EQ(limit.target, model::LimitTarget::kFindings);
}

TEST(TranslateRequestPolicy, WhatIsNoChoiceIsNamed) {
  std::string faults;
  read<model::RequestAccessPolicy>(R"(
apiVersion: penstock.io/v1alpha1
kind: RequestAccessPolicy
metadata: {name: no}
spec: {targetRefs: [{kind: Service, name: x, group: core}], action: AUDIT, rules: [{remoteIpBlocks: [x]}]}
)",
                                   &faults);
  EXPECT_EQ(faults,
            "spec.targetRefs[0].group\nspec.targetRefs[0].kind\nspec.action\nspec.rules[0].remoteIpBlocks[0]\n");
  read<model::RequestInspection>(R"(
apiVersion: penstock.io/v1alpha1
kind: RequestInspection
metadata: {name: no}
spec: {patterns: [{name: a, expression: a, in: [cookies], action: drop}], onUninspectable: tag}
)",
                                 &faults);
  EXPECT_EQ(faults, "spec.patterns[0].in[0]\nspec.patterns[0].action\nspec.onUninspectable\n");
}

}  // namespace
}  // namespace penstock::api
