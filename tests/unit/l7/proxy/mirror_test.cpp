// Copies of requests: who gets one, what of it, and that the original never notices.
#include "unit/l7/proxy/rig.h"

namespace penstock::proxy {
namespace {

TEST(Mirror, GetsACopyAndIsForgotten) {
  ConfigBuilder builder;
  const uint32_t main = builder.cluster(1), mirror = builder.cluster(1), broken = builder.cluster(1);
  config::Filters filters;
  filters.mirrors = {{mirror, 1, 1}, {broken, 1, 1}, {mirror, 0, 1}};
  builder.route("/", builder.action(ConfigBuilder::to(main, builder.filters(filters))));
  Rig rig(builder.build());
  rig.net.outcomes = {FakeNet::Connect::kAccepts, FakeNet::Connect::kAccepts, FakeNet::Connect::kRefuses};
  const uint32_t client = rig.client();
  rig.send(client, "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc");
  ASSERT_EQ(rig.net.connects.size(), 3u);
  const uint32_t copy = rig.net.connects[0], to = rig.net.connects[2];
  rig.send(client, "def");
  const std::string original = rig.take(to), mirrored = rig.take(copy);
  EXPECT_EQ(body_of(original), "abcdef");
  EXPECT_EQ(body_of(mirrored), "abcdef");
  EXPECT_TRUE(has(mirrored, "connection: close\r\n"));
  rig.send(copy, answer(500, "nobody sees this"));
  rig.send(to, answer(200, "ok"));
  EXPECT_EQ(body_of(rig.take(client)), "ok");
  rig.finish(copy);
  EXPECT_TRUE(rig.over(copy));
  EXPECT_EQ(rig.proxy.counters().of(Count::mirrors), 1u);
  EXPECT_EQ(rig.proxy.counters().of(Count::mirrors_dropped), 1u);

  // One that does not answer is closed; one that does not read never holds up the original.
  rig.send(client, get("/"));
  const uint32_t silent = rig.net.connects[3];
  EXPECT_EQ(rig.net.at(silent).endpoint.slot, 1u);
  rig.take(to);
  rig.send(to, answer(200, ""));
  rig.take(client);
  rig.pass(kMirrorLife + kMs);
  EXPECT_TRUE(rig.over(silent));

  rig.send(client, "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\n");
  const uint32_t slow = rig.net.connects[5];
  rig.net.at(slow).window = 1000;
  rig.send(client, std::string(5000, 'x'));
  EXPECT_TRUE(rig.net.at(slow).aborted);
  EXPECT_EQ(rig.proxy.counters().of(Count::mirrors_behind), 1u);
  EXPECT_EQ(body_of(rig.take(to)).size(), 5000u);
  rig.send(to, answer(200, "done"));
  EXPECT_EQ(body_of(rig.take(client)), "done");
  rig.expect_no_leak();
}

// As many as a rule and a backend may have, and not one less.
TEST(Mirror, AllOfARuleAndOfABackend) {
  ConfigBuilder builder;
  const uint32_t main = builder.cluster(1), of_rule = builder.cluster(1), of_backend = builder.cluster(1);
  config::Filters rule, backend;
  rule.mirrors.assign(config::kMaxMirrors, {of_rule, 1, 1});
  backend.mirrors.assign(config::kMaxMirrors, {of_backend, 1, 1});
  config::Action action = ConfigBuilder::to(main, builder.filters(rule));
  action.backends[0].filters = builder.filters(backend);
  builder.route("/", builder.action(action));
  Rig rig(builder.build());
  const uint32_t client = rig.client();
  for (uint64_t round = 1; round <= 2; ++round) {
    rig.send(client, get("/"));
    rig.send(rig.net.connects[kMaxMirrors], answer(200, ""));  // kept since the first round
    EXPECT_EQ(status_of(rig.take(client)), 200);
    EXPECT_EQ(rig.proxy.counters().of(Count::mirrors), round * kMaxMirrors);
  }
  EXPECT_EQ(rig.proxy.counters().of(Count::mirrors_dropped), 0u);
  rig.expect_no_leak();
}

// Whatever becomes of the original; and bytes that a mirror does not take yet are kept for it.
TEST(Mirror, ACopyIsIndependentOfItsOriginal) {
  ConfigBuilder builder;
  const uint32_t main = builder.cluster(1), mirror = builder.cluster(1);
  config::Filters filters;
  filters.mirrors = {{mirror, 1, 1}};
  builder.route("/", builder.action(ConfigBuilder::to(main, builder.filters(filters))));
  Rig rig(builder.build());
  rig.net.window = 1000;
  rig.net.wide_window = 20'000;
  const uint32_t client = rig.client();
  rig.net.outcomes = {FakeNet::Connect::kRefuses};
  rig.send(client, get("/refused"));
  EXPECT_EQ(status_of(rig.take(client)), 503);
  EXPECT_TRUE(rig.take(rig.net.connects[0]).starts_with("GET /refused"));
  rig.net.outcomes = {FakeNet::Connect::kAccepts};

  const std::string content(10'000, 'x');
  rig.send(client, "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 10000\r\n\r\n" + content);
  const uint32_t copy = rig.net.connects[2], to = rig.net.connects[3];
  std::string got;
  for (std::string more = rig.take(to); !more.empty(); more = rig.take(to)) got += more;
  EXPECT_EQ(body_of(got), content);
  EXPECT_EQ(body_of(rig.take(copy)), content);
  EXPECT_EQ(rig.proxy.counters().of(Count::mirrors_dropped), 0u);
}

// A mirror that never answers holds no more connections than its cluster may have.
TEST(Mirror, HoldsSoManyConnections) {
  ConfigBuilder builder;
  const uint32_t main = builder.cluster(1), mirror = builder.cluster(1, {.connections = 3});
  config::Filters filters;
  filters.mirrors = {{mirror, 1, 1}};
  builder.route("/", builder.action(ConfigBuilder::to(main, builder.filters(filters))));
  Rig rig(builder.build());
  const uint32_t client = rig.client();
  for (int i = 0; i < 10; ++i) {
    rig.send(client, get("/"));
    rig.send(rig.net.connects[1], answer(200, "ok"));
    EXPECT_EQ(body_of(rig.take(client)), "ok");
  }
  EXPECT_EQ(rig.proxy.counters().of(Count::mirrors), 3u);
  EXPECT_EQ(rig.proxy.counters().of(Count::mirrors_dropped), 7u);
  rig.pass(kMirrorLife + kMs);
  EXPECT_EQ(rig.proxy.upstreams(), 1u);
  rig.send(client, get("/"));
  EXPECT_EQ(rig.proxy.counters().of(Count::mirrors), 4u);
}

}  // namespace
}  // namespace penstock::proxy
