// Authority, path, query: the parts of a target that every version of HTTP shares.
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "l7/http/authority.h"
#include "l7/http/chars.h"
#include "l7/http/message.h"
#include "l7/http/path.h"
#include "l7/http/query.h"

namespace penstock::http {
namespace {

std::string normal(const std::string& path, PathPolicy policy = {}) {
  std::string out(path.size(), '#');
  const NormalPath done = normalise_path(path, policy, out.data());
  return done.fault == Fault::kNone ? std::string(done.path) : info(done.fault).name;
}

TEST(Path, DotSegmentsOfRfc3986) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"/", "/"},
      {"/a/b/c/./../../g", "/a/g"},
      {"/.", "/"},
      {"/..", "/"},
      {"/../../x", "/x"},
      {"/a/.", "/a/"},
      {"/a/..", "/"},
      {"/a/b/..", "/a/"},
      {"/a/./b", "/a/b"},
      {"/a/.../b", "/a/.../b"},
      {"/.a", "/.a"},
      {"/a/..b", "/a/..b"},
      {"/a//../b", "/a/b"},
      {"//a", "//a"},
      {"/a/%2e%2E/b", "/b"},
      {"/%2e", "/"},
  };
  for (const auto& [path, expected] : cases) EXPECT_EQ(normal(path), expected) << path;
}

TEST(Path, EscapesAreWrittenInOneWayAndNeverTwiceDecoded) {
  EXPECT_EQ(normal("/%41%7e%c3%a4"), "/A~%C3%A4");
  EXPECT_EQ(normal("/%2541"), "/%2541");
  EXPECT_EQ(normal("/%252e%252e/x"), "/%252e%252e/x");
  EXPECT_EQ(normal("/a%20b%3f"), "/a%20b%3F");
  EXPECT_EQ(normal("/100%"), "bad_escape");
  EXPECT_EQ(normal("/%4"), "bad_escape");
  EXPECT_EQ(normal("/%4g"), "bad_escape");
  EXPECT_EQ(normal("/%00"), "escaped_nul");
  EXPECT_EQ(normal("/a b"), "bad_path");
  EXPECT_EQ(normal("/a\\b"), "bad_path");
  EXPECT_EQ(normal("/a#b"), "bad_path");
  EXPECT_EQ(normal("/\xc3\xa4"), "bad_path");
}

TEST(Path, EscapedSlashesFollowThePolicy) {
  const PathPolicy keep{false, EscapedSlash::kKeep}, reject{false, EscapedSlash::kReject};
  const PathPolicy decode{false, EscapedSlash::kDecode}, decode_merge{true, EscapedSlash::kDecode};
  EXPECT_EQ(normal("/a%2fb%5c", keep), "/a%2Fb%5C");
  EXPECT_EQ(normal("/a%2F..%2Fb", keep), "/a%2F..%2Fb");
  EXPECT_EQ(normal("/a%2fb", reject), "escaped_slash");
  EXPECT_EQ(normal("/a%5Cb", reject), "escaped_slash");
  EXPECT_EQ(normal("/a%252fb", reject), "/a%252fb");
  EXPECT_EQ(normal("/a%2fb%5c", decode), "/a/b%5C");
  EXPECT_EQ(normal("/a/b%2f..%2F%2e%2e/c", decode), "/c");
  EXPECT_EQ(normal("/a%2f%2fb", decode), "/a//b");
  EXPECT_EQ(normal("/a%2f/b", decode_merge), "/a/b");
}

TEST(Path, MergingComesBeforeDotSegments) {
  const PathPolicy merge{true, EscapedSlash::kKeep};
  EXPECT_EQ(normal("//a///b//", merge), "/a/b/");
  EXPECT_EQ(normal("/a//../b", merge), "/b");
  EXPECT_EQ(normal("//..//x", merge), "/x");
  EXPECT_EQ(normal("/.//a", merge), "/a");
}

// The same policy, written with strings: decode, split, merge, walk.
std::string naive(const std::string& path, const PathPolicy& policy) {
  std::string decoded;
  for (size_t i = 0; i < path.size(); ++i) {
    if (!is(path[i], kPath)) return "bad_path";
    if (path[i] != '%') {
      decoded += path[i];
      continue;
    }
    if (i + 2 >= path.size() || !isxdigit(path[i + 1]) || !isxdigit(path[i + 2])) return "bad_escape";
    std::string escape = path.substr(i, 3);
    for (char& c : escape) c = static_cast<char>(toupper(c));
    const char c = static_cast<char>(std::stoi(escape.substr(1), nullptr, 16));
    i += 2;
    if (c == 0) return "escaped_nul";
    if ((c == '/' || c == '\\') && policy.escaped_slash == EscapedSlash::kReject) return "escaped_slash";
    const bool slash = c == '/' && policy.escaped_slash == EscapedSlash::kDecode;
    decoded += slash || is(c, kUnreserved) ? std::string(1, c) : escape;
  }
  std::vector<std::string> segments;
  bool directory = false;
  for (size_t at = 1; at <= decoded.size();) {
    const size_t end = std::min(decoded.find('/', at), decoded.size());
    const std::string segment = decoded.substr(at, end - at);
    const bool last = end == decoded.size();
    at = end + 1;
    if (segment == "." || segment == "..") {
      if (segment == ".." && !segments.empty()) segments.pop_back();
      directory = true;
    } else if (segment.empty() && (last || policy.merge_slashes)) {
      directory = true;
      if (!last) continue;
    } else {
      segments.push_back(segment);
      directory = false;
    }
  }
  std::string result;
  for (const std::string& segment : segments) result += "/" + segment;
  return directory || result.empty() ? result + "/" : result;
}

