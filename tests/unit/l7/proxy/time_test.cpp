// Stalls at each point, and what ends them.
#include "unit/l7/proxy/rig.h"

namespace penstock::proxy {
namespace {

std::shared_ptr<const route::L7Config> with(config::Timeouts timeouts) {
  ConfigBuilder builder;
  config::Action action = ConfigBuilder::to(builder.cluster(1));
  action.timeouts = timeouts;
  builder.route("/", builder.action(action));
  return builder.build();
}

TEST(Time, IdleClientsAreClosed) {
  Rig rig;
  const uint32_t silent = rig.client(), used = rig.client();
  rig.exchange(used, get("/"), answer(200, ""));
  rig.pass(30'000 * kMs);
  rig.exchange(used, get("/"), answer(200, ""));
  rig.pass(30'001 * kMs);
  EXPECT_TRUE(rig.net.at(silent).closed);
  EXPECT_FALSE(rig.over(used));
  rig.pass(30'001 * kMs);
  EXPECT_TRUE(rig.net.at(used).closed);
  EXPECT_EQ(rig.proxy.clients(), 0u);
  EXPECT_EQ(rig.proxy.upstreams(), 0u);  // the kept connection, too
  EXPECT_EQ(rig.proxy.deadline(), ~base::Nanos{0});
}

TEST(Time, AHeadThatDoesNotEnd) {
  Rig rig;
  const uint32_t client = rig.client();
  rig.pass(20'000 * kMs);
  for (int i = 0; i < 9; ++i) {
    rig.send(client, i == 0 ? "GET / HTTP/1.1\r\n" : "X-Slow: 1\r\n");
    rig.pass(1'000 * kMs);
  }
  EXPECT_EQ(rig.take(client), "");
  rig.pass(1'001 * kMs);
  const std::string response = rig.take(client);
  EXPECT_EQ(status_of(response), 408);
  EXPECT_TRUE(has(response, "connection: close\r\n"));
  EXPECT_EQ(rig.flags(), "SI");
  rig.expect_no_leak();
}

TEST(Time, TheRequestTimeoutCoversEverything) {
  Rig rig(with({.request = 500 * kMs}));
  const uint32_t client = rig.client();
  rig.send(client, get("/"));
  rig.pass(499 * kMs);
  EXPECT_EQ(rig.take(client), "");
  rig.pass(2 * kMs);
  EXPECT_EQ(status_of(rig.take(client)), 504);
  EXPECT_EQ(rig.flags(), "UT");
  EXPECT_TRUE(rig.net.at(rig.backend()).aborted);
  EXPECT_FALSE(rig.over(client));

  rig.send(client, get("/"));
  rig.send(rig.backend(), "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab");
  rig.pass(501 * kMs);
  EXPECT_EQ(rig.flags(), "UT");
  EXPECT_TRUE(rig.net.at(client).finished);
  EXPECT_EQ(rig.proxy.upstreams(), 0u);
}

TEST(Time, TheBackendTimeoutCoversOneTry) {
  Rig rig(with({.backend = 200 * kMs}));
  const uint32_t client = rig.client();
  rig.send(client, get("/"));
  rig.pass(201 * kMs);
  EXPECT_EQ(status_of(rig.take(client)), 504);
  EXPECT_EQ(rig.flags(), "UT");
  EXPECT_EQ(body_of(rig.exchange(client, get("/"), answer(200, "in time"))), "in time");
}

TEST(Time, AStreamOnWhichNothingMoves) {
  ConfigBuilder builder;
  builder.http().timeouts.stream = 1'000 * kMs;
  builder.config().listeners[1].timeouts.stream = 1'000 * kMs;
  builder.route("/", builder.action(ConfigBuilder::to(builder.cluster(1))));
  Rig rig(builder.build());
  const uint32_t client = rig.client();
  rig.send(client, get("/"));
  rig.pass(1'001 * kMs);
  EXPECT_EQ(status_of(rig.take(client)), 504);
  EXPECT_EQ(rig.flags(), "SI");

  rig.send(client, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\na");
  rig.pass(1'001 * kMs);
  EXPECT_EQ(status_of(rig.take(client)), 408);

  const uint32_t steady = rig.client();
  rig.send(steady, get("/"));
  rig.send(rig.backend(), "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n");
  for (int i = 0; i < 9; ++i) {
    rig.pass(900 * kMs);
    rig.send(rig.backend(), "x");
  }
  EXPECT_EQ(body_of(rig.take(steady)), "xxxxxxxxx");

  const uint32_t stalled = rig.client();
  rig.net.at(stalled).window = 300;  // a client that does not read
  rig.send(stalled, get("/"));
  rig.send(rig.backend(), answer(200, std::string(2000, 'x')));
  rig.pass(1'001 * kMs);
  EXPECT_EQ(rig.flags(), "SI");
  EXPECT_TRUE(rig.net.at(stalled).finished);

  const uint32_t tunnel = rig.client(1);
  rig.pass(1'001 * kMs);
  EXPECT_TRUE(rig.net.at(tunnel).aborted);
  EXPECT_EQ(rig.flags(), "SI");
  rig.pass(70'000 * kMs);
  EXPECT_EQ(rig.proxy.upstreams(), 0u);
  rig.expect_no_leak();
}

TEST(Time, TheDeadlineIsNeverPast) {
  Rig rig;
  EXPECT_EQ(rig.proxy.deadline(), ~base::Nanos{0});
  rig.client();
  EXPECT_GT(rig.proxy.deadline(), rig.now);
  EXPECT_LE(rig.proxy.deadline(), rig.now + 61'000 * kMs);
}

}  // namespace
}  // namespace penstock::proxy
