// Kinds of Gateway API as YAML: every field arrives, comes back, and what is not served is named.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "control/api/gateway_status.h"
#include "unit/control/api/translate_story.h"
#include "unit/control/model/sample_gateway.h"

namespace penstock::api {
namespace {

using model::ip;
using model::named;

const std::string kGateway = R"(apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge, namespace: infra, creationTimestamp: "2024-02-29T12:00:01Z", labels: {a: b}}
spec:
  gatewayClassName: penstock
)";
const std::string kRoute = R"(apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: shop}
spec:
  parentRefs: [{name: edge}]
  rules:
  - )";

TEST(TranslateGateway, Gateway) {
  const auto gateway = one<model::Gateway>(kGateway + R"(
  addresses: [{type: IPAddress, value: 192.0.2.1}, {value: "2001:db8::1"}]
  listeners:
  - {name: web, hostname: "*.example.com", port: 80, protocol: HTTP}
  - name: db
    port: 5432
    protocol: TCP
    allowedRoutes:
      namespaces: {from: All}
      kinds: [{kind: TCPRoute}, {group: "", kind: Other}]
)");
  EXPECT_EQ(gateway.name.to_string(), "infra/edge");
  EXPECT_EQ(gateway.created, 1709208001);
  EXPECT_EQ(gateway.addresses, (std::vector{ip("192.0.2.1"), ip("2001:db8::1")}));
  ASSERT_EQ(gateway.listeners.size(), 2U);
  EXPECT_EQ(gateway.listeners[0].hostname, "*.example.com");
  EXPECT_EQ(gateway.listeners[0].port, 80);
  EXPECT_EQ(gateway.listeners[0].from, model::RoutesFrom::kSame);
  EXPECT_EQ(gateway.listeners[1].protocol, config::Protocol::kTcp);
  EXPECT_EQ(gateway.listeners[1].from, model::RoutesFrom::kAll);
  EXPECT_EQ(gateway.listeners[1].kinds,
            (std::vector<model::RouteKind>{{model::kGatewayGroup, "TCPRoute"}, {"", "Other"}}));
}

// What is not served is kept, and comes back as it was.
TEST(TranslateGateway, ListenersThatAreNotServed) {
  const auto gateway = one<model::Gateway>(kGateway + R"(
  listeners:
  - name: web
    port: 443
    protocol: HTTPS
    hostname: shop.example.com
    tls: {certificateRefs: [{name: shop}, {group: g, kind: Vault, name: b, namespace: other}], options: {a/b: c}}
  - {name: raw, port: 443, protocol: TLS, tls: {mode: Passthrough}}
  - {name: dns, port: 53, protocol: UDP}
)");
  ASSERT_EQ(gateway.listeners.size(), 3U);
  EXPECT_EQ(gateway.listeners[0].unserved, "HTTPS");
  model::ListenerTls tls;
  tls.certificates = {{"", "Secret", {"infra", "shop"}}, {"g", "Vault", {"other", "b"}}};
  tls.options = {{"a/b", "c"}};
  EXPECT_TRUE(gateway.listeners[0].tls == tls);
  EXPECT_TRUE(gateway.listeners[1].tls && gateway.listeners[1].tls->passthrough);
  EXPECT_EQ(gateway.listeners[2].unserved, "UDP");
  EXPECT_FALSE(gateway.listeners[2].tls);
}

TEST(TranslateGateway, NamespacesAndWhoSelectsThem) {
  const auto gateway = one<model::Gateway>(kGateway + R"(
  listeners:
  - name: a
    port: 80
    protocol: HTTP
    allowedRoutes: {namespaces: {from: Selector, selector: {matchLabels: {team: shop}, matchExpressions: [{key: stage, operator: NotIn, values: [test]}]}}}
)");
  EXPECT_EQ(gateway.listeners[0].from, model::RoutesFrom::kSelector);
  EXPECT_EQ(gateway.listeners[0].namespaces.labels, (model::Labels{{"team", "shop"}}));
  ASSERT_EQ(gateway.listeners[0].namespaces.requirements.size(), 1U);
  EXPECT_EQ(gateway.listeners[0].namespaces.requirements[0].is, model::LabelRequirement::Operator::kNotIn);
  const auto space = one<model::Namespace>(R"(
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {team: shop}, uid: 5e3a}
spec: {finalizers: [kubernetes]}
)");
  EXPECT_EQ(space.name.name, "shop");
  EXPECT_EQ(space.labels, (model::Labels{{"team", "shop"}}));
  EXPECT_FAULT("{apiVersion: v1, kind: Namespace, metadata: {name: a, namespace: b}}", "metadata.namespace");
}

