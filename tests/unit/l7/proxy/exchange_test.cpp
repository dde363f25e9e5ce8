// One request after the other: what the endpoint gets, what the client gets, and which connections go on.
#include "l7/tcp/connection.h"
#include "unit/l7/proxy/rig.h"

namespace penstock::proxy {
namespace {

static_assert(static_cast<int>(kConnected) == static_cast<int>(tcp::kConnected) &&
              static_cast<int>(kReadable) == static_cast<int>(tcp::kReadable) &&
              static_cast<int>(kWritable) == static_cast<int>(tcp::kWritable) &&
              static_cast<int>(kPeerFinished) == static_cast<int>(tcp::kPeerFinished) &&
              static_cast<int>(kEnded) == static_cast<int>(tcp::kEnded));

TEST(Exchange, ARequestAndItsAnswer) {
  Rig rig;
  const uint32_t client = rig.client();
  rig.send(client, get("/a?b=c", "Accept: */*\r\nConnection: x-hop\r\nX-Hop: 1\r\nX-Forwarded-For: 1.2.3.4\r\n"));
  const std::string request = rig.take(rig.backend());
  EXPECT_TRUE(request.starts_with("GET /a?b=c HTTP/1.1\r\nhost: shop.example\r\naccept: */*\r\n")) << request;
  EXPECT_FALSE(has(request, "x-hop"));
  EXPECT_TRUE(has(request, "x-forwarded-for: 198.51.100.7\r\n"));
  EXPECT_TRUE(has(request, "x-forwarded-proto: http\r\n"));
  EXPECT_TRUE(has(request, "via: 1.1 penstock\r\n"));
  EXPECT_TRUE(has(request, "x-request-id: "));
  rig.send(rig.backend(), answer(200, "hello", "X-A: 1\r\nConnection: keep-alive\r\n"));
  const std::string response = rig.take(client);
  EXPECT_TRUE(response.starts_with("HTTP/1.1 200 X\r\nx-a: 1\r\nvia: 1.1 penstock\r\ncontent-length: 5\r\n"))
      << response;
  EXPECT_EQ(body_of(response), "hello");
  const AccessRecord record = rig.record();
  EXPECT_EQ(record.status, 200);
  EXPECT_EQ(record.bytes_sent, 5u);
  EXPECT_EQ(record.method.view(), "GET");
  EXPECT_EQ(record.path.view(), "/a");
  EXPECT_EQ(record.host.view(), "shop.example");
  EXPECT_EQ(record.cluster, 0u);
  EXPECT_EQ(record.tries, 1);
  EXPECT_EQ(rig.letters(record.flags), "-");
  rig.expect_no_leak();
}

TEST(Exchange, BothConnectionsServeTheNextRequest) {
  Rig rig;
  const uint32_t client = rig.client();
  for (int i = 0; i < 5; ++i)
    EXPECT_EQ(body_of(rig.exchange(client, get("/" + std::to_string(i)), answer(200, "n" + std::to_string(i)))),
              "n" + std::to_string(i));
  EXPECT_EQ(rig.net.connects.size(), 1u);
  EXPECT_EQ(rig.proxy.counters().of(Count::reuses), 4u);
  EXPECT_EQ(rig.proxy.upstreams(), 1u);
}

TEST(Exchange, PipelinedRequestsAreAnsweredInOrder) {
  Rig rig;
  const uint32_t client = rig.client();
  rig.send(client, get("/1") + get("/2") + get("/3"));
  for (const char* each : {"/1", "/2", "/3"}) {
    const std::string request = rig.take(rig.backend());
    EXPECT_TRUE(request.starts_with("GET " + std::string(each) + " ")) << request;
    rig.send(rig.backend(), answer(200, each));
  }
  const std::string all = rig.take(client);
  EXPECT_LT(all.find("/1"), all.find("/2"));
  EXPECT_LT(all.find("/2"), all.find("/3"));
  EXPECT_EQ(rig.net.connects.size(), 1u);
}

TEST(Exchange, ContentBothWays) {
  Rig rig;
  const uint32_t client = rig.client();
  rig.send(client, "POST /up HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTE: trailers\r\n\r\n3\r\nabc\r\n");
  std::string request = rig.take(rig.backend());
  EXPECT_TRUE(has(request, "transfer-encoding: chunked\r\n"));
  EXPECT_EQ(body_of(request), "3\r\nabc");
  rig.send(client, "2\r\nde\r\n0\r\nX-Sum: 5\r\n\r\n");
  EXPECT_EQ(rig.take(rig.backend()), "\r\n2\r\nde\r\n0\r\nx-sum: 5\r\n\r\n");
  rig.send(rig.backend(), "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-T: 1\r\n\r\n");
  EXPECT_EQ(body_of(rig.take(client)), "2\r\nok\r\n0\r\nx-t: 1\r\n\r\n");
  EXPECT_EQ(rig.record().bytes_received, 5u);
  EXPECT_EQ(body_of(rig.exchange(client, get("/"), answer(200, "next"))), "next");
}

TEST(Exchange, AnAnswerThatEndsWithItsConnectionIsChunkedForTheClient) {
  Rig rig;
  const uint32_t client = rig.client();
  rig.send(client, get("/"));
  rig.send(rig.backend(), "HTTP/1.1 200 OK\r\n\r\nsome");
  rig.finish(rig.backend());
  EXPECT_EQ(body_of(rig.take(client)), "4\r\nsome\r\n0\r\n\r\n");
  EXPECT_TRUE(rig.over(rig.backend()));
  EXPECT_FALSE(rig.over(client));
  EXPECT_EQ(rig.flags(), "-");
}

TEST(Exchange, AnHttp10ClientGetsItsEndByTheConnection) {
  Rig rig;
  const uint32_t client = rig.client();
  rig.send(client, "GET / HTTP/1.0\r\n\r\n");
  rig.send(rig.backend(), "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n");
  const std::string response = rig.take(client);
  EXPECT_EQ(body_of(response), "ok");
  EXPECT_FALSE(has(response, "chunked"));
  EXPECT_TRUE(rig.over(client));
  EXPECT_TRUE(rig.net.at(client).closed);
}

TEST(Exchange, AnswersWithoutContent) {
  Rig rig;
  const uint32_t client = rig.client();
  rig.send(client, "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
  rig.send(rig.backend(), "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
  std::string response = rig.take(client);
  EXPECT_TRUE(has(response, "content-length: 1000\r\n"));
  EXPECT_EQ(body_of(response), "");
  rig.send(client, get("/"));
  rig.send(rig.backend(), "HTTP/1.1 204 No Content\r\n\r\n");
  EXPECT_EQ(status_of(rig.take(client)), 204);
  rig.send(client, get("/"));
  rig.send(rig.backend(), "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n");
  EXPECT_EQ(status_of(rig.take(client)), 304);
  EXPECT_EQ(rig.net.connects.size(), 1u);
  rig.expect_no_leak();
}

TEST(Exchange, OneHundredContinueIsAskedOfTheEndpointAndPassedOnOnce) {
  Rig rig;
  const uint32_t client = rig.client();
  rig.send(client, "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_TRUE(has(rig.take(rig.backend()), "expect: 100-continue\r\n"));
  rig.send(rig.backend(), "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n");
  EXPECT_EQ(rig.take(client), "HTTP/1.1 100 Continue\r\n\r\n");
  rig.send(client, "ab");
  EXPECT_EQ(rig.take(rig.backend()), "ab");
  rig.send(rig.backend(), "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + answer(201, ""));
  const std::string response = rig.take(client);
  EXPECT_TRUE(response.starts_with("HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 201 X\r\n")) << response;
  EXPECT_FALSE(rig.over(client));
}

// RFC 9110 10.1.1: the content of a refused expectation may or may not follow, so the connection ends.
TEST(Exchange, AFinalAnswerInsteadOf100EndsTheConnection) {
  Rig rig;
  const uint32_t client = rig.client();
  rig.send(client, "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  rig.send(rig.backend(), answer(413, ""));
  EXPECT_TRUE(has(rig.take(client), "connection: close\r\n"));
  EXPECT_TRUE(rig.net.at(client).finished);
  EXPECT_TRUE(rig.over(rig.backend()));
  rig.send(client, "ab");
  rig.finish(client);
  EXPECT_TRUE(rig.over(client));
  EXPECT_FALSE(rig.net.at(client).aborted);
}

TEST(Exchange, AWebSocketBecomesATunnel) {
  Rig rig;
  const uint32_t client = rig.client();
  rig.send(client, get("/chat", "Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n"));
  const std::string request = rig.take(rig.backend());
  EXPECT_TRUE(has(request, "upgrade: websocket\r\n"));
  rig.send(rig.backend(), "HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x02hi");
  const std::string response = rig.take(client);
  EXPECT_TRUE(response.starts_with("HTTP/1.1 101 "));
  EXPECT_EQ(body_of(response), "\x81\x02hi");
  EXPECT_EQ(rig.proxy.messages(), 0u);
  rig.send(client, "GET / HTTP/1.1\r\n\r\n");
  EXPECT_EQ(rig.take(rig.backend()), "GET / HTTP/1.1\r\n\r\n");
  rig.finish(client);
  EXPECT_TRUE(rig.net.at(rig.backend()).finished);
  rig.send(rig.backend(), "bye");
  EXPECT_EQ(rig.take(client), "bye");
  rig.finish(rig.backend());
  EXPECT_TRUE(rig.over(client));
  EXPECT_TRUE(rig.over(rig.backend()));
  const AccessRecord record = rig.record();
  EXPECT_EQ(record.status, 101);
  EXPECT_EQ(record.bytes_received, 18u);
  rig.expect_no_leak();
}

TEST(Exchange, ConnectOnlyWhereARouteAsksForIt) {
  Rig refused;
  const uint32_t stranger = refused.client();
  refused.send(stranger, "CONNECT db.example:5432 HTTP/1.1\r\nHost: db.example:5432\r\n\r\n");
  EXPECT_EQ(status_of(refused.take(stranger)), 404);

  ConfigBuilder builder;
  builder.route("/", builder.action(ConfigBuilder::to(builder.cluster(1))), http::Method::kConnect);
  Rig rig(builder.build());
  const uint32_t client = rig.client();
  rig.send(client, "CONNECT db.example:5432 HTTP/1.1\r\nHost: db.example:5432\r\n\r\nearly");
  EXPECT_TRUE(rig.take(rig.backend()).starts_with("CONNECT db.example:5432 HTTP/1.1\r\n"));
  rig.send(rig.backend(), "HTTP/1.1 200 OK\r\n\r\n");
  EXPECT_EQ(status_of(rig.take(client)), 200);
  EXPECT_EQ(rig.take(rig.backend()), "early");
}

TEST(Exchange, TcpListenersCarryBytesAndHalfCloses) {
  ConfigBuilder builder;
  builder.action(ConfigBuilder::to(builder.cluster(1)));
  Rig rig(builder.build());
  const uint32_t client = rig.client(1);
  rig.send(client, "question");
  EXPECT_EQ(rig.take(rig.backend()), "question");
  rig.finish(client);
  EXPECT_TRUE(rig.net.at(rig.backend()).finished);
  EXPECT_FALSE(rig.over(client));
  rig.send(rig.backend(), "answer");
  rig.finish(rig.backend());
  EXPECT_EQ(rig.take(client), "answer");
  EXPECT_TRUE(rig.over(client));
  EXPECT_TRUE(rig.net.at(client).closed);
  EXPECT_EQ(rig.record().bytes_sent, 6u);

  const uint32_t other = rig.client(1);
  rig.reset(rig.backend());
  EXPECT_TRUE(rig.net.at(other).aborted);
  EXPECT_EQ(rig.flags(), "UC");
  EXPECT_EQ(rig.proxy.upstreams(), 0u);
  rig.expect_no_leak();
}

TEST(Exchange, AmbiguousMessagesAreServedAndTheirConnectionsEnd) {
  Rig rig;
  const uint32_t client = rig.client();
  rig.send(client, "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx");
  EXPECT_TRUE(has(rig.take(rig.backend()), "connection: close\r\n"));
  rig.send(rig.backend(), answer(200, "ok"));
  EXPECT_TRUE(has(rig.take(client), "connection: close\r\n"));
  EXPECT_TRUE(rig.over(client));
  EXPECT_TRUE(rig.over(rig.backend()));
}

TEST(Exchange, MoreThanTheAnswerEndsTheKeptConnection) {
  Rig rig;
  const uint32_t client = rig.client();
  EXPECT_EQ(body_of(rig.exchange(client, get("/"), answer(200, "one") + answer(200, "stolen"))), "one");
  EXPECT_TRUE(rig.over(rig.backend()));
  EXPECT_EQ(body_of(rig.exchange(client, get("/"), answer(200, "two"))), "two");
  EXPECT_EQ(rig.net.connects.size(), 2u);
  rig.send(rig.backend(), answer(200, "unasked"));
  EXPECT_TRUE(rig.over(rig.backend()));
  EXPECT_EQ(rig.proxy.counters().of(Count::idle_surprises), 1u);
}

}  // namespace
}  // namespace penstock::proxy
