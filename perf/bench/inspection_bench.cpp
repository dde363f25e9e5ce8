// What it costs to look into a request: an inspection of 1, 100 and 1,000 patterns before a browser's request, and
// before 4 KiB of content, also compressed; access policies of 1, 100 and 1,000 rules' worth of values before the same
// request.
#include <benchmark/benchmark.h>

#include <cstdio>
#include <string>
#include <vector>

#include "l7/guard/access.h"
#include "l7/guard/inspection.h"
#include "tests/oracle/inflate_oracle.h"

namespace {

using namespace penstock;

// As rules against attacks are written: words with something between them.
std::string expression(int64_t i) {
  static const char* const kShapes[] = {"union\\s+select\\s+col%lld", "<script[^>]*>x%lld", "\\.\\./etc/f%lld",
                                        "exec\\(%lld\\)", "(cmd|powershell)\\.exe.{0,20}%lld"};
  char text[96];
  std::snprintf(text, sizeof text, kShapes[i % 5], static_cast<long long>(i));
  return text;
}

void fill(http::RequestHead& head) {
  head.clear();
  (void)head.set_authority("shop.example.com");
  (void)head.set_path("/catalogue/shoes/item-1234", {});
  (void)head.set_query("q=red+shoes&size=42&sort=price%20up&page=3");
  const std::pair<const char*, const char*> kFields[] = {
      {"user-agent",
       "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/119.0.0.0 Safari/537.36"},
      {"accept", "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"},
      {"accept-language", "en-GB,en;q=0.9,de;q=0.8"},
      {"accept-encoding", "gzip, deflate, br"},
      {"cookie", "session=0123456789abcdef0123456789abcdef; theme=dark; cart=17,18,19"},
      {"referer", "https://shop.example.com/catalogue/shoes?page=2"},
      {"cache-control", "no-cache"},
      {"x-request-id", "5f3c6e2a-7d41-4b59-9f0e-2f5f0b1f7a11"}};
  for (const auto& [name, value] : kFields) (void)head.fields.add(name, value);
}

struct Inspected {
  explicit Inspected(int64_t patterns) {
    config::Inspection from{"ns/i", {}, 4096};
    for (int64_t i = 0; i < patterns; ++i) {
      config::InspectionPattern& pattern = from.patterns.emplace_back();
      pattern.expression = expression(i);
      pattern.ignore_case = true;
      pattern.parts = config::kInspectPath | config::kInspectQuery | config::kInspectHeaders | config::kInspectBody;
    }
    auto built = guard::Inspection::build(from);
    if (!built || !scratch.fit(*built)) std::abort();
    inspection = std::move(*built);
  }
  guard::Inspection inspection;
  guard::InspectionScratch scratch;
};

void inspect_head(benchmark::State& state) {
  Inspected inspected(state.range(0));
  http::RequestHead head(http::HeadLimits{});
  fill(head);
  uint64_t found = 0;
  for (auto _ : state) {
    inspected.inspection.scan_head(head, inspected.scratch);
    inspected.inspection.report(inspected.scratch, [&](const auto&) { ++found; });
  }
  state.counters["found"] = static_cast<double>(found);
  state.counters["database_KiB"] = static_cast<double>(inspected.inspection.bytes() >> 10);
}
BENCHMARK(inspect_head)->Arg(1)->Arg(100)->Arg(1000);

std::string json(size_t size) {
  std::string body;
  for (int i = 0; body.size() < size; ++i)
    body += "{\"name\": \"red shoes\", \"price\": " + std::to_string(i * 7919 % 1000) + ", \"sizes\": [40, 41, 42]},\n";
  body.resize(size);
  return body;
}

void inspect_4KiB_of_content(benchmark::State& state) {
  Inspected inspected(state.range(0));
  const std::string body = json(4096);
  for (auto _ : state)
    inspected.inspection.scan_body({reinterpret_cast<const uint8_t*>(body.data()), body.size()}, {}, false,
                                   inspected.scratch);
}
BENCHMARK(inspect_4KiB_of_content)->Arg(1)->Arg(100)->Arg(1000);

// The same, compressed: inflated, then scanned both ways.
void inspect_4KiB_of_gzip(benchmark::State& state) {
  Inspected inspected(state.range(0));
  const std::string body = guard::deflated(json(4096));
  guard::Codings codings;
  codings.all[codings.count++] = guard::Coding::kGzip;
  for (auto _ : state) {
    const guard::Inflation read = inspected.scratch.inflater().run(codings, guard::bytes_of(body), true, 4096);
    if (read.outcome != guard::Inflated::kFull) std::abort();
    inspected.inspection.scan_body(guard::bytes_of(body), read.text, false, inspected.scratch);
  }
}
BENCHMARK(inspect_4KiB_of_gzip)->Arg(1)->Arg(100)->Arg(1000);

// The worst of one call: 64 KiB of text; what can hardly be compressed; nothing but empty blocks; the second twice;
// nothing but empty blocks with tables, at once and behind much text, twice.
void inflate_64KiB(benchmark::State& state) {
  const size_t most = config::kMaxInspectedBody;
  std::string noise, blocks("\x1f\x8b\x08\0\0\0\0\0\0\x03", 10);
  for (uint32_t i = 0, word = 1; i < most; ++i, word = word * 1664525 + 1013904223)
    noise += static_cast<char>(word >> 25);
  for (int i = 0; i < 20'000; ++i) blocks += std::string("\0\0\0\xff\xff", 5);
  const guard::Deflating huffman{.strategy = Z_HUFFMAN_ONLY};
  const std::string contents[] = {guard::deflated(json(most)),
                                  guard::deflated(noise, huffman),
                                  blocks,
                                  guard::deflated(guard::deflated(noise, huffman), huffman),
                                  guard::deflated(guard::with_empty_tables(1, 82'944)),
                                  guard::deflated(guard::with_empty_tables(65'000, 82'944))};
  std::string body = contents[state.range(0)];
  body.resize(std::min<size_t>(body.size(), config::encoded_room(config::kMaxInspectedBody)));
  guard::Codings codings;
  for (int64_t i = state.range(0) >= 3 ? 2 : 1; i != 0; --i) codings.all[codings.count++] = guard::Coding::kGzip;
  guard::Inflater inflater;
  for (auto _ : state) benchmark::DoNotOptimize(inflater.run(codings, guard::bytes_of(body), false, most));
}
BENCHMARK(inflate_64KiB)->DenseRange(0, 5);

// A DENY policy whose rule names so many paths and sources, and an ALLOW policy for one prefix.
void access_rules(benchmark::State& state) {
  std::vector<config::AccessPolicy> policies(2);
  policies[0].action = config::AccessAction::kDeny;
  config::AccessRule& rule = policies[0].rules.emplace_back();
  for (uint32_t i = 0; i < state.range(0); ++i) {
    rule.paths.push_back(
        {i % 2 == 0 ? config::TextKind::kExact : config::TextKind::kPrefix, "/admin/" + std::to_string(i)});
    rule.from.push_back({base::IpAddress::v4(0xc6330000 + i * 2), 32});
  }
  rule.from.push_back({base::IpAddress::v4(0xc6336400), 24});
  policies[1].rules.emplace_back().paths = {{config::TextKind::kPrefix, "/catalogue/"}};
  auto access = guard::Access::build(policies);
  auto scratch = guard::AccessScratch::make(*access);
  http::RequestHead head(http::HeadLimits{});
  fill(head);
  const uint32_t list[] = {0, 1};
  uint64_t denied = 0;
  for (auto _ : state) {
    guard::Judge judge(*access, head, base::IpAddress::v4(0xc6336407), *scratch);
    denied += judge.run({guard::PolicyList(list), guard::PolicyList()}, [](uint32_t) {}).denied;
  }
  if (denied != 0) state.SkipWithError("denied");
}
BENCHMARK(access_rules)->Arg(1)->Arg(100)->Arg(1000);

}  // namespace

BENCHMARK_MAIN();
