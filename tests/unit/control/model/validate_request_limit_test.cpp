// Every rule of RateLimits whose target is a Gateway or an HTTPRoute.
#include <gtest/gtest.h>

#include "control/model/validation.h"
#include "tests/unit/control/model/sample_gateway.h"

namespace penstock::model {
namespace {

using Kind = config::LimitComponent::Kind;

RateLimit of_route(std::string section = "") {
  RateLimit limit;
  limit.name = named("l");
  limit.target = LimitTarget::kHttpRoute;
  limit.object = named("shop");
  limit.section = std::move(section);
  limit.unit = LimitUnit::kRequestsPerMinute;
  limit.rate = 100;
  return limit;
}

std::string faults_of(const RateLimit& limit) {
  State state = sample_l7_state();
  HttpRoute route = sample_route();
  route.rules[0].name = "front";
  put(state.http_routes, route);
  put(state.rate_limits, limit);
  return lines(validate(state, nullptr));
}

TEST(ValidateRequestLimit, WhatIsFine) {
  EXPECT_EQ(faults_of(of_route()), "");
  RateLimit limit = of_route("front");
  limit.bucket = LimitBucket::kSourcePrefix;
  limit.v4_prefix_length = 24;
  limit.matches = {prefix("/a")};
  limit.descriptors = {{Kind::kHeader, "x-user"},         {Kind::kCookie, "sid"}, {Kind::kQuery, "q"}, {Kind::kPath},
                       {Kind::kPathPattern, "/a/{b}/**"}, {Kind::kHost},          {Kind::kMethod}};
  limit.shadow = limit.headers = true;
  EXPECT_EQ(faults_of(limit), "");
  limit.target = LimitTarget::kGateway;
  limit.object = named("edge");
  limit.section = "http";
  EXPECT_EQ(faults_of(limit), "");
}

TEST(ValidateRequestLimit, WhatIsNot) {
  const auto with = [](const std::string& path, auto&& change) {
    RateLimit limit = of_route();
    change(limit);
    const std::string faults = faults_of(limit);
    EXPECT_TRUE(faults.starts_with("RateLimit/default/l " + path + ":")) << path << "\n" << faults;
  };
  with("spec.target.httpRoute.name", [](RateLimit& l) { l.object.name = "none"; });
  with("spec.target.httpRoute.sectionName", [](RateLimit& l) { l.section = "none"; });
  with("spec.target.gateway.name", [](RateLimit& l) { l.target = LimitTarget::kGateway; });
  with("spec.target.gateway.sectionName", [](RateLimit& l) {
    l.target = LimitTarget::kGateway;
    l.object.name = "edge";
    l.section = "none";
  });
  with("spec.rate", [](RateLimit& l) { l.unit = LimitUnit::kBits; });
  with("spec.rate.requestsPerMinute", [](RateLimit& l) { l.rate = 0; });
  with("spec.rate.requestsPerHour", [](RateLimit& l) {
    l.unit = LimitUnit::kRequestsPerHour;
    l.rate = 2e9;
  });
  with("spec.burst", [](RateLimit& l) { l.burst = 0.5; });
  with("spec.rate.responseBitsPerSecond", [](RateLimit& l) { l.unit = LimitUnit::kResponseContent; });
  const auto bandwidth = [](RateLimit& l) { l.unit = LimitUnit::kRequestContent, l.rate = 1e6; };
  with("spec.burst", [&](RateLimit& l) { bandwidth(l), l.burst = 100; });
  with("spec.shadow", [&](RateLimit& l) { bandwidth(l), l.shadow = true; });
  with("spec.headers", [&](RateLimit& l) { bandwidth(l), l.headers = true; });
  with("spec.per", [](RateLimit& l) { l.bucket = LimitBucket::kFlow; });
  with("spec.action", [](RateLimit& l) { l.action = LimitAction::kMark; });
  with("spec.matches[0].path.value", [](RateLimit& l) { l.matches = {prefix("a")}; });
  with("spec.matches", [](RateLimit& l) { l.matches.resize(65, prefix("/")); });
  with("spec.descriptors", [](RateLimit& l) { l.descriptors.resize(8, {Kind::kHost}); });
  with("spec.descriptors[0].name", [](RateLimit& l) { l.descriptors = {{Kind::kHeader, "a b"}}; });
  with("spec.descriptors[0].name", [](RateLimit& l) { l.descriptors = {{Kind::kHeader, "connection"}}; });
  with("spec.descriptors[0].name", [](RateLimit& l) { l.descriptors = {{Kind::kQuery, ""}}; });
  with("spec.descriptors[0].name", [](RateLimit& l) { l.descriptors = {{Kind::kCookie, "a=b"}}; });
  with("spec.descriptors[0].pattern", [](RateLimit& l) { l.descriptors = {{Kind::kPathPattern, "/a*"}}; });
}

// Of TCP only bytes are known, and where they come from.
TEST(ValidateRequestLimit, OfAListenerForTcp) {
  const auto faults = [](auto&& change) {
    State state = sample_l7_state();
    Gateway gateway = sample_gateway();
    gateway.listeners.push_back(sample_listener("db", 5432));
    gateway.listeners.back().protocol = config::Protocol::kTcp;
    put(state.gateways, gateway);
    RateLimit limit = of_route("db");
    limit.target = LimitTarget::kGateway;
    limit.object = named("edge");
    limit.unit = LimitUnit::kRequestContent;
    limit.rate = 1e6;
    limit.bucket = LimitBucket::kSource;
    change(limit);
    put(state.rate_limits, limit);
    return lines(validate(state, nullptr));
  };
  const std::string at = "RateLimit/default/l spec.target.gateway.sectionName:";
  EXPECT_EQ(faults([](RateLimit&) {}), "");
  EXPECT_TRUE(faults([](RateLimit& l) { l.unit = LimitUnit::kRequests; }).starts_with(at));
  EXPECT_TRUE(faults([](RateLimit& l) { l.matches = {prefix("/")}; }).starts_with(at));
  EXPECT_TRUE(faults([](RateLimit& l) { l.descriptors = {{Kind::kHost}}; }).starts_with(at));
}

TEST(ValidateRequestLimit, LimitsOfPacketsHaveNoneOfIt) {
  const auto with = [](const std::string& path, auto&& change) {
    RateLimit limit;
    limit.name = named("l");
    limit.target = LimitTarget::kPrefix;
    limit.prefix = net("203.0.113.0/24");
    limit.rate = 10;
    EXPECT_EQ(faults_of(limit), "");
    change(limit);
    EXPECT_TRUE(faults_of(limit).starts_with("RateLimit/default/l " + path + ":")) << faults_of(limit);
  };
  with("spec.rate", [](RateLimit& l) { l.unit = LimitUnit::kRequests; });
  with("spec.matches", [](RateLimit& l) { l.matches = {prefix("/")}; });
  with("spec.descriptors", [](RateLimit& l) { l.descriptors = {{Kind::kHost}}; });
  with("spec.shadow", [](RateLimit& l) { l.shadow = true; });
  with("spec.headers", [](RateLimit& l) { l.headers = true; });
}

// A route or Gateway that a limit names cannot go alone.
TEST(ValidateRequestLimit, OutlivesNoTarget) {
  State before = sample_l7_state();
  put(before.rate_limits, of_route());
  State after = before;
  after.http_routes.clear();
  EXPECT_NE(lines(validate(after, &before)).find("RateLimit/default/l spec.target.httpRoute.name"), std::string::npos);
  after.rate_limits.clear();
  EXPECT_EQ(lines(validate(after, &before)), "");
}

}  // namespace
}  // namespace penstock::model
