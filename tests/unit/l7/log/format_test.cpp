#include "l7/log/format.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "l7/log/text.h"

namespace penstock::l7log {
namespace {

using base::kNanosPerSecond;

constexpr base::Nanos kMillisecond = 1'000'000;
constexpr base::Nanos kNow = 1'000 * kNanosPerSecond;                                // monotonic
constexpr base::Nanos kWall = 1'462'104'000 * kNanosPerSecond + 123 * kMillisecond;  // 2016-05-01T12:00:00.123Z

base::IpAddress ip(const char* text) { return *base::IpAddress::parse(text); }

std::shared_ptr<const route::L7Config> configuration() {
  auto config = std::make_shared<route::L7Config>();
  config::Listener listener;
  listener.name = "Gateway/shop/edge/web";
  listener.slot = 3;
  config->listeners.push_back(listener);
  config::Route route;
  route.name = "shop/front";
  route.slot = 7;
  route.rules = {{"first", {}, 0}, {"second", {}, 0}};
  config->routes.push_back(route);
  config::Cluster cluster;
  cluster.name = "Service/shop/cart:80";
  cluster.slot = 9;
  config->clusters.push_back(cluster);
  config->guards.counted = {{11, false, "shop/no", "there", "denied"},
                            {12, false, "shop/only", "", "denied"},
                            {13, true, "shop/look", "sql", "deny"}};
  return config;
}

proxy::AccessRecord record() {
  proxy::AccessRecord r;
  r.began = kNow - 50 * kMillisecond;
  r.request_ended = r.began + 3 * kMillisecond;
  r.upstream_began = r.began + 4 * kMillisecond;
  r.response_began = r.began + 20 * kMillisecond;
  r.ended = r.began + 45 * kMillisecond + 678'900;
  r.bytes_received = 11;
  r.bytes_sent = 2222;
  r.listener = 3;
  r.route = 7;
  r.rule = 1;
  r.cluster = 9;
  r.endpoint = 1;
  r.status = 200;
  r.tries = 2;
  r.peer = ip("198.51.100.2");
  r.peer_port = 40'000;
  r.direct = base::IpAddress::v4(0xc0000209);
  r.direct_port = 5000;
  r.backend = ip("2001:db8::11");
  r.backend_port = 8080;
  r.method.set("GET");
  r.request_id.set("abc-123");
  r.host.set("shop.example");
  r.path.set("/cart");
  return r;
}

const Names& names() {
  static const Names all(configuration());
  return all;
}

std::string line(std::string_view format, const proxy::AccessRecord& r, const Names& by = names()) {
  auto parsed = Format::parse(format);
  EXPECT_TRUE(parsed) << (parsed ? "" : parsed.error());
  std::string out;
  if (parsed) parsed->append(out, r, {by, kWall, kNow});
  return out;
}

struct Case {
  const char *format, *full, *empty;
};

// Of a full record, and of a connection about which nothing is known but the client.
constexpr Case kCases[] = {
    {"%START_TIME%", "2016-05-01T12:00:00.073Z", "2016-05-01T11:43:20.123Z"},
    {"%REQ(:METHOD)%", "GET", "-"},
    {"%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%", "/cart", "-"},
    {"%REQ(:path):3%", "/ca", "-"},
    {"%REQ(:AUTHORITY)%", "shop.example", "-"},
    {"%REQ(host)%", "shop.example", "-"},
    {"%REQ(X-REQUEST-ID)%", "abc-123", "-"},
    {"%REQ(X-REQUEST-ID?:AUTHORITY)%", "abc-123", "-"},
    {"%PROTOCOL%", "HTTP/1.1", "-"},
    {"%RESPONSE_CODE%", "200", "0"},
    {"%RESPONSE_CODE_DETAILS%", "-", "-"},
    {"%RESPONSE_FLAGS%", "-", "-"},
    {"%BYTES_RECEIVED%", "11", "0"},
    {"%BYTES_SENT%", "2222", "0"},
    {"%DURATION%", "45", "-"},
    {"%REQUEST_DURATION%", "3", "-"},
    {"%RESPONSE_DURATION%", "20", "-"},
    {"%RESPONSE_TX_DURATION%", "25", "-"},
    {"%UPSTREAM_HOST%", "[2001:db8::11]:8080", "-"},
    {"%UPSTREAM_REMOTE_ADDRESS%", "[2001:db8::11]:8080", "-"},
    {"%UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%", "2001:db8::11", "-"},
    {"%UPSTREAM_CLUSTER%", "Service/shop/cart:80", "-"},
    {"%UPSTREAM_REQUEST_ATTEMPT_COUNT%", "2", "0"},
    {"%ROUTE_NAME%", "shop/front", "-"},
    {"%DOWNSTREAM_REMOTE_ADDRESS%", "198.51.100.2:40000", "[::]:0"},
    {"%DOWNSTREAM_DIRECT_REMOTE_ADDRESS%", "192.0.2.9:5000", "[::]:0"},
    {"%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%", "198.51.100.2", "::"},
    {"%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%", "192.0.2.9", "::"},
    {"%DOWNSTREAM_REMOTE_PORT%", "40000", "0"},
};

TEST(Operators, OfAFullRecordAndOfAnEmptyOne) {
  for (const Case& each : kCases) {
    EXPECT_EQ(line(each.format, record()), std::string(each.full) + "\n") << each.format;
    EXPECT_EQ(line(each.format, proxy::AccessRecord{}), std::string(each.empty) + "\n") << each.format;
  }
}

TEST(Operators, AllHaveACase) {
#define PENSTOCK_TEST_OPERATOR(name, what)                                             \
  EXPECT_TRUE(std::any_of(std::begin(kCases), std::end(kCases), [](const Case& each) { \
    return std::string_view(each.format) == "%" #name "%";                             \
  })) << #name;
  PENSTOCK_LOG_OPERATORS(PENSTOCK_TEST_OPERATOR)
#undef PENSTOCK_TEST_OPERATOR
}

TEST(Operators, FlagsAndDetails) {
  proxy::AccessRecord r = record();
  r.flags = proxy::kConnectFailed | proxy::kRetriesExhausted;
  EXPECT_EQ(line("%RESPONSE_FLAGS%", r), "UF,URX\n");
  r.flags = proxy::kDownstreamProtocol;
  r.refusal = h1::Refusal::both_lengths;
  EXPECT_EQ(line("%RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%", r), "DPE both_lengths\n");
}

TEST(Operators, TheSecondFieldStandsInForTheFirst) {
  proxy::AccessRecord r = record();
  r.request_id.set("");
  EXPECT_EQ(line("%REQ(X-REQUEST-ID?:AUTHORITY):4%", r), "shop\n");
}

TEST(Operators, LiteralsStayAndPercentSignsAreDoubled) {
  EXPECT_EQ(line("[100%%] \"%RESPONSE_CODE%\" %%", record()), "[100%] \"200\" %\n");
}

TEST(Operators, ErrorsNameTheirPlace) {
  const auto error = [](std::string_view text) {
    const auto parsed = Format::parse(text);
    return parsed ? std::string("accepted") : parsed.error();
  };
  const auto begins = [](const std::string& text, std::string_view with) {
    return text.substr(0, with.size()) == with;
  };
  EXPECT_TRUE(begins(error("%NO_SUCH%"), "access log format, character 1: unknown operator \"NO_SUCH\"; want one of "));
  EXPECT_TRUE(begins(error("a %RESPONSE_CODE% %WHAT%"), "access log format, character 19: unknown operator"));
  EXPECT_TRUE(begins(error("ab %DURATION"), "access log format, character 4: an operator without its second %"));
  EXPECT_TRUE(
      begins(error("%REQ(USER-AGENT)%"), "access log format, character 1: REQ(\"USER-AGENT\"): records do not"));
  EXPECT_TRUE(begins(error("%REQ(:PATH?COOKIE)%"), "access log format, character 1: REQ(\"COOKIE\")"));
  EXPECT_TRUE(begins(error("%REQ(:PATH%"), "access log format, character 1: REQ without its closing"));
  EXPECT_TRUE(begins(error("%RESP(X)%"), "access log format, character 1: unknown operator"));
  EXPECT_TRUE(begins(error("%START_TIME(%s)%"), "access log format, character 1: START_TIME takes no"));
  EXPECT_TRUE(begins(error("%DURATION(x)%"), "access log format, character 1: DURATION takes no argument"));
  for (const char* length : {":", ":0", ":x", ":4x", "4", ":-1", ":99999999999999999999999"})
    EXPECT_TRUE(
        begins(error(std::string("%REQ(:PATH)") + length + "%"), "access log format, character 1: want a length"))
        << length;
  EXPECT_TRUE(begins(error("%DURATION%\n"), "access log format, character 11: a line break"));
  EXPECT_TRUE(begins(error(""), "access log format: empty"));
  EXPECT_TRUE(begins(error("text"), "access log format: no operator"));
  EXPECT_TRUE(begins(error(std::string(kMaxFormat + 1, 'x')), "access log format: longer than"));
}

TEST(Json, OfAFullRecord) {
  EXPECT_EQ(
      line("json", record()),
      R"({"start_time":"2016-05-01T12:00:00.073Z","method":"GET","authority":"shop.example","path":"/cart",)"
      R"("protocol":"HTTP/1.1","request_id":"abc-123","response_code":200,"response_flags":null,)"
      R"("bytes_received":11,"bytes_sent":2222,"duration_ms":45.678,"request_duration_ms":3.000,)"
      R"("response_duration_ms":20.000,"listener":"Gateway/shop/edge/web","route_name":"shop/front","rule":1,)"
      R"("rule_name":"second","upstream_cluster":"Service/shop/cart:80","upstream_host":"[2001:db8::11]:8080",)"
      R"("upstream_request_attempt_count":2,"downstream_remote_address":"198.51.100.2:40000","downstream_direct_remote_address":"192.0.2.9:5000"})"
      "\n");
}

TEST(Json, OfSlotsThatHaveGone) {
  const Names nothing(nullptr);
  const std::string out = line("json", record(), nothing);
  for (const char* name : {"listener", "route_name", "upstream_cluster"})
    EXPECT_NE(out.find(std::string("\"") + name + "\":null"), std::string::npos) << out;
  EXPECT_EQ(out.find("\"rule\""), std::string::npos) << out;
  EXPECT_EQ(line("%ROUTE_NAME% %UPSTREAM_CLUSTER%", record(), nothing), "- -\n");
}

TEST(Json, ARuleThatHasGoneHasNoName) {
  proxy::AccessRecord r = record();
  r.rule = 2;
  EXPECT_NE(line("json", r).find("\"rule\":2,\"rule_name\":null"), std::string::npos);
}

TEST(Json, ACutTextSaysItsLength) {
  proxy::AccessRecord r = record();
  const std::string whole(200, 'x');
  r.path.set(whole);
  const std::string out = line("json", r);
  EXPECT_NE(out.find("\"path\":\"" + whole.substr(0, 158) + "\",\"path_length\":200"), std::string::npos) << out;
  EXPECT_EQ(line("%REQ(:PATH)%", r), whole.substr(0, 158) + "\n");
}

// The bytes between the quotes of a JSON string that append_json_string wrote.
std::string unescaped(std::string_view text) {
  std::string out;
  EXPECT_GE(text.size(), 2u);
  text = text.substr(1, text.size() - 2);
  for (size_t i = 0; i < text.size(); ++i) {
    EXPECT_TRUE(text[i] >= ' ' && text[i] <= '~' && text[i] != '"');
    if (text[i] != '\\') {
      out += text[i];
    } else if (text[i + 1] == 'u') {
      out += static_cast<char>(std::stoi(std::string(text.substr(i + 2, 4)), nullptr, 16));
      i += 5;
    } else {
      out += text[++i];
    }
  }
  return out;
}

TEST(Escaping, AnyBytesComeBack) {
  std::mt19937 random(17);
  for (int round = 0; round < 2000; ++round) {
    std::string bytes(random() % 60, '\0');
    for (char& c : bytes) c = static_cast<char>(random());
    std::string json, text;
    append_json_string(json, bytes);
    EXPECT_EQ(unescaped(json), bytes);
    append_escaped(text, bytes);
    std::string back;
    for (size_t i = 0; i < text.size(); ++i) {
      ASSERT_TRUE(text[i] >= ' ' && text[i] <= '~' && text[i] != '"');
      if (text[i] != '\\') {
        back += text[i];
        continue;
      }
      ASSERT_EQ(text[i + 1], 'x');
      back += static_cast<char>(std::stoi(text.substr(i + 2, 2), nullptr, 16));
      i += 3;
    }
    EXPECT_EQ(back, bytes);
  }
}

TEST(Escaping, ARecordOfHostileBytesIsOneLine) {
  std::mt19937 random(18);
  for (int round = 0; round < 500; ++round) {
    proxy::AccessRecord r = record();
    std::string bytes(random() % 300, '\0');
    for (char& c : bytes) c = static_cast<char>(random());
    r.path.set(bytes);
    r.host.set(bytes);
    r.method.set(bytes);
    r.request_id.set(bytes);
    for (const char* format : {"json", "%REQ(:PATH)% %REQ(:METHOD)% %REQ(:AUTHORITY)% %REQ(X-REQUEST-ID)%"}) {
      const std::string out = line(format, r);
      ASSERT_EQ(out.find('\n'), out.size() - 1);
      for (const char c : out.substr(0, out.size() - 1)) ASSERT_TRUE(c >= ' ' && c <= '~');
    }
  }
}

TEST(Formats, AnyTextIsParsedOrRefused) {
  std::mt19937 random(19);
  const std::string_view alphabet = "%%%%REQ(:PATH)?X-DURATION_:0123 \x01\xff";
  for (int round = 0; round < 20'000; ++round) {
    std::string text(random() % 40, '\0');
    for (char& c : text) c = alphabet[random() % alphabet.size()];
    const auto parsed = Format::parse(text);
    if (!parsed) {
      EXPECT_FALSE(parsed.error().empty());
      continue;
    }
    std::string out;
    parsed->append(out, record(), {names(), kWall, kNow});
    EXPECT_EQ(out.back(), '\n');
  }
}

TEST(Format, WhoRefusedARequest) {
  const auto details = Format::parse("%RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%");
  const auto json = Format::parse("json");
  const Context context{names(), kWall, kNow};
  const auto line = [&](uint32_t guard, const Format& format) {
    proxy::AccessRecord r = record();
    r.flags = proxy::kAccessDenied;
    r.guard = guard;
    r.finding = guard == 13 ? 13 : proxy::kNone;
    r.findings = guard == 13 ? 2 : 0;
    std::string out;
    format.append(out, r, context);
    return out;
  };
  EXPECT_EQ(line(11, *details), "AD rbac_access_denied_matched_policy[shop/no/there]\n");
  EXPECT_EQ(line(12, *details), "AD rbac_access_denied_matched_policy[none]\n");
  EXPECT_EQ(line(99, *details), "AD rbac_access_denied_matched_policy[none]\n");  // it has gone since
  EXPECT_EQ(line(13, *details), "AD inspection_denied[shop/look/sql]\n");
  EXPECT_NE(line(11, *json).find("\"access_policy\":\"shop/no\",\"access_rule\":\"there\","), std::string::npos);
  const std::string found = line(13, *json);
  EXPECT_NE(found.find("\"inspection\":\"shop/look\",\"inspection_pattern\":\"sql\","), std::string::npos) << found;
  EXPECT_NE(found.find("\"finding\":\"shop/look/sql\",\"findings\":2,"), std::string::npos) << found;
}

}  // namespace
}  // namespace penstock::l7log
