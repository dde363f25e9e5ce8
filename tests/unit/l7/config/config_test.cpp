// Values that L7 decides by: hostnames, bounds of routes, backends by weight.
#include <gtest/gtest.h>

#include <map>

#include "l7/config/action.h"
#include "l7/config/hostname.h"
#include "l7/config/route.h"

namespace penstock::config {
namespace {

bool valid(const std::string& hostname) { return check_hostname(hostname, "h").ok(); }

TEST(Hostname, WhatGatewayApiAllows) {
  for (const char* good :
       {"a", "example.com", "*.example.com", "*.com", "a-b.c1", "1a.com", "1.2.3.4a", "xn--bcher-kva.de"})
    EXPECT_TRUE(valid(good)) << good;
  for (const char* bad : {"", "*", "*.", "a.", ".a", "a..b", "Example.com", "a*.com", "a.*.com", "*a.com", "*.*.com",
                          "-a.com", "a-.com", "a_b.com", "192.0.2.1", "[::1]", "a:80", "a/b", "a b"})
    EXPECT_FALSE(valid(bad)) << bad;
  EXPECT_TRUE(valid(std::string(251, 'a') + ".b"));
  EXPECT_FALSE(valid(std::string(252, 'a') + ".b"));
}

TEST(Hostname, Covers) {
  EXPECT_TRUE(covers("", "anything"));
  EXPECT_TRUE(covers("a.com", "a.com"));
  EXPECT_TRUE(covers("a.com", "a.com."));
  EXPECT_FALSE(covers("a.com", "b.a.com"));
  EXPECT_TRUE(covers("*.a.com", "b.a.com"));
  EXPECT_TRUE(covers("*.a.com", "c.b.a.com"));
  EXPECT_FALSE(covers("*.a.com", "a.com"));
  EXPECT_FALSE(covers("*.a.com", ".a.com"));
  EXPECT_FALSE(covers("*.a.com", "ba.com"));
}

// HTTPRouteSpec.hostnames: which routes attach to a listener.
TEST(Hostname, Intersect) {
  for (const char* route : {"", "test.example.com", "*.example.com", "*.com"})
    EXPECT_TRUE(intersect("test.example.com", route)) << route;
  EXPECT_FALSE(intersect("test.example.com", "*.test.example.com"));
  for (const char* route :
       {"", "*.example.com", "test.example.com", "foo.test.example.com", "*.foo.example.com", "*.com"})
    EXPECT_TRUE(intersect("*.example.com", route)) << route;
  for (const char* route : {"example.com", "test.example.net", "*.example.net", "*.anexample.com"})
    EXPECT_FALSE(intersect("*.example.com", route)) << route;
  EXPECT_TRUE(intersect("", "anything.com"));
}

// One more than each bound is refused, by the path of the field; the bound itself is not.
TEST(Route, Bounds) {
  const auto error_of = [](const Route& route) {
    const auto checked = check(route);
    return checked ? std::string() : checked.error();
  };
  const Match match;
  const Rule rule{"", {match}, 0};
  Route route{"ns/r", 0, {}, {rule}};
  EXPECT_EQ(error_of(route), "");

  route.hostnames.assign(kMaxHostnamesPerRoute, "a.com");
  route.rules.assign(kMaxRulesPerRoute, rule);
  route.rules[1].matches.assign(kMaxMatchesPerRule, match);
  route.rules[1].matches[2].headers.assign(kMaxConditionsPerMatch,
                                           {"x", std::string(kMaxHeaderValueBytes, 'v'), false});
  route.rules[1].matches[2].query.assign(
      kMaxConditionsPerMatch, {std::string(kMaxConditionNameBytes, 'n'), std::string(kMaxQueryValueBytes, 'v'), false});
  route.rules[1].matches[2].path.value = "/" + std::string(kMaxPathBytes - 1, 'p');
  EXPECT_EQ(error_of(route), "");

  const auto refused = [&](auto change) {
    Route changed = route;
    change(changed);
    return error_of(changed);
  };
  const std::string at = "HTTPRoute/ns/r spec", there = at + ".rules[1].matches[2]";
  EXPECT_EQ(refused([](Route& r) { r.hostnames.emplace_back("b.com"); }), at + ".hostnames: more than 16 entries");
  EXPECT_EQ(refused([&](Route& r) { r.rules.push_back(rule); }), at + ".rules: more than 16 entries");
  EXPECT_EQ(refused([&](Route& r) { r.rules[1].matches.push_back(match); }),
            at + ".rules[1].matches: more than 64 entries");
  EXPECT_EQ(refused([](Route& r) {
              r.rules[1].matches[2].headers.push_back({"y", "1", false});
            }),
            there + ".headers: more than 16 entries");
  EXPECT_EQ(refused([](Route& r) { r.rules[1].matches[2].headers[3].value += 'v'; }),
            there + ".headers[3].value: longer than 4096 bytes");
  EXPECT_EQ(refused([](Route& r) {
              r.rules[1].matches[2].query.push_back({"y", "1", false});
            }),
            there + ".queryParams: more than 16 entries");
  EXPECT_EQ(refused([](Route& r) { r.rules[1].matches[2].query[3].value += 'v'; }),
            there + ".queryParams[3].value: longer than 1024 bytes");
  EXPECT_EQ(refused([](Route& r) { r.rules[1].matches[2].query[3].name += 'n'; }),
            there + ".queryParams[3].name: longer than 256 bytes");
  EXPECT_EQ(refused([](Route& r) { r.rules[1].matches[2].path.value += 'p'; }),
            there + ".path.value: longer than 1024 bytes");
  EXPECT_EQ(refused([](Route& r) { r.name.clear(); }), "HTTPRoute/ spec: a route has a name of at most 512 bytes");
}

TEST(Action, SharesFollowTheWeights) {
  const Action action{{{1, 90, kNoFilters}, {2, 0, kNoFilters}, {3, 10, kNoFilters}}, kNoFilters};
  std::map<uint32_t, int> hits;
  for (uint64_t i = 0; i < 1000; ++i)
    ++hits[pick_backend(action, static_cast<uint32_t>(((2 * i + 1) << 31) / 1000))->cluster];
  EXPECT_EQ(hits, (std::map<uint32_t, int>{{1, 900}, {3, 100}}));
  EXPECT_EQ(pick_backend(action, 0)->cluster, 1U);
  EXPECT_EQ(pick_backend(action, UINT32_MAX)->cluster, 3U);
}

TEST(Action, WithoutWeightThereIsNoBackend) {
  EXPECT_EQ(pick_backend({}, 7), nullptr);
  EXPECT_EQ(pick_backend({{{1, 0, kNoFilters}}, kNoFilters}, 7), nullptr);
}

TEST(Action, Bounds) {
  Action action;
  action.backends.assign(kMaxBackendsPerAction, {1, kMaxBackendWeight, kNoFilters});
  EXPECT_TRUE(check(action, "a"));
  EXPECT_EQ(pick_backend(action, UINT32_MAX), &action.backends.back());
  action.backends[3].weight++;
  EXPECT_EQ(check(action, "a").error(), "a.backendRefs[3].weight: 0 to 1000000");
  action.backends.assign(kMaxBackendsPerAction + 1, {});
  EXPECT_EQ(check(action, "a").error(), "a.backendRefs: more than 16 entries");
}

}  // namespace
}  // namespace penstock::config
