// What a listener demands of its clients and says to them: headers of the PROXY protocol, answers of its own,
// maintenance.
#include "unit/l7/proxy/rig.h"

namespace penstock::proxy {
namespace {

using proxy_protocol::Fault;

constexpr const char* kV1 = "PROXY TCP4 192.0.2.9 203.0.113.80 51000 80\r\n";

std::vector<base::Prefix> everybody() { return {{base::IpAddress::v4(0), 0}}; }

std::shared_ptr<const config::DirectResponse> direct(config::DirectResponse response) {
  return std::make_shared<const config::DirectResponse>(std::move(response));
}

// A header is demanded of everybody, and shown to the backend as forwarding fields and a header of its own.
std::shared_ptr<const route::L7Config> behind_a_proxy(config::ProxyHeader out = config::ProxyHeader::kNone) {
  ConfigBuilder builder;
  builder.route("/", builder.action(ConfigBuilder::to(builder.cluster(1))));
  builder.config().clusters[0].proxy_header = out;
  for (config::Listener& each : builder.config().listeners) each.proxies = everybody();
  return builder.build();
}

// "/" to one cluster, "/shop" to another.
std::shared_ptr<const route::L7Config> with_requests(http::PathPolicy path, http::HeadLimits limits) {
  ConfigBuilder builder;
  builder.route("/", builder.action(ConfigBuilder::to(builder.cluster(1))));
  builder.route("/shop", builder.action(ConfigBuilder::to(builder.cluster(1))));
  builder.http().path = path;
  builder.http().limits = limits;
  return builder.build();
}

// What a backend is asked for by this request; the status that the client gets in its place.
std::string asked_for(std::shared_ptr<const route::L7Config> config, const std::string& request) {
  Rig rig(std::move(config));
  const uint32_t id = rig.client();
  rig.send(id, request);
  if (rig.net.connects.empty()) return std::to_string(status_of(rig.take(id)));
  const std::string asked = rig.take(rig.backend());
  return asked.substr(0, asked.find(" HTTP/"));
}

TEST(ListenerPath, DecidesBeforeRequestsAreMatchedAndForwarded) {
  const auto with = [](http::PathPolicy path, const char* target) {
    return asked_for(with_requests(path, {}), get(target));
  };
  using http::EscapedSlash;
  EXPECT_EQ(with({false, EscapedSlash::kKeep}, "/x/..%2fshop//a"), "GET /x/..%2Fshop//a");
  EXPECT_EQ(with({false, EscapedSlash::kReject}, "/x/..%2fshop"), "400");
  EXPECT_EQ(with({false, EscapedSlash::kReject}, "/x%5cshop"), "400");
  EXPECT_EQ(with({true, EscapedSlash::kDecode}, "/x/..%2fshop//a"), "GET /shop/a");
  Rig rig(with_requests({true, EscapedSlash::kDecode}, {}));
  const uint32_t id = rig.client();
  EXPECT_EQ(status_of(rig.exchange(id, get("//x/..%2fshop"), answer(200, "x"))), 200);
  EXPECT_EQ(rig.record().route, 1u) << "/shop";
}

TEST(ListenerLimits, RefuseByName) {
  const auto with = [](http::HeadLimits limits, const std::string& request) {
    return asked_for(with_requests({}, limits), request);
  };
  const std::string long_target = "/" + std::string(99, 'a');
  EXPECT_EQ(with({.target_bytes = 100}, get(long_target)), "GET " + long_target);
  EXPECT_EQ(with({.target_bytes = 99}, get(long_target)), "414");
  std::string fields;
  for (int i = 0; i < 300; ++i) fields += "x-" + std::to_string(i) + ": y\r\n";
  const std::string many = "GET / HTTP/1.1\r\nHost: x\r\n" + fields + "\r\n";
  EXPECT_EQ(with({}, many), "431") << "300 are more than the default";
  EXPECT_EQ(with({.field_count = http::kMaxFieldCount}, many), "GET /");
  EXPECT_EQ(with({.field_bytes = 1024, .field_count = http::kMaxFieldCount}, many), "431");
  const std::string post = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\nhello world";
  EXPECT_EQ(with({.body_bytes = 11}, post), "POST /");
  EXPECT_EQ(with({.body_bytes = 10}, post), "413");
  Rig rig(with_requests({}, {.body_bytes = 10}));
  const uint32_t id = rig.client();
  rig.send(id, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nhello \r\n");
  EXPECT_TRUE(has(rig.take(rig.backend()), "hello "));
  rig.send(id, "5\r\nworld\r\n");
  EXPECT_EQ(status_of(rig.take(id)), 413) << "a content whose end nobody knew";
}

// As many fields as a listener may choose, full of bytes, arrive: memory and scratch have room for them.
TEST(ListenerLimits, TheHighestFit) {
  std::string fields;
  for (uint32_t i = 1; i < http::kMaxFieldCount; ++i)
    fields += "x-" + std::to_string(1000 + i) + ": " + std::string(140, 'y') + "\r\n";
  ASSERT_LT(fields.size(), http::kDefaultFieldBytes - 100u);
  Rig rig(with_requests({}, {.field_count = http::kMaxFieldCount}));
  const uint32_t id = rig.client();
  rig.send(id, "GET / HTTP/1.1\r\nHost: x\r\n" + fields + "\r\n");
  EXPECT_TRUE(has(rig.take(rig.backend()), "x-1399: yyy"));
  rig.send(rig.backend(), answer(200, "x"));
  EXPECT_EQ(status_of(rig.take(id)), 200);
  rig.expect_no_leak();
}

// A request that is under way when its listener's limits change keeps those it began with; the next one has the new.
TEST(ListenerLimits, ChangeBetweenRequests) {
  Rig rig(with_requests({}, {}));
  const uint32_t id = rig.client();
  const std::string target = "/" + std::string(99, 'a');
  rig.send(id, "GET " + target.substr(0, 50));
  rig.adopt(with_requests({}, {.target_bytes = 64}));
  EXPECT_EQ(status_of(rig.exchange(id, target.substr(50) + " HTTP/1.1\r\nHost: x\r\n\r\n", answer(200, "x"))), 200);
  rig.send(id, get(target));
  EXPECT_EQ(status_of(rig.take(id)), 414);
}

TEST(ProxyHeader, SaysWhoseRequestItIs) {
  Rig rig(behind_a_proxy());
  const uint32_t id = rig.client();
  rig.send(id, kV1 + get("/"));
  const std::string asked = rig.take(rig.backend());
  EXPECT_TRUE(has(asked, "x-forwarded-for: 192.0.2.9\r\n")) << asked;
  rig.send(rig.backend(), answer(200, "x"));
  EXPECT_EQ(status_of(rig.take(id)), 200);
  const AccessRecord record = rig.record();
  EXPECT_EQ(record.peer, base::IpAddress::v4(0xc0000209));
  EXPECT_EQ(record.peer_port, 51000);
  EXPECT_EQ(status_of(rig.exchange(id, get("/"), answer(200, "y"))), 200) << "once a connection";
  EXPECT_EQ(rig.record().peer_port, 51000);
}

TEST(ProxyHeader, MayComeByteByByte) {
  Rig rig(behind_a_proxy());
  rig.net.piece_bytes = 7;
  const uint32_t id = rig.client();
  for (const char* at = kV1; *at != 0; ++at) rig.send(id, {at, 1});
  EXPECT_EQ(status_of(rig.exchange(id, get("/"), answer(200, "x"))), 200);
  EXPECT_EQ(rig.record().peer_port, 51000);
}

TEST(ProxyHeader, IsDemandedByName) {
  Rig rig(behind_a_proxy());
  const uint32_t id = rig.client();
  rig.send(id, get("/"));
  EXPECT_TRUE(rig.over(id));
  EXPECT_TRUE(rig.net.connects.empty());
  EXPECT_EQ(rig.proxy.counters().of(Fault::no_signature), 1u);
  const uint32_t broken = rig.client();
  rig.send(broken, "PROXY TCP4 192.0.2.9  203.0.113.80 51000 80\r\n");
  EXPECT_TRUE(rig.over(broken));
  EXPECT_EQ(rig.proxy.counters().of(Fault::bad_address) + rig.proxy.counters().of(Fault::bad_line), 1u);
  rig.expect_no_leak();
}

TEST(ProxyHeader, IsWaitedForAsLongAsAHead) {
  Rig rig(behind_a_proxy());
  const uint32_t id = rig.client();
  rig.send(id, "PROXY TCP4 192.");
  rig.pass(9'000 * kMs);
  EXPECT_FALSE(rig.over(id));
  rig.pass(2'000 * kMs);
  EXPECT_TRUE(rig.over(id));
  EXPECT_EQ(rig.proxy.counters().of(Count::headers_late), 1u);
  const uint32_t leaves = rig.client();
  rig.send(leaves, "PROXY");
  rig.finish(leaves);
  EXPECT_TRUE(rig.over(leaves));
}

TEST(ProxyHeader, IsNotLookedForFromOthers) {
  ConfigBuilder builder;
  builder.route("/", builder.action(ConfigBuilder::to(builder.cluster(1))));
  builder.http().proxies = {{base::IpAddress::v4(0x0a000000), 8}};  // the client of the rig is 198.51.100.7
  Rig rig(builder.build());
  EXPECT_EQ(status_of(rig.exchange(rig.client(), get("/"), answer(200, "x"))), 200);
  const uint32_t liar = rig.client();
  rig.send(liar, kV1 + get("/"));
  EXPECT_EQ(status_of(rig.take(liar)), 400);
}

TEST(ProxyHeader, ComesBeforeTcpIsPassedOn) {
  auto config = behind_a_proxy(config::ProxyHeader::kV1);
  Rig rig(config);
  const uint32_t id = rig.client(1);
  EXPECT_TRUE(rig.net.connects.empty()) << "nobody is asked before it is there";
  rig.send(id, std::string("PROXY TCP4 192.0.2.9 203.0.113.80 51000 5432\r\n") + "hello");
  EXPECT_EQ(rig.take(rig.backend()), "PROXY TCP4 192.0.2.9 203.0.113.80 51000 5432\r\nhello");
}

TEST(ProxyHeader, IntroducesEachRequestOnAConnectionOfItsOwn) {
  ConfigBuilder builder;
  builder.route("/", builder.action(ConfigBuilder::to(builder.cluster(1))));
  builder.config().clusters[0].proxy_header = config::ProxyHeader::kV1;
  Rig rig(builder.build());
  const uint32_t id = rig.client();
  for (int i = 0; i < 2; ++i) {
    rig.send(id, get("/"));
    EXPECT_TRUE(rig.take(rig.backend()).starts_with("PROXY TCP4 198.51.100.7 203.0.113.1 40000 80\r\nGET / "));
    rig.send(rig.backend(), answer(200, "x"));
    EXPECT_EQ(status_of(rig.take(id)), 200);
    EXPECT_TRUE(rig.over(rig.backend()));
  }
  EXPECT_EQ(rig.net.connects.size(), 2u);
  EXPECT_EQ(rig.proxy.counters().of(Count::reuses), 0u);
}

TEST(ProxyHeader, IsNotBelievedAnyLongerFromThoseTakenOffTheList) {
  Rig rig(behind_a_proxy());
  const uint32_t idle = rig.client(), late = rig.client(), busy = rig.client();
  rig.exchange(idle, kV1 + get("/"), answer(200, "x"));
  rig.send(busy, kV1 + get("/"));
  const uint32_t backend = rig.backend();
  ConfigBuilder builder;
  builder.route("/", builder.action(ConfigBuilder::to(builder.cluster(1))));
  builder.http().proxies = {{base::IpAddress::v4(0x0a000001), 32}};
  rig.adopt(builder.build());
  EXPECT_TRUE(rig.over(idle));
  EXPECT_TRUE(rig.over(late));
  rig.take(backend);
  rig.send(backend, answer(200, "y"));
  EXPECT_TRUE(has(rig.take(busy), "connection: close"));
  EXPECT_EQ(status_of(rig.exchange(rig.client(), get("/"), answer(200, "z"))), 200) << "nobody asks for one";
}

TEST(ProxyHeader, AnIntroducedConnectionStaysOneClientsWhenTheClusterWantsNoneAnyMore) {
  ConfigBuilder before, after;
  for (ConfigBuilder* each : {&before, &after}) each->route("/", each->action(ConfigBuilder::to(each->cluster(1))));
  before.config().clusters[0].proxy_header = config::ProxyHeader::kV2;
  Rig rig(before.build());
  const uint32_t id = rig.client();
  rig.net.outcomes = {FakeNet::Connect::kHangs};
  rig.send(id, get("/"));
  const uint32_t backend = rig.backend();
  rig.adopt(after.build());
  rig.net.at(backend).connected = true;
  rig.proxy.on_events(backend, kConnected | kWritable, rig.now);
  rig.run();
  EXPECT_TRUE(has(rig.take(backend), "connection: close"));
  rig.send(backend, answer(200, "x"));
  EXPECT_EQ(status_of(rig.take(id)), 200);
  EXPECT_TRUE(rig.over(backend));
}

TEST(OwnAnswers, AreNoTunnelToConnect) {
  ConfigBuilder builder;
  builder.route("/", builder.action(ConfigBuilder::to(builder.cluster(1))));
  config::Filters fine;
  fine.direct = direct({.status = 200, .content_type = "", .body = "fine", .retry_after = 0});
  builder.http().own_answers = {{404, builder.filters(fine)}};
  Rig rig(builder.build());
  const uint32_t id = rig.client();
  rig.send(id, "CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\n");
  const std::string said = rig.take(id);
  EXPECT_EQ(status_of(said), 503);
  EXPECT_TRUE(has(said, "content-length: 0\r\n"));
}

TEST(OwnAnswers, StandForTheGatewaysOwn) {
  ConfigBuilder builder;
  builder.route("/a", builder.action(ConfigBuilder::to(builder.cluster(1))));
  config::Filters sorry, missing;
  sorry.direct = direct({.status = 200, .content_type = "text/html", .body = "<p>later</p>", .retry_after = 0});
  missing.direct = direct({.status = 0, .content_type = "text/plain", .body = "nothing here", .retry_after = 0});
  builder.http().own_answers = {{503, builder.filters(sorry)}, {404, builder.filters(missing)}};
  Rig rig(builder.build());
  const uint32_t id = rig.client();
  rig.send(id, get("/b"));
  const std::string none = rig.take(id);
  EXPECT_EQ(status_of(none), 404);
  EXPECT_TRUE(has(none, "content-type: text/plain\r\n"));
  EXPECT_EQ(body_of(none), "nothing here");
  EXPECT_EQ(rig.flags(), "NR") << "the log says what it was";
  rig.net.outcomes = {FakeNet::Connect::kRefuses};
  rig.send(id, get("/a"));
  const std::string later = rig.take(id);
  EXPECT_EQ(status_of(later), 200);
  EXPECT_EQ(body_of(later), "<p>later</p>");
  rig.net.outcomes = {};
  EXPECT_EQ(body_of(rig.exchange(id, get("/a"), answer(503, "the backend's own"))), "the backend's own");
  rig.send(id, "HEAD /b HTTP/1.1\r\nHost: x\r\n\r\n");
  const std::string head = rig.take(id);
  EXPECT_TRUE(has(head, "content-length: 12\r\n"));
  EXPECT_EQ(body_of(head), "");
}

TEST(Maintenance, TurnsAwayAllButSome) {
  ConfigBuilder builder;
  builder.route("/", builder.action(ConfigBuilder::to(builder.cluster(1))));
  config::Filters closed;
  closed.direct = direct({.status = 503, .content_type = "text/plain", .body = "closed", .retry_after = 120});
  const uint32_t filters = builder.filters(closed);
  for (config::Listener& each : builder.config().listeners)
    each.maintenance = {{{base::IpAddress::v4(0xc0000200), 24}}, filters};
  builder.http().forwarding.trusted_hops = 1;
  Rig rig(builder.build());
  const uint32_t id = rig.client();
  rig.send(id, get("/"));
  const std::string said = rig.take(id);
  EXPECT_EQ(status_of(said), 503);
  EXPECT_TRUE(has(said, "retry-after: 120\r\n"));
  EXPECT_EQ(body_of(said), "closed");
  EXPECT_EQ(status_of(rig.exchange(id, get("/", "X-Forwarded-For: 192.0.2.77\r\n"), answer(200, "open"))), 200);
  EXPECT_TRUE(rig.over(rig.client(1))) << "TCP";
  EXPECT_EQ(rig.proxy.counters().of(Count::maintenance_answers), 2u);
  rig.adopt(plain_config());
  EXPECT_EQ(status_of(rig.exchange(id, get("/"), answer(200, "x"))), 200) << "open again";
  rig.expect_no_leak();
}

}  // namespace
}  // namespace penstock::proxy
