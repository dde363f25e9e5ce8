// Rate limits in the proxy: what a client sees of them, and what the backend does not.
#include "unit/l7/proxy/limited_config.h"

namespace penstock::proxy {
namespace {

using Component = config::LimitComponent;

config::RequestLimit two_a_minute() {
  config::RequestLimit limit;
  limit.name = "shop/two";
  limit.slot = 5;
  limit.per_second = 2.0 / 60;
  limit.burst = 2;
  limit.policy = "\"shop/two\";q=2;w=60";
  return limit;
}

TEST(RateLimit, RefusesWith429AndSaysWhenToComeBack) {
  Rig rig(limited({two_a_minute()}));
  const uint32_t client = rig.client();
  for (int i = 0; i < 2; ++i) {
    const std::string response = rig.exchange(client, get("/"), answer(200, "ok"));
    EXPECT_EQ(status_of(response), 200);
    EXPECT_FALSE(has(response, "ratelimit"));
  }
  rig.send(client, get("/"));
  std::string response = rig.take(client);
  EXPECT_EQ(status_of(response), 429);
  EXPECT_TRUE(has(response, "retry-after: 30\r\n")) << response;
  EXPECT_TRUE(has(response, "ratelimit-policy: \"shop/two\";q=2;w=60\r\n"));
  EXPECT_TRUE(has(response, "ratelimit: \"shop/two\";r=0;t=60\r\n")) << response;
  const AccessRecord record = rig.record();
  EXPECT_EQ(Rig::letters(record.flags), "RL");
  EXPECT_EQ(record.route, 0u);
  EXPECT_EQ(record.tries, 0);
  // The connection goes on, and so does the limit.
  rig.pass(31 * base::kNanosPerSecond);
  EXPECT_EQ(status_of(rig.exchange(client, get("/"), answer(200, "ok"))), 200);
  EXPECT_EQ(rig.proxy.limiter().counters(5).passed.packets.read(), 3u);
  EXPECT_EQ(rig.proxy.limiter().counters(5).exceeded.packets.read(), 1u);
  rig.expect_no_leak();
}

// Else a browser would hide the 429 from the page.
TEST(RateLimit, TheRefusalHasTheFieldsOfCors) {
  config::RequestLimit limit = two_a_minute();
  limit.burst = 1;
  Rig rig(limited({limit}));
  const uint32_t client = rig.client();
  rig.send(client, get("/"));
  rig.send(rig.backend(), answer(200, "ok"));
  rig.take(client);
  rig.send(client, get("/away", "Origin: https://a.example\r\n"));
  const std::string response = rig.take(client);
  EXPECT_EQ(status_of(response), 429);
  EXPECT_TRUE(has(response, "access-control-allow-origin: https://a.example\r\n")) << response;
  EXPECT_TRUE(has(response, "access-control-allow-credentials: true\r\n")) << response;
  EXPECT_TRUE(has(response, "retry-after: 30\r\n")) << response;
  EXPECT_TRUE(has(response, "access-control-expose-headers: retry-after, ratelimit-policy, ratelimit, vary\r\n"))
      << response;
  EXPECT_FALSE(has(response, "location"));
}

TEST(RateLimit, FieldsOfAnswersThatPass) {
  config::RequestLimit limit = two_a_minute();
  limit.headers = true;
  Rig rig(limited({limit}));
  const uint32_t client = rig.client();
  std::string response = rig.exchange(client, get("/"), answer(200, "ok", "RateLimit: \"theirs\";r=9\r\n"));
  EXPECT_TRUE(has(response, "ratelimit-policy: \"shop/two\";q=2;w=60\r\n")) << response;
  EXPECT_TRUE(has(response, "ratelimit: \"shop/two\";r=1;t=30\r\n")) << response;
  EXPECT_FALSE(has(response, "theirs"));
  rig.send(client, get("/away"));  // the gateway's own answer
  response = rig.take(client);
  EXPECT_EQ(status_of(response), 302);
  EXPECT_TRUE(has(response, "ratelimit: \"shop/two\";r=0;t=60\r\n")) << response;
}

TEST(RateLimit, AChangeOfConfigurationInTheMiddle) {
  config::RequestLimit limit = two_a_minute();
  limit.headers = true;
  Rig rig(limited({limit}));
  const uint32_t client = rig.client();
  rig.send(client, get("/"));
  rig.adopt(plain_config());
  rig.send(rig.backend(), answer(200, "ok"));
  EXPECT_TRUE(has(rig.take(client), "ratelimit: \"shop/two\";r=1;t=30\r\n"));
  rig.adopt(limited({limit}));
  EXPECT_TRUE(has(rig.exchange(client, get("/"), answer(200, "ok")), "r=0;")) << "the bucket is still there";
}

TEST(RateLimit, WhatNoRouteServesIsTheListeners) {
  Rig rig(limited({two_a_minute()}, true));
  const uint32_t client = rig.client();
  for (const int status : {404, 404, 429}) {
    rig.send(client, get("/nowhere"));
    EXPECT_EQ(status_of(rig.take(client)), status);
  }
}

TEST(RateLimit, ShadowAndKeys) {
  config::RequestLimit shadow = two_a_minute(), keyed = two_a_minute();
  shadow.shadow = true;
  shadow.headers = true;
  keyed.slot = 6;
  keyed.burst = 3;
  keyed.key = {{Component::Kind::kHeader, "x-user"}};
  Rig rig(limited({shadow, keyed}));
  const uint32_t client = rig.client();
  for (int i = 0; i < 3; ++i)
    for (const char* user : {"X-User: ann\r\n", "X-User: bob\r\n", ""})
      EXPECT_EQ(status_of(rig.exchange(client, get("/", user), answer(200, "ok"))), 200);
  rig.send(client, get("/", "X-User: ann\r\n"));
  EXPECT_EQ(status_of(rig.take(client)), 429);
  EXPECT_EQ(rig.proxy.limiter().counters(5).shadowed.read(), 7u);
  EXPECT_EQ(rig.proxy.limiter().counters(5).passed.packets.read(), 2u);
}

// A request with content that is refused: its content is not taken for the next request.
TEST(RateLimit, ContentOfARefusedRequest) {
  Rig rig(limited({two_a_minute()}));
  for (int i = 0; i < 2; ++i) rig.exchange(rig.client(), get("/"), answer(200, "ok"));
  const uint32_t client = rig.client();
  rig.send(client, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello" + get("/"));
  const std::string response = rig.take(client);
  EXPECT_EQ(status_of(response), 429);
  EXPECT_TRUE(has(response, "connection: close\r\n"));
  EXPECT_EQ(response.find("HTTP/1.1", 1), std::string::npos);
}

}  // namespace
}  // namespace penstock::proxy
