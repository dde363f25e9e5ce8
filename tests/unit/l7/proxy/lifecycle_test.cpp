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
  EXPECT_FALSE(rig.net.at(idle).closed);
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

// Who asks again before half of the time is over is answered, and told that the connection ends.
TEST(Lifecycle, ADrainClosesIdleConnectionsLateAndNotAllAtOnce) {
  Rig rig;
  std::vector<uint32_t> idle;
  for (int i = 0; i < 20; ++i) idle.push_back(rig.client());
  for (const uint32_t each : idle) rig.exchange(each, get("/"), answer(200, ""));
  rig.proxy.drain(rig.now + 1000 * kMs, rig.now);
  rig.pass(499 * kMs);
  EXPECT_EQ(rig.proxy.clients(), 20u);
  const std::string last = rig.exchange(idle[0], get("/"), answer(200, "last"));
  EXPECT_EQ(body_of(last), "last");
  EXPECT_TRUE(has(last, "connection: close\r\n"));
  EXPECT_TRUE(rig.over(idle[0]));
  rig.pass(250 * kMs);
  EXPECT_GT(rig.proxy.clients(), 0u);
  EXPECT_LT(rig.proxy.clients(), 19u);
  rig.pass(252 * kMs);
  EXPECT_EQ(rig.proxy.clients(), 0u);
  for (const uint32_t each : idle) EXPECT_TRUE(rig.net.at(each).closed && !rig.net.at(each).aborted);
  EXPECT_EQ(rig.proxy.counters().of(Count::drains_cut), 0u);
}

// Without a deadline, idle connections end by their own time.
TEST(Lifecycle, ADrainWithoutDeadlineClosesNobody) {
  ConfigBuilder builder;
  builder.http().timeouts.idle = 60'000 * kMs;
  builder.route("/", builder.action(ConfigBuilder::to(builder.cluster(1))));
  Rig rig(builder.build());
  const uint32_t idle = rig.client();
  rig.exchange(idle, get("/"), answer(200, ""));
  rig.proxy.drain(~base::Nanos{0}, rig.now);
  rig.pass(59'000 * kMs);
  EXPECT_FALSE(rig.over(idle));
  rig.pass(2'000 * kMs);
  EXPECT_TRUE(rig.over(idle));
}

}  // namespace
}  // namespace penstock::proxy
