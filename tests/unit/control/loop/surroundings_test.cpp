// What of a generation is checked.
#include "control/loop/surroundings.h"

#include <gtest/gtest.h>

#include "l7/route/l7_config.h"
#include "unit/control/model/sample_state.h"

namespace penstock::loop {
namespace {

TEST(Surroundings, BackendsOfRoutesAreCheckedWithoutAVirtualAddress) {
  model::State state;
  model::ServicePolicy policy;
  policy.name = policy.service = {"shop", "cart"};
  policy.health_check.kind = model::HealthCheckKind::kHttp;
  policy.health_check.path = "/healthz";
  model::put(state.service_policies, policy);
  auto l7 = std::make_shared<route::L7Config>();
  config::Cluster cart;
  cart.name = "Service/shop/cart:80";
  cart.service = "shop/cart";
  cart.endpoints.push_back({model::ip("10.0.1.11"), 8080, 1, 0, true});
  cart.endpoints.push_back({model::ip("10.0.1.12"), 8080, 1, 1, false});
  config::Cluster other = cart;
  other.name = "Service/shop/other:80";
  other.service = "shop/other";
  config::Cluster again = cart;  // another port of the Service that leads to the same endpoints
  again.name = "Service/shop/cart:81";
  l7->clusters = {cart, other, again};
  flow::Generation generation;
  generation.l7 = l7;
  const std::vector<health::Target> targets = health_targets(generation, state);
  ASSERT_EQ(targets.size(), 2u);
  EXPECT_EQ(targets[0].key, (health::TargetKey{{"shop", "cart"}, model::ip("10.0.1.11"), 8080}));
  EXPECT_EQ(targets[1].key, (health::TargetKey{{"shop", "cart"}, model::ip("10.0.1.12"), 8080}));
  EXPECT_EQ(targets[0].check.path, "/healthz");
  EXPECT_TRUE(health_targets(flow::Generation{}, state).empty());
  EXPECT_TRUE(health_targets(generation, model::State{}).empty());
}

}  // namespace
}  // namespace penstock::loop
