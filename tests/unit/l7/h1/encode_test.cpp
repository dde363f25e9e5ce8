// What goes out: framing, connection fields, and that what is written is read again as the same message.
#include "l7/h1/encode.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "oracle/h1_transcript.h"

namespace penstock::h1 {
namespace {

base::Bytes bytes_of(const std::string& text) { return {reinterpret_cast<const uint8_t*>(text.data()), text.size()}; }

template <typename Head, typename How>
std::string encoded(const Head& head, const How& how, OutFraming* framing = nullptr) {
  std::string out(encoded_bound(head), '#');
  Encoded done;
  if constexpr (requires { encode_request(head, how, {}); })
    done = encode_request(head, how, {reinterpret_cast<uint8_t*>(out.data()), out.size()});
  else
    done = encode_response(head, how, {reinterpret_cast<uint8_t*>(out.data()), out.size()});
  if (framing) *framing = done.framing;
  out.resize(done.size);
  return out;
}

// Parses the head of a request and writes it for the server.
std::string forwarded(const std::string& request, const RequestOut& how = {}, OutFraming* framing = nullptr) {
  const Limits limits;
  http::RequestHead head(limits.head);
  RequestParser parser(limits);
  parser.begin(head);
  EXPECT_TRUE(parser.next(bytes_of(request)).event == Event::kHead) << request;
  return encoded(head, how, framing);
}

std::string answered(const std::string& response, const ResponseOut& how = {}, OutFraming* framing = nullptr) {
  const Limits limits;
  http::ResponseHead head(limits.head);
  ResponseParser parser(limits);
  parser.begin(head, {how.asked, true});
  const Event event = parser.next(bytes_of(response)).event;
  EXPECT_TRUE(event == Event::kHead || event == Event::kInterim) << response;
  return encoded(head, how, framing);
}

TEST(EncodeRequest, HopByHopFieldsStayBehind) {
  EXPECT_EQ(
      forwarded(
          "GET http://Shop.Example:8080/a/../b?c HTTP/1.1\r\nHost: other\r\nConnection: close, X-Secret\r\n"
          "X-Secret: 1\r\nKeep-Alive: 5\r\nProxy-Connection: x\r\nTE: trailers, deflate\r\nAccept:  */* \r\n\r\n"),
      "GET /b?c HTTP/1.1\r\nhost: shop.example:8080\r\naccept: */*\r\nconnection: te\r\nte: trailers\r\n\r\n");
}

TEST(EncodeRequest, FramingComesFromTheModel) {
  OutFraming framing;
  EXPECT_EQ(forwarded("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 05, 5\r\n\r\n", {}, &framing),
            "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\n");
  EXPECT_TRUE(framing == OutFraming::kLength);
  EXPECT_EQ(forwarded("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: CHUNKED\r\n\r\n", {}, &framing),
            "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n");
  EXPECT_TRUE(framing == OutFraming::kChunked);
  EXPECT_EQ(forwarded("POST / HTTP/1.1\r\nHost: a\r\n\r\n", {}, &framing),
            "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n");
  EXPECT_TRUE(framing == OutFraming::kNone);
  EXPECT_EQ(forwarded("GET / HTTP/1.0\r\n\r\n"), "GET / HTTP/1.1\r\nhost: \r\n\r\n");
  EXPECT_EQ(forwarded("BREW / HTTP/1.1\r\nHost: a\r\n\r\n", {true, true}),
            "BREW / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\nconnection: close\r\n\r\n");
}

TEST(EncodeRequest, TunnelsAndTheServerItself) {
  EXPECT_EQ(
      forwarded(
          "GET /w HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\n\r\n"),
      "GET /w HTTP/1.1\r\nhost: a\r\nsec-websocket-key: k\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n");
  EXPECT_EQ(forwarded("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
                      "HTTP2-Settings: AAMAAABk\r\n\r\n"),
            "GET / HTTP/1.1\r\nhost: a\r\n\r\n");
  EXPECT_EQ(forwarded("CONNECT A:443 HTTP/1.1\r\nHost: a:443\r\n\r\n"),
            "CONNECT a:443 HTTP/1.1\r\nhost: a:443\r\n\r\n");
  EXPECT_EQ(forwarded("OPTIONS http://a HTTP/1.1\r\nHost: a\r\n\r\n"), "OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n");
}

TEST(EncodeResponse, LengthsFollowTheRequestAndTheStatus) {
  const std::string sized = "HTTP/1.1 200 Fine\r\nServer: x\r\nContent-Length: 5\r\n\r\n";
  EXPECT_EQ(answered(sized), "HTTP/1.1 200 Fine\r\nserver: x\r\ncontent-length: 5\r\n\r\n");
  EXPECT_EQ(answered(sized, {http::Method::kHead}), "HTTP/1.1 200 Fine\r\nserver: x\r\ncontent-length: 5\r\n\r\n");
  EXPECT_EQ(answered("HTTP/1.1 200 \r\n\r\n", {http::Method::kHead}), "HTTP/1.1 200 OK\r\n\r\n");
  EXPECT_EQ(answered("HTTP/1.1 304 \r\nContent-Length: 7\r\n\r\n"),
            "HTTP/1.1 304 Not Modified\r\ncontent-length: 7\r\n\r\n");
  EXPECT_EQ(answered("HTTP/1.1 204 \r\nContent-Length: 0\r\n\r\n"), "HTTP/1.1 204 No Content\r\n\r\n");
  EXPECT_EQ(answered("HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n"), "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
  EXPECT_EQ(answered("HTTP/1.1 200 ok\r\nTransfer-Encoding: chunked\r\n\r\n", {http::Method::kConnect}),
            "HTTP/1.1 200 ok\r\n\r\n");
  OutFraming framing;
  EXPECT_EQ(answered("HTTP/1.0 200 \r\n\r\n", {}, &framing), "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
  EXPECT_TRUE(framing == OutFraming::kChunked);
}

TEST(EncodeResponse, OldClientsGetTheirOwnFraming) {
  OutFraming framing;
  const ResponseOut old{http::Method::kGet, http::Version::kHttp10, false};
  EXPECT_EQ(answered("HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n", old, &framing),
            "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n");
  EXPECT_TRUE(framing == OutFraming::kUntilClose);
  EXPECT_EQ(answered("HTTP/1.1 200 \r\nContent-Length: 1\r\n\r\n", old),
            "HTTP/1.1 200 OK\r\ncontent-length: 1\r\nconnection: keep-alive\r\n\r\n");
}

TEST(EncodeResponse, InterimAndSwitching) {
  EXPECT_EQ(answered("HTTP/1.1 103 \r\nLink: </a>\r\nConnection: close\r\n\r\n",
                     {http::Method::kGet, http::Version::kHttp11, true}),
            "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n");
  EXPECT_EQ(answered("HTTP/1.1 101 \r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"),
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n");
}

TEST(Encode, WhatDoesNotFitIsNotWritten) {
  const Limits limits;
  http::RequestHead head(limits.head);
  RequestParser parser(limits);
  parser.begin(head);
  parser.next(bytes_of("GET /abc HTTP/1.1\r\nHost: a\r\nA: b\r\n\r\n"));
  const size_t whole = encoded(head, RequestOut{}).size();
  std::vector<uint8_t> out(whole);
  for (size_t size = 0; size < whole; ++size) EXPECT_EQ(encode_request(head, {}, {out.data(), size}).size, 0u);
  EXPECT_EQ(encode_request(head, {}, {out.data(), whole}).size, whole);
}

// Written and read again: the same message, for everything that the parser accepts.
TEST(Encode, RoundTripKeepsTheMessage) {
  for (const std::string& request :
       {std::string("GET /a?b HTTP/1.1\r\nHost: a:81\r\nX: 1\r\nX: 2\r\n\r\n"),
        std::string("PUT /%C3 HTTP/1.1\r\nHost: [::1]\r\nContent-Length: 3\r\nCookie: a=b; c=d\r\n\r\n"),
        std::string("GET /? HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: a/1, b\r\n\r\n"),
        std::string("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n")}) {
    const std::string once = forwarded(request);
    EXPECT_EQ(oracle::request_transcript(once, {}, {}, false), oracle::request_transcript(request, {}, {}, false));
    EXPECT_EQ(forwarded(once), once);
  }
}

std::string text_of(const BodyEncoder::Prefix& prefix) { return {prefix.bytes, prefix.size}; }

TEST(BodyEncoder, Chunks) {
  const http::HeadLimits limits;
  http::ResponseHead head(limits);
  ASSERT_TRUE(head.trailers.add("Grpc-Status", "0") == http::Fault::kNone);
  BodyEncoder body;
  body.begin(OutFraming::kChunked, 0);
  EXPECT_EQ(text_of(body.prefix(5)), "5\r\n");
  EXPECT_EQ(text_of(body.prefix(0x1234)), "\r\n1234\r\n");
  EXPECT_EQ(text_of(body.prefix(~uint64_t{0})), "\r\nffffffffffffffff\r\n");
  std::string out(64, '#');
  const auto done = body.finish(head.trailers, {reinterpret_cast<uint8_t*>(out.data()), out.size()});
  EXPECT_TRUE(done.complete);
  EXPECT_EQ(out.substr(0, done.size), "\r\n0\r\ngrpc-status: 0\r\n\r\n");
  body.begin(OutFraming::kChunked, 0);
  const auto empty = body.finish(http::ResponseHead(limits).trailers, {reinterpret_cast<uint8_t*>(out.data()), 5});
  EXPECT_EQ(out.substr(0, empty.size), "0\r\n\r\n");
  body.begin(OutFraming::kChunked, 0);
  EXPECT_FALSE(body.finish(head.trailers, {reinterpret_cast<uint8_t*>(out.data()), 9}).complete);
}

TEST(BodyEncoder, NeverMoreAndNeverLessThanAnnounced) {
  const http::ResponseHead head{http::HeadLimits{}};
  BodyEncoder body;
  body.begin(OutFraming::kLength, 5);
  EXPECT_TRUE(body.prefix(3).allowed);
  EXPECT_FALSE(body.finish(head.trailers, {}).complete);
  EXPECT_FALSE(body.prefix(3).allowed);
  EXPECT_TRUE(body.prefix(2).allowed);
  EXPECT_TRUE(body.finish(head.trailers, {}).complete);
  body.begin(OutFraming::kNone, 0);
  EXPECT_FALSE(body.prefix(1).allowed);
  EXPECT_TRUE(body.finish(head.trailers, {}).complete);
  body.begin(OutFraming::kUntilClose, 0);
  EXPECT_TRUE(body.prefix(1).allowed);
  EXPECT_EQ(body.prefix(1).size, 0u);
}

}  // namespace
}  // namespace penstock::h1