TEST(TranslateGateway, WhatAGatewayMayNotSay) {
  const auto listener = [](const std::string& fields) {
    return kGateway + "  listeners: [{name: a, " + fields + "}]\n";
  };
  EXPECT_FAULT(listener("port: 443, protocol: QUIC"), "spec.listeners[0].protocol");
  EXPECT_FAULT(listener("port: 443, protocol: UDP, tls: {mode: Terminate}"), "spec.listeners[0].tls");
  EXPECT_FAULT(listener("port: 443, protocol: HTTPS, tls: {mode: Both}"), "spec.listeners[0].tls.mode");
  EXPECT_FAULT(listener("port: 80"), "spec.listeners[0].protocol");
  EXPECT_FAULT(listener("port: 65616, protocol: HTTP"), "spec.listeners[0].port");
  EXPECT_FAULT(listener("port: 80, protocol: HTTP, tls: {mode: Terminate}"), "spec.listeners[0].tls");
  EXPECT_FAULT(listener("port: 80, protocol: HTTP, allowedRoutes: {namespaces: {from: Selector}}"),
               "spec.listeners[0].allowedRoutes.namespaces.selector");
  EXPECT_FAULT(listener("port: 80, protocol: HTTP, allowedRoutes: {namespaces: {from: None}}"),
               "spec.listeners[0].allowedRoutes.namespaces.from");
  EXPECT_FAULT(listener("port: 80, protocol: HTTP, allowedRoutes: {namespaces: {from: Same, selector: {}}}"),
               "spec.listeners[0].allowedRoutes.namespaces.selector");
  EXPECT_FAULT(kGateway + "  addresses: [{type: Hostname, value: a.example}]\n", "spec.addresses[0].type");
  EXPECT_FAULT(kGateway + "  addresses: [{value: 192.0.2.300}]\n", "spec.addresses[0].value");
  EXPECT_FAULT(kGateway + "  infrastructure: {}\n", "spec.infrastructure");
  for (const char* time : {"yesterday", "2024-02-30T00:00:00Z", "2024-01-01T00:00:00+01:00", "2024-1-1T00:00:00Z",
                           "1024-01-01T00:00:00Z", "2024-01-01T25:00:00Z"}) {
    std::string yaml = kGateway;
    yaml.replace(yaml.find("2024-02-29T12:00:01Z"), 20, time);
    EXPECT_FAULT(yaml, "metadata.creationTimestamp");
  }
}

TEST(TranslateGateway, Versions) {
  const auto with = [](const char* version, const char* kind) {
    return read("{apiVersion: gateway.networking.k8s.io/" + std::string(version) + ", kind: " + kind +
                ", metadata: {name: a}, spec: {rules: [{}]}}")
        .faults;
  };
  EXPECT_EQ(with("v1", "HTTPRoute"), "");
  EXPECT_EQ(with("v1beta1", "HTTPRoute"), "");
  EXPECT_EQ(with("v1alpha2", "TCPRoute"), "");
  EXPECT_EQ(with("v1", "TCPRoute"), "");
  EXPECT_NE(with("v1alpha2", "HTTPRoute"), "");
}

