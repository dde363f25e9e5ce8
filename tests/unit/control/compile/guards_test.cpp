// RequestAccessPolicies and RequestInspections as a guard::Set: what stands before which rule, and what stays the same.
#include <gtest/gtest.h>

#include "l7/route/l7_config.h"
#include "sample_compiler.h"
#include "tests/unit/control/model/sample_gateway.h"

namespace penstock::compile {
namespace {

model::RequestAccessPolicy policy(std::string name, std::vector<model::RequestTarget> targets) {
  model::RequestAccessPolicy made;
  made.name = named(std::move(name));
  made.targets = std::move(targets);
  made.rules.emplace_back().name = "r";
  return made;
}
model::RequestInspection inspection(std::string name, std::vector<model::RequestTarget> targets) {
  model::RequestInspection made;
  made.name = named(std::move(name));
  made.targets = std::move(targets);
  config::InspectionPattern& pattern = made.patterns.emplace_back();
  pattern.name = "p";
  pattern.expression = "evil";
  pattern.parts = config::kInspectPath;
  return made;
}

// Two rules, "one" and the nameless, behind one listener, "http".
model::State sample() {
  model::State state = model::sample_l7_state();
  model::HttpRoute route = model::sample_route();
  route.rules.push_back(route.rules[0]);
  route.rules[0].name = "one";
  route.rules[0].matches = {model::prefix("/one")};
  put(state.http_routes, route);
  return state;
}

// "0,1 i0": numbers of policies and the slot of the inspection, in a list.
std::string list(const route::L7Config& l7, uint32_t number) {
  if (number == config::kNoGuards) return "-";
  std::string out;
  const guard::Guards& guards = l7.guards.lists[number];
  for (const uint32_t each : guards.access) out += (out.empty() ? "" : ",") + std::to_string(each);
  if (guards.inspection != guard::kNoSlot) out += (out.empty() ? "i" : " i") + std::to_string(guards.inspection);
  return out;
}
std::string of_rule(const flow::Generation& g, size_t rule) {
  return list(*g.l7, g.l7->actions[g.l7->routes[0].rules[rule].action].guards);
}
std::string of_listener(const flow::Generation& g) {
  const auto& guards = g.l7->listeners[0].guards;
  return guards.empty() ? "-" : list(*g.l7, guards[0]);
}

TEST(Guards, StandBeforeWhatTheyAreAttachedTo) {
  Bench bench;
  model::State state = sample();
  auto g = bench(state);
  ASSERT_TRUE(g) << bench.last_errors;
  EXPECT_EQ(of_rule(*g, 0) + of_rule(*g, 1) + of_listener(*g), "---");

  put(state.request_access, policy("a", {{true, named("shop"), ""}}));
  put(state.request_access, policy("b", {{true, named("shop"), "one"}, {false, named("edge"), "http"}}));
  put(state.request_access, policy("c", {{false, named("edge"), ""}, {true, named("shop"), ""}}));
  put(state.request_inspections, inspection("x", {{true, named("shop"), ""}}));
  put(state.request_inspections, inspection("y", {{true, named("shop"), "one"}}));
  g = bench(state);
  ASSERT_TRUE(g) << bench.last_errors;
  EXPECT_EQ(of_rule(*g, 0), "0,1,2 i1");
  EXPECT_EQ(of_rule(*g, 1), "0,2 i0");
  EXPECT_EQ(of_listener(*g), "1,2");
  const guard::Set& set = g->l7->guards;
  EXPECT_EQ(set.access->policies(), 3u);
  ASSERT_EQ(set.inspections.size(), 2u);
  EXPECT_EQ(set.access_scratches.size(), set.inspection_scratches.size());
  std::string counted;
  for (const guard::Counted& each : set.counted) counted += each.object + "/" + each.part + "=" + each.verdict + " ";
  EXPECT_EQ(counted,
            "default/a/r=allowed default/a/=denied default/b/r=allowed default/b/=denied default/c/r=allowed "
            "default/c/=denied default/x/p=log default/y/p=log ");
}

TEST(Guards, WhatIsSlowIsKeptAndCountersKeepTheirSlots) {
  Bench bench;
  model::State state = sample();
  put(state.request_access, policy("a", {{true, named("shop"), ""}}));
  put(state.request_access, policy("b", {{true, named("shop"), ""}}));
  put(state.request_inspections, inspection("x", {{true, named("shop"), ""}}));
  put(state.request_inspections, inspection("y", {{false, named("edge"), ""}}));
  const auto first = bench(state);
  ASSERT_TRUE(first) << bench.last_errors;

  put(state.request_access, policy("a", {{false, named("edge"), ""}}));  // attached elsewhere
  const auto second = bench(state);
  ASSERT_TRUE(second) << bench.last_errors;
  EXPECT_EQ(second->l7->guards.access, first->l7->guards.access);
  EXPECT_EQ(second->l7->guards.inspection_scratches, first->l7->guards.inspection_scratches);
  EXPECT_EQ(second->l7->tables, first->l7->tables);

  state.request_access.erase(named("a"));
  model::RequestInspection changed = inspection("y", {{false, named("edge"), ""}});
  changed.patterns[0].expression = "worse";
  put(state.request_inspections, changed);
  const auto third = bench(state);
  ASSERT_TRUE(third) << bench.last_errors;
  const guard::Set &before = first->l7->guards, &after = third->l7->guards;
  EXPECT_NE(after.access, before.access);
  EXPECT_EQ(after.inspections[0], before.inspections[0]);
  EXPECT_NE(after.inspections[1], before.inspections[1]);
  EXPECT_NE(after.inspection_scratches, before.inspection_scratches);
  const auto slot_of = [](const guard::Set& set, const std::string& object) {
    for (const guard::Counted& each : set.counted)
      if (each.object == object) return each.slot;
    return guard::kNoSlot;
  };
  for (const char* object : {"default/b", "default/x", "default/y"})
    EXPECT_EQ(slot_of(after, object), slot_of(before, object));
}

// Unless it is said: content that nobody can see passes where nobody would have been refused for it.
TEST(Guards, WhatCannotBeInspectedIsDeniedWherePatternsOfTheBodyRefuse) {
  using Action = config::InspectionAction;
  const auto verdict = [](Action action, uint8_t parts, std::optional<Action> said) {
    Bench bench;
    model::State state = sample();
    model::RequestInspection look = inspection("x", {{true, named("shop"), ""}});
    look.body_bytes = 100;
    look.patterns[0].action = action;
    look.patterns[0].parts = parts;
    look.patterns.push_back(look.patterns[0]);
    look.patterns[1].name = "q";
    look.patterns[1].parts = config::kInspectBody;
    look.patterns[1].action = action == Action::kDeny && parts == config::kInspectBody ? action : Action::kLog;
    look.uninspectable = said;
    put(state.request_inspections, look);
    const auto g = bench(state);
    if (!g) return bench.last_errors;
    const guard::Counted& last = g->l7->guards.counted.back();
    EXPECT_EQ(last.part, guard::kUninspectable);
    EXPECT_EQ(last.slot, g->l7->guards.inspections[0]->uninspectable().slot);
    return last.verdict;
  };
  EXPECT_EQ(verdict(Action::kDeny, config::kInspectBody, {}), "deny");
  EXPECT_EQ(verdict(Action::kDeny, config::kInspectPath, {}), "log");
  EXPECT_EQ(verdict(Action::kLog, config::kInspectBody, {}), "log");
  EXPECT_EQ(verdict(Action::kLog, config::kInspectBody, Action::kDeny), "deny");
  EXPECT_EQ(verdict(Action::kDeny, config::kInspectBody, Action::kLog), "log");
}

// A pattern's RateLimit by its slot, which another rate does not change.
TEST(Guards, PatternsNameTheSlotsOfRateLimits) {
  Bench bench;
  model::State state = sample();
  model::RateLimit limit;
  limit.target = model::LimitTarget::kFindings;
  limit.unit = model::LimitUnit::kRequestsPerMinute;
  limit.rate = 5;
  for (const char* name : {"a", "probes"}) {
    limit.name = named(name);
    put(state.rate_limits, limit);
  }
  model::RequestInspection look = inspection("x", {{true, named("shop"), ""}});
  look.patterns[0].action = config::InspectionAction::kLimit;
  look.patterns[0].limit = "probes";
  put(state.request_inspections, look);
  const auto first = bench(state);
  ASSERT_TRUE(first) << bench.last_errors;
  EXPECT_EQ(first->l7->guards.counted.at(0).verdict, "limit");
  const auto& all = first->l7->limits.all;
  const auto probes = std::find_if(all.begin(), all.end(), [](const auto& l) { return l.name == "default/probes"; });
  ASSERT_NE(probes, all.end());
  for (const auto& list : first->l7->limits.of_action) EXPECT_TRUE(list.empty());
  guard::InspectionScratch scratch;
  const guard::Inspection& built = *first->l7->guards.inspections[0];
  ASSERT_TRUE(scratch.fit(built));
  http::RequestHead head(http::HeadLimits{});
  head.clear();
  ASSERT_EQ(head.set_path("/evil", {}), http::Fault::kNone);
  built.scan_head(head, scratch);
  uint32_t named_slot = UINT32_MAX;
  built.report(scratch, [&](const auto& pattern) { named_slot = pattern.limit_slot; });
  EXPECT_EQ(named_slot, probes->slot);

  limit.rate = 50;
  put(state.rate_limits, limit);
  const auto second = bench(state);
  ASSERT_TRUE(second) << bench.last_errors;
  EXPECT_EQ(second->l7->guards.inspections[0], first->l7->guards.inspections[0]);
  EXPECT_EQ(second->l7->limits.all.size(), 2u);
}

TEST(Guards, WhatCannotBeCompiledIsAFaultWithItsPlace) {
  Bench bench;
  model::State state = sample();
  model::RequestAccessPolicy bad = policy("a", {{true, named("shop"), ""}});
  bad.rules[0].headers = {{"x", {{config::TextKind::kExact, "1"}, {config::TextKind::kRegex, "(("}}, {}}};
  put(state.request_access, bad);
  EXPECT_FALSE(bench(state));
  EXPECT_TRUE(bench.last_errors.find("RequestAccessPolicy/default/a spec.rules[0].headers[0].expressions[0]") !=
              std::string::npos)
      << bench.last_errors;
  state.request_access.erase(named("a"));
  model::RequestInspection worse = inspection("x", {{true, named("shop"), ""}});
  worse.patterns[0].expression = "e*";
  put(state.request_inspections, worse);
  EXPECT_FALSE(bench(state));
  EXPECT_TRUE(bench.last_errors.find("RequestInspection/default/x spec.patterns[0].expression") != std::string::npos)
      << bench.last_errors;
}

}  // namespace
}  // namespace penstock::compile
