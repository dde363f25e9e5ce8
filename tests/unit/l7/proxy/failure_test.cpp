// What clients get when something goes wrong: statuses, flags, and connections that are not used again.
#include "unit/l7/proxy/rig.h"

namespace penstock::proxy {
namespace {

struct Got {
  int status;
  std::string flags;
  bool operator==(const Got&) const = default;
};
std::ostream& operator<<(std::ostream& out, const Got& got) { return out << got.status << " " << got.flags; }

Got ask(Rig& rig, uint32_t client, const std::string& request = get("/")) {
  rig.send(client, request);
  const AccessRecord record = rig.record();
  const std::string text = rig.take(client);
  EXPECT_EQ(status_of(text), record.status);
  return {record.status, rig.letters(record.flags)};
}

TEST(Failure, NoRouteNoClusterNoEndpoint) {
  ConfigBuilder builder;
  config::Action nowhere;
  nowhere.backends = {{config::kNoCluster, 1, config::kNoFilters}};
  builder.route("/missing", builder.action(nowhere));
  builder.route("/empty", builder.action(ConfigBuilder::to(builder.cluster(0))));
  builder.route("/nothing", builder.action({}));
  const uint32_t ill = builder.cluster(2);
  builder.config().clusters[ill].endpoints[0].usable = builder.config().clusters[ill].endpoints[1].usable = false;
  builder.route("/ill", builder.action(ConfigBuilder::to(ill)));
  Rig rig(builder.build());
  const uint32_t client = rig.client();
  EXPECT_EQ(ask(rig, client), (Got{404, "NR"}));
  EXPECT_EQ(ask(rig, client, get("/missing")), (Got{500, "NC"}));
  EXPECT_EQ(ask(rig, client, get("/nothing")), (Got{500, "NC"}));
  EXPECT_EQ(ask(rig, client, get("/empty")), (Got{503, "UH"}));
  EXPECT_EQ(ask(rig, client, get("/ill")), (Got{503, "UH"}));
  EXPECT_FALSE(rig.over(client));
  EXPECT_TRUE(rig.net.connects.empty());
  rig.expect_no_leak();
}

TEST(Failure, NoConnection) {
  Rig rig;
  const uint32_t client = rig.client();
  rig.net.outcomes = {FakeNet::Connect::kRefuses};
  EXPECT_EQ(ask(rig, client), (Got{503, "UF"}));
  rig.net.outcomes = {FakeNet::Connect::kNoPort};
  EXPECT_EQ(ask(rig, client), (Got{503, "OM"}));
  EXPECT_EQ(rig.proxy.counters().of(Count::ports_exhausted), 1u);
  rig.net.outcomes = {FakeNet::Connect::kNoRoom};
  EXPECT_EQ(ask(rig, client), (Got{503, "OM"}));
  EXPECT_EQ(rig.proxy.counters().of(Count::ports_exhausted), 1u);
  EXPECT_EQ(rig.proxy.counters().of(Count::upstreams_exhausted), 2u);
  rig.net.outcomes = {FakeNet::Connect::kHangs};
  rig.send(client, get("/"));
  rig.pass(4999 * kMs);
  EXPECT_EQ(rig.take(client), "");
  rig.pass(2 * kMs);
  EXPECT_EQ(status_of(rig.take(client)), 503);
  EXPECT_EQ(rig.flags(), "UF");
  EXPECT_EQ(rig.proxy.counters().of(Count::connect_timeouts), 1u);
  EXPECT_EQ(rig.proxy.counters().of(Count::connect_failures), 2u);
  const auto of_cluster = [&](ClusterCount what) {
    return rig.proxy.counters().pool(0)->counts[static_cast<size_t>(what)].read();
  };
  EXPECT_EQ(of_cluster(ClusterCount::connects), 2u);  // where there was no port none was begun
  EXPECT_EQ(of_cluster(ClusterCount::connect_failures), 2u);
  EXPECT_EQ(of_cluster(ClusterCount::connect_timeouts), 1u);
  EXPECT_EQ(rig.proxy.upstreams(), 0u);
  EXPECT_FALSE(rig.over(client));
}

TEST(Failure, TheEndpointEndsWithoutAnAnswer) {
  for (const bool reset : {false, true})
    for (const char* begun : {"", "HTTP/1.1 2", "HTTP/1.1 200 OK\r\nX: 1\r\n"}) {
      Rig rig;
      const uint32_t client = rig.client();
      rig.send(client, get("/"));
      rig.send(rig.backend(), begun);
      reset ? rig.reset(rig.backend()) : rig.finish(rig.backend());
      EXPECT_EQ(status_of(rig.take(client)), 503) << begun;
      EXPECT_EQ(rig.flags(), "UC");
      EXPECT_EQ(rig.proxy.upstreams(), 0u);
      EXPECT_FALSE(rig.over(client));
    }
}

TEST(Failure, TheEndpointEndsWithinItsAnswer) {
  for (const bool reset : {false, true})
    for (const char* framing : {"Content-Length: 10\r\n", "Transfer-Encoding: chunked\r\n"}) {
      Rig rig;
      const uint32_t client = rig.client();
      rig.send(client, get("/"));
      rig.send(rig.backend(), std::string("HTTP/1.1 200 OK\r\n") + framing + "\r\n5\r\nabc");
      reset ? rig.reset(rig.backend()) : rig.finish(rig.backend());
      rig.finish(client);
      EXPECT_EQ(status_of(rig.take(client)), 200);
      EXPECT_TRUE(rig.net.at(client).finished);
      EXPECT_TRUE(rig.over(client));
      EXPECT_EQ(rig.flags(), "UC");
    }
  // To a client that takes the end of the connection for the end of the answer only a reset tells.
  Rig rig;
  const uint32_t client = rig.client();
  rig.send(client, "GET / HTTP/1.0\r\n\r\n");
  rig.send(rig.backend(), "HTTP/1.1 200 OK\r\n\r\nabc");
  rig.reset(rig.backend());
  EXPECT_TRUE(rig.net.at(client).aborted);
  EXPECT_EQ(rig.flags(), "UC");
}

TEST(Failure, GarbageInsteadOfAnAnswer) {
  for (const char* garbage :
       {"SSH-2.0-OpenSSH_9.2\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "HTTP/1.1 999 X\r\n\r\n", "HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA : b\r\n\r\n", "HTTP/1.1 200 OK\nA: b\n\n", "HTTP/2.0 200 OK\r\n\r\n"}) {
    Rig rig;
    const uint32_t client = rig.client();
    rig.send(client, get("/"));
    rig.send(rig.backend(), garbage);
    EXPECT_EQ(status_of(rig.take(client)), 502) << garbage;
    const AccessRecord record = rig.record();
    EXPECT_EQ(rig.letters(record.flags), "UPE");
    EXPECT_NE(record.refusal, h1::Refusal::kNone);
    EXPECT_TRUE(rig.over(rig.backend()));
    EXPECT_FALSE(rig.over(client));
  }
  Rig rig;
  const uint32_t client = rig.client();
  rig.send(client, get("/"));
  rig.send(rig.backend(), "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\nzz\r\n");
  EXPECT_EQ(rig.flags(), "UPE");
  EXPECT_FALSE(has(rig.take(client), "0\r\n\r\n"));
  EXPECT_TRUE(rig.net.at(client).finished);
}

TEST(Failure, RequestsThatAreNoHttp) {
  for (const auto& [request, status] : std::vector<std::pair<std::string, int>>{
           {"GET / HTTP/1.1\r\n\r\n", 400},
           {"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
           {"GET / HTTP/3.0\r\nHost: a\r\n\r\n", 505},
           {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
           {"GET /" + std::string(9000, 'a') + " HTTP/1.1\r\nHost: a\r\n\r\n", 414},
           {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", 400}}) {
    Rig rig;
    const uint32_t client = rig.client();
    rig.send(client, request + "more");
    const std::string response = rig.take(client);
    EXPECT_EQ(status_of(response), status) << request;
    EXPECT_TRUE(has(response, "connection: close\r\n"));
    EXPECT_EQ(rig.flags(), "DPE");
    EXPECT_TRUE(rig.net.at(client).finished);  // and no reset that overtakes the answer
    EXPECT_FALSE(rig.over(client));
    rig.send(client, std::string(100000, 'x'));
    rig.finish(client);
    EXPECT_TRUE(rig.over(client));
    EXPECT_FALSE(rig.net.at(client).aborted);
    EXPECT_EQ(rig.proxy.upstreams(), 0u);
    rig.expect_no_leak();
  }
}

TEST(Failure, AClientThatGoesOnAfterTheLastAnswerIsClosed) {
  Rig rig;
  const uint32_t client = rig.client();
  rig.send(client, "nonsense\r\n\r\n");
  EXPECT_EQ(status_of(rig.take(client)), 400);
  rig.pass(kLinger + kMs);
  EXPECT_TRUE(rig.net.at(client).closed) << "TCP resets whoever sends to a closed connection";
  EXPECT_EQ(rig.proxy.counters().of(Count::lingers_cut), 1u);
}

TEST(Failure, TheClientLeaves) {
  Rig rig;
  const uint32_t client = rig.client();
  rig.send(client, get("/"));
  rig.reset(client);
  EXPECT_EQ(rig.flags(), "DC");
  EXPECT_TRUE(rig.net.at(rig.backend()).aborted);
  EXPECT_EQ(rig.proxy.clients() + rig.proxy.upstreams(), 0u);
  rig.expect_no_leak();

  const uint32_t half = rig.client();
  rig.send(half, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");
  rig.finish(half);
  EXPECT_EQ(rig.flags(), "DC");
  EXPECT_TRUE(rig.over(half));
  EXPECT_EQ(rig.proxy.upstreams(), 0u);
}

TEST(Failure, AClientThatOnlyFinishesStillGetsItsAnswer) {
  Rig rig;
  const uint32_t client = rig.client();
  rig.send(client, get("/"));
  rig.finish(client);
  rig.send(rig.backend(), answer(200, "late"));
  const std::string response = rig.take(client);
  EXPECT_EQ(body_of(response), "late");
  EXPECT_TRUE(has(response, "connection: close\r\n"));
  EXPECT_TRUE(rig.over(client));
  EXPECT_TRUE(rig.net.at(client).closed);
}

TEST(Failure, NoRoomForAnotherRequest) {
  Limits limits = small_limits();
  limits.messages = 1;
  Rig rig(plain_config(), limits);
  const uint32_t first = rig.client(), second = rig.client();
  rig.send(first, get("/"));
  rig.send(second, get("/"));
  EXPECT_EQ(status_of(rig.take(second)), 503);
  EXPECT_EQ(rig.proxy.counters().of(Count::messages_exhausted), 1u);
  rig.send(rig.backend(), answer(200, "ok"));
  EXPECT_EQ(body_of(rig.take(first)), "ok");

  limits = small_limits();
  limits.clients = 1;
  Rig full(plain_config(), limits);
  full.client();
  const uint32_t refused = full.client();
  EXPECT_TRUE(full.net.at(refused).aborted);
  EXPECT_EQ(full.proxy.counters().of(Count::connections_refused), 1u);
  const uint32_t nowhere = full.net.open();
  full.proxy.on_accept(nowhere, 9, full.now);
  EXPECT_TRUE(full.net.at(nowhere).aborted);
}

TEST(Failure, SlowHeadsGiveWayToOthers) {
  Limits limits = small_limits();
  limits.messages = 4;
  Rig rig(plain_config(), limits);
  std::vector<uint32_t> slow;
  for (int i = 0; i < 4; ++i) {
    slow.push_back(rig.client());
    rig.send(slow.back(), "GET / HT");
    rig.pass(400 * kMs);
  }
  const uint32_t client = rig.client();
  EXPECT_EQ(body_of(rig.exchange(client, get("/"), answer(200, "ok"))), "ok");
  EXPECT_TRUE(rig.net.at(slow[0]).aborted);
  EXPECT_EQ(rig.flags(), "-");
  EXPECT_EQ(rig.proxy.counters().of(Count::heads_evicted), 1u);
  rig.send(slow[2], "TP/1.1\r\nHost: a\r\n\r\n");  // who goes on in time is served
  rig.send(rig.backend(), answer(200, "two"));
  EXPECT_EQ(body_of(rig.take(slow[2])), "two");
  const uint32_t late = rig.client(), later = rig.client();
  rig.send(late, "GET");
  rig.send(later, "GET");
  EXPECT_EQ(rig.proxy.messages(), 4u);
  const uint32_t last = rig.client();
  rig.send(last, "GET");
  EXPECT_TRUE(rig.net.at(slow[1]).aborted);
  const uint32_t refused = rig.client();
  rig.send(refused, get("/"));
  EXPECT_FALSE(rig.net.at(slow[3]).aborted);  // it has been reading for less than a second
  EXPECT_EQ(status_of(rig.take(refused)), 503);
  rig.pass(70'000 * kMs);
  EXPECT_EQ(rig.proxy.clients(), 0u);
  rig.expect_no_leak();
}

TEST(Failure, TheLogIsLostBeforeAnybodyWaits) {
  Limits limits = small_limits();
  limits.log_records = 2;
  Rig rig(plain_config(), limits);
  const uint32_t client = rig.client();
  for (int i = 0; i < 5; ++i) rig.exchange(client, get("/"), answer(200, ""));
  EXPECT_EQ(rig.proxy.counters().of(Count::log_lost), 3u);
  EXPECT_EQ(rig.proxy.counters().cluster(0)->responses[2].read(), 5u);
  EXPECT_EQ(rig.proxy.counters().listener(0)->responses[2].read(), 5u);
  EXPECT_EQ(rig.proxy.counters().route(0)->responses[2].read(), 5u);
  EXPECT_EQ(rig.proxy.counters().endpoint(0)->responses[2].read(), 5u);
  EXPECT_EQ(rig.proxy.counters().endpoint(99), nullptr);
}

}  // namespace
}  // namespace penstock::proxy
