// Known shapes of request smuggling and of plain nonsense, each with the name under which it is refused. The sources
// are the MUSTs of RFC 9112 and what has gone wrong in other servers.
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "oracle/h1_oracle.h"
#include "oracle/h1_transcript.h"

namespace penstock {
namespace {

using namespace std::string_literals;

struct Case {
  std::string input;
  const char* refusal;
};

std::string last_line(const std::string& text) {
  const size_t end = text.size() - 1;
  const size_t start = text.rfind('\n', end - 1);
  return text.substr(start == std::string::npos ? 0 : start + 1, end - (start == std::string::npos ? 0 : start + 1));
}

void expect_refused(const std::string& transcript, const Case& c) {
  ASSERT_FALSE(transcript.empty()) << c.input;
  EXPECT_EQ(last_line(transcript), "refused "s + c.refusal) << c.input << "\n---\n" << transcript;
}

// The head of a request that is right, to which the line in question is added.
std::string with(const std::string& line) { return "POST / HTTP/1.1\r\nHost: a\r\n" + line + "\r\n\r\n"; }
std::string chunked(const std::string& body) { return with("Transfer-Encoding: chunked") + body; }
std::string starting(const std::string& line) { return line + "\r\nHost: a\r\n\r\n"; }

const std::vector<Case> kRequests{
    // Two lengths: CL.TE, TE.CL, in both orders.
    {with("Content-Length: 6\r\nTransfer-Encoding: chunked") + "0\r\n\r\nG", "both_lengths"},
    {with("Transfer-Encoding: chunked\r\nContent-Length: 4") + "5c\r\n", "both_lengths"},
    {with("Content-Length: 6\r\nTransfer-Encoding: identity"), "both_lengths"},
    {with("Content-Length: \r\nTransfer-Encoding: chunked"), "both_lengths"},
    // TE.TE: disguised codings.
    {with("Transfer-Encoding: xchunked"), "bad_transfer_encoding"},
    {with("Transfer-Encoding: chunked\r\nTransfer-Encoding: cow"), "bad_transfer_encoding"},
    {with("Transfer-Encoding: cow\r\nTransfer-Encoding: chunked"), "bad_transfer_encoding"},
    {with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"), "bad_transfer_encoding"},
    {with("Transfer-Encoding: chunked, chunked"), "bad_transfer_encoding"},
    {with("Transfer-Encoding: chunked, gzip"), "bad_transfer_encoding"},
    {with("Transfer-Encoding: chunked;q=1"), "bad_transfer_encoding"},
    {with("Transfer-Encoding: \"chunked\""), "bad_transfer_encoding"},
    {with("Transfer-Encoding: chunked,"), "bad_transfer_encoding"},
    {with("Transfer-Encoding: ,chunked"), "bad_transfer_encoding"},
    {with("Transfer-Encoding:"), "bad_transfer_encoding"},
    {with("Transfer-Encoding: identity"), "bad_transfer_encoding"},
    {with("Transfer-Encoding: gzip"), "bad_transfer_encoding"},
    {with("Transfer-Encoding: \x0b"
          "chunked"),
     "control_character"},
    {with("Transfer-Encoding: gzip, chunked"), "transfer_coding_not_implemented"},
    {with("Transfer-Encoding: GZIP\r\nTransfer-Encoding: Chunked"), "transfer_coding_not_implemented"},
    {with("Transfer-Encoding : chunked"), "space_before_colon"},
    {with("Transfer-Encoding\t: chunked"), "space_before_colon"},
    {with(" Transfer-Encoding: chunked"), "line_folding"},
    {with("X: y\r\n Transfer-Encoding: chunked"), "line_folding"},
    {with("Transfer-Encoding:\r\n chunked"), "line_folding"},
    {with("Transfer-Encoding\r\n: chunked"), "missing_colon"},
    {with("X: y\nTransfer-Encoding: chunked"), "bare_lf"},
    {with("X: y\rTransfer-Encoding: chunked"), "bare_cr"},
    {with("X: y\r\r\nTransfer-Encoding: chunked"), "bare_cr"},
    {with("Transfer_Encoding; chunked"), "bad_field_name"},
    {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", "transfer_encoding_in_http10"},
    // Lengths that two readers read differently.
    {with("Content-Length: 3\r\nContent-Length: 4"), "differing_content_lengths"},
    {with("Content-Length: 3, 4"), "differing_content_lengths"},
    {with("Content-Length: +3"), "bad_content_length"},
    {with("Content-Length: -3"), "bad_content_length"},
    {with("Content-Length: 0x3"), "bad_content_length"},
    {with("Content-Length: 3 3"), "bad_content_length"},
    {with("Content-Length: 3,"), "bad_content_length"},
    {with("Content-Length: ,3"), "bad_content_length"},
    {with("Content-Length:"), "bad_content_length"},
    {with("Content-Length: 3;"), "bad_content_length"},
    {with("Content-Length: 1e1"), "bad_content_length"},
    {with("Content-Length: 9223372036854775808"), "bad_content_length"},
    {with("Content-Length: 18446744073709551617"), "bad_content_length"},
    {with("Content-Length: 99999999999999999999999999999999"), "bad_content_length"},
    {with("Content-Length: 9223372036854775807"), "body_too_large"},
    {with("Content-Length: 1\0"s + "1"), "nul_byte"},
    {with("Content-Length: 1\0"s), "nul_byte"},
    // Chunks.
    {chunked("\r\n"), "bad_chunk_size"},
    {chunked("x\r\n"), "bad_chunk_size"},
    {chunked("-1\r\n"), "bad_chunk_size"},
    {chunked("+1\r\n"), "bad_chunk_size"},
    {chunked("0x1\r\n"), "bad_chunk_size"},
    {chunked(" 1\r\n"), "bad_chunk_size"},
    {chunked("1_0\r\n"), "bad_chunk_size"},
    {chunked("\n"), "bad_chunk_size"},
    {chunked("1\na"), "bare_lf"},
    {chunked("1\rXa\r\n"), "bare_cr"},
    {chunked("1 \r\na\r\n"), "bad_chunk_extension"},
    {chunked("1\t\r\na\r\n"), "bad_chunk_extension"},
    {chunked("1;\r\na\r\n"), "bad_chunk_extension"},
    {chunked("1;a\na\r\n"), "bare_lf"},
    {chunked("1;a\rb\na\r\n"), "bare_cr"},
    {chunked("1;a=\r\na\r\n"), "bad_chunk_extension"},
    {chunked("1;a=\"\r\n\"\r\na\r\n"), "bad_chunk_extension"},
    {chunked("1;a=b c\r\n"), "bad_chunk_extension"},
    {chunked("1;a;=b\r\n"), "bad_chunk_extension"},
    {chunked("1;\0"s), "bad_chunk_extension"},
    {chunked("1;" + std::string(h1::kMaxChunkExtensionBytes, 'a')), "chunk_extensions_too_large"},
    {chunked("00000000000000001\r\n"), "chunk_size_too_large"},
    {chunked("8000000000000000\r\n"), "chunk_size_too_large"},
    {chunked("ffffffffffffffff\r\n"), "chunk_size_too_large"},
    {chunked("10000000000000001\r\n"), "chunk_size_too_large"},
    {chunked("7fffffffffffffff\r\n"), "body_too_large"},
    {chunked("1\r\nab\r\n"), "bad_chunk_end"},
    {chunked("1\r\na\n0\r\n\r\n"), "bad_chunk_end"},
    {chunked("1\r\na\rX"), "bad_chunk_end"},
    {chunked("0\r\nContent-Length: 5\r\n\r\n"), "forbidden_trailer"},
    {chunked("0\r\ntransfer-encoding: chunked\r\n\r\n"), "forbidden_trailer"},
    {chunked("0\r\nHost: b\r\n\r\n"), "forbidden_trailer"},
    {chunked("0\r\nAuthorization: x\r\n\r\n"), "forbidden_trailer"},
    {chunked("0\r\na: b\n\r\n"), "bare_lf"},
    {chunked("0\r\n a: b\r\n\r\n"), "line_folding"},
    {chunked("0\r\na\r\n\r\n"), "missing_colon"},
    // Fields.
    {with(": x"), "empty_field_name"},
    {with("a b: x"), "bad_field_name"},
    {with("a\x80: x"), "bad_field_name"},
    {with("a\0b: x"s), "nul_byte"},
    {with("a\rb: x"), "bare_cr"},
    {with("a\x01: x"), "control_character"},
    {with("a(: x"), "bad_field_name"},
    {with(std::string(257, 'a') + ": x"), "bad_field_name"},
    {with("nothing"), "missing_colon"},
    {with("a: \0"s), "nul_byte"},
    {with("a: \x7f"), "control_character"},
    {with("a: b\x1f"), "control_character"},
    {with("\ta: x"), "line_folding"},
    {"GET / HTTP/1.1\r\n Host: a\r\n\r\n", "line_folding"},
    {"GET / HTTP/1.1\nHost: a\n\n", "bare_lf"},
    {"GET / HTTP/1.1\r\nHost: a\r\n\n", "bare_lf"},
    // Host.
    {"GET / HTTP/1.1\r\n\r\n", "missing_host"},
    {with("Host: a"), "repeated_host"},
    {with("hOST: b"), "repeated_host"},
    {"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "bad_authority"},
    {"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", "bad_authority"},
    {"GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", "user_info"},
    {"GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", "bad_authority"},
    {"GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", "repeated_host"},
    {"GET http://a/ HTTP/1.1\r\n\r\n", "missing_host"},
    {"GET http://a/ HTTP/1.1\r\nHost: b c\r\n\r\n", "bad_authority"},
    // The request line.
    {starting("GET  / HTTP/1.1"), "bad_request_line"},
    {starting("GET /"), "bad_request_line"},
    {starting("GET / "), "bad_version"},
    {starting("GET"), "bad_request_line"},
    {starting(" GET / HTTP/1.1"), "bad_method"},
    {starting("GET\t/\tHTTP/1.1"), "bad_request_line"},
    {starting("GET / HTTP/1.1 "), "bad_version"},
    {starting("GET /a b HTTP/1.1"), "bad_version"},
    {starting("G\x80T / HTTP/1.1"), "bad_method"},
    {starting("GET: / HTTP/1.1"), "bad_method"},
    {starting("G(T / HTTP/1.1"), "bad_method"},
    {starting(std::string(33, 'A') + " / HTTP/1.1"), "method_too_long"},
    {starting("GET / http/1.1"), "bad_version"},
    {starting("GET / HTTP/1"), "bad_version"},
    {starting("GET / HTTP/11"), "bad_version"},
    {starting("GET / HTTP/1.1x"), "bad_version"},
    {starting("GET / HTTP/01.1"), "bad_version"},
    {starting("GET / HTTP/1,1"), "bad_version"},
    {starting("GET / HTTP/2.0"), "unsupported_version"},
    {starting("GET / HTTP/0.9"), "unsupported_version"},
    {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "unsupported_version"},
    {starting("GET /\r HTTP/1.1"), "bare_cr"},
    {starting("GET /\0 HTTP/1.1"s), "nul_byte"},
    {starting("GET /\x0b HTTP/1.1"), "control_character"},
    {"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "bad_request_line"},
    {"\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "bare_lf"},
    // Targets.
    {starting("GET * HTTP/1.1"), "bad_target"},
    {starting("GET a HTTP/1.1"), "bad_target"},
    {starting("GET a:80 HTTP/1.1"), "bad_target"},
    {starting("OPTIONS ** HTTP/1.1"), "bad_target"},
    {starting("GET ftp://a/ HTTP/1.1"), "bad_scheme"},
    {starting("GET http:///x HTTP/1.1"), "bad_authority"},
    {starting("GET http://:80/x HTTP/1.1"), "bad_authority"},
    {starting("GET http://u:p@a/ HTTP/1.1"), "user_info"},
    {starting("GET http://a#x HTTP/1.1"), "bad_path"},
    {starting("CONNECT / HTTP/1.1"), "bad_authority"},
    {starting("CONNECT a HTTP/1.1"), "bad_target"},
    {starting("CONNECT http://a:80/ HTTP/1.1"), "bad_authority"},
    {starting("GET /%zz HTTP/1.1"), "bad_escape"},
    {starting("GET /%00 HTTP/1.1"), "escaped_nul"},
    {starting("GET /a#b HTTP/1.1"), "bad_path"},
    {starting("GET /a\\b HTTP/1.1"), "bad_path"},
    {starting("GET /\xc3\xa4 HTTP/1.1"), "bad_path"},
    {starting("GET /?\xc3\xa4 HTTP/1.1"), "bad_query"},
    {starting("GET /?a#b HTTP/1.1"), "bad_query"},
    {starting("GET /?\"<> HTTP/1.1"), "bad_query"},
    // Content where there is none, connection options, expectations.
    {"CONNECT a:80 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n", "content_not_allowed"},
    {"TRACE / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", "content_not_allowed"},
    {with("Connection: content-length\r\nContent-Length: 3"), "bad_connection"},
    {with("Connection: close, Host"), "bad_connection"},
    {with("Connection: close keep-alive"), "bad_connection"},
    {with("Connection: \"close\""), "bad_connection"},
    {with("Expect: 200-ok"), "unknown_expectation"},
    {with("Expect: 100-continue, x"), "unknown_expectation"},
};

TEST(Refusals, KnownRequestShapes) {
  const h1::Limits limits;
  for (const Case& c : kRequests) {
    expect_refused(oracle::request_transcript(c.input, limits, {}, false), c);
    expect_refused(oracle::request_transcript(c.input, limits, {1}, false), c);
    expect_refused(oracle::H1Oracle(c.input, limits).requests(false), c);
  }
}

// A refused request takes what stands behind it along: nothing after the refusal is parsed.
TEST(Refusals, NothingBehindARefusalIsRead) {
  const std::string second = "GET /second HTTP/1.1\r\nHost: a\r\n\r\n";
  for (const Case& c : kRequests)
    EXPECT_EQ(oracle::request_transcript(c.input + second, {}, {}, false).find("/second"), std::string::npos)
        << c.input;
}

const std::vector<Case> kResponses{
    {"HTTP/1.1 20\r\n\r\n", "bad_status_line"},
    {"HTTP/1.1 200OK\r\n\r\n", "bad_status_line"},
    {"HTTP/1.1 200\tOK\r\n\r\n", "bad_status_line"},
    {"HTTP/1.1  200 OK\r\n\r\n", "bad_status_line"},
    {"HTTP/1.1 20 OK\r\n\r\n", "bad_status_line"},
    {"HTTP/1.1 2000 OK\r\n\r\n", "bad_status_line"},
    {"HTTP/1.1 2x0 OK\r\n\r\n", "bad_status_line"},
    {"HTTP/1.1 099 OK\r\n\r\n", "bad_status"},
    {"HTTP/1.1 600 OK\r\n\r\n", "bad_status"},
    {"HTTP/1.1\r\n\r\n", "bad_status_line"},
    {"ICY 200 OK\r\n\r\n", "bad_version"},
    {"HTTP/2.0 200 OK\r\n\r\n", "unsupported_version"},
    {"\r\nHTTP/1.1 200 OK\r\n\r\n", "bad_status_line"},
    {"HTTP/1.1 200 O\rK\r\n\r\n", "bare_cr"},
    {"HTTP/1.1 200 O\0K\r\n\r\n"s, "nul_byte"},
    {"HTTP/1.1 200 OK\n\n", "bare_lf"},
    {"HTTP/1.1 200 " + std::string(h1::kMaxStatusLineBytes, 'x'), "status_line_too_long"},
    {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "both_lengths"},
    {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "differing_content_lengths"},
    {"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", "bad_content_length"},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "bad_transfer_encoding"},
    {"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "transfer_encoding_in_http10"},
    {"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", "line_folding"},
    {"HTTP/1.1 200 OK\r\nA : b\r\n\r\n", "space_before_colon"},
    {"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", "bad_upgrade"},
};

TEST(Refusals, KnownResponseShapes) {
  const h1::Limits limits;
  for (const Case& c : kResponses) {
    expect_refused(oracle::response_transcript(c.input, {}, limits, {}, false), c);
    expect_refused(oracle::response_transcript(c.input, {}, limits, {1}, false), c);
    expect_refused(oracle::H1Oracle(c.input, limits).responses({}, false), c);
  }
  Case many{"", "too_many_interim_responses"};
  for (unsigned i = 0; i <= h1::kMaxInterimResponses; ++i) many.input += "HTTP/1.1 103 Early Hints\r\n\r\n";
  expect_refused(oracle::response_transcript(many.input, {}, limits, {}, false), many);
}

TEST(Refusals, EveryRefusalHasANameASentenceAndAStatus) {
  std::set<std::string> names;
  const std::set<int> statuses{400, 413, 414, 417, 431, 501, 505};
  for (size_t i = 1; i < h1::kRefusals; ++i) {
    const http::FaultInfo& info = h1::info(static_cast<h1::Refusal>(i));
    EXPECT_TRUE(names.insert(info.name).second) << info.name;
    EXPECT_NE(std::string(info.sentence), "");
    EXPECT_TRUE(statuses.contains(info.status)) << info.name;
  }
  EXPECT_EQ(h1::info(h1::Refusal::kNone).status, 200);
}

}  // namespace
}  // namespace penstock
