// What may not pass: access policies and inspections before requests, and content that is held back until it was seen.
#include "unit/l7/proxy/guarded.h"

namespace penstock::proxy {
namespace {

TEST(Guard, ARefusalHasWhatTheRuleSaysOfAnswers) {
  Guards guards;
  guards.filters.response = {{config::HeaderChange::Kind::kSet, "x-rule", "yes"}};
  guards.filters.cors = config::Cors{.origins = {"https://a.example"}};
  Rig rig(guards.build());
  const uint32_t client = rig.client();
  for (const char* path : {"/admin", "/evil"}) {
    rig.send(client, get(path, "Origin: https://a.example\r\n"));
    const std::string response = rig.take(client);
    EXPECT_EQ(status_of(response), 403) << path;
    EXPECT_TRUE(has(response, "access-control-allow-origin: https://a.example\r\n")) << response;
    EXPECT_TRUE(has(response, "x-rule: yes\r\n")) << response;
  }
}

// A browser asks without what would let the request in.
TEST(Guard, APreflightIsAnsweredWhereTheRequestIsDenied) {
  Guards guards;
  guards.filters.cors = config::Cors{.origins = {"https://a.example"}, .methods = {"PUT"}};
  Rig rig(guards.build());
  const uint32_t client = rig.client();
  const auto options = [](const std::string& origin) {
    return "OPTIONS /admin HTTP/1.1\r\nHost: a\r\nAccess-Control-Request-Method: PUT\r\nOrigin: " + origin + "\r\n\r\n";
  };
  rig.send(client, options("https://a.example"));
  const std::string preflight = rig.take(client);
  EXPECT_EQ(status_of(preflight), 204);
  EXPECT_TRUE(has(preflight, "access-control-allow-methods: PUT\r\n")) << preflight;
  rig.send(client, options("https://b.example"));  // who is not allowed asks the endpoint, and may not
  EXPECT_EQ(status_of(rig.take(client)), 403);
  rig.send(client, get("/admin", "Origin: https://a.example\r\n"));
  EXPECT_EQ(status_of(rig.take(client)), 403);
  EXPECT_TRUE(rig.net.connects.empty());
}

TEST(Guard, APolicyDeniesBeforeAnEndpointHears) {
  Rig rig(Guards().build());
  const uint32_t client = rig.client();
  rig.send(client, get("/x/..//admin/users"));
  EXPECT_EQ(status_of(rig.take(client)), 403);
  EXPECT_TRUE(rig.net.connects.empty());
  const AccessRecord record = rig.record();
  EXPECT_EQ(Rig::letters(record.flags), "AD");
  EXPECT_EQ(record.guard, kDenySlot);
  EXPECT_EQ(rig.proxy.counters().guard(kDenySlot), 1u);
  EXPECT_EQ(status_of(rig.exchange(client, get("/"), answer(200, "ok"))), 200);  // the connection goes on
  rig.expect_no_leak();
}

TEST(Guard, TheSourceIsTheClientBehindTrustedHops) {
  Guards guards;
  guards.policies[0].rules[0].paths.clear();
  guards.policies[0].rules[0].from = {*base::Prefix::parse("203.0.113.0/24")};
  const std::string fields = "X-Forwarded-For: 203.0.113.9, 192.0.2.1\r\n";
  for (const unsigned hops : {0u, 1u, 2u}) {
    guards.trusted_hops = hops;
    Rig rig(guards.build());
    const uint32_t client = rig.client();
    rig.send(client, get("/", fields));
    EXPECT_EQ(rig.net.connects.empty(), hops == 2) << hops;
  }
}

TEST(Guard, WhatIsFoundInAHeadIsLoggedTaggedOrDenied) {
  Rig rig(Guards().build());
  const uint32_t client = rig.client();
  rig.send(client, get("/odd/mark?odd", "X-Seen: forged\r\n"));
  const std::string request = rig.take(rig.backend());
  EXPECT_TRUE(has(request, "x-seen: yes\r\n")) << request;
  EXPECT_FALSE(has(request, "forged"));
  rig.send(rig.backend(), answer(200, ""));
  rig.take(client);
  AccessRecord record = rig.record();
  EXPECT_EQ(record.finding, kLogSlot);
  EXPECT_EQ(record.findings, 2);
  EXPECT_EQ(record.guard, kNone);
  EXPECT_FALSE(has(rig.exchange(client, get("/", "X-Seen: forged\r\n"), answer(200, "")), "forged"));
  rig.send(client, get("/%25%36%35vil"));
  EXPECT_EQ(status_of(rig.take(client)), 403);
  rig.send(client, get("/", "User-Agent: so evil\r\n"));
  EXPECT_EQ(status_of(rig.take(client)), 403);
  record = rig.record();
  EXPECT_EQ(record.guard, kBodySlot);
  EXPECT_EQ(rig.proxy.counters().guard(kBodySlot), 2u);
  EXPECT_EQ(rig.proxy.counters().guard(kTagSlot), 1u);
}

// Whatever the framing and wherever it is cut: an endpoint hears nothing of what is denied, and all of the rest.
TEST(Guard, ContentIsHeldBackUntilItWasSeen) {
  const auto config = Guards(16).build();
  const std::string good = "mark: a good deal longer than what is held", evil = "0123456789--evil and the rest";
  for (const std::string& request : {post(good), chunked(good), post("mark"), chunked("mark"), chunked("")}) {
    const bool marked = has(request, "mar");
    for (size_t cut = 0; cut <= request.size(); ++cut) {
      Rig rig(config);
      const uint32_t client = rig.client();
      rig.send(client, request.substr(0, cut));
      rig.send(client, request.substr(cut));
      ASSERT_EQ(rig.net.connects.size(), 1u) << cut;
      const Read read = read_request(rig.take(rig.backend()));
      ASSERT_TRUE(read.whole) << cut;
      const std::string want = read_request(request).content;
      ASSERT_EQ(read.content, want) << cut;
      rig.send(rig.backend(), answer(200, "ok"));
      ASSERT_EQ(status_of(rig.take(client)), 200);
      ASSERT_EQ(rig.proxy.counters().guard(kTagSlot), marked ? 1u : 0u);
      ASSERT_EQ(rig.record().bytes_received, want.size());
      rig.expect_no_leak();
      ASSERT_EQ(rig.proxy.held_bodies(), 0u);
      ASSERT_EQ(status_of(rig.exchange(client, get("/"), answer(200, "ok"))), 200);
    }
  }
  for (const std::string& request : {post(evil), chunked(evil), post("evil"), chunked("an evil")}) {
    for (size_t cut = 0; cut <= request.size(); ++cut) {
      Rig rig(config);
      const uint32_t client = rig.client();
      rig.send(client, request.substr(0, cut));
      rig.send(client, request.substr(cut));
      ASSERT_EQ(status_of(rig.take(client)), 403) << cut;
      ASSERT_TRUE(rig.net.connects.empty()) << cut;
      ASSERT_EQ(rig.record().guard, kBodySlot);
      ASSERT_EQ(rig.proxy.held_bodies(), 0u);
      rig.expect_no_leak();
    }
  }
}

// Inflated for those who look, and sent on as it came; the verdict is the same wherever it is cut.
TEST(Guard, WhatComesBehindTheBoundIsNotSeen) {
  Rig rig(Guards(16).build());
  const uint32_t client = rig.client();
  EXPECT_EQ(status_of(rig.exchange(client, post("0123456789---evil"), answer(200, "ok"))), 200);
}

TEST(Guard, ADeniedRequestThatIsWholeKeepsItsConnection) {
  Rig rig(Guards(16).build());
  const uint32_t client = rig.client();
  rig.send(client, post("evil"));
  EXPECT_FALSE(has(rig.take(client), "close"));
  EXPECT_EQ(status_of(rig.exchange(client, get("/"), answer(200, "ok"))), 200);
  rig.send(client, post("evil, and more than is held"));
  EXPECT_TRUE(has(rig.take(client), "close"));
}

TEST(Guard, TheGatewayAsksForContentThatItWaitsFor) {
  Rig rig(Guards(16).build());
  const uint32_t client = rig.client();
  const std::string request = post("content", "Expect: 100-continue\r\n");
  rig.send(client, request.substr(0, request.size() - 7));
  EXPECT_EQ(rig.take(client), "HTTP/1.1 100 Continue\r\n\r\n");
  EXPECT_TRUE(rig.net.connects.empty());
  rig.send(client, "content");
  const std::string sent = rig.take(rig.backend());
  EXPECT_EQ(body_of(sent), "content");
  EXPECT_FALSE(has(sent, "expect"));
  rig.send(rig.backend(), "HTTP/1.1 100 Continue\r\n\r\n" + answer(200, "ok"));
  EXPECT_EQ(status_of(rig.take(client)), 200);  // and no second one
}

TEST(Guard, ContentThatDoesNotComeIsTimedOut) {
  Rig rig(Guards(16).build());
  const uint32_t client = rig.client();
  rig.send(client, post("content").substr(0, 50));
  rig.pass(9'000 * kMs);
  EXPECT_EQ(rig.take(client), "");
  rig.pass(2'000 * kMs);
  EXPECT_EQ(status_of(rig.take(client)), 408);
  EXPECT_EQ(rig.flags(), "SI");
  EXPECT_EQ(rig.proxy.held_bodies(), 0u);
}

TEST(Guard, ClientsThatGoLeaveNothing) {
  for (const bool reset : {false, true}) {
    Rig rig(Guards(16).build());
    const uint32_t client = rig.client();
    rig.send(client, post("content").substr(0, 50));
    EXPECT_EQ(rig.proxy.held_bodies(), 1u);
    reset ? rig.reset(client) : rig.finish(client);
    EXPECT_EQ(rig.proxy.held_bodies(), 0u);
    EXPECT_EQ(rig.flags(), "DC");
    rig.expect_no_leak();
  }
}

TEST(Guard, TooManyThatWaitAreRefused) {
  Limits limits = small_limits();
  limits.held_bodies = 1;
  Rig rig(Guards(16).build(), limits);
  const uint32_t first = rig.client(), second = rig.client();
  rig.send(first, post("content").substr(0, 50));
  rig.send(second, post("content"));
  EXPECT_EQ(status_of(rig.take(second)), 503);
  EXPECT_EQ(rig.flags(), "OM");
  EXPECT_EQ(rig.proxy.counters().of(Count::held_bodies_exhausted), 1u);
  rig.send(first, post("content").substr(50));
  EXPECT_EQ(body_of(rig.take(rig.backend())), "content");
}

// Who waits when the configuration changes is looked at by what is there when the content is.
TEST(Guard, AnotherConfigurationWhileContentIsHeld) {
  Guards changed(16), gone(16);
  changed.inspection.patterns[2].expression = "content";
  gone.inspection.patterns.resize(1);
  for (const bool denied : {true, false}) {
    Rig rig(Guards(16).build());
    const uint32_t client = rig.client();
    rig.send(client, post("content").substr(0, 50));
    rig.adopt((denied ? changed : gone).build());
    rig.send(client, post("content").substr(50));
    EXPECT_EQ(rig.net.connects.empty(), denied);
    EXPECT_EQ(status_of(rig.take(client)), denied ? 403 : 0);
  }
  Rig rig(Guards(16).build());
  const uint32_t client = rig.client();
  rig.send(client, post("evil!!!").substr(0, 50));
  rig.adopt(plain_config());
  rig.send(client, post("evil!!!").substr(50));
  EXPECT_EQ(body_of(rig.take(rig.backend())), "evil!!!");
}

// Who probes twice an hour may go on; the third time is one too many, and all else of the client passes.
TEST(Guard, WhatIsFoundCountsAgainstARateLimit) {
  Guards guards(16);
  guards.limit().headers = true;
  Rig rig(guards.build());
  const uint32_t client = rig.client();
  EXPECT_TRUE(has(rig.exchange(client, get("/probe?probe"), answer(200, "ok")), "ratelimit: \"ns/probes\";r=1;"));
  EXPECT_EQ(status_of(rig.exchange(client, post("probe"), answer(200, "ok"))), 200);
  const size_t connects = rig.net.connects.size();
  for (const std::string& request : {get("/?probe"), post("a probe"), chunked("probe")}) {
    rig.send(client, request);
    const std::string response = rig.take(client);
    EXPECT_EQ(status_of(response), 429);
    EXPECT_TRUE(has(response, "retry-after: 1799\r\n")) << response;
    EXPECT_TRUE(has(response, "ratelimit: \"ns/probes\";r=0;t=3600\r\n")) << response;
    EXPECT_FALSE(has(response, "close"));
    const AccessRecord record = rig.record();
    EXPECT_EQ(Rig::letters(record.flags), "RL");
    EXPECT_EQ(record.finding, kProbeSlot);
    EXPECT_EQ(record.tries, 0);
  }
  EXPECT_EQ(rig.net.connects.size(), connects);
  const std::string other = rig.exchange(client, post("good"), answer(200, "ok"));
  EXPECT_EQ(status_of(other), 200);
  EXPECT_FALSE(has(other, "ratelimit"));
  EXPECT_EQ(rig.proxy.limiter().counters(kRateSlot).passed.packets.read(), 2u);
  EXPECT_EQ(rig.proxy.limiter().counters(kRateSlot).exceeded.packets.read(), 3u);
  EXPECT_EQ(rig.proxy.counters().guard(kProbeSlot), 5u);
  rig.expect_no_leak();
  EXPECT_EQ(rig.proxy.held_bodies(), 0u);
}

// In the head and in the content, or by two patterns: one request.
TEST(Guard, ARequestCountsOnceAgainstALimit) {
  Guards guards(16);
  guards.limit();
  guards.inspection.patterns.push_back(guards.inspection.patterns.back());
  guards.inspection.patterns.back().expression = "pro";
  Rig rig(guards.build());
  const uint32_t client = rig.client();
  const std::string both = "POST /probe HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nprobe";
  for (int i = 0; i < 2; ++i) EXPECT_EQ(status_of(rig.exchange(client, both, answer(200, "ok"))), 200);
  rig.send(client, both);
  EXPECT_EQ(status_of(rig.take(client)), 429);
}

TEST(Guard, WhatIsDeniedCountsAgainstNoLimit) {
  Guards guards(16);
  guards.limit();
  Rig rig(guards.build());
  const uint32_t client = rig.client();
  for (const std::string& request : {get("/probe/evil"), post("evil probe"), get("/admin/probe")}) {
    rig.send(client, request);
    EXPECT_EQ(status_of(rig.take(client)), 403);
  }
  EXPECT_EQ(rig.proxy.limiter().counters(kRateSlot).passed.packets.read(), 0u);
}

TEST(Guard, AShadowLimitAndOneThatIsNoMoreRefuseNothing) {
  Guards guards(16);
  guards.limit().shadow = true;
  Rig rig(guards.build());
  const uint32_t client = rig.client();
  for (int i = 0; i < 5; ++i) EXPECT_EQ(status_of(rig.exchange(client, get("/probe"), answer(200, ""))), 200);
  EXPECT_EQ(rig.proxy.limiter().counters(kRateSlot).shadowed.read(), 3u);
  rig.adopt(Guards(16).build());
  for (int i = 0; i < 3; ++i) EXPECT_EQ(status_of(rig.exchange(client, post("probe"), answer(200, ""))), 200);
  Guards again(16);
  again.limit();
  rig.adopt(again.build());
  rig.send(client, get("/probe"));
  EXPECT_EQ(status_of(rig.take(client)), 429) << "the bucket outlived the change";
}

// Through a small window.
TEST(Guard, HeldContentGoesOutAsThereIsRoom) {
  Guards guards(4096);
  Rig rig(guards.build());
  rig.net.window = 1024;
  const uint32_t client = rig.client();
  rig.send(client, get("/"));
  rig.take(rig.backend());
  rig.send(rig.backend(), answer(200, ""));
  rig.take(client);  // a connection is kept,
  std::string body;
  for (int i = 0; i < 500; ++i) body += std::to_string(i) + " ";
  rig.send(client, "PUT /p HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
  std::string sent;
  for (int i = 0; i < 100; ++i) sent += rig.take(rig.backend());
  EXPECT_EQ(body_of(sent), body);
  rig.send(rig.backend(), answer(200, ""));
  EXPECT_EQ(status_of(rig.take(client)), 200);
}

}  // namespace
}  // namespace penstock::proxy