TEST(TranslateHttpRoute, Matches) {
  const auto route = one<model::HttpRoute>(R"(apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: shop, namespace: apps}
spec:
  parentRefs:
  - {group: gateway.networking.k8s.io, kind: Gateway, name: edge, namespace: infra, sectionName: web, port: 80}
  - {name: own}
  hostnames: [shop.example.com, "*.example.org"]
  rules:
  - name: main
    matches:
    - path: {type: Exact, value: /cart}
      method: POST
      headers: [{name: X-A, value: "1"}, {type: RegularExpression, name: x-b, value: "a.*"}]
      queryParams: [{name: q, value: z}, {type: RegularExpression, name: r, value: "[0-9]"}]
    - path: {type: RegularExpression, value: "/v[0-9]+/.*"}
    - {}
    backendRefs:
    - {name: web, port: 80, weight: 90}
    - {group: x.example, kind: Bucket, name: web, namespace: other, port: 81, weight: 0}
)");
  EXPECT_EQ(route.parents, (std::vector<model::ParentRef>{{{.space = "infra", .name = "edge"}, "web", 80},
                                                          {{.space = "apps", .name = "own"}, "", 0}}));
  EXPECT_EQ(route.hostnames, (std::vector<std::string>{"shop.example.com", "*.example.org"}));
  ASSERT_EQ(route.rules.size(), 1U);
  const model::HttpRule& rule = route.rules[0];
  EXPECT_EQ(rule.name, "main");
  ASSERT_EQ(rule.matches.size(), 3U);
  EXPECT_EQ(rule.matches[0].path, (config::PathMatch{config::PathKind::kExact, "/cart"}));
  EXPECT_EQ(rule.matches[0].method, http::Method::kPost);
  EXPECT_EQ(rule.matches[0].headers, (std::vector<config::Condition>{{"X-A", "1", false}, {"x-b", "a.*", true}}));
  EXPECT_EQ(rule.matches[0].query, (std::vector<config::Condition>{{"q", "z", false}, {"r", "[0-9]", true}}));
  EXPECT_EQ(rule.matches[1].path.kind, config::PathKind::kRegex);
  EXPECT_EQ(rule.matches[2], config::Match{});
  ASSERT_EQ(rule.backends.size(), 2U);
  EXPECT_EQ(rule.backends[0].object, (model::BackendObject{"", "Service", {.space = "apps", .name = "web"}, 80}));
  EXPECT_EQ(rule.backends[0].weight, 90U);
  EXPECT_EQ(rule.backends[1].object,
            (model::BackendObject{"x.example", "Bucket", {.space = "other", .name = "web"}, 81}));
  EXPECT_EQ(rule.backends[1].weight, 0U);
}

TEST(TranslateHttpRoute, WithoutRulesThereIsOneForEverything) {
  const auto route =
      one<model::HttpRoute>("{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: a}}");
  ASSERT_EQ(route.rules.size(), 1U);
  EXPECT_EQ(route.rules[0], model::HttpRule{});
}

