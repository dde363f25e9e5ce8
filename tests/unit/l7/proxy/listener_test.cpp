// Listeners that go, or whose names another has: their clients never reach what is somebody else's. And answers that
// wait for a client that does not read, while a try of theirs runs out of time.
#include "unit/l7/proxy/rig.h"

namespace penstock::proxy {
namespace {

// One listener of this port and protocol in slot 0, every path to one endpoint.
std::shared_ptr<const route::L7Config> one_listener(const std::string& name, uint16_t port,
                                                    config::Protocol protocol = config::Protocol::kHttp) {
  ConfigBuilder builder;
  builder.route("/", builder.action(ConfigBuilder::to(builder.cluster(1))));
  builder.http().name = name;
  builder.http().port = port;
  builder.http().protocol = protocol;
  builder.config().listeners.resize(1);
  return builder.build();
}

TEST(Listener, ANameThatSpeaksAnotherProtocolIsAnotherListener) {
  Rig rig(one_listener("Gateway/a/b/c", 80));
  const uint32_t id = rig.client();
  EXPECT_EQ(status_of(rig.exchange(id, get("/"), answer(200, "one"))), 200);
  auto next = std::make_shared<route::L7Config>();
  next->listeners = one_listener("Gateway/a/b/c", 80, config::Protocol::kTcp)->listeners;
  next->actions.push_back({});
  next->scratches.resize(1);
  rig.adopt(next);
  EXPECT_TRUE(rig.over(id));
  rig.expect_no_leak();
}

TEST(Listener, ASlotThatAnotherTakesDoesNotTakeItsClients) {
  Rig rig(one_listener("Gateway/public", 80));
  const uint32_t idle = rig.client();
  const uint32_t asking = rig.client();
  rig.send(asking, "GET / HTTP/1.1\r\n");
  rig.adopt(std::make_shared<route::L7Config>());
  rig.adopt(one_listener("Gateway/private", 8080));
  const size_t before = rig.net.connects.size();
  rig.send(idle, get("/"));
  EXPECT_EQ(status_of(rig.take(idle)), 503);
  EXPECT_TRUE(rig.over(idle));
  rig.send(asking, "Host: x\r\n\r\n");
  EXPECT_EQ(status_of(rig.take(asking)), 503);
  EXPECT_EQ(rig.net.connects.size(), before) << "no endpoint is asked";
  EXPECT_TRUE(rig.over(asking));
  rig.expect_no_leak();
}

TEST(Listener, AnotherPortUnderTheSameNameIsAnotherListener) {
  Rig rig(one_listener("Gateway/a", 80));
  const uint32_t id = rig.client();
  rig.exchange(id, get("/"), answer(200, "x"));
  rig.adopt(one_listener("Gateway/a", 81));
  EXPECT_TRUE(rig.over(id));
}

TEST(Listener, TheSameListenerKeepsItsClients) {
  Rig rig(one_listener("Gateway/a", 80));
  const uint32_t id = rig.client();
  rig.adopt(one_listener("Gateway/a", 80));
  EXPECT_EQ(status_of(rig.exchange(id, get("/"), answer(200, "x"))), 200);
  EXPECT_FALSE(rig.over(id));
}

// The listener of `one_listener` under another name and slot, and with these addresses.
std::shared_ptr<route::L7Config> renamed(const std::string& name, uint32_t slot,
                                         std::vector<base::IpAddress> addresses) {
  auto made = std::make_shared<route::L7Config>(*one_listener(name, 80));
  made->listeners[0].slot = slot;
  made->listeners[0].addresses = std::move(addresses);
  return made;
}

const base::IpAddress kHere = base::IpAddress::v4(0xcb007101), kElsewhere = base::IpAddress::v4(0xcb007102);

TEST(Listener, AnotherNameKeepsItsClientsAndWhatTheyAsk) {
  Rig rig(one_listener("Gateway/young", 80));
  const uint32_t idle = rig.client();
  rig.exchange(idle, get("/"), answer(200, "x"));
  const uint32_t asking = rig.client();
  rig.send(asking, "GET / HTTP/1.1\r\n");
  rig.adopt(renamed("Gateway/old", 5, {kHere}));
  EXPECT_FALSE(rig.over(idle));
  EXPECT_EQ(status_of(rig.exchange(idle, get("/"), answer(200, "x"))), 200);
  EXPECT_EQ(status_of(rig.exchange(asking, "Host: x\r\n\r\n", answer(200, "y"))), 200);
  EXPECT_FALSE(rig.over(idle));
  EXPECT_FALSE(rig.over(asking));
  ASSERT_NE(rig.proxy.counters().listener(5), nullptr);
  EXPECT_EQ(rig.proxy.counters().listener(5)->responses[2].read(), 2u);
}

// One listener of two addresses becomes two: a connection is with the one that has its address, whatever became of the
// slot that it came in by.
TEST(Listener, AConnectionBelongsToItsAddress) {
  Rig rig(renamed("Gateway/both", 0, {kHere, kElsewhere}));
  const uint32_t id = rig.client();
  rig.exchange(id, get("/"), answer(200, "x"));
  auto next = renamed("Gateway/both", 0, {kElsewhere});
  config::Listener here = next->listeners[0];
  here.name = "Gateway/here";
  here.slot = 3;
  here.addresses = {kHere};
  next->listeners.push_back(here);
  rig.adopt(next);
  EXPECT_EQ(status_of(rig.exchange(id, get("/"), answer(200, "x"))), 200);
  EXPECT_FALSE(rig.over(id));
  ASSERT_NE(rig.proxy.counters().listener(3), nullptr);
  EXPECT_EQ(rig.proxy.counters().listener(3)->responses[2].read(), 1u);
  // And when nobody has the address any more, it ends.
  rig.adopt(renamed("Gateway/both", 0, {kElsewhere}));
  EXPECT_TRUE(rig.over(id));
  rig.expect_no_leak();
}

// The other listener's terms count from now on.
TEST(Listener, AConnectionTakesOverTheTermsOfItsAddress) {
  Rig rig(one_listener("Gateway/a", 80));
  const uint32_t id = rig.client();
  rig.exchange(id, get("/"), answer(200, "x"));
  auto next = renamed("Gateway/b", 4, {kHere});
  next->listeners[0].timeouts.idle = 100 * kMs;
  rig.adopt(next);
  rig.pass(50 * kMs);
  EXPECT_FALSE(rig.over(id));
  rig.pass(100 * kMs);
  EXPECT_TRUE(rig.over(id));
}

// A try's time is over while the head of its answer waits for room: nothing of an answer may go out twice.
TEST(WaitingHead, IsNotSentAgainByAnotherTry) {
  ConfigBuilder builder;
  config::Action action = ConfigBuilder::to(builder.cluster(2));
  action.timeouts.backend = 100 * kMs;
  action.retry.attempts = 3;
  builder.route("/", builder.action(action));
  Rig rig(builder.build());
  const uint32_t id = rig.client();
  rig.net.at(id).window = 0;  // the client reads nothing
  rig.send(id, get("/"));
  rig.take(rig.backend());
  rig.send(rig.backend(), answer(200, "first"));
  rig.pass(150 * kMs);
  for (size_t i = 0; i < rig.net.connects.size(); ++i)
    if (!rig.over(rig.net.connects[i])) rig.send(rig.net.connects[i], answer(200, "again"));
  rig.net.at(id).window = 1 << 20;
  rig.proxy.on_events(id, kWritable, rig.now);
  rig.run();
  rig.pass(500 * kMs);
  const std::string text = rig.take(id);
  EXPECT_EQ(text.find("HTTP/1.1 0"), std::string::npos) << text;
  size_t answers = 0;
  for (size_t at = 0; (at = text.find("HTTP/1.1 ", at)) != std::string::npos; ++at) ++answers;
  EXPECT_EQ(answers, 1u) << text;
}

}  // namespace
}  // namespace penstock::proxy
