// The parser against the oracle, and against itself with the input cut elsewhere, on seeded mutations of real messages.
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "oracle/h1_oracle.h"
#include "oracle/h1_transcript.h"

namespace penstock {
namespace {

using namespace std::string_literals;

const std::vector<std::string> kRequestSeeds{
    "GET / HTTP/1.1\r\nHost: example.com\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\n\r\n",
    "GET /a/b?c=d&e HTTP/1.1\r\nHost: a:80\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\nTE: trailers\r\n\r\n",
    "POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhelloGET /2 HTTP/1.1\r\nHost: "
    "b\r\n\r\n",
    "POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
    "chunked\r\n\r\n5;x=\"y\"\r\nhello\r\nA\r\n0123456789\r\n0\r\nDigest: z\r\n\r\n",
    "GET http://Example.COM:8080?q HTTP/1.1\r\nHost: example.com:8080\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nHost: \r\n\r\nOPTIONS http://a HTTP/1.1\r\nHost: a\r\n\r\n",
    "CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\n\r\n",
    "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n",
    "GET /old HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /old HTTP/1.0\r\n\r\n",
    "\r\nDELETE /%7e/../%2F/./x%c3 HTTP/1.2\r\nHost: a\r\nContent-Length: 2, 2\r\n\r\nab",
    "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nX-Long: " + std::string(300, 'v') + "\r\n" + std::string(70, 'N') + ": w\r\n\r\n",
};
const std::vector<std::string> kResponseSeeds{
    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n3\r\nabc\r\n0;e\r\nX: 1\r\n\r\nHTTP/1.1 204 No "
    "Content\r\n\r\n",
    "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 304 Not "
    "Modified\r\nContent-Length: 9\r\n\r\n",
    "HTTP/1.0 200 OK\r\nServer: x\r\n\r\nuntil the end",
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x05hello",
    "HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/1.1 200 \r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 404 Not Found\r\nConnection: keep-alive\r\nKeep-Alive: timeout=5\r\nContent-Length: 3\r\nContent-Length: "
    "3\r\n\r\nabc",
    "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 Connection established\r\nContent-Length: "
    "2\r\n\r\nxx",
};
const std::vector<std::string> kPieces{"\r\n",
                                       "\r",
                                       "\n",
                                       "\r\n\r\n",
                                       ":",
                                       " ",
                                       "\t",
                                       ",",
                                       ";",
                                       "=",
                                       "\"",
                                       "\\",
                                       "%",
                                       "%2F",
                                       "%00",
                                       "/",
                                       "/../",
                                       "//",
                                       "?",
                                       "#",
                                       "*",
                                       "@",
                                       "[",
                                       "]",
                                       "0",
                                       "1",
                                       "f",
                                       "ffffffffffffffff",
                                       "-",
                                       "+",
                                       "Content-Length: 3\r\n",
                                       "Transfer-Encoding: chunked\r\n",
                                       "Transfer-Encoding: gzip, chunked\r\n",
                                       "Host: b\r\n",
                                       "Connection: close\r\n",
                                       "Connection: keep-alive\r\n",
                                       "Connection: upgrade\r\n",
                                       "Connection: te, x, ,y\r\n",
                                       "Upgrade: websocket\r\n",
                                       "Upgrade: h2c\r\n",
                                       "Expect: 100-continue\r\n",
                                       "TE: trailers\r\n",
                                       "\r\n ",
                                       "HTTP/1.0",
                                       "HTTP/1.1",
                                       "HTTP/2.0",
                                       "http://",
                                       "GET ",
                                       "HEAD ",
                                       "TRACE ",
                                       "chunked",
                                       "\x01",
                                       "\x7f",
                                       "\x80",
                                       "\xff",
                                       "\0"s,
                                       "X-A: b\r\n",
                                       "0\r\n\r\n",
                                       "5\r\nhello\r\n",
                                       "Http2-Settings: x\r\n",
                                       "Proxy-Connection: x\r\n"};

std::string mutate(const std::string& seed, const std::vector<std::string>& seeds, std::mt19937& random) {
  std::string text = seed;
  for (unsigned n = random() % 4; n > 0; --n) {
    const size_t at = random() % (text.size() + 1);
    switch (random() % 7) {
      case 0:
        text.insert(at, kPieces[random() % kPieces.size()]);
        break;
      case 1:
        text.erase(at, 1 + random() % 3);
        break;
      case 2:
        if (at < text.size()) text[at] = static_cast<char>(random());
        break;
      case 3:
        text.replace(at, std::min<size_t>(1 + random() % 8, text.size() - at), kPieces[random() % kPieces.size()]);
        break;
      case 4: {  // a line twice, or a line more: where most rules are
        const size_t line = text.find("\r\n", at);
        if (line != std::string::npos) text.insert(line + 2, kPieces[random() % kPieces.size()]);
        break;
      }
      case 5:
        text += seeds[random() % seeds.size()];
        break;
      case 6:
        if (random() % 4 == 0) text.resize(at);
        break;
    }
  }
  return text;
}

h1::Limits some_limits(std::mt19937& random) {
  h1::Limits limits;
  limits.path.merge_slashes = random() % 2;
  limits.path.escaped_slash = static_cast<http::EscapedSlash>(random() % 3);
  if (random() % 4 == 0) limits.head = {20, 60 + static_cast<uint32_t>(random() % 100), 3, 16, 8};
  return limits;
}

std::vector<size_t> some_pieces(std::mt19937& random) {
  std::vector<size_t> pieces;
  for (unsigned n = 1 + random() % 4; n > 0; --n) pieces.push_back(1 + random() % (random() % 3 == 0 ? 2 : 60));
  return pieces;
}

constexpr int kRounds = 40'000;

TEST(Differential, RequestsAgreeWithTheOracleHoweverTheyAreCut) {
  std::mt19937 random(42);
  size_t accepted = 0, refused = 0;
  for (int round = 0; round < kRounds; ++round) {
    const std::string input = mutate(kRequestSeeds[random() % kRequestSeeds.size()], kRequestSeeds, random);
    const h1::Limits limits = some_limits(random);
    const bool closed = random() % 2;
    const std::string expected = oracle::H1Oracle(input, limits).requests(closed);
    ASSERT_EQ(oracle::request_transcript(input, limits, {}, closed), expected) << "round " << round << "\n" << input;
    ASSERT_EQ(oracle::request_transcript(input, limits, {1}, closed), expected) << "round " << round << "\n" << input;
    ASSERT_EQ(oracle::request_transcript(input, limits, some_pieces(random), closed), expected)
        << "round " << round << "\n"
        << input;
    ++(expected.find("refused") == std::string::npos ? accepted : refused);
  }
  EXPECT_GT(accepted, kRounds / 10);
  EXPECT_GT(refused, kRounds / 10);
}

TEST(Differential, ResponsesAgreeWithTheOracleHoweverTheyAreCut) {
  std::mt19937 random(43);
  const std::vector<http::Method> methods{http::Method::kGet, http::Method::kHead, http::Method::kConnect};
  size_t accepted = 0, refused = 0;
  for (int round = 0; round < kRounds; ++round) {
    const std::string input = mutate(kResponseSeeds[random() % kResponseSeeds.size()], kResponseSeeds, random);
    const h1::Limits limits = some_limits(random);
    const h1::Asked asked{methods[random() % methods.size()], random() % 2 == 0};
    const bool closed = random() % 2;
    const std::string expected = oracle::H1Oracle(input, limits).responses(asked, closed);
    ASSERT_EQ(oracle::response_transcript(input, asked, limits, {}, closed), expected) << "round " << round << "\n"
                                                                                       << input;
    ASSERT_EQ(oracle::response_transcript(input, asked, limits, {1}, closed), expected) << "round " << round << "\n"
                                                                                        << input;
    ASSERT_EQ(oracle::response_transcript(input, asked, limits, some_pieces(random), closed), expected)
        << "round " << round << "\n"
        << input;
    ++(expected.find("refused") == std::string::npos ? accepted : refused);
  }
  EXPECT_GT(accepted, kRounds / 10);
  EXPECT_GT(refused, kRounds / 10);
}

}  // namespace
}  // namespace penstock
