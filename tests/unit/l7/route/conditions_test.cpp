// What conditions see of a request, requests that have no path, hostile requests, and configurations that are refused.
#include "unit/l7/route/route_stories.h"

namespace penstock::route {
namespace {

using http::Method;

TEST(Conditions, HeadersByAnyCaseOfTheirNameAndExactValue) {
  Router router({route("v2", {}, {header(prefix("/"), "X-Version", "v2")})});
  EXPECT_EQ(router.serves("h", "/", {{"x-version", "v2"}}), "v2");
  EXPECT_EQ(router.serves("h", "/", {{"X-VERSION", " v2 "}}), "v2");
  for (const char* value : {"V2", "v2x", "v", ""})
    EXPECT_EQ(router.serves("h", "/", {{"x-version", value}}), "404") << value;
  EXPECT_EQ(router.serves("h", "/"), "404");
}

// RFC 9110 5.3: a repeated field is the list of its values.
TEST(Conditions, ARepeatedFieldIsAList) {
  Router router({route("list", {}, {header(prefix("/"), "x", "a,b,c")}),
                 route("one", {}, {header(prefix("/1"), "x", "a")}),
                 route("some", {}, {header(prefix("/2"), "x", "(.*,)?b(,.*)?", true)}),
                 route("cookie", {}, {header(prefix("/"), "cookie", "a=1; b=2")})});
  const Fields list{{"x", "a"}, {"y", "-"}, {"x", "b"}, {"x", "c"}};
  EXPECT_EQ(router.serves("h", "/", list), "list");
  EXPECT_EQ(router.serves("h", "/2", list), "some");
  EXPECT_EQ(router.serves("h", "/", {{"x", "a,b"}, {"x", "c"}}), "list");
  EXPECT_EQ(router.serves("h", "/", {{"x", "a"}}), "404");
  EXPECT_EQ(router.serves("h", "/1", {{"x", "a"}}), "one");
  EXPECT_EQ(router.serves("h", "/", {{"cookie", "a=1"}, {"cookie", "b=2"}}), "cookie");
}

TEST(Conditions, TheFirstQueryParameterDecoded) {
  Router router({route("exact", {}, {query(prefix("/"), "a b", "1+1=2")}),
                 route("empty", {}, {query(prefix("/e"), "v", ".*", true)}),
                 route("regex", {}, {query(prefix("/"), "id", "[0-9]+ [a-z]+", true)})});
  EXPECT_EQ(router.serves("h", "/?a+b=1%2B1%3d2"), "exact");
  EXPECT_EQ(router.serves("h", "/?x&a%20b=1%2B1=2&a+b=other"), "exact");
  EXPECT_EQ(router.serves("h", "/?a+b=other&a+b=1%2B1=2"), "404");
  EXPECT_EQ(router.serves("h", "/?A+b=1%2B1=2"), "404");  // names are exact
  EXPECT_EQ(router.serves("h", "/?id=17%20ab"), "regex");
  EXPECT_EQ(router.serves("h", "/?id=17+ab+"), "404");
  EXPECT_EQ(router.serves("h", "/e?v"), "empty");
  EXPECT_EQ(router.serves("h", "/e?w"), "404");
}

TEST(Conditions, HostAndUpgradeAreHeadersTooThoughNoFields) {
  Router router({route("port", {}, {header(prefix("/"), "Host", "a.com:8080")}),
                 route("host", {}, {header(prefix("/h"), "host", "a.com")}),
                 route("upgrade", {}, {header(prefix("/"), "upgrade", "(?i)websocket", true)})});
  EXPECT_EQ(router.serves("A.com:8080", "/"), "port");
  EXPECT_EQ(router.serves("a.com", "/h"), "host");
  EXPECT_EQ(router.serves("a.com", "/"), "404");
  http::RequestHead& head = router.head();
  head.clear();
  ASSERT_EQ(head.set_path("/", {}), http::Fault::kNone);
  head.arena.append("WebSocket", head.upgrade_slice);
  EXPECT_EQ(router.serves(head), "upgrade");
}

// Each kind of expression is asked at most once per request, and only when some candidate needs it.
TEST(Conditions, ScansAreFew) {
  std::vector<config::Route> routes{route("plain", {"plain.com"}, {prefix("/")}),
                                    route("exact", {"a.com"}, {exact("/x")})};
  for (int i = 0; i < 20; ++i) {
    const std::string n = std::to_string(i);
    routes.push_back(route("r" + n, {"a.com"},
                           {header(regex("/r" + n + "/.*"), "x", "[0-9]{" + std::to_string(i + 1) + "}", true)}));
    routes.push_back(
        route("p" + n, {"a.com"},
              {header(header(prefix("/p"), "x", "a{" + std::to_string(i + 1) + "}", true), "y", "b" + n + "+", true)}));
  }
  Router router(routes);
  const auto scans = [&] { return router.scratch().counters().scans; };
  EXPECT_EQ(router.serves("plain.com", "/r3/x", {{"x", "1234"}}), "plain");
  EXPECT_EQ(router.serves("a.com", "/x", {{"x", "1234"}}), "exact");
  EXPECT_EQ(scans(), 0U);
  EXPECT_EQ(router.serves("a.com", "/r3/x", {{"x", "1234"}}), "r3");
  EXPECT_EQ(scans(), 2U);  // the path, and x
  EXPECT_EQ(router.serves("a.com", "/p", {{"x", "aaa"}, {"y", "b2"}}), "p2");
  EXPECT_EQ(scans(), 5U);  // the path, x, and y
}

// CONNECT has no path and is a tunnel: only who asks for it by its method gets it. OPTIONS * is about no resource.
TEST(Targets, WithoutAPath) {
  Router router({route("any", {}, {prefix("/"), regex(".*"), exact("/")}),
                 route("tunnel", {"proxy.com"}, {with(prefix("/"), Method::kConnect)}),
                 route("deep", {"deep.com"}, {with(prefix("/a"), Method::kConnect)})});
  EXPECT_EQ(router.serves("other.com:443", "", {}, Method::kConnect), "404");
  EXPECT_EQ(router.serves("proxy.com:443", "", {}, Method::kConnect), "tunnel");
  EXPECT_EQ(router.serves("deep.com:443", "", {}, Method::kConnect), "404");
  EXPECT_EQ(router.serves("proxy.com", "*", {}, Method::kOptions), "any 0.0");
  EXPECT_EQ(router.serves("proxy.com", "/x"), "any 1.0");
}

TEST(Hostile, LongPathsManySegmentsManyFields) {
  std::string deep;
  for (int i = 0; i < 500; ++i) deep += "/a";
  Router router({route("deep", {}, {prefix(deep)}), route("exact", {}, {exact(deep + "/")}),
                 route("root", {}, {prefix("/")}), route("regex", {}, {header(regex("(/a)*b"), "x", "1")}),
                 route("long", {}, {header(prefix("/"), "l", ".*z", true)})});
  EXPECT_EQ(router.serves("h", deep), "deep");
  EXPECT_EQ(router.serves("h", deep + "/"), "exact");
  std::string endless;
  while (endless.size() < 8000) endless += "/a";
  EXPECT_EQ(router.serves("h", endless), "deep");
  EXPECT_EQ(router.serves("h", endless + "b", {{"x", "1"}}), "regex");
  EXPECT_EQ(router.serves("h", std::string(8000, '/')), "root");
  EXPECT_EQ(router.serves("h", "/" + std::string(8000, 'a')), "root");
  std::string host;
  for (int i = 0; i < 127; ++i) host += "a.";
  EXPECT_EQ(router.serves(host + "a", "/"), "root");

  Fields many;
  for (int i = 0; i < 99; ++i) many.emplace_back("l", std::string(500, 'y'));
  many.emplace_back("l", "z");
  EXPECT_EQ(router.serves("h", "/", many), "long");  // a value grows where it is
  EXPECT_EQ(router.scratch().counters().values_too_long, 0U);
  many.clear();
  for (int i = 0; i < 50; ++i) {
    many.emplace_back("l", std::string(900, 'y'));
    many.emplace_back("x", "2");
  }
  EXPECT_EQ(router.serves("h", "/", many), "root");  // two that take turns do not fit: no condition is met
  EXPECT_EQ(router.scratch().counters().values_too_long, 1U);
  many.resize(5);
  many.emplace_back("l", "z");
  EXPECT_EQ(router.serves("h", "/", many), "long");
  EXPECT_EQ(router.scratch().counters().values_too_long, 1U);
}

// Many names with an expression, and a value for each: joined and decoded memory is used again for each request.
TEST(Hostile, ALongQuery) {
  Router router({route("q", {}, {query(query(prefix("/"), "a", "x+", true), "b", "[^&]*", true)})});
  std::string text = "a=%78&b=";
  while (text.size() < 8000) text += "%41+";
  for (int i = 0; i < 50; ++i) ASSERT_EQ(router.serves("h", "/?" + text), "q");
  std::string crowd = "a=x";
  while (crowd.size() < 8000) crowd += "&c&&d=";
  EXPECT_EQ(router.serves("h", "/?" + crowd + "&b=1"), "q");
  EXPECT_EQ(router.scratch().counters().values_too_long, 0U);
}

TEST(Refusals, NameTheFieldAndWhatWouldBeValid) {
  const auto path = [](const char* value, config::PathKind kind = config::PathKind::kPrefix) {
    return refusal({route("shop/front", {}, {prefix("/"), {{kind, value}, {}, {}, {}}})});
  };
  const std::string at = "HTTPRoute/shop/front spec.rules[1].matches[0].path.value: ";
  EXPECT_EQ(path("a"), at + "must begin with '/'");
  EXPECT_EQ(path("//a"), at + "holds '//', which no normalised path does");
  EXPECT_EQ(path("/a/../b"), at + "holds '/../', which no normalised path does");
  EXPECT_EQ(path("/a/.", config::PathKind::kExact), at + "holds '/./', which no normalised path does");
  EXPECT_EQ(path("/a%2fb"), at + "%2F or %5C in the path, which the policy refuses");
  EXPECT_EQ(path("/a#b"), at + "path holds a character that RFC 3986 does not allow there");
  EXPECT_EQ(path(std::string(1025, '/').c_str()), at + "longer than 1024 bytes");
  EXPECT_EQ(path("", config::PathKind::kRegex), at + "empty regular expression");
  EXPECT_EQ(path("/(a", config::PathKind::kRegex), at + "regular expression '/(a': '(' without ')'");
  EXPECT_EQ(path("/(a)\\1", config::PathKind::kRegex),
            at + "regular expression '/(a)\\1': back-references are not understood");

  const std::string match = "HTTPRoute/r spec.rules[0].matches[0]";
  EXPECT_EQ(refusal({route("r", {}, {header(prefix("/"), "x", "[", true)})}),
            match + ".headers 'x': regular expression '[': '[' without ']'");
  EXPECT_EQ(refusal({route("r", {}, {header(prefix("/"), "x y", "1")})}),
            match + ".headers[0].name: 'x y' is no field name (RFC 9110 5.6.2)");
  EXPECT_EQ(refusal({route("r", {}, {header(prefix("/"), "Connection", "close")})}),
            match + ".headers[0].name: 'Connection' belongs to the connection or to framing and is not matched");
  EXPECT_EQ(refusal({route("r", {}, {header(prefix("/"), "x", "")})}), match + ".headers[0].value: empty");
  EXPECT_EQ(refusal({route("r", {}, {with(prefix("/"), Method::kOther)})}),
            match + ".method: GET, HEAD, POST, PUT, DELETE, CONNECT, OPTIONS, TRACE or PATCH");
  EXPECT_EQ(refusal({route("r", {"Shop.com"}, {})}),
            "HTTPRoute/r spec.hostnames[0]: 'Shop.com' is no hostname in lower case, with '*' at most as the whole "
            "first label");
}

}  // namespace
}  // namespace penstock::route
