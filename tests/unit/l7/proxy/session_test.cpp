// Sessions that stay with an endpoint, their tokens, and how old a connection gets.
#include "l7/http/cookie.h"
#include "l7/proxy/session_token.h"
#include "unit/l7/proxy/rig.h"

namespace penstock::proxy {
namespace {

constexpr base::Nanos kSecond = base::kNanosPerSecond;
constexpr config::SessionKey kKey{0x0123456789abcdef, 0xfedcba9876543210};
// By another SipHash.
constexpr const char* kWritten = "9271319a206af5989ee3d3cb489d151cbfd0a7dea808412a581a800444a3fcda5e160cf819931cc0";

SessionToken random_token(Random& random) {
  return {.address = base::IpAddress::v4(random.next32()),
          .port = static_cast<uint16_t>(random.next32()),
          .cluster = random.next32(),
          .born = random.next32(),
          .seen = random.next32()};
}

TEST(SessionToken, OnlyWhatWasSealedIsOpened) {
  constexpr config::SessionKey kOther{kKey.low, kKey.high + 1};
  const std::array kKeys{kKey}, kOthers{kOther};
  Random random(4);
  for (int i = 0; i < 2000; ++i) {
    const SessionToken token = random_token(random);
    auto sealed = seal(token, kKey);
    const auto text = [&] { return std::string_view(sealed.data(), sealed.size()); };
    const auto opened = open_token(text(), kKeys);
    ASSERT_TRUE(opened);
    ASSERT_EQ(opened->token, token);
    EXPECT_FALSE(open_token(text(), kOthers));
    EXPECT_FALSE(open_token(text(), {}));
    EXPECT_FALSE(open_token(text().substr(1), kKeys));
    char& altered = sealed[random.below(sealed.size())];
    altered = altered == '7' ? '8' : '7';
    EXPECT_FALSE(open_token(text(), kKeys));
  }
  for (const std::string& bad : {std::string(), std::string(kTokenBytes, 'G'), std::string(kTokenBytes, '0'),
                                 std::string(kTokenBytes, 'A'), std::string(kTokenBytes, '\0'), std::string(48, '1')})
    EXPECT_FALSE(open_token(bad, kKeys)) << bad;
}

TEST(SessionToken, AnyKeyOpensAndAllButTheFirstAreOld) {
  std::array<config::SessionKey, 6> keys;
  Random random(5);
  for (config::SessionKey& key : keys) key = {random.next32(), random.next32()};
  for (size_t i = 0; i < keys.size(); ++i) {
    const auto sealed = seal(random_token(random), keys[i]);
    const auto opened = open_token({sealed.data(), sealed.size()}, keys);
    ASSERT_TRUE(opened);
    EXPECT_EQ(opened->of_old_key, i != 0);
  }
}

// What a gateway wrote another one reads, and the next version: these bytes may not change.
TEST(SessionToken, IsWrittenTheSameForEver) {
  const SessionToken token{.address = base::IpAddress::v4(0x0a000001),
                           .port = 8080,
                           .cluster = 7,
                           .born = 1'800'000'000,
                           .seen = 1'800'000'009};
  const auto sealed = seal(token, kKey);
  EXPECT_EQ(std::string(sealed.data(), sealed.size()), kWritten);
}

TEST(SessionToken, SaysNothingOfTheEndpoint) {
  const SessionToken token{.address = base::IpAddress::v4(1), .port = 2, .cluster = 3, .born = 4, .seen = 5};
  SessionToken later = token;
  later.seen = 6;
  const auto one = seal(token, kKey), other = seal(later, kKey);
  int same = 0;
  for (size_t i = 0; i < kTokenBytes; ++i) same += one[i] == other[i];
  EXPECT_LT(same, 18);  // of 80 digits, 5 by chance
}

TEST(SessionToken, ClocksOfGatewaysMayDifferALittle) {
  const config::SessionPersistence how{.absolute_seconds = 1000, .idle_seconds = 100};
  const auto alive = [&](uint32_t born, uint32_t seen, uint32_t now) {
    return is_alive({.born = born, .seen = seen}, how, now);
  };
  EXPECT_TRUE(alive(5000, 5000, 5000 - kClockSkew));
  EXPECT_FALSE(alive(5000, 5000, 5000 - kClockSkew - 1));
  EXPECT_FALSE(alive(5000, 5600, 5200));
  EXPECT_TRUE(alive(5000, 5900, 5999));
  EXPECT_FALSE(alive(5000, 5950, 6000));
  EXPECT_FALSE(alive(5000, 5000, 5100));
  EXPECT_FALSE(is_alive({.born = 1, .seen = 1'000'000}, {}, 5)) << "from the future";
}

TEST(Cookies, OfOneFieldOrSeveral) {
  http::RequestHead head{http::HeadLimits{}};
  head.clear();
  EXPECT_EQ(head.fields.add("cookie", "; a=1;b=x=y; ;c ; d="), http::Fault::kNone);
  EXPECT_EQ(head.fields.add("x-other", "e=2"), http::Fault::kNone);
  EXPECT_EQ(head.fields.add("cookie", "a=2; e=\"3\""), http::Fault::kNone);
  EXPECT_EQ(http::find_cookie(head.fields, "a"), "1");
  EXPECT_EQ(http::find_cookie(head.fields, "b"), "x=y");
  EXPECT_EQ(http::find_cookie(head.fields, "c"), std::nullopt);
  EXPECT_EQ(http::find_cookie(head.fields, "d"), "");
  EXPECT_EQ(http::find_cookie(head.fields, "e"), "\"3\"");
  EXPECT_EQ(http::find_cookie(head.fields, ""), std::nullopt);
}

// Seconds, as the control thread says them to all configurations.
const std::shared_ptr<std::atomic<uint32_t>> kClock = std::make_shared<std::atomic<uint32_t>>(1'800'000'000);

template <typename... Keys>
config::SessionKeys keys(const Keys&... all) {
  config::SessionKeys out;
  (out.add(all), ...);
  out.clock = kClock;
  return out;
}

void pass(Rig& rig, uint32_t seconds) {
  *kClock += seconds;
  rig.pass(seconds * kSecond);
}

// A route with sessions, over backends of two endpoints each.
std::shared_ptr<const route::L7Config> sticky(config::SessionPersistence how, std::vector<uint32_t> weights = {1},
                                              uint32_t ill = kNone, const config::Resilience& resilience = {}) {
  ConfigBuilder builder;
  builder.config().session_keys = keys(kKey);
  config::Filters filters;
  filters.session = std::move(how);
  config::Action action;
  action.filters = builder.filters(filters);
  for (const uint32_t weight : weights) action.backends.push_back({builder.cluster(2), weight, config::kNoFilters});
  for (config::Cluster& cluster : builder.config().clusters) {
    cluster.resilience = resilience;
    for (config::Endpoint& endpoint : cluster.endpoints) endpoint.usable = endpoint.slot != ill;
  }
  builder.route("/", builder.action(action));
  return builder.build();
}

struct Answered {
  uint32_t endpoint = kNone;
  std::string token;   // told with the answer; empty: none
  std::string cookie;  // the whole field
};

Answered ask(Rig& rig, uint32_t client, const std::string& fields = "") {
  rig.send(client, get("/", fields));
  Answered out;
  for (const uint32_t id : rig.net.connects) {
    if (rig.take(id).empty()) continue;
    out.endpoint = rig.net.at(id).endpoint.slot;
    rig.send(id, answer(200, "ok"));
  }
  const std::string said = rig.take(client);
  EXPECT_EQ(status_of(said), 200);
  if (const size_t at = said.find("set-cookie: "); at != std::string::npos) {
    out.cookie = said.substr(at + 12, said.find("\r\n", at) - at - 12);
    out.token = out.cookie.substr(out.cookie.find('=') + 1, kTokenBytes);
  }
  if (const size_t at = said.find("x-session: "); at != std::string::npos)
    out.token = said.substr(at + 11, kTokenBytes);
  return out;
}

TEST(Session, ACookieLeadsBackToTheEndpoint) {
  Rig rig(sticky({.name = "id"}));
  const uint32_t client = rig.client();
  const Answered first = ask(rig, client);
  EXPECT_EQ(first.cookie, "id=" + first.token + "; Path=/; HttpOnly");
  for (int i = 0; i < 10; ++i) {
    const Answered next = ask(rig, i % 2 ? client : rig.client(), "Cookie: x=y; id=" + first.token + "\r\n");
    EXPECT_EQ(next.endpoint, first.endpoint);
    EXPECT_EQ(next.cookie, "");
  }
  // Another client, another turn.
  EXPECT_NE(ask(rig, client).endpoint, ask(rig, client).endpoint);
  EXPECT_EQ(rig.proxy.counters().of(Count::sessions_begun), 3u);
  EXPECT_EQ(rig.proxy.counters().of(Count::sessions_moved), 0u);
}

// A hedged request whose slow first try answers first after all has not moved.
TEST(Session, GoesOnWhenItsEndpointWinsAgainstAHedge) {
  config::Resilience hedging;
  hedging.retry =
      config::RetryRules{.attempts = 1, .backoff = 0, .on = config::kOnReset, .try_timeout = 100 * kMs, .hedge = true};
  hedging.retry->seal();
  Rig rig(sticky({.name = "id"}, {1}, kNone, hedging));
  const uint32_t client = rig.client();
  const Answered first = ask(rig, client);
  rig.send(client, get("/", "Cookie: id=" + first.token + "\r\n"));
  const uint32_t slow = rig.backend();
  rig.pass(101 * kMs);
  ASSERT_NE(rig.backend(), slow);
  rig.send(slow, answer(200, "ok"));
  const std::string said = rig.take(client);
  EXPECT_EQ(status_of(said), 200);
  EXPECT_FALSE(has(said, "set-cookie")) << said;
  EXPECT_EQ(rig.proxy.counters().of(Count::hedges_won), 1u);
  EXPECT_EQ(rig.proxy.counters().of(Count::sessions_begun), 1u);
  EXPECT_EQ(rig.proxy.counters().of(Count::sessions_moved), 0u);
}

TEST(Session, WhatIsNoTokenBeginsANewSession) {
  Rig rig(sticky({.name = "id"}));
  const uint32_t client = rig.client();
  std::string forged = ask(rig, client).token;
  forged[20] = forged[20] == 'a' ? 'b' : 'a';
  for (const std::string& token : {forged, std::string(), std::string(5000, 'a')})
    EXPECT_NE(ask(rig, client, "Cookie: id=" + token + "\r\n").cookie, "");
  EXPECT_EQ(rig.proxy.counters().of(Count::sessions_moved), 0u);
}

TEST(Session, SurvivesAChangeAndMovesWhenItsEndpointIsIll) {
  Rig rig(sticky({.name = "id"}));
  const uint32_t client = rig.client();
  const Answered first = ask(rig, client);
  const std::string cookie = "Cookie: id=" + first.token + "\r\n";
  rig.adopt(sticky({.name = "id"}));
  EXPECT_EQ(ask(rig, client, cookie).endpoint, first.endpoint);
  rig.adopt(sticky({.name = "id"}, {1}, first.endpoint));
  const Answered moved = ask(rig, client, cookie);
  EXPECT_NE(moved.endpoint, first.endpoint);
  EXPECT_NE(moved.token, "");
  EXPECT_EQ(rig.proxy.counters().of(Count::sessions_moved), 1u);
  // Well again: who has moved stays there.
  rig.adopt(sticky({.name = "id"}));
  EXPECT_EQ(ask(rig, client, "Cookie: id=" + moved.token + "\r\n").endpoint, moved.endpoint);
}

TEST(Session, AnAnswerThatWaitsWhileTheRouteGoesStillTells) {
  Rig rig(sticky({.name = "id"}));
  const uint32_t client = rig.client();
  rig.send(client, get("/"));
  ConfigBuilder without;
  without.config().session_keys = keys(kKey);
  without.route("/", without.action(ConfigBuilder::to(without.cluster(1))));
  rig.adopt(without.build());
  rig.take(rig.backend());
  rig.send(rig.backend(), answer(200, "ok"));
  EXPECT_TRUE(has(rig.take(client), "set-cookie: id="));
}

TEST(Session, StaysWithItsBackendWhateverTheWeights) {
  Rig rig(sticky({.name = "id"}, {1, 0}));
  const uint32_t client = rig.client();
  const Answered old = ask(rig, client);
  EXPECT_LT(old.endpoint, 2u);
  rig.adopt(sticky({.name = "id"}, {0, 1}));
  EXPECT_GE(ask(rig, client).endpoint, 2u);
  EXPECT_EQ(ask(rig, client, "Cookie: id=" + old.token + "\r\n").endpoint, old.endpoint);
  // Its endpoint is ill: the other one of the same backend.
  rig.adopt(sticky({.name = "id"}, {0, 1}, old.endpoint));
  EXPECT_EQ(ask(rig, client, "Cookie: id=" + old.token + "\r\n").endpoint, 1 - old.endpoint);
}

TEST(Session, ByHeader) {
  Rig rig(sticky({.type = config::SessionPersistence::Type::kHeader, .name = "x-session"}));
  const uint32_t client = rig.client();
  const Answered first = ask(rig, client);
  EXPECT_EQ(first.token.size(), kTokenBytes);
  for (int i = 0; i < 4; ++i) {
    const Answered next = ask(rig, client, "X-Session: " + first.token + "\r\n");
    EXPECT_EQ(next.endpoint, first.endpoint);
    EXPECT_EQ(next.token, "");
  }
}

TEST(Session, EndsAfterItsTimes) {
  Rig rig(sticky({.name = "id", .absolute_seconds = 100, .idle_seconds = 10, .permanent = true}));
  const uint32_t client = rig.client();
  Answered last = ask(rig, client);
  EXPECT_TRUE(last.cookie.ends_with("; Max-Age=100")) << last.cookie;
  const uint32_t endpoint = last.endpoint;
  const auto again = [&] {
    last = ask(rig, client, "Cookie: id=" + last.token + "\r\n");
    EXPECT_NE(last.token, "");  // renewed with every answer
    return last.endpoint;
  };
  for (int i = 0; i < 11; ++i) {
    pass(rig, 9);
    EXPECT_EQ(again(), endpoint);
  }
  EXPECT_TRUE(last.cookie.ends_with("; Max-Age=1")) << last.cookie;
  pass(rig, 9);
  again();
  EXPECT_TRUE(last.cookie.ends_with("; Max-Age=100")) << "a new one: " << last.cookie;
  const uint64_t begun = rig.proxy.counters().of(Count::sessions_begun);
  pass(rig, 10);
  again();
  EXPECT_EQ(rig.proxy.counters().of(Count::sessions_begun), begun + 1);
}

// Another process has other slots, and may have other endpoints around; what the token names is the endpoint itself.
std::shared_ptr<const route::L7Config> elsewhere(const config::SessionKeys& with, uint32_t missing = kNone) {
  ConfigBuilder builder;
  builder.cluster(1);
  builder.cluster(1);
  builder.config().session_keys = with;
  config::Filters filters;
  filters.session = config::SessionPersistence{.name = "id"};
  config::Action action = ConfigBuilder::to(1, builder.filters(filters));
  action.backends.insert(action.backends.begin(), {0, 1, config::kNoFilters});
  config::Cluster& other = builder.config().clusters[0];
  config::Cluster& same = builder.config().clusters[1];
  other.id = 77;  // with the same pods
  same.id = kFirstClusterId;
  same.endpoints.clear();
  for (uint32_t i = 0; i < 3; ++i) {
    if (i == missing) continue;
    same.endpoints.push_back({.address = base::IpAddress::v4(0x0a000001 + i), .port = 8080, .slot = 9 - i});
    other.endpoints.push_back({.address = base::IpAddress::v4(0x0a000001 + i), .port = 8080, .slot = 15 - i});
  }
  builder.route("/", builder.action(action));
  return builder.build();
}

TEST(Session, MeansTheSameEndpointInAnotherGateway) {
  Rig rig(sticky({.name = "id"}));
  const uint32_t client = rig.client();
  for (const uint32_t turn : {0u, 1u}) {
    const Answered first = ask(rig, client);
    EXPECT_EQ(first.endpoint, turn);
    const std::string cookie = "Cookie: id=" + first.token + "\r\n";
    Rig other(elsewhere(keys(kKey)));
    for (int i = 0; i < 4; ++i) EXPECT_EQ(ask(other, other.client(), cookie).endpoint, 9 - turn);
    EXPECT_EQ(other.proxy.counters().of(Count::sessions_begun), 0u);
    // It has no such endpoint: another one of the same backend.
    other.adopt(elsewhere(keys(kKey), turn));
    const Answered moved = ask(other, other.client(), cookie);
    EXPECT_LT(moved.endpoint, 10u);
    EXPECT_NE(moved.endpoint, 9 - turn);
    EXPECT_EQ(other.proxy.counters().of(Count::sessions_moved), 1u);
    // It has another key.
    Rig stranger(elsewhere(keys(config::SessionKey{1, 2})));
    EXPECT_NE(ask(stranger, stranger.client(), cookie).cookie, "");
    EXPECT_EQ(stranger.proxy.counters().of(Count::sessions_moved), 0u);
  }
}

TEST(Session, IsToldAnewWhenItsKeyIsOld) {
  constexpr config::SessionKey kNext{5, 6};
  Rig rig(elsewhere(keys(kKey)));
  const uint32_t client = rig.client();
  const Answered first = ask(rig, client);
  rig.adopt(elsewhere(keys(kNext, kKey)));
  const Answered renewed = ask(rig, client, "Cookie: id=" + first.token + "\r\n");
  EXPECT_EQ(renewed.endpoint, first.endpoint);
  ASSERT_NE(renewed.token, "");
  rig.adopt(elsewhere(keys(kNext)));
  const Answered next = ask(rig, client, "Cookie: id=" + renewed.token + "\r\n");
  EXPECT_EQ(next.endpoint, first.endpoint);
  EXPECT_EQ(next.token, "");
  EXPECT_EQ(rig.proxy.counters().of(Count::sessions_begun), 1u);
  EXPECT_NE(ask(rig, client, "Cookie: id=" + first.token + "\r\n").token, "") << "nobody believes the old key";
}

TEST(Session, AnswersOfTheGatewayHaveNone) {
  ConfigBuilder builder;
  config::Filters filters;
  filters.session = config::SessionPersistence{.name = "id"};
  builder.route("/", builder.action(ConfigBuilder::to(builder.cluster(0), builder.filters(filters))));
  Rig rig(builder.build());
  const uint32_t client = rig.client();
  rig.send(client, get("/"));
  const std::string said = rig.take(client);
  EXPECT_EQ(status_of(said), 503);
  EXPECT_FALSE(has(said, "set-cookie"));
}

TEST(Pool, AnOldConnectionEndsWhenNoRequestIsUnderWay) {
  ConfigBuilder builder;
  builder.route("/", builder.action(ConfigBuilder::to(builder.cluster(1, {.lifetime = 10 * kSecond}))));
  Rig rig(builder.build());
  const uint32_t client = rig.client();
  rig.exchange(client, get("/"), answer(200, "1"));
  rig.pass(9 * kSecond);
  rig.exchange(client, get("/"), answer(200, "2"));
  EXPECT_EQ(rig.net.connects.size(), 1u);
  rig.send(client, get("/"));
  rig.pass(2 * kSecond);
  EXPECT_FALSE(rig.over(rig.backend()));  // a request is under way
  rig.take(rig.backend());
  rig.send(rig.backend(), answer(200, "3"));
  EXPECT_EQ(body_of(rig.take(client)), "3");
  EXPECT_TRUE(rig.over(rig.backend()));
  rig.exchange(client, get("/"), answer(200, "4"));
  EXPECT_EQ(rig.net.connects.size(), 2u);
  rig.pass(11 * kSecond);  // idle
  EXPECT_TRUE(rig.over(rig.backend()));
}

}  // namespace
}  // namespace penstock::proxy