TEST(TranslateHttpRoute, Filters) {
  using Kind = config::HeaderChange::Kind;
  using Modifier = config::PathModifier::Kind;
  const auto route = one<model::HttpRoute>(kRoute + R"(filters:
    - type: RequestHeaderModifier
      requestHeaderModifier:
        add: [{name: X-Add, value: "2"}]
        set: [{name: X-Set, value: "1"}]
        remove: [X-Gone]
    - {type: ResponseHeaderModifier, responseHeaderModifier: {remove: [server]}}
    - type: URLRewrite
      urlRewrite: {hostname: inner.example, path: {type: ReplacePrefixMatch, replacePrefixMatch: /}}
    - {type: RequestMirror, requestMirror: {backendRef: {name: a, port: 1}}}
    - {type: RequestMirror, requestMirror: {backendRef: {name: b, port: 2, namespace: other}, percent: 42}}
    - {type: RequestMirror, requestMirror: {backendRef: {name: c, port: 3}, fraction: {numerator: 1, denominator: 1000}}}
    - {type: RequestMirror, requestMirror: {backendRef: {name: d, port: 4}, fraction: {numerator: 7}}}
    - type: CORS
      cors:
        allowOrigins: ["https://*.example"]
        allowMethods: [GET]
        allowHeaders: [X-A]
        exposeHeaders: [X-B]
        allowCredentials: true
        maxAge: 60
    backendRefs:
    - name: web
      port: 80
      filters: [{type: URLRewrite, urlRewrite: {path: {type: ReplaceFullPath, replaceFullPath: /x}}}]
    timeouts: {request: 10s, backendRequest: 1500ms}
    retry: {attempts: 3, backoff: 50ms, codes: [500, 503]}
  - filters:
    - type: RequestRedirect
      requestRedirect:
        {scheme: https, hostname: new.example, port: 8443, statusCode: 308, path: {type: ReplaceFullPath, replaceFullPath: /}}
)");
  ASSERT_EQ(route.rules.size(), 2U);
  const model::RouteFilters& filters = route.rules[0].filters;
  EXPECT_EQ(filters.request,
            (std::vector<config::HeaderChange>{
                {Kind::kSet, "x-set", "1"}, {Kind::kAdd, "x-add", "2"}, {Kind::kRemove, "x-gone", ""}}));
  EXPECT_EQ(filters.response, (std::vector<config::HeaderChange>{{Kind::kRemove, "server", ""}}));
  EXPECT_EQ(filters.rewrite, (config::Rewrite{"inner.example", {Modifier::kPrefixMatch, "/"}}));
  ASSERT_EQ(filters.mirrors.size(), 4U);
  EXPECT_EQ(filters.mirrors[0], (model::MirrorFilter{{"", "Service", named("a"), 1}, 1, 1}));
  EXPECT_EQ(filters.mirrors[1].numerator, 42U);
  EXPECT_EQ(filters.mirrors[1].denominator, 100U);
  EXPECT_EQ(filters.mirrors[1].backend.name.space, "other");
  EXPECT_EQ(filters.mirrors[2].denominator, 1000U);
  EXPECT_EQ(filters.mirrors[3].numerator, 7U);
  EXPECT_EQ(filters.mirrors[3].denominator, 100U);
  EXPECT_EQ(filters.cors, (config::Cors{{"https://*.example"}, {"GET"}, {"x-a"}, {"x-b"}, true, 60}));
  EXPECT_EQ(route.rules[0].backends.at(0).filters.rewrite, (config::Rewrite{"", {Modifier::kFullPath, "/x"}}));
  EXPECT_EQ(route.rules[0].timeouts, (config::Timeouts{10'000'000'000, 1'500'000'000}));
  ASSERT_TRUE(route.rules[0].retry);
  EXPECT_EQ(route.rules[0].retry->attempts, 3);
  EXPECT_EQ(route.rules[0].retry->backoff, 50'000'000U);
  EXPECT_EQ(route.rules[0].retry->codes, (std::vector<uint16_t>{500, 503}));
  EXPECT_EQ(route.rules[1].filters.redirect,
            (config::Redirect{http::Scheme::kHttps, "new.example", {Modifier::kFullPath, "/"}, 8443, 308}));
}

