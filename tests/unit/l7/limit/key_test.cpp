// Keys of buckets: what shares one and what does not, and that no two lists of components run into each other.
#include <gtest/gtest.h>

#include <set>

#include "unit/l7/limit/requests.h"

namespace penstock::limit {
namespace {

using Kind = config::LimitComponent::Kind;

TEST(Key, SameValuesSameBucketOthersAnother) {
  Requests requests;
  const config::RequestLimit& limit = requests.add({{Kind::kHeader, "x-user"}, {Kind::kPath}});
  requests.finish();
  const auto one = requests.key(limit, "GET /a", "x-user: ann");
  EXPECT_EQ(one, requests.key(limit, "POST /a", "x-user: ann\nother: 1"));
  EXPECT_NE(one, requests.key(limit, "GET /b", "x-user: ann"));
  EXPECT_NE(one, requests.key(limit, "GET /a", "x-user: bob"));
  EXPECT_NE(one, requests.key(limit, "GET /a", "x-user: "));
  EXPECT_FALSE(requests.key(limit, "GET /a", "x-other: ann"));
}

TEST(Key, LimitsAndSecretsDoNotShareBuckets) {
  Requests requests;
  const config::RequestLimit one = requests.add({{Kind::kHost}});
  const config::RequestLimit two = requests.add({{Kind::kHost}});
  requests.finish();
  const auto key = requests.key(one, "GET /");
  EXPECT_NE(key, requests.key(two, "GET /"));
  requests.secret.low ^= 1;
  EXPECT_NE(key, requests.key(one, "GET /"));
}

// Every way to cut a text in two is another pair of values.
TEST(Key, ComponentsDoNotRunIntoEachOther) {
  Requests requests;
  const config::RequestLimit& limit = requests.add({{Kind::kHeader, "a"}, {Kind::kHeader, "b"}});
  requests.finish();
  const std::string text(70, 'x');
  std::set<uint64_t> keys;
  size_t made = 0;
  for (size_t length = 1; length <= text.size(); ++length)
    for (size_t cut = 0; cut <= length; ++cut, ++made)
      keys.insert(*requests.key(limit, "GET /", "a: " + text.substr(0, cut) + "\nb: " + text.substr(0, length - cut)));
  EXPECT_EQ(keys.size(), made);
}

TEST(Key, SourcesByPrefix) {
  Requests requests;
  config::LimitComponent source{Kind::kSource};
  source.v4_length = 24, source.v6_length = 56;
  const config::RequestLimit& limit = requests.add({source});
  requests.finish();
  const auto from = [&](const char* address) {
    const auto parsed = base::IpAddress::parse(address);
    requests.source = *parsed;
    const auto key = requests.key(limit, "GET /");
    EXPECT_EQ(key, key_of(limit, *parsed, requests.secret)) << "a connection has the bucket of a request";
    return key;
  };
  EXPECT_EQ(from("192.0.2.1"), from("192.0.2.200"));
  EXPECT_NE(from("192.0.2.1"), from("192.0.3.1"));
  EXPECT_EQ(from("2001:db8:0:1::1"), from("2001:db8:0:ff::2"));
  EXPECT_NE(from("2001:db8:0:1::1"), from("2001:db8:0:100::1"));
}

// What is there and cannot be put together must not lead past the limit: all that is so shares one bucket.
TEST(Key, ManyLinesAreReadAndTooMuchIsOneBucket) {
  Requests requests;
  const config::RequestLimit cookie = requests.add({{Kind::kCookie, "sid"}});
  const config::RequestLimit both = requests.add({{Kind::kHeader, "x-one"}, {Kind::kHeader, "x-two"}});
  requests.finish();
  const std::string pad(9'000, 'p');
  const auto plain = requests.key(cookie, "GET /", "cookie: sid=1");
  EXPECT_EQ(plain,
            requests.key(cookie, "GET /", "cookie: sid=1; pad=" + pad + "\ncookie: a=b\ncookie: a=b\ncookie: a=b"));
  std::string lines;
  for (int i = 0; i < 5; ++i)
    lines += (i == 0 ? "" : "\n") + ("x-one: " + pad.substr(0, 5'000)) + "\nx-two: " + pad.substr(0, 5'000);
  const auto first = requests.key(both, "GET /", lines), second = requests.key(both, "GET /", lines + "\nx-one: other");
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first, second);
}

TEST(Key, CookiesAndParameters) {
  Requests requests;
  const config::RequestLimit cookie = requests.add({{Kind::kCookie, "sid"}});
  const config::RequestLimit query = requests.add({{Kind::kQuery, "q"}});
  requests.finish();
  const auto one = requests.key(cookie, "GET /", "cookie: sid=7; theme=dark");
  ASSERT_TRUE(one);
  EXPECT_EQ(one, requests.key(cookie, "GET /", "cookie: theme=light\ncookie: sid=7"));
  EXPECT_NE(one, requests.key(cookie, "GET /", "cookie: sid=8"));
  EXPECT_FALSE(requests.key(cookie, "GET /", "cookie: xsid=7; sidx=7; sid"));
  const auto plain = requests.key(query, "GET /?q=a+b");
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain, requests.key(query, "GET /?p=1&%71=a%20b&q=c")) << "spelled in another way";
  EXPECT_FALSE(requests.key(query, "GET /?p=1"));
}

TEST(Key, PathPatterns) {
  Requests requests;
  const auto pattern = [&](const char* text) { return requests.add({{Kind::kPathPattern, text}}); };
  const config::RequestLimit orders = pattern("/users/{user}/orders/*"), all = pattern("/users/{user}/**"),
                             exact = pattern("/a/b"), root = pattern("/");
  requests.finish();
  const auto ann = requests.key(orders, "GET /users/ann/orders/1");
  ASSERT_TRUE(ann);
  EXPECT_EQ(ann, requests.key(orders, "GET /users/ann/orders/2"));
  EXPECT_NE(ann, requests.key(orders, "GET /users/bob/orders/1"));
  for (const char* path : {"GET /users/ann/orders", "GET /users/ann/orders/1/2", "GET /users", "GET /", "OPTIONS *"})
    EXPECT_FALSE(requests.key(orders, path)) << path;
  EXPECT_EQ(requests.key(all, "GET /users/ann/"), requests.key(all, "GET /users/ann/x/y"));
  EXPECT_FALSE(requests.key(all, "GET /users/ann"));
  EXPECT_TRUE(requests.key(exact, "GET /a/b"));
  EXPECT_FALSE(requests.key(exact, "GET /a/b/") || requests.key(exact, "GET /a"));
  EXPECT_TRUE(requests.key(root, "GET /"));
  EXPECT_FALSE(requests.key(root, "GET /a"));
}

TEST(PathPattern, IsChecked) {
  const auto error = [](const std::string& pattern) { return config::check_path_pattern(pattern, "p").error(); };
  for (const char* good : {"/", "/a", "/{a}/*/b/**", "/**"}) EXPECT_EQ(error(good), "") << good;
  for (const char* bad : {"", "a", "/a/**/b", "/a*", "/{", "/{}", "/a{b}", "//", "/../a", "/a//b"})
    EXPECT_NE(error(bad), "") << bad;
}

}  // namespace
}  // namespace penstock::limit
