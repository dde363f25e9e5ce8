// Paths that are rewritten and redirects: the tables and rules of Gateway API v1.
#include "l7/route/rewrite.h"

#include <gtest/gtest.h>

#include "unit/l7/route/route_stories.h"

namespace penstock::route {
namespace {

using Kind = PathModifier::Kind;

std::string modified(const PathModifier& modifier, const std::string& path, uint32_t prefix_bytes) {
  char out[256];
  const auto made = modify_path(modifier, path, prefix_bytes, out);
  return made ? std::string(*made) : "no room";
}

// HTTPPathModifier.replacePrefixMatch: its table, with prefixes as the router found them.
TEST(Rewrite, TheTableOfReplacePrefixMatch) {
  struct Row {
    const char *path, *prefix_match, *replacement, *expected;
  };
  for (const Row& row : std::initializer_list<Row>{{"/foo/bar", "/foo", "/xyz", "/xyz/bar"},
                                                   {"/foo/bar", "/foo", "/xyz/", "/xyz/bar"},
                                                   {"/foo/bar", "/foo/", "/xyz", "/xyz/bar"},
                                                   {"/foo/bar", "/foo/", "/xyz/", "/xyz/bar"},
                                                   {"/foo", "/foo", "/xyz", "/xyz"},
                                                   {"/foo/", "/foo", "/xyz", "/xyz/"},
                                                   {"/foo/bar", "/foo", "", "/bar"},
                                                   {"/foo/", "/foo", "", "/"},
                                                   {"/foo", "/foo", "", "/"},
                                                   {"/foo/", "/foo", "/", "/"},
                                                   {"/foo", "/foo", "/", "/"},
                                                   {"/foo/bar", "/", "/xyz", "/xyz/foo/bar"},
                                                   {"/foo//bar", "/foo", "/xyz", "/xyz//bar"}}) {
    Router router({route("r", {}, {prefix(row.prefix_match)})});
    ASSERT_EQ(router.serves("h", row.path), "r");
    EXPECT_EQ(modified({Kind::kPrefixMatch, row.replacement}, row.path, router.found()->prefix_bytes), row.expected)
        << row.path << " " << row.prefix_match << " " << row.replacement;
  }
}

TEST(Rewrite, TheFullPath) {
  EXPECT_EQ(modified({Kind::kFullPath, "/new"}, "/foo/bar", 4), "/new");
  EXPECT_EQ(modified({Kind::kFullPath, ""}, "/foo/bar", 4), "/");
  EXPECT_EQ(modified({}, "/foo/bar", 4), "/foo/bar");
}

TEST(Rewrite, WhatIsNoPathStays) {
  EXPECT_EQ(modified({Kind::kPrefixMatch, "/x"}, "*", 0), "*");
  EXPECT_EQ(modified({Kind::kFullPath, "/x"}, "", 0), "");
}

TEST(Rewrite, WithoutRoomThereIsNothing) {
  char out[8];
  EXPECT_TRUE(modify_path({Kind::kPrefixMatch, "/xyz"}, "/foo/bar", 4, out));
  EXPECT_FALSE(modify_path({Kind::kPrefixMatch, "/wxyz"}, "/foo/bar", 4, out));
  EXPECT_FALSE(modify_path({}, "/foo/barr", 4, out));
}

// GET http(s)://shop.com:8080/foo/bar?q=1 on a listener's port.
std::string location(const Redirect& redirect, http::Scheme scheme, uint16_t listener_port,
                     const std::string& authority = "shop.com:8080", const std::string& path = "/foo/bar") {
  http::RequestHead head{http::HeadLimits{}};
  head.scheme = scheme;
  if (!authority.empty() && head.set_authority(authority) != http::Fault::kNone) return "bad authority";
  if (head.set_path(path, {}) != http::Fault::kNone || head.set_query("q=1") != http::Fault::kNone) return "bad path";
  char out[128];
  const auto made = compose_location(redirect, head, listener_port, 4, out);
  return made ? std::string(*made) : "no room";
}

// HTTPRequestRedirectFilter.scheme, .hostname, .port.
TEST(Redirect, SchemeHostAndPort) {
  using http::Scheme;
  // "If redirect scheme is empty, the redirect port MUST be the Gateway Listener port."
  EXPECT_EQ(location({{}, "new.com", {}, 0}, Scheme::kHttp, 8080), "http://new.com:8080/foo/bar?q=1");
  // "SHOULD NOT add the port number ... HTTP and use port 80 ... HTTPS and use port 443"
  EXPECT_EQ(location({{}, "new.com", {}, 0}, Scheme::kHttp, 80), "http://new.com/foo/bar?q=1");
  EXPECT_EQ(location({{}, "new.com", {}, 0}, Scheme::kHttps, 443), "https://new.com/foo/bar?q=1");
  EXPECT_EQ(location({{}, "new.com", {}, 0}, Scheme::kHttps, 80), "https://new.com:80/foo/bar?q=1");
  // "If redirect scheme is not-empty, the redirect port MUST be the well-known port"
  EXPECT_EQ(location({Scheme::kHttps, "", {}, 0}, Scheme::kHttp, 8080), "https://shop.com/foo/bar?q=1");
  EXPECT_EQ(location({Scheme::kHttp, "", {}, 0}, Scheme::kHttps, 8443), "http://shop.com/foo/bar?q=1");
  // A port that is given.
  EXPECT_EQ(location({Scheme::kHttps, "", {}, 8443}, Scheme::kHttp, 80), "https://shop.com:8443/foo/bar?q=1");
  EXPECT_EQ(location({Scheme::kHttps, "", {}, 443}, Scheme::kHttp, 80), "https://shop.com/foo/bar?q=1");
  EXPECT_EQ(location({{}, "", {}, 80}, Scheme::kHttp, 8080), "http://shop.com/foo/bar?q=1");
}

TEST(Redirect, ThePath) {
  EXPECT_EQ(location({{}, "", {Kind::kPrefixMatch, "/x"}, 0}, http::Scheme::kHttp, 80), "http://shop.com/x/bar?q=1");
  EXPECT_EQ(location({{}, "", {Kind::kFullPath, "/y"}, 0}, http::Scheme::kHttp, 80), "http://shop.com/y?q=1");
}

TEST(Redirect, WithoutAnyHostItIsAPathAndNeverAnotherHost) {
  EXPECT_EQ(location({}, http::Scheme::kHttp, 80, ""), "/foo/bar?q=1");
  EXPECT_EQ(location({}, http::Scheme::kHttp, 80, "", "//evil.com/x"), "/.//evil.com/x?q=1");
  EXPECT_EQ(location({{}, "", {Kind::kPrefixMatch, "/"}, 0}, http::Scheme::kHttp, 80, "", "/foo//evil.com"),
            "/.//evil.com?q=1");
  EXPECT_EQ(location({}, http::Scheme::kHttp, 80, "h", "/" + std::string(120, 'a')), "no room");
}

}  // namespace
}  // namespace penstock::route
