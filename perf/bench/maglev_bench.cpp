// Building Maglev tables: what a changed service costs the compiler.
#include "bench/bench_main.h"
#include "flow/maglev.h"

namespace {

using namespace penstock;

std::vector<flow::MaglevEndpoint> endpoints_of(uint32_t count, bool weighted) {
  std::vector<flow::MaglevEndpoint> endpoints;
  for (uint32_t i = 0; i < count; ++i)
    endpoints.push_back(
        {base::IpAddress::v4(0x0a000001 + i), 8080, static_cast<uint16_t>(weighted ? 10 + i * 37 % 200 : 100)});
  return endpoints;
}

// Arguments: endpoints, places (0: as many as they need), different weights.
void build(benchmark::State& state) {
  const auto endpoints = endpoints_of(static_cast<uint32_t>(state.range(0)), state.range(2) != 0);
  const uint32_t size =
      state.range(1) != 0 ? static_cast<uint32_t>(state.range(1)) : flow::maglev_size(endpoints.size());
  bench::CycleMeter meter(state);
  for (auto _ : state) benchmark::DoNotOptimize(flow::build_maglev(endpoints, size));
  meter.report(size, "cycles/place");
  state.counters["places"] = size;
}
BENCHMARK(build)->Args({10, 1009, 0})->Args({10, 0, 0})->Args({10, 0, 1})->Args({100, 0, 0})->Args({1000, 0, 0});

// 10,000 services of 10 endpoints, 1009 places each.
void build_10k_services(benchmark::State& state) {
  std::vector<std::vector<flow::MaglevEndpoint>> services;
  for (uint32_t s = 0; s < 10'000; ++s) {
    services.push_back(endpoints_of(10, false));
    for (auto& e : services.back()) e.address = base::IpAddress::v4(e.address.v4_host_order() + 10 * s);
  }
  for (auto _ : state)
    for (const auto& endpoints : services) benchmark::DoNotOptimize(flow::build_maglev(endpoints, 1009));
}
BENCHMARK(build_10k_services)->Unit(benchmark::kMillisecond);

}  // namespace

int main(int argc, char** argv) { return penstock::bench::main(argc, argv, "64"); }