TEST(Path, AgreesWithTheNaiveWayAndIsStable) {
  std::mt19937 random(7);
  const std::vector<std::string> pieces{"/",   "/",   "/",   ".", "..",  "a", "b",   "%2e",
                                        "%2F", "%5c", "%41", "%", "%c3", " ", "%00", "."};
  for (int round = 0; round < 200'000; ++round) {
    const PathPolicy policy{random() % 2 == 0, static_cast<EscapedSlash>(random() % 3)};
    std::string path = "/";
    for (unsigned n = random() % 9; n > 0; --n) path += pieces[random() % pieces.size()];
    const std::string result = normal(path, policy);
    ASSERT_EQ(result, naive(path, policy))
        << path << " merge " << policy.merge_slashes << " slash " << static_cast<int>(policy.escaped_slash);
    if (result[0] == '/') {
      ASSERT_EQ(normal(result, policy), result) << path;
    }
  }
}

TEST(Authority, HostsAndPorts) {
  const auto parsed = [](std::string_view text) {
    Authority authority;
    const Fault fault = parse_authority(text, authority);
    return fault == Fault::kNone ? std::string(authority.host) + " " + std::to_string(authority.port)
                                 : info(fault).name;
  };
  EXPECT_EQ(parsed("example.com"), "example.com 0");
  EXPECT_EQ(parsed("Example.com.:8080"), "Example.com. 8080");
  EXPECT_EQ(parsed("example.com:"), "example.com 0");
  EXPECT_EQ(parsed(""), " 0");
  EXPECT_EQ(parsed("192.0.2.1:65535"), "192.0.2.1 65535");
  EXPECT_EQ(parsed("[2001:db8::1]:443"), "[2001:db8::1] 443");
  EXPECT_EQ(parsed("[::ffff:192.0.2.1]"), "[::ffff:192.0.2.1] 0");
  for (const char* bad : {":80",
                          "a:0",
                          "a:65536",
                          "a:99999999999999999999",
                          "a:8x",
                          "a:-1",
                          "a:80:80",
                          "a b",
                          "a/b",
                          "a?b",
                          "a#b",
                          "[::1",
                          "::1",
                          "[::1]x",
                          "[]",
                          "[1.2.3.4]",
                          "[fe80::1%25eth0]",
                          "a%41",
                          "a\\b",
                          "a,b c",
                          "[::1]]",
                          "a\x80"})
    EXPECT_EQ(parsed(bad), "bad_authority") << bad;
  EXPECT_EQ(parsed("user@host"), "user_info");
  EXPECT_EQ(parsed("user:pw@[::1]:80"), "user_info");
  EXPECT_EQ(parsed(std::string(kMaxHostBytes, 'a')), std::string(kMaxHostBytes, 'a') + " 0");
  EXPECT_EQ(parsed(std::string(kMaxHostBytes + 1, 'a')), "bad_authority");
}

TEST(Query, ParametersOneAfterTheOther) {
  QueryParameters parameters("a=1&&b&=c&d=x=y&%61=2");
  std::string seen;
  while (const auto p = parameters.next()) seen += std::string(p->name) + ":" + std::string(p->value) + ";";
  EXPECT_EQ(seen, "a:1;b:;:c;d:x=y;%61:2;");
  EXPECT_EQ(find_parameter("%61=2&a=1", "a")->value, "2");
  EXPECT_FALSE(find_parameter("", "a"));
  EXPECT_TRUE(decodes_to("a+b%2Bc%", "a b+c%"));
  EXPECT_FALSE(decodes_to("ab", "a"));
  EXPECT_FALSE(decodes_to("a", "ab"));
  char out[16];
  EXPECT_EQ(std::string_view(out, decode_parameter("%zz%41+", out)), "%zzA ");
}

TEST(RequestHead, PartsAreSetByTheSameRulesAsTheyAreParsed) {
  RequestHead head{HeadLimits{}};
  EXPECT_EQ(head.set_authority("EXAMPLE.com:81"), Fault::kNone);
  EXPECT_EQ(head.host(), "example.com");
  EXPECT_EQ(head.port, 81);
  EXPECT_EQ(head.set_path("/a/../b/%7e", {}), Fault::kNone);
  EXPECT_EQ(head.path(), "/b/~");
  EXPECT_EQ(head.set_path("b", {}), Fault::bad_path);
  EXPECT_EQ(head.set_path("/%", {}), Fault::bad_escape);
  EXPECT_EQ(head.path(), "/b/~");
  EXPECT_EQ(head.set_path(head.path(), {}), Fault::kNone);
  EXPECT_EQ(head.path(), "/b/~");
  EXPECT_EQ(head.set_query("a=b c"), Fault::bad_query);
  EXPECT_EQ(head.set_query("a=b"), Fault::kNone);
  EXPECT_TRUE(head.has_query);
  EXPECT_EQ(head.set_query(""), Fault::kNone);
  EXPECT_FALSE(head.has_query);
  EXPECT_EQ(head.set_path(std::string(100'000, '/'), {}), Fault::target_too_long);
}

TEST(Method, NamesRoundTripAndCaseCounts) {
  for (int i = 0; i < static_cast<int>(Method::kOther); ++i)
    EXPECT_EQ(method_of(to_string(static_cast<Method>(i))), static_cast<Method>(i));
  EXPECT_EQ(method_of("get"), Method::kOther);
  EXPECT_EQ(method_of(""), Method::kOther);
  EXPECT_TRUE(is_idempotent(Method::kDelete));
  EXPECT_FALSE(is_idempotent(Method::kPost));
}

}  // namespace
}  // namespace penstock::http
