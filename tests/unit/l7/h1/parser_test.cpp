// What the parser promises beyond the transcript: when connections may be used again, what is kept unread, tunnels,
// the bounds of limits, trailers after others have used the arena, and that the vector code agrees with the plain.
#include <gtest/gtest.h>

#include <random>
#include <string>

#include "l7/h1/scan.h"
#include "oracle/h1_oracle.h"
#include "oracle/h1_transcript.h"

namespace penstock::h1 {
namespace {

base::Bytes bytes_of(const std::string& text) { return {reinterpret_cast<const uint8_t*>(text.data()), text.size()}; }

std::string transcript(const std::string& input, const Limits& limits = {}) {
  const std::string text = oracle::request_transcript(input, limits, {}, false);
  EXPECT_EQ(text, oracle::H1Oracle(input, limits).requests(false));
  EXPECT_EQ(text, oracle::request_transcript(input, limits, {1}, false));
  return text;
}
bool reusable(const std::string& input) { return transcript(input).find("end reusable") != std::string::npos; }
std::string refusal(const std::string& input, const Limits& limits) {
  const std::string text = transcript(input, limits);
  const size_t at = text.find("refused ");
  return at == std::string::npos ? "" : text.substr(at + 8, text.size() - at - 9);
}

TEST(RequestParser, LegalButAmbiguousIsServedAndNotUsedAgain) {
  EXPECT_TRUE(reusable("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
  EXPECT_TRUE(reusable("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"));
  EXPECT_TRUE(reusable("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"));
  for (const char* doubtful :
       {"GET / HTTP/1.0\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, close\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\nx",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 01\r\n\r\nx",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx", "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.2\r\nHost: a\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;a\r\nx\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: transfer-encoding\r\n\r\n0\r\n\r\n"}) {
    EXPECT_FALSE(reusable(doubtful)) << doubtful;
    EXPECT_NE(transcript(doubtful).find("\nend"), std::string::npos) << doubtful;
  }
}

TEST(RequestParser, LimitsAreExact) {
  Limits limits;
  limits.head.target_bytes = 10;
  EXPECT_EQ(refusal("GET /123456789 HTTP/1.1\r\nHost: a\r\n\r\n", limits), "");
  EXPECT_EQ(refusal("GET /1234567890 HTTP/1.1\r\nHost: a\r\n\r\n", limits), "target_too_long");
  EXPECT_EQ(refusal("GET /" + std::string(60, 'a'), limits), "target_too_long");
  limits = {};
  limits.head.field_bytes = 16;  // "Host: a", "A: b" and the end are 9 + 6 + 2
  EXPECT_EQ(refusal("GET / HTTP/1.1\r\nHost: a\r\nA:b\r\n\r\n", limits), "");
  EXPECT_EQ(refusal("GET / HTTP/1.1\r\nHost: a\r\nA: b\r\n\r\n", limits), "fields_too_large");
  limits = {};
  limits.head.field_count = 2;
  EXPECT_EQ(refusal("GET / HTTP/1.1\r\nHost: a\r\nA: b\r\n\r\n", limits), "");
  EXPECT_EQ(refusal("GET / HTTP/1.1\r\nHost: a\r\nA: b\r\nA: c\r\n\r\n", limits), "too_many_fields");
  limits = {};
  limits.head.body_bytes = 3;
  EXPECT_EQ(refusal("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", limits), "");
  EXPECT_EQ(refusal("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n", limits), "body_too_large");
  const std::string chunked = "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  EXPECT_EQ(refusal(chunked + "1\r\na\r\n2\r\nbc\r\n0\r\n\r\n", limits), "");
  EXPECT_EQ(refusal(chunked + "1\r\na\r\n3\r\n", limits), "body_too_large");
  limits.head.trailer_bytes = 7;
  EXPECT_EQ(refusal(chunked + "0\r\na:b\r\n\r\n", limits), "");
  EXPECT_EQ(refusal(chunked + "0\r\na:bc\r\n\r\n", limits), "fields_too_large");
  limits = {};
  const std::string big(limits.head.field_bytes - 9 - 4 - 2, 'v');  // defaults: 60 KiB and 100 fields
  EXPECT_EQ(refusal("GET / HTTP/1.1\r\nHost: a\r\nA:" + big + "\r\n\r\n", limits), "");
  EXPECT_EQ(refusal("GET / HTTP/1.1\r\nHost: a\r\nA:v" + big + "\r\n\r\n", limits), "fields_too_large");
}

TEST(RequestParser, WhatIsBehindTheMessageStaysUnread) {
  const std::string first = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n", body = "abc";
  const std::string second = "GET /2 HTTP/1.1\r\nHost: a\r\n\r\n";
  const std::string input = first + body + second;
  const Limits limits;
  http::RequestHead head(limits.head);
  RequestParser parser(limits);
  parser.begin(head);
  EXPECT_TRUE(parser.idle());
  Step step = parser.next(bytes_of(input));
  ASSERT_TRUE(step.event == Event::kHead);
  EXPECT_EQ(step.consumed, first.size());
  EXPECT_FALSE(parser.idle());
  step = parser.next(bytes_of(input).subspan(first.size()));
  ASSERT_TRUE(step.event == Event::kContent);
  EXPECT_EQ(step.data.size(), 3u);
  EXPECT_TRUE(parser.next({}).event == Event::kEnd);
  step = parser.next(bytes_of(second));
  EXPECT_TRUE(step.event == Event::kMore && step.consumed == 0);  // nothing is read before begin()
  parser.begin(head);
  step = parser.next(bytes_of(second));
  EXPECT_TRUE(step.event == Event::kHead && step.consumed == second.size());
  EXPECT_EQ(head.path(), "/2");
}

TEST(RequestParser, TunnelsGiveBytesThatAreNoHttp) {
  const std::string request = "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", raw = std::string("\x16\x03\x01\0", 4);
  const Limits limits;
  http::RequestHead head(limits.head);
  RequestParser parser(limits);
  parser.begin(head);
  const std::string input = request + raw;
  EXPECT_EQ(parser.next(bytes_of(input)).consumed, request.size());
  EXPECT_TRUE(parser.next(bytes_of(raw)).event == Event::kEnd);
  EXPECT_EQ(parser.next(bytes_of(raw)).consumed, 0u);
  parser.become_tunnel();
  const Step step = parser.next(bytes_of(raw));
  EXPECT_TRUE(step.event == Event::kTunnel && step.data.size() == raw.size() && step.consumed == raw.size());
  EXPECT_TRUE(parser.on_close().event == Event::kClosed);
}

// A filter may write into the message while its content still comes; the trailers must not suffer.
TEST(RequestParser, TrailersSurviveOthersInTheArena) {
  const std::string head_text = "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  const std::string tail = "0\r\nOne: 1\r\nTwo: 2\r\n\r\n";
  const Limits limits;
  http::RequestHead head(limits.head);
  RequestParser parser(limits);
  parser.begin(head);
  ASSERT_TRUE(parser.next(bytes_of(head_text)).event == Event::kHead);
  for (size_t i = 0; i + 1 < tail.size(); ++i) {
    ASSERT_TRUE(parser.next(bytes_of(tail.substr(i, 1))).event == Event::kMore);
    ASSERT_TRUE(head.fields.set("x-filter", std::to_string(i)) == http::Fault::kNone);
  }
  ASSERT_TRUE(parser.next(bytes_of(tail.substr(tail.size() - 1))).event == Event::kEnd);
  EXPECT_EQ(oracle::written(head.trailers, "trailer"), "trailer one=1\ntrailer two=2\n");
  EXPECT_EQ(head.fields.value_of("x-filter"), std::to_string(tail.size() - 2));
}

TEST(ResponseParser, ClosingEndsOnlyWhatHasNoLength) {
  const auto closed = [](const std::string& input) {
    const std::string text = oracle::response_transcript(input, {}, {}, {}, true);
    EXPECT_EQ(text, oracle::H1Oracle(input, {}).responses({}, true)) << input;
    return text;
  };
  EXPECT_EQ(closed(""), "");
  EXPECT_NE(closed("HTTP/1.1 200 OK\r\n\r\nabc").find("body abc\nend ambiguity 0"), std::string::npos);
  for (const char* cut :
       {"H", "HTTP/1.1 200 OK\r\nA: b\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", "HTTP/1.1 100 x\r\n\r\n"})
    EXPECT_NE(closed(cut).find("refused truncated"), std::string::npos) << cut;
}

TEST(ResponseParser, ThePhraseAndItsSpaceMayBeMissing) {
  for (const char* line : {"HTTP/1.1 404", "HTTP/1.1 404 ", "HTTP/1.0 404"}) {
    const std::string input = std::string(line) + "\r\nContent-Length: 2\r\n\r\nok";
    const std::string text = oracle::response_transcript(input, {}, {}, {}, false);
    EXPECT_EQ(text, oracle::response_transcript(input, {}, {}, {1}, false)) << line;
    EXPECT_EQ(text, oracle::H1Oracle(input, {}).responses({}, false)) << line;
    EXPECT_NE(text.find("404"), std::string::npos) << text;
    EXPECT_NE(text.find("body ok\nend"), std::string::npos) << text;
  }
}

TEST(Scan, VectorCodeAgreesWithThePlain) {
  std::mt19937 random(5);
  std::vector<char> fast(256 + http::Arena::kPadding), plain;
  for (int round = 0; round < 20'000; ++round) {
    for (char& c : fast)
      c = random() % 40 ? static_cast<char>("aBcZ-_1\t \x80zQ"[random() % 12]) : static_cast<char>(random());
    if (round % 2)
      for (char& c : fast) c = http::is(c, http::kToken) || random() % 50 == 0 ? c : 'A';
    plain = fast;
    const size_t from = random() % 80, size = random() % 170;
    const char *p = fast.data() + from, *end = p + size;
    ASSERT_EQ(scan::fast::find_lf(p, end) - p, scan::plain::find_lf(p, end) - p);
    ASSERT_EQ(scan::fast::find_control(p, end) - p, scan::plain::find_control(p, end) - p);
#if defined(__AVX2__)
    ASSERT_EQ(scan::avx2::find_lf(p, end) - p, scan::plain::find_lf(p, end) - p);
    ASSERT_EQ(scan::avx2::find_control(p, end) - p, scan::plain::find_control(p, end) - p);
    std::vector<char> second = fast;
    const auto stop2 = scan::avx2::lower_token(second.data() + from, second.data() + from + size) - second.data();
#endif
    const auto stop = scan::fast::lower_token(fast.data() + from, end) - fast.data();
    const auto expected = scan::plain::lower_token(plain.data() + from, plain.data() + from + size) - plain.data();
    ASSERT_EQ(stop, expected);
    ASSERT_TRUE(fast == plain);
#if defined(__AVX2__)
    ASSERT_EQ(stop2, expected);
    ASSERT_TRUE(second == plain);
#endif
  }
}

}  // namespace
}  // namespace penstock::h1
