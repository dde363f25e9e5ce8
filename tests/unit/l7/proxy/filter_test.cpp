// Filters: what they do to requests and answers, in which order, and that a change of configuration loses none.
#include <set>

#include "unit/l7/proxy/rig.h"

namespace penstock::proxy {
namespace {

using Kind = config::HeaderChange::Kind;

std::shared_ptr<const route::L7Config> with(config::Filters filters, const std::string& prefix = "/") {
  ConfigBuilder builder;
  builder.route(prefix, builder.action(ConfigBuilder::to(builder.cluster(1), builder.filters(std::move(filters)))));
  return builder.build();
}

TEST(Filter, HeaderChangesBothWays) {
  config::Filters filters;
  filters.request = {{Kind::kSet, "x-set", "1"}, {Kind::kAdd, "x-add", "2"}, {Kind::kRemove, "x-gone", ""}};
  filters.response = {{Kind::kSet, "server", "penstock"}, {Kind::kRemove, "x-secret", ""}};
  Rig rig(with(filters));
  const uint32_t client = rig.client();
  rig.send(client, get("/", "X-Set: old\r\nX-Add: 1\r\nX-Gone: 1\r\n"));
  const std::string request = rig.take(rig.backend());
  EXPECT_TRUE(has(request, "x-set: 1\r\nx-add: 1\r\n"));
  EXPECT_TRUE(has(request, "x-add: 2\r\n"));
  EXPECT_FALSE(has(request, "old") || has(request, "x-gone"));
  rig.send(rig.backend(), answer(200, "", "Server: nginx\r\nX-Secret: 1\r\n"));
  const std::string response = rig.take(client);
  EXPECT_TRUE(has(response, "server: penstock\r\n"));
  EXPECT_FALSE(has(response, "nginx") || has(response, "x-secret"));
}

TEST(Filter, AnAnswerUnderWayKeepsItsFiltersWhenTheConfigurationGoes) {
  config::Filters filters;
  filters.response = {{Kind::kSet, "x-from", "old"}};
  filters.cors = config::Cors{.origins = {"https://a.example"}};
  Rig rig(with(filters));
  const uint32_t client = rig.client();
  rig.send(client, get("/", "Origin: https://a.example\r\n"));
  for (int i = 0; i < 3; ++i) {
    config::Filters other;
    other.response = {{Kind::kSet, "x-from", "new"}};
    rig.adopt(with(other));
  }
  rig.send(rig.backend(), answer(200, "ok"));
  const std::string response = rig.take(client);
  EXPECT_TRUE(has(response, "x-from: old\r\n"));
  EXPECT_TRUE(has(response, "access-control-allow-origin: https://a.example\r\n"));
  EXPECT_TRUE(has(rig.exchange(client, get("/"), answer(200, "ok")), "x-from: new\r\n"));
}

TEST(Filter, RedirectAndRewrite) {
  config::Filters redirect;
  redirect.redirect = config::Redirect{.scheme = http::Scheme::kHttps, .hostname = "new.example", .status = 301};
  Rig away(with(redirect));
  const uint32_t client = away.client();
  away.send(client, get("/a?b"));
  const std::string response = away.take(client);
  EXPECT_TRUE(has(response, "HTTP/1.1 301 Moved Permanently\r\n"));
  EXPECT_TRUE(has(response, "location: https://new.example/a?b\r\n"));
  EXPECT_TRUE(has(response, "content-length: 0\r\n"));
  EXPECT_FALSE(away.over(client));
  EXPECT_TRUE(away.net.connects.empty());

  config::Filters rewrite;
  rewrite.rewrite = config::Rewrite{"inner.example", {config::PathModifier::Kind::kPrefixMatch, "/v2"}};
  Rig rig(with(rewrite, "/api"));
  const uint32_t other = rig.client();
  rig.send(other, get("/api/users?id=1"));
  EXPECT_TRUE(rig.take(rig.backend()).starts_with("GET /v2/users?id=1 HTTP/1.1\r\nhost: inner.example\r\n"));
  rig.send(rig.backend(), answer(200, ""));
  EXPECT_EQ(rig.record().path.view(), "/api/users");
}

// Port 80 has no TLS: nobody gets "https" by writing it into the target.
TEST(Filter, ASchemeInTheTargetIsNotBelieved) {
  Rig rig;
  const uint32_t client = rig.client();
  rig.send(client, "GET https://shop.example/a HTTP/1.1\r\nHost: shop.example\r\n\r\n");
  EXPECT_TRUE(has(rig.take(rig.backend()), "x-forwarded-proto: http\r\n"));
  rig.send(rig.backend(), answer(200, ""));

  const auto away = [](http::ForwardingPolicy forwarding) {
    ConfigBuilder builder;
    config::Filters filters;
    filters.redirect = config::Redirect{.hostname = "other.example"};
    builder.http().forwarding = forwarding;
    builder.route("/", builder.action(ConfigBuilder::to(builder.cluster(1), builder.filters(filters))));
    return builder.build();
  };
  Rig edge(away({}));
  const uint32_t second = edge.client();
  edge.send(second, "GET https://shop.example/a HTTP/1.1\r\nHost: shop.example\r\n\r\n");
  EXPECT_TRUE(has(edge.take(second), "location: http://other.example/a\r\n"));

  Rig behind(away({.x_forwarded = http::Chain::kAppend, .trusted_hops = 1}));
  const uint32_t third = behind.client();
  behind.send(third, get("/a", "X-Forwarded-Proto: https\r\n"));
  EXPECT_TRUE(has(behind.take(third), "location: https://other.example/a\r\n"));
}

TEST(Filter, ADirectResponseAsLargeAsItIs) {
  config::Filters filters;
  filters.direct = std::make_shared<const config::DirectResponse>(
      config::DirectResponse{418, "text/plain", std::string(100'000, 't')});
  Rig rig(with(filters));
  const uint32_t client = rig.client();
  rig.net.at(client).window = 1000;
  rig.send(client, get("/"));
  std::string all = rig.take(client);
  rig.adopt(plain_config());
  while (true) {
    const std::string more = rig.take(client);
    if (more.empty()) break;
    all += more;
  }
  EXPECT_EQ(status_of(all), 418);
  EXPECT_TRUE(has(all, "content-type: text/plain\r\ncontent-length: 100000\r\n"));
  EXPECT_EQ(body_of(all), std::string(100'000, 't'));
  EXPECT_LE(rig.net.written_most, 1000u);

  Rig heads(with(filters));
  const uint32_t other = heads.client();
  heads.send(other, "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
  const std::string head = heads.take(other);
  EXPECT_TRUE(has(head, "content-length: 100000\r\n"));
  EXPECT_EQ(body_of(head), "");
}

TEST(Filter, CorsPreflightsAreAnsweredAndOriginsNamed) {
  config::Filters filters;
  filters.cors = config::Cors{.origins = {"https://*.shop.example", "https://a.example"},
                              .methods = {"GET", "PUT"},
                              .request_headers = {"*"},
                              .expose_headers = {"x-total"},
                              .credentials = true,
                              .max_age_seconds = 60};
  Rig rig(with(filters));
  const uint32_t client = rig.client();
  const std::string preflight =
      "OPTIONS / HTTP/1.1\r\nHost: a\r\nAccess-Control-Request-Method: PUT\r\n"
      "Access-Control-Request-Headers: x-a, x-b\r\nOrigin: ";
  rig.send(client, preflight + "https://eu.shop.example\r\n\r\n");
  std::string response = rig.take(client);
  EXPECT_EQ(status_of(response), 204);
  for (const char* field :
       {"access-control-allow-origin: https://eu.shop.example\r\n", "access-control-allow-credentials: true\r\n",
        "access-control-allow-methods: GET, PUT\r\n", "access-control-allow-headers: x-a, x-b\r\n",
        "access-control-max-age: 60\r\n", "vary: origin\r\n"})
    EXPECT_TRUE(has(response, field)) << field << response;
  EXPECT_TRUE(rig.net.connects.empty());
  response = rig.exchange(client, get("/", "Origin: https://a.example\r\n"),
                          answer(200, "", "Access-Control-Allow-Origin: *\r\nVary: accept\r\n"));
  EXPECT_TRUE(has(response, "access-control-allow-origin: https://a.example\r\n"));
  EXPECT_TRUE(has(response, "access-control-expose-headers: x-total\r\n"));
  EXPECT_TRUE(has(response, "vary: accept\r\n") && has(response, "vary: origin\r\n"));
  EXPECT_FALSE(has(response, "allow-origin: *"));
  for (const char* stranger : {"https://shop.example", "https://evil.example", "http://a.example", "null"}) {
    response = rig.exchange(client, preflight + stranger + "\r\n\r\n", answer(404, ""));
    EXPECT_EQ(status_of(response), 404) << stranger;
    EXPECT_FALSE(has(response, "access-control")) << stranger;
  }
}

TEST(Filter, FaultsDelayAndAbort) {
  config::Filters filters;
  filters.fault = config::Fault{.delay = 50 * kMs, .delay_per_million = 1'000'000};
  Rig slow(with(filters));
  const uint32_t client = slow.client();
  slow.send(client, get("/"));
  slow.pass(49 * kMs);
  EXPECT_TRUE(slow.net.connects.empty());
  slow.pass(2 * kMs);
  slow.send(slow.backend(), answer(200, "late"));
  EXPECT_EQ(body_of(slow.take(client)), "late");
  EXPECT_EQ(slow.flags(), "DI");

  filters.fault = config::Fault{
      .delay = 50 * kMs, .delay_per_million = 1'000'000, .abort_status = 503, .abort_per_million = 300'000};
  Rig rig(with(filters));
  const uint32_t other = rig.client();
  int aborted = 0;
  for (int i = 0; i < 1000; ++i) {
    rig.send(other, get("/"));
    rig.pass(51 * kMs);
    if (!rig.net.connects.empty()) rig.send(rig.backend(), answer(200, ""));
    if (status_of(rig.take(other)) != 503) continue;
    ++aborted;
    EXPECT_EQ(rig.flags(), "DI,FI");
  }
  EXPECT_NEAR(aborted, 300, 60);

  // A client that leaves during the delay.
  slow.send(client, get("/"));
  slow.reset(client);
  slow.pass(100 * kMs);
  slow.expect_no_leak();
}

TEST(Filter, OfABackendAlone) {
  ConfigBuilder builder;
  config::Filters filters;
  filters.request = {{Kind::kSet, "x-backend", "1"}};
  filters.response = {{Kind::kSet, "x-by", "backend"}};
  config::Filters rule;
  rule.response = {{Kind::kSet, "x-rule", "yes"}};
  config::Action action;
  action.filters = builder.filters(rule);
  action.backends = {{builder.cluster(1), 1, builder.filters(filters)}};
  builder.route("/", builder.action(action));
  Rig rig(builder.build());
  const uint32_t client = rig.client();
  rig.send(client, get("/"));
  EXPECT_TRUE(has(rig.take(rig.backend()), "x-backend: 1\r\n"));
  rig.send(rig.backend(), answer(200, ""));
  const std::string response = rig.take(client);
  EXPECT_TRUE(has(response, "x-by: backend\r\n") && has(response, "x-rule: yes\r\n"));
}

TEST(Filter, ForwardingFieldsTellOfTheClientUnlessTheRouteSaysOtherwise) {
  const auto config = [](config::Filters rule, config::Filters of_backend) {
    ConfigBuilder builder;
    builder.http().forwarding.forwarded = http::Chain::kReplace;
    config::Action action;
    action.filters = builder.filters(std::move(rule));
    action.backends = {{builder.cluster(1), 1, builder.filters(std::move(of_backend))}};
    builder.route("/", builder.action(action));
    return builder.build();
  };
  config::Filters rewrite;
  rewrite.rewrite = config::Rewrite{"inside.example", {}};
  Rig rig(config(rewrite, rewrite));
  rig.send(rig.client(), get("/"));
  std::string asked = rig.take(rig.backend());
  EXPECT_TRUE(has(asked, "\r\nhost: inside.example\r\n")) << asked;
  EXPECT_TRUE(has(asked, "x-forwarded-host: shop.example\r\n")) << asked;
  EXPECT_TRUE(has(asked, ";host=\"shop.example\"\r\n")) << asked;

  config::Filters rule, backend;
  rule.request = {{Kind::kSet, "x-forwarded-proto", "https"},
                  {Kind::kSet, "x-forwarded-for", "192.0.2.1"},
                  {Kind::kRemove, "via", ""},
                  {Kind::kRemove, "forwarded", ""},
                  {Kind::kSet, "x-request-id", "of-the-rule"}};
  backend.request = {{Kind::kAdd, "x-forwarded-for", "192.0.2.2"}, {Kind::kSet, "x-forwarded-host", "said.example"}};
  Rig changed(config(rule, backend));
  const uint32_t client = changed.client();
  changed.send(client, get("/"));
  asked = changed.take(changed.backend());
  for (const char* field :
       {"x-forwarded-proto: https\r\n", "x-forwarded-for: 192.0.2.1\r\n", "x-forwarded-for: 192.0.2.2\r\n",
        "x-forwarded-host: said.example\r\n", "x-request-id: of-the-rule\r\n"})
    EXPECT_TRUE(has(asked, field)) << field << asked;
  EXPECT_FALSE(has(asked, "via: ") || has(asked, "\r\nforwarded: ") || has(asked, "198.51.100.7")) << asked;
  changed.send(changed.backend(), answer(200, ""));
  EXPECT_EQ(changed.record().request_id.view(), "of-the-rule");
}

// Else a browser would hide from the page what went wrong, and redirects would come without what a rule adds.
TEST(Filter, AnswersOfTheGatewayAreAnswersOfTheRule) {
  config::Filters both;
  both.response = {{Kind::kSet, "x-rule", "yes"}};
  both.cors = config::Cors{.origins = {"https://a.example"}};
  config::Filters fault = both, redirect = both, direct = both;
  fault.fault = config::Fault{.abort_status = 503, .abort_per_million = 1'000'000};
  redirect.redirect = config::Redirect{.hostname = "other.example"};
  direct.direct = std::make_shared<const config::DirectResponse>(config::DirectResponse{.status = 418, .body = "tea"});
  config::Filters backend;
  backend.response = {{Kind::kSet, "x-backend", "yes"}};
  ConfigBuilder builder;
  const uint32_t empty = builder.cluster(0), slow = builder.cluster(1), one = builder.cluster(1);
  config::Action late = ConfigBuilder::to(slow, builder.filters(both));
  late.timeouts.request = 100 * kMs;
  late.backends[0].filters = builder.filters(backend);
  config::Action nowhere = ConfigBuilder::to(config::kNoCluster, builder.filters(both));
  builder.route("/fault", builder.action(ConfigBuilder::to(one, builder.filters(fault))));
  builder.route("/redirect", builder.action(ConfigBuilder::to(one, builder.filters(redirect))));
  builder.route("/direct", builder.action(ConfigBuilder::to(one, builder.filters(direct))));
  builder.route("/empty", builder.action(ConfigBuilder::to(empty, builder.filters(both))));
  builder.route("/nowhere", builder.action(nowhere));
  builder.route("/late", builder.action(late));
  Rig rig(builder.build());
  const uint32_t client = rig.client();
  const std::string origin = "Origin: https://a.example\r\n";
  for (const auto& [path, status] : {std::pair{"/fault", 503}, std::pair{"/redirect", 302}, std::pair{"/direct", 418},
                                     std::pair{"/empty", 503}, std::pair{"/nowhere", 500}, std::pair{"/late", 504}}) {
    rig.send(client, get(path, origin));
    rig.pass(101 * kMs);
    const std::string response = rig.take(client);
    EXPECT_EQ(status_of(response), status) << path;
    EXPECT_TRUE(has(response, "access-control-allow-origin: https://a.example\r\n")) << path << response;
    EXPECT_TRUE(has(response, "vary: origin\r\n")) << path << response;
    EXPECT_TRUE(has(response, "x-rule: yes\r\n")) << path << response;
    EXPECT_EQ(has(response, "x-backend: yes\r\n"), status == 504) << path << response;
  }
  rig.send(client, get("/redirect"));
  const std::string stranger = rig.take(client);
  EXPECT_TRUE(has(stranger, "x-rule: yes\r\n") && has(stranger, "location: http://other.example/redirect\r\n"));
  EXPECT_FALSE(has(stranger, "access-control")) << stranger;
  EXPECT_EQ(rig.proxy.counters().of(Count::filters_failed), 0u);

  // A preflight is answered by CORS alone.
  rig.send(client, "OPTIONS /redirect HTTP/1.1\r\nHost: a\r\nAccess-Control-Request-Method: PUT\r\n" + origin + "\r\n");
  const std::string preflight = rig.take(client);
  EXPECT_EQ(status_of(preflight), 204);
  EXPECT_FALSE(has(preflight, "x-rule")) << preflight;
}

// A literal "*" would mean nothing to a browser that sent credentials.
TEST(Filter, WithCredentialsAllIsNamed) {
  config::Filters filters;
  filters.cors = config::Cors{.origins = {"https://a.example"},
                              .methods = {"*"},
                              .request_headers = {"*"},
                              .expose_headers = {"*"},
                              .credentials = true};
  Rig rig(with(filters));
  const uint32_t client = rig.client();
  const std::string origin = "Origin: https://a.example\r\n";
  const std::string response =
      rig.exchange(client, get("/", origin), answer(200, "", "X-Total: 7\r\nSet-Cookie: a=b\r\n"));
  EXPECT_TRUE(has(response, "access-control-expose-headers: x-total, via, vary\r\n")) << response;
  rig.send(client, "OPTIONS / HTTP/1.1\r\nHost: a\r\nAccess-Control-Request-Method: PUT\r\n" + origin + "\r\n");
  const std::string preflight = rig.take(client);
  EXPECT_TRUE(has(preflight, "access-control-allow-methods: PUT\r\n")) << preflight;
  EXPECT_FALSE(has(preflight, "access-control-allow-headers")) << preflight;

  filters.cors->credentials = false;
  Rig open(with(filters));
  EXPECT_TRUE(
      has(open.exchange(open.client(), get("/", origin), answer(200, "")), "access-control-expose-headers: *\r\n"));
}

// A backend's rewrite is about the path that was matched, not about what the rule's made of it.
TEST(Filter, ABackendsRewriteReplacesTheRules) {
  using Path = config::PathModifier::Kind;
  struct Case {
    config::Rewrite rule, backend;
    const char* seen;
  };
  const Case cases[] = {
      {{"", {Path::kPrefixMatch, "/longer/prefix"}},
       {"", {Path::kPrefixMatch, "/B"}},
       "GET /B/x?q HTTP/1.1\r\nhost: shop."},
      {{"", {Path::kPrefixMatch, "/"}}, {"", {Path::kPrefixMatch, "/longer/prefix"}}, "GET /longer/prefix/x?q "},
      {{"", {Path::kFullPath, "/"}}, {"", {Path::kPrefixMatch, "/B"}}, "GET /B/x?q "},
      {{"", {Path::kPrefixMatch, "/A"}}, {"", {Path::kFullPath, "/B"}}, "GET /B?q "},
      {{"a.example", {Path::kPrefixMatch, "/A"}}, {"b.example", {}}, "GET /A/x?q HTTP/1.1\r\nhost: b.example\r\n"},
      {{"a.example", {}}, {"", {Path::kPrefixMatch, "/B"}}, "GET /B/x?q HTTP/1.1\r\nhost: a.example\r\n"},
  };
  for (const Case& each : cases) {
    ConfigBuilder builder;
    config::Filters rule, backend;
    rule.rewrite = each.rule;
    backend.rewrite = each.backend;
    config::Action action;
    action.filters = builder.filters(rule);
    action.backends = {{builder.cluster(1), 1, builder.filters(backend)}};
    builder.route("/p", builder.action(action));
    Rig rig(builder.build());
    rig.send(rig.client(), get("/p/x?q"));
    const std::string asked = rig.take(rig.backend());
    EXPECT_TRUE(asked.starts_with(each.seen)) << asked;
  }
}

TEST(Filter, AChangeThatDoesNotFitIsA500) {
  config::Filters filters;
  for (int i = 0; i < 40; ++i)
    filters.request.push_back({Kind::kAdd, "x-" + std::to_string(i), std::string(4000, 'v')});
  Rig rig(with(filters));
  const uint32_t client = rig.client();
  rig.send(client, get("/", "X-Own: " + std::string(50'000, 'o') + "\r\n"));
  EXPECT_EQ(status_of(rig.take(client)), 500);
  EXPECT_EQ(rig.proxy.counters().of(Count::filters_failed), 1u);
}

// RFC 9110 6.6.1.
TEST(Date, OfTheGatewayWhereTheEndpointGaveNone) {
  const auto clock = std::make_shared<std::atomic<uint32_t>>(784111777);
  ConfigBuilder builder;
  builder.config().session_keys.clock = clock;
  builder.route("/", builder.action(ConfigBuilder::to(builder.cluster(1))));
  Rig rig(builder.build());
  const uint32_t client = rig.client();
  EXPECT_TRUE(has(rig.exchange(client, get("/"), answer(200, "")), "\r\ndate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"));
  clock->store(784111778);
  EXPECT_TRUE(has(rig.exchange(client, get("/"), answer(200, "")), "\r\ndate: Sun, 06 Nov 1994 08:49:38 GMT\r\n"));
  const std::string theirs = rig.exchange(client, get("/"), answer(200, "", "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n"));
  EXPECT_TRUE(has(theirs, "\r\ndate: Thu, 01 Jan 1970 00:00:00 GMT\r\n")) << theirs;
  EXPECT_FALSE(has(theirs, "1994")) << theirs;
  rig.send(client, "OPTIONS * HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n\r\n");
  EXPECT_TRUE(has(rig.take(client), "\r\ndate: Sun, 06 Nov 1994 08:49:38 GMT\r\n"));
  clock->store(0);  // nobody said what time it is
  EXPECT_FALSE(has(rig.exchange(client, get("/"), answer(200, "")), "date"));
}

TEST(Filter, MaxForwardsEndsHere) {
  Rig rig;
  const uint32_t client = rig.client();
  for (const auto& [target, status] : {std::pair{"OPTIONS *", 200}, std::pair{"TRACE /", 405}}) {
    rig.send(client, target + std::string(" HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n\r\n"));
    const std::string response = rig.take(client);
    EXPECT_EQ(status_of(response), status);
    EXPECT_TRUE(has(response, "allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n")) << response;
  }
  EXPECT_TRUE(rig.net.connects.empty());
}

}  // namespace
}  // namespace penstock::proxy
