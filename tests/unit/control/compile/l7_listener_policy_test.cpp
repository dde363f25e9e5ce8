// ListenerPolicies as the values of listeners: whose they are, and where they contradict each other.
#include <gtest/gtest.h>

#include "l7/route/l7_config.h"
#include "sample_compiler.h"
#include "tests/unit/control/model/sample_gateway.h"

namespace penstock::compile {
namespace {

model::ListenerPolicy strict(const char* name, std::string section) {
  model::ListenerPolicy policy;
  policy.name = model::named(name);
  policy.gateway = model::named("edge");
  policy.section = std::move(section);
  policy.path = {true, http::EscapedSlash::kReject};
  policy.limits.field_count = 7;
  return policy;
}

// Listeners "http" and "two" of one port, told apart by hostname, and "alone" of another.
model::State three_listeners() {
  model::State state = model::sample_l7_state();
  model::Gateway gateway = *state.gateways.at(model::named("edge"));
  gateway.listeners = {model::sample_listener("http"), model::sample_listener("two", 8080, "two.example"),
                       model::sample_listener("alone", 9090)};
  put(state.gateways, gateway);
  return state;
}

TEST(L7ListenerPolicy, PathsAndLimitsAreOfTheDoorAndOfNoOther) {
  Bench bench;
  model::State state = three_listeners();
  put(state.listener_policies, strict("a", "http"));
  put(state.listener_policies, strict("b", "two"));
  const auto g = bench(state);
  ASSERT_TRUE(g) << bench.last_errors;
  ASSERT_EQ(g->l7->listeners.size(), 2u);
  for (const config::Listener& each : g->l7->listeners) {
    const bool alone = each.port == 9090;
    EXPECT_EQ(each.path, alone ? http::PathPolicy{} : strict("a", "").path) << each.name;
    EXPECT_EQ(each.limits, alone ? http::HeadLimits{} : strict("a", "").limits) << each.name;
  }
}

TEST(L7ListenerPolicy, OneThatDoesNotSayTheSameIsRefused) {
  for (const bool other_has_one : {false, true}) {
    Bench bench;
    model::State state = three_listeners();
    put(state.listener_policies, strict("a", "http"));
    if (other_has_one) {
      model::ListenerPolicy lax = strict("b", "two");
      lax.limits.field_count = 8;
      put(state.listener_policies, lax);
    }
    EXPECT_FALSE(bench(state));
    EXPECT_NE(bench.last_errors.find("has the same address and port, and no ListenerPolicy that says the same"),
              std::string::npos)
        << bench.last_errors;
  }
}

}  // namespace
}  // namespace penstock::compile