TEST(TranslateHttpRoute, WhatARouteMayNotSay) {
  const std::string rule = "spec.rules[0].";
  EXPECT_FAULT(kRoute + "{matches: [{path: {type: Glob}}]}\n", rule + "matches[0].path.type");
  EXPECT_FAULT(kRoute + "{matches: [{method: get}]}\n", rule + "matches[0].method");
  EXPECT_FAULT(kRoute + "{matches: [{headers: [{name: a, value: b, type: Prefix}]}]}\n",
               rule + "matches[0].headers[0].type");
  EXPECT_FAULT(kRoute + "{matches: [{queryParams: [{name: a, value: b, type: Prefix}]}]}\n",
               rule + "matches[0].queryParams[0].type");
  EXPECT_FAULT(kRoute + "{sessionAffinity: {}}\n", rule + "sessionAffinity");
  EXPECT_FAULT(kRoute + "{backendRefs: [{name: a, port: 80, weight: -1}]}\n", rule + "backendRefs[0].weight");
  EXPECT_FAULT(kRoute + "{backendRefs: [{name: a, port: 70000}]}\n", rule + "backendRefs[0].port");
  EXPECT_FAULT(kRoute + "{timeouts: {request: soon}}\n", rule + "timeouts.request");
  EXPECT_FAULT(kRoute + "{retry: {attempts: 1000}}\n", rule + "retry.attempts");
  EXPECT_FAULT(kRoute + "{retry: {codes: [-5]}}\n", rule + "retry.codes[0]");
  const auto filter = [](const std::string& text) { return kRoute + "{filters: [" + text + "]}\n"; };
  const std::string at = rule + "filters[0]";
  EXPECT_FAULT(filter("{type: ExtensionRef}"), at);
  EXPECT_FAULT(filter("{type: URLRewrite}"), at);
  EXPECT_FAULT(filter("{type: URLRewrite, cors: {}}"), at);
  EXPECT_FAULT(filter("{type: URLRewrite, urlRewrite: {}, cors: {}}"), at);
  EXPECT_FAULT(filter("{type: CORS, cors: {}}, {type: CORS, cors: {}}"), rule + "filters[1].type");
  EXPECT_FAULT(filter("{type: URLRewrite, urlRewrite: {path: {type: ReplaceFullPath, replacePrefixMatch: /}}}"),
               at + ".urlRewrite.path");
  EXPECT_FAULT(filter("{type: RequestRedirect, requestRedirect: {scheme: ftp}}"), at + ".requestRedirect.scheme");
  EXPECT_FAULT(filter("{type: RequestMirror, requestMirror: {backendRef: {name: a, port: 1}, percent: 1, "
                      "fraction: {numerator: 1}}}"),
               at + ".requestMirror");
  EXPECT_FAULT(kRoute + "{backendRefs: [{name: a, port: 1, filters: [{type: CORS, cors: {}}]}]}\n",
               rule + "backendRefs[0].filters[0].type");
  std::string other = kRoute + "{}\n";
  other.replace(other.find("name: edge"), 10, "name: web, kind: Service");
  EXPECT_FAULT(other, "spec.parentRefs[0].kind");
}

TEST(TranslateTcpRoute, Fields) {
  const auto route = one<model::TcpRoute>(R"(apiVersion: gateway.networking.k8s.io/v1alpha2
kind: TCPRoute
metadata: {name: db}
spec:
  parentRefs: [{name: edge, sectionName: db}]
  rules: [{name: only, backendRefs: [{name: pg, port: 5432, weight: 3}, {name: pg2, port: 5432}]}]
)");
  EXPECT_EQ(route.parents.at(0).section, "db");
  EXPECT_EQ(route.rule_name, "only");
  ASSERT_EQ(route.backends.size(), 2U);
  EXPECT_EQ(route.backends[0].weight, 3U);
  EXPECT_EQ(route.backends[1].object.port, 5432);
  EXPECT_FAULT("{apiVersion: gateway.networking.k8s.io/v1alpha2, kind: TCPRoute, metadata: {name: a}, spec: {}}",
               "spec.rules");
}

TEST(TranslateGrant, Fields) {
  const auto grant = one<model::ReferenceGrant>(R"(apiVersion: gateway.networking.k8s.io/v1beta1
kind: ReferenceGrant
metadata: {name: g, namespace: other}
spec:
  from: [{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: apps}]
  to: [{group: "", kind: Service}, {group: "", kind: Service, name: web}]
)");
  EXPECT_EQ(grant.from, (std::vector<model::GrantFrom>{{model::kGatewayGroup, "HTTPRoute", "apps"}}));
  EXPECT_EQ(grant.to, (std::vector<model::GrantTo>{{"", "Service", ""}, {"", "Service", "web"}}));
}

