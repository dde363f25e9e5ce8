// Kinds ListenerPolicy and DirectResponse as YAML: every field arrives, comes back, and what is wrong is named.
#include "unit/control/api/translate_story.h"
#include "unit/control/model/sample_gateway.h"

namespace penstock::api {
namespace {

const std::string kPolicy = R"(apiVersion: penstock.io/v1alpha1
kind: ListenerPolicy
metadata: {name: edge, namespace: infra}
spec:
  targetRef: {kind: Gateway, name: front, sectionName: http}
)";

TEST(ListenerPolicyYaml, EveryFieldArrives) {
  const auto policy =
      one<model::ListenerPolicy>(kPolicy + R"(  proxyProtocol: {sources: [192.0.2.0/24, "2001:db8::/32"]}
  timeouts: {header: 2500ms, idle: 0s, stream: 10m}
  requestsPerConnection: 1000
  forwarding: {trustedHops: 2, xForwarded: Append, forwarded: Pass, keepRequestId: false}
  path: {escapedSlashesAction: UnescapeAndForward, mergeSlashes: true}
  limits: {targetBytes: 100, headerBytes: 2000, headerCount: 300, bodyBytes: 5000000000}
  localReplies:
  - {statuses: [502, 503], status: 200, contentType: text/html, body: sorry}
  - {statuses: [404], body: none}
  maintenance: {status: 500, retryAfter: 2m, contentType: text/plain, body: closed, except: [198.51.100.7]}
)");
  EXPECT_EQ(policy.gateway, (model::Name{"infra", "front"}));
  EXPECT_EQ(policy.section, "http");
  EXPECT_TRUE(policy.proxy_protocol);
  EXPECT_EQ(policy.proxies.size(), 2u);
  EXPECT_EQ(policy.timeouts.header, 2'500'000'000u);
  EXPECT_EQ(policy.timeouts.idle, 0u);
  EXPECT_EQ(policy.timeouts.stream, 600 * base::kNanosPerSecond);
  EXPECT_EQ(policy.requests_per_connection, 1000u);
  EXPECT_EQ(policy.forwarding.trusted_hops, 2u);
  EXPECT_EQ(policy.forwarding.x_forwarded, http::Chain::kAppend);
  EXPECT_EQ(policy.forwarding.forwarded, http::Chain::kPass);
  EXPECT_FALSE(policy.forwarding.keep_request_id);
  EXPECT_EQ(policy.path, (http::PathPolicy{true, http::EscapedSlash::kDecode}));
  EXPECT_EQ(
      policy.limits,
      (http::HeadLimits{.target_bytes = 100, .field_bytes = 2000, .field_count = 300, .body_bytes = 5'000'000'000}));
  ASSERT_EQ(policy.replies.size(), 2u);
  EXPECT_EQ(policy.replies[0].statuses, (std::vector<uint16_t>{502, 503}));
  EXPECT_EQ(policy.replies[0].answer, (config::DirectResponse{200, "text/html", "sorry", 0}));
  EXPECT_EQ(policy.replies[1].answer, (config::DirectResponse{0, "", "none", 0}));
  ASSERT_TRUE(policy.maintenance);
  EXPECT_EQ(policy.maintenance->answer, (config::DirectResponse{500, "text/plain", "closed", 120}));
  EXPECT_EQ(policy.maintenance->except.size(), 1u);
}

TEST(ListenerPolicyYaml, DefaultsAreThoseOfAListener) {
  const auto policy = one<model::ListenerPolicy>(kPolicy + "  maintenance: {}\n  proxyProtocol: {}\n");
  EXPECT_EQ(policy.timeouts, config::ListenerTimeouts{});
  EXPECT_EQ(policy.forwarding, http::ForwardingPolicy{});
  EXPECT_EQ(policy.path, http::PathPolicy{});
  EXPECT_EQ(policy.limits, http::HeadLimits{});
  EXPECT_TRUE(policy.proxy_protocol);
  EXPECT_TRUE(policy.proxies.empty());
  EXPECT_EQ(policy.maintenance->answer, (config::DirectResponse{503, "", "", 0}));
}

TEST(ListenerPolicyYaml, WhatIsWrongIsNamed) {
  EXPECT_FAULT(kPolicy + "  forwarding: {xForwarded: Maybe}\n", "spec.forwarding.xForwarded");
  EXPECT_FAULT(kPolicy + "  path: {escapedSlashesAction: Decode}\n", "spec.path.escapedSlashesAction");
  EXPECT_FAULT(kPolicy + "  timeouts: {header: soon}\n", "spec.timeouts.header");
  EXPECT_FAULT(kPolicy + "  localReplies: [{statuses: [70000]}]\n", "spec.localReplies[0].statuses[0]");
  EXPECT_FAULT(kPolicy + "  proxyProtocol: {sources: [x]}\n", "spec.proxyProtocol.sources[0]");
  EXPECT_FAULT(kPolicy + "  maintenance: {retryAfter: 1ms}\n", "spec.maintenance.retryAfter");
}

TEST(DirectResponseYaml, EveryFieldArrivesAndARuleNamesIt) {
  const auto response = one<model::DirectResponse>(R"(apiVersion: penstock.io/v1alpha1
kind: DirectResponse
metadata: {name: teapot}
spec: {status: 418, contentType: text/plain, body: short, retryAfter: 90s}
)");
  EXPECT_EQ(response.answer, (config::DirectResponse{418, "text/plain", "short", 90}));
  const std::string route = R"(apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: shop}
spec:
  parentRefs: [{name: edge}]
  rules:
  - filters: [{type: ExtensionRef, extensionRef: {group: penstock.io, kind: KIND, name: teapot}}]
)";
  std::string right = route, wrong = route;
  right.replace(right.find("KIND"), 4, "DirectResponse");
  wrong.replace(wrong.find("KIND"), 4, "Teapot");
  EXPECT_EQ(one<model::HttpRoute>(right).rules.at(0).filters.direct, (model::Name{"default", "teapot"}));
  EXPECT_FAULT(wrong, "spec.rules[0].filters[0].extensionRef.kind");
}

}  // namespace
}  // namespace penstock::api
