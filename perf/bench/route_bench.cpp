// Route tables: build time and memory of up to 1M routes, and the cycles of a lookup in bursts of 64.
#include <rte_malloc.h>

#include <cstring>
#include <random>

#include "bench/bench_main.h"
#include "flow/route_table.h"

namespace {

using namespace penstock;

// Lengths as on the Internet: IPv4 mostly /24 with some longer ones inside a network, IPv6 mostly /48 and /32 to /44.
std::vector<flow::RouteSpec> routes_of(size_t count, bool v4) {
  std::mt19937_64 random(1);
  std::vector<flow::RouteSpec> routes;
  routes.reserve(count);
  while (routes.size() < count) {
    base::Prefix p;
    const auto die = static_cast<unsigned>(random() % 100);
    if (v4) {
      p = {base::IpAddress::v4(static_cast<uint32_t>(0x01000000 + random() % 0xdf000000)), 24};
      if (die < 40) p.length = static_cast<uint8_t>(12 + random() % 12);
      if (die >= 98) p.length = static_cast<uint8_t>(25 + random() % 8);
    } else {
      p.address.bytes = {0x20,
                         static_cast<uint8_t>(random() % 16),
                         static_cast<uint8_t>(random()),
                         static_cast<uint8_t>(random()),
                         static_cast<uint8_t>(random()),
                         static_cast<uint8_t>(random() % 16 * 16)};
      p.length = static_cast<uint8_t>(die < 45 ? 48 : die < 65 ? 32 : die < 95 ? 29 + random() % 16 : 64);
    }
    p.address = p.network().address;
    const auto hop = static_cast<uint32_t>(random() % 64);
    routes.push_back(
        {p, flow::RouteKind::kGateway, {{static_cast<uint16_t>(hop % 4), base::IpAddress::v4(0x0a000001 + hop)}}, {}});
  }
  return routes;
}

size_t heap_bytes() {
  size_t bytes = 0;
  for (int socket = 0; socket < RTE_MAX_NUMA_NODES; ++socket) {
    rte_malloc_socket_stats stats;
    if (rte_malloc_get_socket_stats(socket, &stats) == 0) bytes += stats.heap_allocsz_bytes;
  }
  return bytes;
}

std::shared_ptr<const flow::RouteTable> must_build(benchmark::State& state,
                                                   const std::vector<flow::RouteSpec>& routes) {
  auto table = flow::RouteTable::build(routes);
  if (table) return *table;
  state.SkipWithError(table.error().c_str());
  return nullptr;
}

void build(benchmark::State& state, bool v4) {
  const auto routes = routes_of(static_cast<size_t>(state.range(0)), v4);
  const size_t before = heap_bytes();
  for (auto _ : state) {
    const auto table = must_build(state, routes);
    state.counters["MB"] = static_cast<double>(heap_bytes() - before) / 1e6;
    if (table == nullptr) return;
  }
}
BENCHMARK_CAPTURE(build, v4, true)->Arg(10)->Arg(10'000)->Arg(1'000'000)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(build, v6, false)->Arg(10)->Arg(10'000)->Arg(200'000)->Unit(benchmark::kMillisecond);

// Destinations spread over all routes: as bad for the caches as traffic can be.
void find_v4(benchmark::State& state) {
  const auto routes = routes_of(static_cast<size_t>(state.range(0)), true);
  const auto table = must_build(state, routes);
  if (table == nullptr) return;
  std::mt19937_64 random(2);
  std::vector<uint32_t> addresses(64 * 1024);
  for (auto& a : addresses) a = routes[random() % routes.size()].prefix.address.v4_host_order() + random() % 256;
  uint32_t results[64];
  size_t at = 0;
  bench::CycleMeter meter(state);
  for (auto _ : state) {
    table->find_v4(&addresses[at], results, 64);
    benchmark::DoNotOptimize(results);
    at = (at + 64) % addresses.size();
  }
  meter.report(64, "cycles/lookup");
}
BENCHMARK(find_v4)->Arg(10)->Arg(10'000)->Arg(1'000'000);

void find_v6(benchmark::State& state) {
  const auto routes = routes_of(static_cast<size_t>(state.range(0)), false);
  const auto table = must_build(state, routes);
  if (table == nullptr) return;
  std::mt19937_64 random(2);
  constexpr size_t kAddresses = 64 * 1024;
  const auto addresses = std::make_unique<uint8_t[][16]>(kAddresses);
  for (size_t i = 0; i < kAddresses; ++i) {
    std::memcpy(addresses[i], routes[random() % routes.size()].prefix.address.bytes.data(), 16);
    addresses[i][15] = static_cast<uint8_t>(random());
  }
  uint32_t results[64];
  size_t at = 0;
  bench::CycleMeter meter(state);
  for (auto _ : state) {
    table->find_v6(&addresses[at], results, 64);
    benchmark::DoNotOptimize(results);
    at = (at + 64) % kAddresses;
  }
  meter.report(64, "cycles/lookup");
}
BENCHMARK(find_v6)->Arg(10)->Arg(10'000)->Arg(200'000);

}  // namespace

int main(int argc, char** argv) { return penstock::bench::main(argc, argv); }