TEST(TranslateFault, Fields) {
  const std::string head =
      "{apiVersion: penstock.io/v1alpha1, kind: Fault, metadata: {name: f}, spec: "
      "{targetRef: {kind: HTTPRoute, name: shop, sectionName: main}, ";
  const auto fault = one<model::Fault>(head + "delay: {fixedDelay: 2s, percentage: 0.1}, abort: {httpStatus: 503}}}");
  EXPECT_EQ(fault.route, named("shop"));
  EXPECT_EQ(fault.section, "main");
  EXPECT_EQ(fault.delay_milliseconds, 2000U);
  EXPECT_EQ(fault.delay_per_million, 1000U);
  EXPECT_EQ(fault.abort_status, 503);
  EXPECT_EQ(fault.abort_per_million, 1'000'000U);
  one<model::Fault>(head + "abort: {httpStatus: 503, percentage: 33.3333}}}");
  const auto slow = one<model::Fault>(
      head + "reset: {percentage: 5}, throttle: {bitsPerSecond: 1e6}, headers: [{name: X-Fault, value: \"yes\"}]}}");
  EXPECT_EQ(slow.reset_per_million, 50'000U);
  EXPECT_EQ(slow.throttle_bits, 1e6);
  EXPECT_EQ(slow.throttle_per_million, 1'000'000U);
  EXPECT_EQ(slow.headers, (std::vector<config::FaultHeader>{{"x-fault", "yes"}}));
  EXPECT_FAULT(head + "reset: {}, headers: [{name: a, value: b, type: RegularExpression}]}}", "spec.headers[0].type");
  EXPECT_FAULT(head + "abort: {httpStatus: 503, percentage: 101}}}", "spec.abort.percentage");
  EXPECT_FAULT(head + "abort: {httpStatus: 503, percentage: 0.00001}}}", "spec.abort.percentage");
  EXPECT_FAULT(head + "abort: {httpStatus: 70000}}}", "spec.abort.httpStatus");
  EXPECT_FAULT(head + "delay: {fixedDelay: long}}}", "spec.delay.fixedDelay");
  EXPECT_FAULT(
      "{apiVersion: penstock.io/v1alpha1, kind: Fault, metadata: {name: f}, spec: {targetRef: {kind: Service, "
      "name: a}}}",
      "spec.targetRef.kind");
}

// `get` shows it, and what `get` showed can be applied.
TEST(GatewayStatus, IsWrittenAndPassedOver) {
  const model::State state = model::sample_l7_state();
  StatusWriter statuses(state);
  for (const auto& [kind, name, status] :
       {std::tuple(model::Kind::kGateway, "edge", "status:\n  addresses:\n  - type: IPAddress\n    value: 10.0.0.1\n"),
        std::tuple(model::Kind::kHttpRoute, "shop", "status:\n  parents:\n  - parentRef:\n      name: edge\n")}) {
    v1::Object message;
    ASSERT_TRUE(find_object(state, {kind, named(name)}, message));
    statuses.write({kind, named(name)}, message);
    const std::string yaml = write_yaml({message});
    EXPECT_NE(yaml.find(status), std::string::npos) << yaml;
    EXPECT_NE(yaml.find("reason: Accepted"), std::string::npos) << yaml;
    const Read again = read(yaml);
    EXPECT_EQ(again.faults, "");
    model::Object object;
    ASSERT_TRUE(find_object(state, {kind, named(name)}, object));
    EXPECT_TRUE(again.objects.at(0) == object) << yaml;
  }
}

// What the documents show is fine, as it stands, on a gateway that has nothing but a Node.
TEST(Examples, AreAcceptedAndResolved) {
  size_t examples = 0;
  for (const auto& file : std::filesystem::directory_iterator(PENSTOCK_EXAMPLES)) {
    std::ifstream stream(file.path());
    const Read result = read({std::istreambuf_iterator<char>(stream), {}});
    ASSERT_EQ(result.faults, "") << file.path();
    model::FieldErrors errors;
    model::Change change{result.objects, {}};
    change.apply.emplace_back(model::sample_node());
    const model::State state = model::with_change({}, change, errors);
    ASSERT_TRUE(errors.empty());
    EXPECT_EQ(model::faults_of(state), "") << file.path();
    StatusWriter statuses(state);
    for (const model::Object& object : result.objects) {
      v1::Object message;
      to_message(object, message);
      statuses.write(model::key_of(object), message);
      for (const auto& parent : message.http_route().status().parents())
        for (const auto& condition : parent.conditions()) EXPECT_EQ(condition.status(), "True") << condition.message();
    }
    ++examples;
  }
  EXPECT_GT(examples, 0U);
}

}  // namespace
}  // namespace penstock::api
