// One story for each sentence of Gateway API v1 on who serves a request: HTTPRouteSpec.hostnames,
// HTTPRouteRule.matches, HTTPPathMatch, HTTPHeaderMatch, HTTPQueryParamMatch.
#include "unit/l7/route/route_stories.h"

namespace penstock::route {
namespace {

using http::Method;

// "precedence must be given to rules from the HTTPRoute with the largest number of: characters in a matching
// non-wildcard hostname; characters in a matching hostname."
TEST(Hostname, ExactThenLongestWildcardThenNone) {
  Router router({route("any", {}, {prefix("/")}), route("com", {"*.com"}, {prefix("/")}),
                 route("example", {"*.example.com"}, {prefix("/")}),
                 route("shop", {"shop.example.com"}, {prefix("/")})});
  EXPECT_EQ(router.serves("shop.example.com", "/"), "shop");
  EXPECT_EQ(router.serves("SHOP.Example.com:8080", "/"), "shop");
  EXPECT_EQ(router.serves("shop.example.com.", "/"), "shop");
  EXPECT_EQ(router.serves("x.example.com", "/"), "example");
  EXPECT_EQ(router.serves("example.com", "/"), "com");
  EXPECT_EQ(router.serves("com", "/"), "any");
  EXPECT_EQ(router.serves("", "/"), "any");
  EXPECT_EQ(router.serves("192.0.2.1", "/"), "any");
  EXPECT_EQ(router.serves("[2001:db8::1]:80", "/"), "any");
}

// "a match for `*.example.com` would match both `test.example.com`, and `foo.test.example.com`, but not `example.com`."
TEST(Hostname, AWildcardIsOneOrMoreLabels) {
  Router router({route("example", {"*.example.com"}, {prefix("/")})});
  EXPECT_EQ(router.serves("test.example.com", "/"), "example");
  EXPECT_EQ(router.serves("foo.test.example.com", "/"), "example");
  EXPECT_EQ(router.serves("example.com", "/"), "404");
  EXPECT_EQ(router.serves(".example.com", "/"), "404");
  EXPECT_EQ(router.serves("testexample.com", "/"), "404");
  EXPECT_EQ(router.serves("test.example.com.org", "/"), "404");
  EXPECT_EQ(router.serves("test.example.co", "/"), "404");
  EXPECT_EQ(router.serves("", "/"), "404");
}

// Precedence of the hostname goes before the path's...
TEST(Hostname, GoesBeforeThePath) {
  Router router({route("any", {}, {exact("/a")}), route("example", {"*.example.com"}, {prefix("/")})});
  EXPECT_EQ(router.serves("shop.example.com", "/a"), "example");
  EXPECT_EQ(router.serves("shop.example.org", "/a"), "any");
}

// ... but it is precedence among matches that the request meets, not a wall.
TEST(Hostname, ALessSpecificOneServesWhatNoneBeforeItMeets) {
  Router router({route("any", {}, {prefix("/")}), route("example", {"*.example.com"}, {prefix("/img")}),
                 route("shop", {"shop.example.com"}, {prefix("/api")})});
  EXPECT_EQ(router.serves("shop.example.com", "/api/x"), "shop");
  EXPECT_EQ(router.serves("shop.example.com", "/img/x"), "example");
  EXPECT_EQ(router.serves("shop.example.com", "/other"), "any");
}

TEST(Hostname, ARouteMayHaveSeveral) {
  Router router({route("a", {"a.com", "b.com", "a.com"}, {prefix("/")}), route("all", {"*.com"}, {prefix("/")})});
  EXPECT_EQ(router.serves("a.com", "/"), "a");
  EXPECT_EQ(router.serves("b.com", "/"), "a");
  EXPECT_EQ(router.serves("c.com", "/"), "all");
}

// "an exact path match on `/abc` will only match requests to `/abc`, NOT `/abc/`, `/Abc`, or `/abcd`."
TEST(Path, ExactIsExact) {
  Router router(
      {route("abc", {}, {exact("/abc")}), route("slash", {}, {exact("/abc/")}), route("root", {}, {exact("/")})});
  EXPECT_EQ(router.serves("h", "/abc"), "abc");
  EXPECT_EQ(router.serves("h", "/abc/"), "slash");
  EXPECT_EQ(router.serves("h", "/"), "root");
  for (const char* path : {"/Abc", "/abcd", "/ab", "/abc//", "/abc/d", "//abc", "//"})
    EXPECT_EQ(router.serves("h", path), "404") << path;
  EXPECT_EQ(router.serves("h", "/abc?x=/d"), "abc");
}

// "the paths `/abc`, `/abc/`, and `/abc/def` would all match the prefix `/abc`, but the path `/abcd` would not." "a
// trailing `/` is ignored."
TEST(Path, PrefixIsBySegments) {
  for (const char* value : {"/abc", "/abc/"}) {
    Router router({route("abc", {}, {prefix(value)})});
    for (const char* path : {"/abc", "/abc/", "/abc/def", "/abc//", "/abc/def/"})
      EXPECT_EQ(router.serves("h", path), "abc") << path;
    for (const char* path : {"/abcd", "/ab", "/Abc", "/", "//abc"}) EXPECT_EQ(router.serves("h", path), "404") << path;
    ASSERT_EQ(router.serves("h", "/abc/def"), "abc");
    EXPECT_EQ(router.found()->prefix_bytes, 4U);
  }
}

// "`Exact` path match", then "`Prefix` path match with largest number of characters"; regular expressions between them,
// the longer one first.
TEST(Path, ExactThenExpressionThenLongestPrefix) {
  Router router({route("root", {}, {prefix("/")}), route("a", {}, {prefix("/a")}), route("abc", {}, {prefix("/a/b/c")}),
                 route("exact", {}, {exact("/a/b/c/d")}), route("short", {}, {regex("/a/b/.*")}),
                 route("long", {}, {regex("/a/b/[0-9]+")})});
  EXPECT_EQ(router.serves("h", "/a/b/c/d"), "exact");
  EXPECT_EQ(router.serves("h", "/a/b/7"), "long");
  EXPECT_EQ(router.serves("h", "/a/b/x"), "short");
  EXPECT_EQ(router.serves("h", "/a/b/c/e"), "short");
  EXPECT_EQ(router.serves("h", "/a/b"), "a");
  EXPECT_EQ(router.serves("h", "/b"), "root");
  Router prefixes(
      {route("root", {}, {prefix("/")}), route("a", {}, {prefix("/a")}), route("abc", {}, {prefix("/a/b/c")})});
  EXPECT_EQ(prefixes.serves("h", "/a/b/c/d"), "abc");
  EXPECT_EQ(prefixes.serves("h", "/a/b/d"), "a");
}

TEST(Path, LiteralsAreNormalisedAsRequestsAre) {
  Router router({route("tilde", {}, {exact("/%7euser/%c3%a4")}), route("space", {}, {prefix("/a%20b/")})});
  EXPECT_EQ(router.serves("h", "/~user/%C3%a4"), "tilde");
  EXPECT_EQ(router.serves("h", "/a%20b/c"), "space");
  EXPECT_EQ(router.serves("h", "/x/../%7Euser/%C3%A4"), "tilde");
}

// "Method match", "Largest number of header matches", "Largest number of query param matches", in this order.
TEST(Match, MethodThenHeadersThenQuery) {
  Router router({route("query", {}, {query(query(query(prefix("/"), "a", "1"), "b", "2"), "c", "3")}),
                 route("header", {}, {header(prefix("/"), "x", "1")}),
                 route("headers", {}, {header(header(prefix("/"), "x", "1"), "y", "2")}),
                 route("both", {}, {query(header(prefix("/"), "x", "1"), "a", "1")}),
                 route("method", {}, {with(prefix("/"), Method::kPost)}), route("plain", {}, {prefix("/")})});
  const Fields both{{"X", "1"}, {"Y", "2"}};
  EXPECT_EQ(router.serves("h", "/?a=1&b=2&c=3", both, Method::kPost), "method");
  EXPECT_EQ(router.serves("h", "/?a=1&b=2&c=3", both), "headers");
  EXPECT_EQ(router.serves("h", "/?a=1&b=2&c=3", {{"x", "1"}}), "both");
  EXPECT_EQ(router.serves("h", "/?b=2&c=3", {{"x", "1"}}), "header");
  EXPECT_EQ(router.serves("h", "/?a=1&b=2&c=3"), "query");
  EXPECT_EQ(router.serves("h", "/?a=1&b=2"), "plain");
}

// The path goes before all of these.
TEST(Match, ThePathGoesBeforeConditions) {
  Router router({route("short", {}, {with(header(prefix("/a"), "x", "1"), Method::kGet)}),
                 route("long", {}, {prefix("/a/b")}), route("exact", {}, {exact("/a/b/c")})});
  EXPECT_EQ(router.serves("h", "/a/b", {{"x", "1"}}), "long");
  EXPECT_EQ(router.serves("h", "/a/b/c", {{"x", "1"}}), "exact");
  EXPECT_EQ(router.serves("h", "/a/c", {{"x", "1"}}), "short");
}

// "The oldest Route based on creation timestamp", "The Route appearing first in alphabetical order by
// {namespace}/{name}", "the FIRST matching rule (in list order)".
TEST(Match, TiesByAgeThenNameThenOrder) {
  Router ages({route("a/new", {}, {prefix("/")}, 200), route("z/old", {}, {prefix("/")}, 100)});
  EXPECT_EQ(ages.serves("h", "/"), "z/old");
  Router names({route("b/a", {}, {prefix("/")}, 100), route("a/b", {}, {prefix("/")}, 100)});
  EXPECT_EQ(names.serves("h", "/"), "a/b");
  Router rules(
      {route("r", {}, {header(prefix("/"), "x", "1"), header(prefix("/"), "y", "1"), prefix("/"), prefix("/")})});
  EXPECT_EQ(rules.serves("h", "/", {{"y", "1"}, {"x", "1"}}), "r 0.0");
  EXPECT_EQ(rules.serves("h", "/", {{"y", "1"}}), "r 1.0");
  EXPECT_EQ(rules.serves("h", "/"), "r 2.0");
}

// Precedence is that of the match by which a rule serves, "across all rules specified on applicable Routes".
TEST(Match, EachMatchStandsForItself) {
  config::Route made = route("r", {}, {});
  made.rules.push_back({"", {prefix("/a"), exact("/b")}, 7});
  made.rules.push_back({"", {exact("/a"), prefix("/b")}, 8});
  Router router({made});
  EXPECT_EQ(router.serves("h", "/a"), "r 1.0");
  EXPECT_EQ(router.found()->action, 8U);
  EXPECT_EQ(router.serves("h", "/a/x"), "r 0.0");
  EXPECT_EQ(router.serves("h", "/b"), "r 0.1");
  EXPECT_EQ(router.found()->action, 7U);
  EXPECT_EQ(router.serves("h", "/b/x"), "r 1.1");
}

// "If no matches are specified, the default is a prefix path match on `/`." "a HTTP 404 status code MUST be returned."
TEST(Match, ARuleWithoutMatchesServesEverything) {
  config::Route made = route("r", {"a.com"}, {});
  made.rules.push_back({});
  Router router({made});
  EXPECT_EQ(router.serves("a.com", "/x/y?z", {}, Method::kOther), "r");
  EXPECT_EQ(router.serves("b.com", "/x/y?z"), "404");
  EXPECT_EQ(Router({}).serves("a.com", "/"), "404");
}

// "only the first entry with an equivalent name MUST be considered for a match."
TEST(Match, OfConditionsOnOneNameTheFirstCounts) {
  Router router({route("two", {}, {header(header(prefix("/"), "foo", "1"), "Foo", "2")}),
                 route("query", {}, {query(query(prefix("/q"), "foo", "1"), "foo", "2")}),
                 route("one", {}, {header(prefix("/"), "bar", "1")}, -1)});
  EXPECT_EQ(router.serves("h", "/", {{"FOO", "1"}}), "two");
  EXPECT_EQ(router.serves("h", "/", {{"foo", "2"}}), "404");
  EXPECT_EQ(router.serves("h", "/", {{"foo", "1"}, {"bar", "1"}}), "one");  // what is ignored is not counted
  EXPECT_EQ(router.serves("h", "/q?foo=1"), "query");
  EXPECT_EQ(router.serves("h", "/q?foo=2"), "404");
}

}  // namespace
}  // namespace penstock::route
