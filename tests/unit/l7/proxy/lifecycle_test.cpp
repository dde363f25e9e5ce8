// Configurations that come and go under traffic, and the end of service.
#include "unit/l7/proxy/rig.h"

namespace penstock::proxy {
namespace {

TEST(Lifecycle, RequestsUnderWaySurviveAndNewOnesFollowTheNewRoutes) {
  Rig rig;
  const uint32_t client = rig.client();
  rig.send(client, get("/"));
  const uint32_t old = rig.backend();
  ConfigBuilder builder;
  builder.cluster(1);
  builder.route("/", builder.action(ConfigBuilder::to(builder.cluster(1))));
  rig.adopt(builder.build());
  rig.send(old, answer(200, "old"));
  EXPECT_EQ(body_of(rig.take(client)), "old");
  EXPECT_FALSE(rig.over(old));  // cluster and endpoint are still there
  rig.send(client, get("/"));
  EXPECT_EQ(rig.net.at(rig.backend()).endpoint.slot, 1u);
  rig.send(rig.backend(), answer(200, "new"));
  EXPECT_EQ(body_of(rig.take(client)), "new");
}

TEST(Lifecycle, EndpointsThatVanishLoseTheirConnectionsWhenIdle) {
  ConfigBuilder two;
  two.route("/", two.action(ConfigBuilder::to(two.cluster(2))));
  Rig rig(two.build());
  const uint32_t client = rig.client(), busy = rig.client();
  rig.exchange(client, get("/"), answer(200, ""));
  const uint32_t idle = rig.backend();
  rig.send(busy, get("/"));
  const uint32_t used = rig.backend();
  ASSERT_NE(idle, used);

  ConfigBuilder other;  // the same slots, other addresses
  other.route("/", other.action(ConfigBuilder::to(other.cluster(2))));
  for (auto& endpoint : other.config().clusters[0].endpoints) endpoint.port = 9090;
  rig.adopt(other.build());
  EXPECT_TRUE(rig.net.at(idle).closed);
  EXPECT_FALSE(rig.over(used));
  rig.send(used, answer(200, "still"));
  EXPECT_EQ(body_of(rig.take(busy)), "still");
  EXPECT_TRUE(rig.net.at(used).closed);
  rig.send(client, get("/"));
  EXPECT_EQ(rig.net.at(rig.backend()).endpoint.port, 9090);
}

TEST(Lifecycle, WaitingRequestsFollowTheNewConfiguration) {
  ConfigBuilder narrow;
  narrow.route("/", narrow.action(ConfigBuilder::to(narrow.cluster(1, {.connections = 1}))));
  Rig rig(narrow.build());
  const uint32_t one = rig.client(), two = rig.client(), three = rig.client();
  rig.send(one, get("/1"));
  rig.send(two, get("/2"));
  rig.send(three, get("/3"));
  EXPECT_EQ(rig.net.connects.size(), 1u);
  ConfigBuilder wider;
  wider.route("/", wider.action(ConfigBuilder::to(wider.cluster(1, {.connections = 2}))));
  rig.adopt(wider.build());
  ASSERT_EQ(rig.net.connects.size(), 2u);
  EXPECT_TRUE(rig.take(rig.backend()).starts_with("GET /2"));
  ConfigBuilder none;
  none.config().clusters.clear();
  rig.adopt(none.build());
  EXPECT_EQ(status_of(rig.take(three)), 503);
  EXPECT_EQ(rig.flags(), "UH");
  rig.send(rig.backend(), answer(200, "2"));
  EXPECT_EQ(body_of(rig.take(two)), "2");
}

TEST(Lifecycle, ConnectionsOfAListenerThatVanished) {
  Rig rig;
  const uint32_t idle = rig.client(), busy = rig.client(), fresh = rig.client();
  rig.exchange(idle, get("/"), answer(200, ""));
  rig.send(busy, get("/"));
  ConfigBuilder builder;
  builder.route("/", builder.action(ConfigBuilder::to(builder.cluster(1))));
  builder.http().slot = 5;
  builder.http().port = 81;  // at its own port it would take them over
  rig.adopt(builder.build());
  EXPECT_TRUE(rig.net.at(idle).closed);
  rig.send(rig.backend(), answer(200, "last"));
  const std::string response = rig.take(busy);
  EXPECT_EQ(body_of(response), "last");
  EXPECT_TRUE(has(response, "connection: close\r\n"));
  EXPECT_TRUE(rig.over(busy));
  rig.send(fresh, get("/"));
  EXPECT_EQ(status_of(rig.take(fresh)), 503);
  EXPECT_TRUE(rig.over(fresh));
}

TEST(Lifecycle, ADrainLetsRequestsEndAndCutsWhatDoesNot) {
  Rig rig;
  const uint32_t idle = rig.client(), ends = rig.client(), hangs = rig.client();
  rig.exchange(idle, get("/"), answer(200, ""));
  rig.send(ends, get("/"));
  const uint32_t to = rig.backend();
  rig.send(hangs, get("/"));
  rig.proxy.drain(rig.now + 1000 * kMs, rig.now);
  EXPECT_TRUE(rig.net.at(idle).closed);
  rig.send(to, answer(200, "bye"));
  EXPECT_TRUE(has(rig.take(ends), "connection: close\r\n"));
  EXPECT_TRUE(rig.over(ends));
  rig.pass(1001 * kMs);
  EXPECT_TRUE(rig.net.at(hangs).aborted);
  EXPECT_EQ(rig.proxy.counters().of(Count::drains_cut), 1u);
  EXPECT_EQ(rig.proxy.clients(), 0u);
  rig.expect_no_leak();
  rig.proxy.resume_service();
  const uint32_t again = rig.client();
  rig.exchange(again, get("/"), answer(200, ""));
  EXPECT_FALSE(rig.over(again));
}

}  // namespace
}  // namespace penstock::proxy
