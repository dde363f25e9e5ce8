// Every rule of RequestAccessPolicy and RequestInspection: what is wrong, where, and what is fine.
#include <gtest/gtest.h>

#include <functional>

#include "tests/unit/control/model/sample_gateway.h"

namespace penstock::model {
namespace {

using config::TextKind;

RequestAccessPolicy sample_policy(std::string name = "no") {
  RequestAccessPolicy policy;
  policy.name = named(std::move(name));
  policy.targets = {{true, named("shop"), ""}};
  policy.action = config::AccessAction::kDeny;
  policy.rules.emplace_back().name = "0";
  policy.rules[0].paths = {{TextKind::kExact, "/admin"}, {TextKind::kRegex, "/a+"}, {TextKind::kPrefix, "/x"}};
  return policy;
}

RequestInspection sample_inspection(std::string name = "look") {
  RequestInspection inspection;
  inspection.name = named(std::move(name));
  inspection.targets = {{false, named("edge"), "http"}};
  config::InspectionPattern& pattern = inspection.patterns.emplace_back();
  pattern.name = "p";
  pattern.expression = "evil";
  pattern.parts = config::kInspectPath;
  return inspection;
}

std::string of_policy(const std::function<void(RequestAccessPolicy&)>& change) {
  State state = sample_l7_state();
  RequestAccessPolicy policy = sample_policy();
  change(policy);
  put(state.request_access, policy);
  return faults_of(state);
}
std::string of_rule(const std::function<void(config::AccessRule&)>& change) {
  return of_policy([&](RequestAccessPolicy& policy) { change(policy.rules[0]); });
}
std::string of_inspection(const std::function<void(RequestInspection&)>& change) {
  State state = sample_l7_state();
  RequestInspection inspection = sample_inspection();
  change(inspection);
  put(state.request_inspections, inspection);
  return faults_of(state);
}
std::string of_pattern(const std::function<void(config::InspectionPattern&)>& change) {
  return of_inspection([&](RequestInspection& inspection) { change(inspection.patterns[0]); });
}

// The only fault is at this path of the object.
#define EXPECT_FAULT(faults, at)                                 \
  do {                                                           \
    const std::string all = (faults);                            \
    EXPECT_TRUE(all.starts_with(std::string(at) + ": ")) << all; \
    EXPECT_EQ(all.find('\n'), std::string::npos) << all;         \
  } while (false)
const std::string kPolicy = "RequestAccessPolicy/default/no spec.", kRule = kPolicy + "rules[0].",
                  kInspection = "RequestInspection/default/look spec.", kPattern = kInspection + "patterns[0].";

TEST(ValidateRequestAccess, Policies) {
  EXPECT_EQ(of_policy([](auto&) {}), "");
  EXPECT_EQ(of_policy([](auto& p) { p.action = config::AccessAction::kAllow, p.rules.clear(); }), "");
  EXPECT_FAULT(of_policy([](auto& p) { p.rules.clear(); }), kPolicy + "rules");
  EXPECT_FAULT(of_policy([](auto& p) { p.rules.resize(65, p.rules[0]); }), kPolicy + "rules");
  EXPECT_FAULT(of_policy([](auto& p) { p.rules.resize(2, p.rules[0]); }), kPolicy + "rules[1].name");
  EXPECT_FAULT(of_policy([](auto& p) { p.targets.clear(); }), kPolicy + "targetRefs");
  EXPECT_FAULT(of_policy([](auto& p) { p.targets.push_back(p.targets[0]); }), kPolicy + "targetRefs[1]");
  EXPECT_FAULT(of_policy([](auto& p) { p.targets[0].name.name = "gone"; }), kPolicy + "targetRefs[0].name");
  EXPECT_FAULT(of_policy([](auto& p) { p.targets[0].section = "gone"; }), kPolicy + "targetRefs[0].sectionName");
  EXPECT_FAULT(of_policy([](auto& p) {
                 p.targets[0] = {false, named("edge"), "gone"};
               }),
               kPolicy + "targetRefs[0].sectionName");
}

TEST(ValidateRequestAccess, Rules) {
  EXPECT_FAULT(of_rule([](auto& r) { r.name = "a b"; }), kRule + "name");
  EXPECT_FAULT(of_rule([](auto& r) { r.from = {*base::Prefix::parse("10.0.0.1/8")}; }), kRule + "remoteIpBlocks[0]");
  EXPECT_FAULT(of_rule([](auto& r) { r.paths[0].value = "admin"; }), kRule + "paths[0]");
  EXPECT_FAULT(of_rule([](auto& r) { r.paths[0].value = "/a?b"; }), kRule + "paths[0]");
  EXPECT_FAULT(of_rule([](auto& r) { r.paths[0].value = "/%zz"; }), kRule + "paths[0]");
  EXPECT_FAULT(of_rule([](auto& r) { r.paths[0].value = "/a*b"; }), kRule + "paths[0]");
  EXPECT_FAULT(of_rule([](auto& r) { r.paths[1].value = ""; }), kRule + "pathExpressions[0]");
  EXPECT_FAULT(of_rule([](auto& r) { r.paths[2].value = "x"; }), kRule + "paths[1]");
  EXPECT_FAULT(of_rule([](auto& r) { r.not_paths = {{TextKind::kSuffix, "a b"}}; }), kRule + "notPaths[0]");
  EXPECT_FAULT(of_rule([](auto& r) { r.hosts = {{TextKind::kExact, "a/b"}}; }), kRule + "hosts[0]");
  EXPECT_FAULT(of_rule([](auto& r) { r.methods = {{TextKind::kExact, "GE T"}}; }), kRule + "methods[0]");
  EXPECT_FAULT(of_rule([](auto& r) { r.paths.resize(513, r.paths[0]); }), kRule + "paths");
  EXPECT_FAULT(of_rule([](auto& r) { r.hosts = {{TextKind::kExact, std::string(1025, 'a')}}; }), kRule + "hosts[0]");
}

TEST(ValidateRequestAccess, Fields) {
  const config::TextMatches any{{TextKind::kPresent, ""}};
  const auto header = [&](config::FieldMatch field) { return of_rule([&](auto& r) { r.headers = {field}; }); };
  EXPECT_EQ(header({"x-key", any, {}}), "");
  EXPECT_EQ(header({"host", any, {}}), "");
  EXPECT_FAULT(header({"x-key", {}, {}}), kRule + "headers[0]");
  EXPECT_FAULT(header({"", any, {}}), kRule + "headers[0].name");
  EXPECT_FAULT(header({"a b", any, {}}), kRule + "headers[0].name");
  EXPECT_FAULT(header({"connection", any, {}}), kRule + "headers[0].name");
  EXPECT_FAULT(header({"x", {{TextKind::kRegex, ""}}, {}}), kRule + "headers[0].expressions[0]");
  EXPECT_FAULT(of_rule([&](auto& r) { r.query = {{"", any, {}}}; }), kRule + "queryParams[0].name");
}

TEST(ValidateInspection, Inspections) {
  EXPECT_EQ(of_inspection([](auto&) {}), "");
  EXPECT_FAULT(of_inspection([](auto& i) { i.patterns.clear(); }), kInspection + "patterns");
  EXPECT_FAULT(of_inspection([](auto& i) { i.body_bytes = 65537; }), kInspection + "bodyBytes");
  EXPECT_FAULT(of_inspection([](auto& i) { i.patterns.push_back(i.patterns[0]); }), kInspection + "patterns[1].name");
  EXPECT_FAULT(of_inspection([](auto& i) { i.uninspectable = config::InspectionAction::kDeny; }),
               kInspection + "onUninspectable");
  EXPECT_EQ(of_inspection([](auto& i) {
              i.body_bytes = 100;
              i.patterns[0].parts = config::kInspectBody;
              i.uninspectable = config::InspectionAction::kLog;
            }),
            "");
  State state = sample_l7_state();
  put(state.request_inspections, sample_inspection("a"));
  put(state.request_inspections, sample_inspection("b"));
  EXPECT_FAULT(faults_of(state), "RequestInspection/default/b spec.targetRefs[0]");
}

TEST(ValidateInspection, Patterns) {
  EXPECT_FAULT(of_pattern([](auto& p) { p.name = ""; }), kPattern + "name");
  EXPECT_FAULT(of_pattern([](auto& p) { p.expression = ""; }), kPattern + "expression");
  EXPECT_FAULT(of_pattern([](auto& p) { p.parts = 0; }), kPattern + "in");
  EXPECT_FAULT(of_pattern([](auto& p) { p.parts = config::kInspectBody; }), kPattern + "in");
  EXPECT_FAULT(of_pattern([](auto& p) { p.headers = {"a b"}; }), kPattern + "in");
  EXPECT_FAULT(of_pattern([](auto& p) { p.tag_name = "x", p.tag_value = "y"; }), kPattern + "tag");
  const auto tag = [](std::string name, std::string value) {
    return of_pattern([&](auto& p) {
      p.action = config::InspectionAction::kTag;
      p.tag_name = name;
      p.tag_value = value;
    });
  };
  EXPECT_EQ(tag("x-tag", "yes"), "");
  EXPECT_FAULT(tag("", "yes"), kPattern + "tag.header");
  EXPECT_FAULT(tag("host", "yes"), kPattern + "tag.header");
  EXPECT_FAULT(tag("x-tag", "a\nb"), kPattern + "tag.value");
  EXPECT_FAULT(tag("x-tag", ""), kPattern + "tag.value");
}

// What a pattern counts against must be there, be meant for it, and stay.
TEST(ValidateInspection, Limits) {
  const auto faults = [](const std::function<void(RequestInspection&, RateLimit&)>& change) {
    State state = sample_l7_state();
    RequestInspection inspection = sample_inspection();
    inspection.patterns[0].action = config::InspectionAction::kLimit;
    inspection.patterns[0].limit = "probes";
    RateLimit limit;
    limit.name = named("probes");
    limit.target = LimitTarget::kFindings;
    limit.unit = LimitUnit::kRequestsPerMinute;
    limit.rate = 10;
    change(inspection, limit);
    put(state.request_inspections, inspection);
    put(state.rate_limits, limit);
    return faults_of(state);
  };
  EXPECT_EQ(faults([](auto&, auto&) {}), "");
  EXPECT_FAULT(faults([](auto& i, auto&) { i.patterns[0].limit = ""; }), kPattern + "rateLimit");
  EXPECT_FAULT(faults([](auto& i, auto&) { i.patterns[0].limit = "gone"; }), kPattern + "rateLimit");
  EXPECT_FAULT(faults([](auto& i, auto&) { i.patterns[0].action = config::InspectionAction::kLog; }),
               kPattern + "rateLimit");
  EXPECT_FAULT(faults([](auto&, auto& l) { l.target = LimitTarget::kHttpRoute, l.object = named("shop"); }),
               kPattern + "rateLimit");
  EXPECT_FAULT(faults([](auto&, auto& l) { l.unit = LimitUnit::kRequestContent, l.rate = 1e6; }),
               "RateLimit/default/probes spec.rate");
  EXPECT_FAULT(faults([](auto&, auto& l) { l.unit = LimitUnit::kPackets; }), "RateLimit/default/probes spec.rate");

  State before = sample_l7_state();
  RateLimit limit;
  limit.target = LimitTarget::kFindings;
  limit.unit = LimitUnit::kRequests;
  limit.rate = 1;
  RequestInspection inspection = sample_inspection();
  for (int i = 0; i < 5; ++i) {
    limit.name = named("l" + std::to_string(i));
    put(before.rate_limits, limit);
    config::InspectionPattern pattern = inspection.patterns[0];
    pattern.name = limit.name.name;
    pattern.action = config::InspectionAction::kLimit;
    pattern.limit = limit.name.name;
    inspection.patterns.push_back(pattern);
  }
  put(before.request_inspections, inspection);
  EXPECT_FAULT(faults_of(before), kInspection + "patterns");
  inspection.patterns.pop_back();
  put(before.request_inspections, inspection);
  EXPECT_EQ(faults_of(before), "");
  State after = before;
  after.rate_limits.erase(named("l1"));
  EXPECT_FAULT(faults_of(after, &before), kInspection + "patterns[2].rateLimit");
}

TEST(ValidateRequestPolicies, ListenersForTcpHaveNoRequests) {
  State state = sample_l7_state();
  Gateway gateway = sample_gateway();
  gateway.listeners.push_back(sample_listener("db", 5432));
  gateway.listeners.back().protocol = config::Protocol::kTcp;
  put(state.gateways, gateway);
  RequestAccessPolicy policy = sample_policy();
  policy.targets = {{false, named("edge"), "db"}};
  put(state.request_access, policy);
  EXPECT_FAULT(faults_of(state), kPolicy + "targetRefs[0].sectionName");
}

// What is attached to something cannot outlive it, nor a section of it.
TEST(ValidateRequestPolicies, OutliveNoTarget) {
  State before = sample_l7_state();
  put(before.request_access, sample_policy());
  put(before.request_inspections, sample_inspection());
  State after = before;
  after.http_routes.erase(named("shop"));
  EXPECT_FAULT(faults_of(after, &before), kPolicy + "targetRefs[0].name");
  after = before;
  Gateway gateway = sample_gateway();
  gateway.listeners[0].name = "other";
  put(after.gateways, gateway);
  EXPECT_FAULT(faults_of(after, &before), kInspection + "targetRefs[0].sectionName");
}

}  // namespace
}  // namespace penstock::model
