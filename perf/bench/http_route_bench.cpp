// Which rule serves a request: nanoseconds and cycles by the number of routes, in three shapes of a configuration, with
// requests spread over all routes: as bad for the caches as traffic can be.
//
//   http_route_bench --benchmark_filter=find    then the line route_match_10_to_10k: cycles at 10,000 routes / at 10
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "base/time.h"
#include "l7/route/route_table.h"

namespace {

using namespace penstock;

enum Shape : int {
  kPaths,    // one host, a prefix of three segments each: a gateway in front of many services
  kHosts,    // a host each, with the prefix "/": a hoster's
  kMixed,    // ten routes a host: exact paths, prefixes, a method, a header
  kRegexes,  // one host, a regular expression each
};

config::Match prefix(std::string path) { return {{config::PathKind::kPrefix, std::move(path)}, {}, {}, {}}; }

std::string number(uint32_t i) {
  char text[8];
  std::snprintf(text, sizeof text, "%05u", i % 100000);
  return text;
}

config::Route route_of(Shape shape, uint32_t i) {
  const std::string n = number(i);
  config::Route route{"default/route-" + n, 0, {"shop.example.com"}, {{}}};
  config::Match match = prefix("/api/v1/service-" + n);
  if (shape == kHosts) match = prefix("/");
  if (shape == kRegexes) match.path = {config::PathKind::kRegex, "/api/v1/service-" + n + "/[0-9]+(/.*)?"};
  if (shape == kHosts) route.hostnames = {"shop-" + n + ".example.com"};
  if (shape == kMixed) {
    route.hostnames = {"shop-" + number(i / 10) + ".example.com"};
    if (i % 3 == 0) match.path.kind = config::PathKind::kExact;
    if (i % 4 == 0) match.method = http::Method::kGet;
    if (i % 5 == 0) match.headers.push_back({"x-canary", "yes", false});
  }
  route.rules[0].matches.push_back(match);
  return route;
}

// One head, as a worker has it: warm. Between two look-ups only the digits in it change, and how much of the path
// counts.
class Requests {
 public:
  Requests(Shape shape, uint32_t routes) : head_(http::HeadLimits{}) {
    const bool many_hosts = shape == kHosts || shape == kMixed;
    (void)head_.set_authority(many_hosts ? "shop-00000.example.com" : "shop.example.com");
    (void)head_.set_path("/api/v1/service-00000/42", {});
    for (const auto& [name, value] : {std::pair{"user-agent", "curl/7.88.1"},
                                      {"accept", "*/*"},
                                      {"x-canary", "yes"},
                                      {"cookie", "session=0123456789abcdef"}})
      (void)head_.fields.add(name, value);
    if (many_hosts) host_digits_ = head_.arena.data() + head_.host_slice.at + 5;
    path_digits_ = head_.arena.data() + head_.path_slice.at + 16;
    whole_ = head_.path_slice.size;
    std::mt19937 random(1);
    for (size_t i = 0; i < kOrder; ++i) {
      const uint32_t n = random() % routes;
      Next& next = order_.emplace_back();
      number(shape == kMixed ? n / 10 : n).copy(next.host, 5);
      number(n).copy(next.path, 5);
      next.exact = shape == kMixed && n % 3 == 0;
    }
  }

  const http::RequestHead& next() {
    const Next& next = order_[at_++ % kOrder];
    if (host_digits_) std::memcpy(host_digits_, next.host, 5);
    std::memcpy(path_digits_, next.path, 5);
    head_.path_slice.size = next.exact ? whole_ - 3 : whole_;
    return head_;
  }

 private:
  static constexpr size_t kOrder = 64 * 1024;
  struct Next {
    char host[5], path[5];
    bool exact;
  };
  http::RequestHead head_;
  char* host_digits_ = nullptr;
  char* path_digits_ = nullptr;
  uint32_t whole_ = 0;
  std::vector<Next> order_;
  size_t at_ = 0;
};

constexpr uint32_t kRun = 256;  // look-ups: some ten microseconds

std::map<std::pair<int, int64_t>, double> cycles_by_shape;

void find(benchmark::State& state, Shape shape) {
  const auto count = static_cast<uint32_t>(state.range(0));
  std::vector<config::Route> routes;
  for (uint32_t i = 0; i < count; ++i) routes.push_back(route_of(shape, i));
  auto table = route::RouteTable::build(routes);
  if (!table) return state.SkipWithError(table.error().c_str());
  auto scratch = table->make_scratch();
  if (!scratch) return state.SkipWithError(scratch.error().c_str());

  Requests requests(shape, count);
  // The median of short runs: on a shared machine the mean is that of its other users.
  std::vector<uint32_t> runs;
  runs.reserve(1 << 20);
  base::Cycles start = base::read_cycles();
  uint32_t in_run = 0;
  for (auto _ : state) {
    const route::Candidate* found = route::find_route(*table, requests.next(), *scratch);
    if (!found) state.SkipWithError("404");
    benchmark::DoNotOptimize(found);
    if (++in_run < kRun) continue;
    const base::Cycles now = base::read_cycles();
    if (runs.size() < runs.capacity()) runs.push_back(static_cast<uint32_t>(now - start));
    start = now;
    in_run = 0;
  }
  if (runs.empty()) return;
  std::nth_element(runs.begin(), runs.begin() + static_cast<ptrdiff_t>(runs.size() / 2), runs.end());
  const double cycles = runs[runs.size() / 2] / static_cast<double>(kRun);
  state.counters["cycles"] = cycles;
  cycles_by_shape[{shape, state.range(0)}] = cycles;
}
BENCHMARK_CAPTURE(find, paths, kPaths)->Arg(10)->Arg(100)->Arg(1000)->Arg(10000);
BENCHMARK_CAPTURE(find, hosts, kHosts)->Arg(10)->Arg(100)->Arg(1000)->Arg(10000);
BENCHMARK_CAPTURE(find, mixed, kMixed)->Arg(10)->Arg(100)->Arg(1000)->Arg(10000);
BENCHMARK_CAPTURE(find, regexes, kRegexes)->Arg(10)->Arg(100)->Arg(1000);

void build(benchmark::State& state, Shape shape) {
  std::vector<config::Route> routes;
  for (uint32_t i = 0; i < static_cast<uint32_t>(state.range(0)); ++i) routes.push_back(route_of(shape, i));
  for (auto _ : state) benchmark::DoNotOptimize(route::RouteTable::build(routes));
}
BENCHMARK_CAPTURE(build, mixed, kMixed)->Arg(10)->Arg(10000)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(build, regexes, kRegexes)->Arg(10)->Arg(1000)->Unit(benchmark::kMillisecond);

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  for (const auto& [shape, name] : {std::pair{kPaths, "paths"}, {kHosts, "hosts"}, {kMixed, "mixed"}})
    if (const double small = cycles_by_shape[{shape, 10}], large = cycles_by_shape[{shape, 10000}];
        small > 0 && large > 0)
      std::printf("route_match_10_to_10k %s %.2f\n", name, large / small);
  return 0;
}
