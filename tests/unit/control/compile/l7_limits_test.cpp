// RateLimits of requests: which requests meet which, what stays the same, and that those of packets stay what they are.
#include <gtest/gtest.h>

#include "l7/route/l7_config.h"
#include "sample_compiler.h"
#include "tests/unit/control/model/sample_gateway.h"

namespace penstock::compile {
namespace {

using Kind = config::LimitComponent::Kind;
using model::LimitTarget;

model::RateLimit limit(std::string name, LimitTarget target, std::string object, std::string section = "") {
  model::RateLimit out;
  out.name = named(std::move(name));
  out.target = target;
  out.object = named(std::move(object));
  out.section = std::move(section);
  out.unit = model::LimitUnit::kRequests;
  out.rate = 10;
  return out;
}

// Names of the limits that a GET meets: "gateway's,route's".
std::string meets(const flow::Generation& g, uint16_t port, std::string_view host, std::string_view path) {
  const route::L7Config& config = *g.l7;
  for (size_t number = 0; number < config.listeners.size(); ++number) {
    const config::Listener& listener = config.listeners[number];
    if (listener.port != port) continue;
    http::RequestHead head{http::HeadLimits{}};
    head.clear();
    EXPECT_EQ(head.set_authority(host), http::Fault::kNone);
    EXPECT_EQ(head.set_path(path, {}), http::Fault::kNone);
    const route::Candidate* found =
        route::find_route(config.tables[listener.table], head, config.scratches[0][listener.table]);
    const auto& here = config.limits.of_listener[number];
    std::vector<uint32_t> all = found ? here.of_route[found->route] : here.unrouted;
    if (found) {
      const auto& action = config.limits.of_action[found->action];
      all.insert(all.end(), action.begin(), action.end());
    }
    std::string out;
    for (const uint32_t each : all)
      out += (out.empty() ? "" : ",") + config.limits.all[each].name.substr(sizeof "default");
    return out;
  }
  return "closed";
}

// Two listeners on one port that differ by host, a third one on another port; a route of two rules for all of them.
model::State sample() {
  model::State state = model::sample_l7_state();
  state.rate_limits.clear();
  model::Gateway gateway = model::sample_gateway();
  gateway.listeners = {model::sample_listener("any", 80), model::sample_listener("shop", 80, "*.example.com"),
                       model::sample_listener("other", 81)};
  put(state.gateways, gateway);
  model::HttpRoute route = model::sample_route("shop", "/a");
  route.rules[0].name = "a";
  route.rules.push_back(route.rules[0]);
  route.rules[1].name = "b";
  route.rules[1].matches = {model::prefix("/b")};
  put(state.http_routes, route);
  return state;
}

TEST(L7Limits, EachTargetIsMetByItsRequests) {
  model::State state = sample();
  put(state.rate_limits, limit("g", LimitTarget::kGateway, "edge"));
  put(state.rate_limits, limit("gs", LimitTarget::kGateway, "edge", "shop"));
  put(state.rate_limits, limit("r", LimitTarget::kHttpRoute, "shop"));
  put(state.rate_limits, limit("ra", LimitTarget::kHttpRoute, "shop", "a"));
  Bench bench;
  const auto g = bench(state);
  ASSERT_TRUE(g) << bench.last_errors;
  EXPECT_EQ(meets(*g, 80, "x.org", "/a"), "g,r,ra");
  EXPECT_EQ(meets(*g, 80, "x.org", "/b"), "g,r");
  EXPECT_EQ(meets(*g, 80, "x.org", "/none"), "g");
  EXPECT_EQ(meets(*g, 80, "a.example.com", "/b"), "g,gs,r");
  EXPECT_EQ(meets(*g, 80, "a.example.com", "/none"), "g,gs");
  EXPECT_EQ(meets(*g, 81, "a.example.com", "/a"), "g,r,ra");
  EXPECT_FALSE(g->limits->any) << "no packet is measured";
}

TEST(L7Limits, NumbersOfALimit) {
  model::State state = sample();
  model::RateLimit one = limit("one", LimitTarget::kHttpRoute, "shop");
  one.unit = model::LimitUnit::kRequestsPerMinute;
  one.rate = 30;
  one.bucket = model::LimitBucket::kSourcePrefix;
  one.v4_prefix_length = 24;
  one.descriptors = {{Kind::kHeader, "x-user"}, {Kind::kPathPattern, "/a/{b}"}};
  one.headers = true;
  put(state.rate_limits, one);
  Bench bench;
  const auto g = bench(state);
  ASSERT_TRUE(g) << bench.last_errors;
  const config::RequestLimit& made = g->l7->limits.all.at(0);
  EXPECT_EQ(made.per_second, 0.5);
  EXPECT_EQ(made.burst, 30);
  EXPECT_EQ(made.policy, "\"default/one\";q=30;w=60");
  ASSERT_EQ(made.key.size(), 3u);
  EXPECT_EQ(made.key[0].kind, Kind::kSource);
  EXPECT_EQ(made.key[0].v4_length, 24);
  EXPECT_EQ(made.key[0].v6_length, 64);
  EXPECT_EQ(made.key[1].name, "x-user");
  const flow::Limit& listed = g->limits->by_slot.at(made.slot);
  EXPECT_EQ(listed.unit, flow::LimitUnit::kRequests);
  EXPECT_EQ(listed.per_second, 0.5);
  EXPECT_EQ(listed.name, "default/one");
}

TEST(L7Limits, Bandwidth) {
  model::State state = sample();
  model::RateLimit one = limit("one", LimitTarget::kHttpRoute, "shop");
  one.unit = model::LimitUnit::kResponseContent;
  one.rate = 100e6;
  put(state.rate_limits, one);
  one.name = named("two");
  one.unit = model::LimitUnit::kRequestContent;
  one.rate = 8000;
  put(state.rate_limits, one);
  Bench bench;
  const auto g = bench(state);
  ASSERT_TRUE(g) << bench.last_errors;
  const auto& all = g->l7->limits.all;
  EXPECT_EQ(all.at(0).measure, config::RequestLimit::Measure::kResponseContent);
  EXPECT_EQ(all.at(0).burst, 5e6);
  EXPECT_EQ(all.at(1).measure, config::RequestLimit::Measure::kRequestContent);
  EXPECT_EQ(all.at(1).burst, 65536);
  EXPECT_EQ(g->limits->by_slot.at(all[0].slot).unit, flow::LimitUnit::kBits);
  for (const char* name : {"three", "four"}) {
    one.name = named(name);
    put(state.rate_limits, one);
  }
  EXPECT_NE(bench.errors_of(state).find("3 objects of kind RateLimit for the content of one request"),
            std::string::npos);
}

// A TCP listener has those of its Gateway's limits that need no request, and does not count against those that do.
TEST(L7Limits, BandwidthOfTcp) {
  model::State state = sample();
  model::Gateway gateway = model::sample_gateway();
  gateway.listeners = {model::sample_listener("any", 80), model::sample_listener("db", 5432)};
  gateway.listeners[1].protocol = config::Protocol::kTcp;
  put(state.gateways, gateway);
  const auto add = [&](std::string name, model::LimitUnit unit, std::string section, auto&& change) {
    model::RateLimit made = limit(std::move(name), LimitTarget::kGateway, "edge", std::move(section));
    made.unit = unit;
    made.rate = 1e6;
    change(made);
    put(state.rate_limits, made);
  };
  const auto as_it_is = [](model::RateLimit&) {};
  add("requests", model::LimitUnit::kRequests, "", as_it_is);
  add("up", model::LimitUnit::kRequestContent, "", [](auto& l) { l.bucket = model::LimitBucket::kSource; });
  add("matched", model::LimitUnit::kRequestContent, "any", [](auto& l) { l.matches = {model::prefix("/")}; });
  add("hosts", model::LimitUnit::kResponseContent, "", [](auto& l) { l.descriptors = {{Kind::kHost}}; });
  add("db", model::LimitUnit::kRequestContent, "db", as_it_is);
  Bench bench;
  const auto g = bench(state);
  ASSERT_TRUE(g) << bench.last_errors;
  EXPECT_EQ(meets(*g, 80, "x.org", "/a"), "hosts,requests,up,matched");
  for (size_t i = 0; i < g->l7->listeners.size(); ++i) {
    if (g->l7->listeners[i].protocol != config::Protocol::kTcp) continue;
    std::string names;
    for (const uint32_t each : g->l7->limits.of_listener[i].unrouted) names += g->l7->limits.all[each].name + " ";
    EXPECT_EQ(names, "default/up default/db ");
  }
  add("third", model::LimitUnit::kRequestContent, "db", as_it_is);
  EXPECT_NE(bench.errors_of(state).find("3 objects of kind RateLimit for the content of one request"),
            std::string::npos);
}

TEST(L7Limits, AnotherRateLeavesTablesAndConditionsAlone) {
  model::State state = sample();
  model::RateLimit one = limit("one", LimitTarget::kHttpRoute, "shop");
  one.matches = {model::prefix("/a/x")};
  one.matches[0].headers = {{"x-kind", "a|b", true}};
  put(state.rate_limits, one);
  Bench bench;
  const auto before = bench(state);
  ASSERT_TRUE(before) << bench.last_errors;
  one.rate = 99;
  put(state.rate_limits, one);
  const auto after = bench(state);
  ASSERT_TRUE(after);
  EXPECT_EQ(before->l7->limit_matches, after->l7->limit_matches);
  EXPECT_TRUE(before->l7->tables == after->l7->tables);
  EXPECT_EQ(before->l7->limits.all[0].slot, after->l7->limits.all[0].slot);
  EXPECT_EQ(after->l7->limits.all[0].per_second, 99);
  one.matches[0].headers[0].value = "c";
  put(state.rate_limits, one);
  EXPECT_NE(bench(state)->l7->limit_matches, after->l7->limit_matches);
  state.rate_limits.clear();
  const auto none = bench(state);
  EXPECT_TRUE(none->l7->limits.all.empty() && none->l7->limit_matches == nullptr);
}

TEST(L7Limits, WhatCannotBeIsNamed) {
  model::State state = sample();
  model::RateLimit bad = limit("bad", LimitTarget::kHttpRoute, "shop");
  bad.matches = {model::prefix("/")};
  bad.matches[0].path = {config::PathKind::kRegex, "(["};
  put(state.rate_limits, bad);
  EXPECT_NE(Bench().errors_of(state).find("RateLimit/default/bad spec.matches[0].path.value"), std::string::npos)
      << Bench().errors_of(state);
  state.rate_limits.clear();
  for (int i = 0; i < 17; ++i) put(state.rate_limits, limit("l" + std::to_string(i), LimitTarget::kHttpRoute, "shop"));
  EXPECT_NE(Bench().errors_of(state).find("17 objects of kind RateLimit"), std::string::npos);
}

}  // namespace
}  // namespace penstock::compile
