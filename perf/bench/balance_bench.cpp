// One choice of an endpoint by each policy, at 10 and 1000 endpoints, a hundred requests under way: nanoseconds.
#include <benchmark/benchmark.h>

#include "control/compile/l7_balancing.h"
#include "l7/proxy/clusters.h"

namespace {

using namespace penstock;

// As control builds them.
void add_tables(config::Cluster& cluster) {
  model::Service service;
  model::ServicePolicy policy;
  policy.load_balancer.emplace().policy = cluster.balancing;
  const compile::ServiceInput input{service, &policy, nullptr, nullptr, nullptr, nullptr};
  const model::State state;
  model::FieldErrors errors;
  const config::SessionKeys sessions;
  compile::make_hash_tables(input, {state, {}, 1, 0, 1'000'000'000, {}, sessions, errors}, nullptr, cluster);
}

void pick(benchmark::State& state) {
  const auto policy = static_cast<config::Balancing>(state.range(0));
  const auto endpoints = static_cast<uint32_t>(state.range(1));
  const bool uneven = state.range(2) == 1;
  route::L7Config config;
  config::Cluster& cluster = config.clusters.emplace_back();
  cluster.balancing = policy;
  for (uint32_t i = 0; i < endpoints; ++i)
    cluster.endpoints.push_back({base::IpAddress::v4(0x0a000001 + i), 80, uneven ? 1 + i % 3 : 1, i, true});
  if (state.range(2) == 2) cluster.balance.most_load = 125;
  add_tables(cluster);
  proxy::Limits limits;
  limits.cluster_slots = 1;
  limits.endpoint_slots = endpoints;
  proxy::Counters counters(limits);
  proxy::Clusters clusters(limits, counters);
  clusters.adopt(config);
  proxy::Random random(1);
  base::Nanos now = 1'000'000'000;
  for (uint32_t i = 0; i < 100; ++i) ++clusters.endpoint(static_cast<uint32_t>(random.below(endpoints))).requests;
  for (int i = 0; i < 100; ++i) ++clusters.cluster(0).requests;
  for (uint32_t i = 0; i < endpoints; ++i) clusters.note_answer(0, i, 1'000'000 + random.below(1'000'000), now);
  for (auto _ : state) {
    const proxy::Wish wish{.hash = random.next(), .hashed = !cluster.balance.tables.empty()};
    benchmark::DoNotOptimize(clusters.pick(0, wish, random, now += 1000));
  }
}

void add_arguments(benchmark::internal::Benchmark* bench) {
  using config::Balancing;
  for (const int64_t endpoints : {10, 1000}) {
    for (const auto policy : {Balancing::kRoundRobin, Balancing::kLeastRequest, Balancing::kRandom,
                              Balancing::kPeakEwma, Balancing::kMaglev, Balancing::kRingHash})
      bench->Args({static_cast<int64_t>(policy), endpoints, 0});
    bench->Args({static_cast<int64_t>(Balancing::kRoundRobin), endpoints, 1});
    bench->Args({static_cast<int64_t>(Balancing::kMaglev), endpoints, 2});
  }
}
// policy: config::Balancing; more: 1 uneven weights, 2 bounded load.
BENCHMARK(pick)->ArgNames({"policy", "endpoints", "more"})->Apply(add_arguments);

}  // namespace

BENCHMARK_MAIN();
