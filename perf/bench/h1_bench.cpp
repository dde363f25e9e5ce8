// The HTTP/1 codec: nanoseconds and cycles to parse and to write typical heads, and the vector scans against the plain.
#include <benchmark/benchmark.h>

#include <cstring>
#include <string>
#include <vector>

#include "base/time.h"
#include "l7/h1/encode.h"
#include "l7/h1/request_parser.h"
#include "l7/h1/response_parser.h"
#include "l7/h1/scan.h"

namespace {

using namespace penstock;

const std::string kCurl = "GET / HTTP/1.1\r\nHost: shop.example.com\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\n\r\n";
const std::string kBrowser =
    "GET /products/list?category=shoes&page=2&sort=price HTTP/1.1\r\nHost: shop.example.com\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 "
    "Safari/537.36\r\n"
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n"
    "Accept-Language: en-GB,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br\r\nReferer: "
    "https://shop.example.com/products\r\n"
    "Connection: keep-alive\r\nCookie: session=0123456789abcdef0123456789abcdef; theme=dark; "
    "_ga=GA1.2.1234567890.1234567890\r\n"
    "Upgrade-Insecure-Requests: 1\r\nSec-Fetch-Dest: document\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Site: "
    "same-origin\r\n"
    "If-None-Match: \"33a64df551425fcc55e4d42a148795d9f25f89d4\"\r\nCache-Control: max-age=0\r\n\r\n";
const std::string kApi =
    "POST /v1/orders HTTP/1.1\r\nHost: api.example.com\r\nContent-Type: application/json\r\nContent-Length: 128\r\n"
    "Authorization: Bearer "
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U\r\n"
    "X-Request-Id: 4f9a7c1e-0d4b-4c1b-9f57-2d6a5d1c3b11\r\nAccept: application/json\r\n\r\n";
const std::string kAnswer =
    "HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Sat, 21 Nov 2026 06:00:00 GMT\r\nContent-Type: application/json\r\n"
    "Content-Length: 128\r\nConnection: keep-alive\r\nEtag: \"65f-128\"\r\nCache-Control: no-store\r\n\r\n";

base::Bytes bytes_of(const std::string& text) { return {reinterpret_cast<const uint8_t*>(text.data()), text.size()}; }

void report(benchmark::State& state, base::Cycles start, size_t bytes) {
  const auto items = static_cast<double>(state.iterations());
  state.counters["cycles"] = static_cast<double>(base::read_cycles() - start) / items;
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * bytes));
}

void parse_request(benchmark::State& state, const std::string& text) {
  const h1::Limits limits;
  http::RequestHead head(limits.head);
  h1::RequestParser parser(limits);
  const base::Cycles start = base::read_cycles();
  for (auto _ : state) {
    parser.begin(head);
    if (parser.next(bytes_of(text)).event != h1::Event::kHead) state.SkipWithError("refused");
    benchmark::DoNotOptimize(head.path());
  }
  report(state, start, text.size());
}
BENCHMARK_CAPTURE(parse_request, curl, kCurl);
BENCHMARK_CAPTURE(parse_request, browser, kBrowser);
BENCHMARK_CAPTURE(parse_request, api, kApi);

void parse_response(benchmark::State& state, const std::string& text) {
  const h1::Limits limits;
  http::ResponseHead head(limits.head);
  h1::ResponseParser parser(limits);
  const base::Cycles start = base::read_cycles();
  for (auto _ : state) {
    parser.begin(head, {});
    if (parser.next(bytes_of(text)).event != h1::Event::kHead) state.SkipWithError("refused");
    benchmark::DoNotOptimize(head.status);
  }
  report(state, start, text.size());
}
BENCHMARK_CAPTURE(parse_response, api, kAnswer);

void encode_request(benchmark::State& state, const std::string& text) {
  const h1::Limits limits;
  http::RequestHead head(limits.head);
  h1::RequestParser parser(limits);
  parser.begin(head);
  parser.next(bytes_of(text));
  std::vector<uint8_t> out(h1::encoded_bound(head));
  const base::Cycles start = base::read_cycles();
  for (auto _ : state) benchmark::DoNotOptimize(h1::encode_request(head, {}, out));
  report(state, start, text.size());
}
BENCHMARK_CAPTURE(encode_request, curl, kCurl);
BENCHMARK_CAPTURE(encode_request, browser, kBrowser);

// What the vector code is for: line ends, names and values of a browser's head, one after the other.
template <typename FindLf, typename FindControl, typename LowerToken>
void scan_head(benchmark::State& state, FindLf find_lf, FindControl find_control, LowerToken lower_token) {
  std::vector<char> text(kBrowser.begin(), kBrowser.end());
  text.resize(text.size() + http::Arena::kPadding);
  const char* end = text.data() + kBrowser.size();
  const base::Cycles start = base::read_cycles();
  for (auto _ : state) {
    for (char* line = text.data(); line < end;) {
      const char* lf = find_lf(line, end);
      const char* stop = lower_token(line, lf);
      benchmark::DoNotOptimize(find_control(stop, lf));
      line += lf + 1 - line;
    }
  }
  report(state, start, kBrowser.size());
}
BENCHMARK_CAPTURE(scan_head, plain, h1::scan::plain::find_lf, h1::scan::plain::find_control,
                  h1::scan::plain::lower_token);
BENCHMARK_CAPTURE(scan_head, fast, h1::scan::fast::find_lf, h1::scan::fast::find_control, h1::scan::fast::lower_token);

}  // namespace

BENCHMARK_MAIN();
