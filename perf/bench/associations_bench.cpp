// The start of a gateway with many peers, on the engine's side: two sets of four associations for each peer, staged one
// after the other and handed to two workers after every so many sets.
//
//   associations_bench          Start/PEERS/SETS-PER-COMMIT; Change: the next change of keys among 500 peers
#include "bench/bench_main.h"
#include "engine/associations.h"

namespace penstock::engine {
namespace {

constexpr unsigned kWorkers = 2, kLanes = 4;

crypto::SaSpec spec(uint32_t spi) {
  crypto::SaSpec s;
  s.spi = spi;
  std::vector<uint8_t> key(20, static_cast<uint8_t>(spi));
  base::store_be32(key.data(), spi);
  auto taken = crypto::Key::take(key);
  s.key = std::move(*taken);
  s.local = base::IpAddress::v4(0xc0000201);
  s.remote = base::IpAddress::v4(0xc0000202);
  return s;
}

std::vector<crypto::SaSpec> specs(uint32_t first) {
  std::vector<crypto::SaSpec> out;
  for (unsigned lane = 0; lane < kLanes; ++lane) out.push_back(spec(first + lane));
  return out;
}

Associations make(std::vector<std::shared_ptr<const WorkerAssociations>>& tables) {
  tables.resize(kWorkers);
  return Associations(kWorkers, [&tables](unsigned worker, auto table) { tables[worker] = std::move(table); });
}

void stage(Associations& all, unsigned peer, unsigned per_commit, unsigned& staged, benchmark::State& state) {
  const uint32_t spi = 0x10000 + peer * 2 * kLanes;
  const auto commit = [&](const base::Result<void>& done) {
    if (!done) state.SkipWithError(done.error().c_str());
    if (++staged % per_commit == 0) all.commit();
  };
  commit(all.stage_outbound(static_cast<uint16_t>(peer), specs(spi)));
  commit(all.stage_inbound(static_cast<uint16_t>(peer), 1, specs(spi + kLanes)));
}

void start(benchmark::State& state) {
  const auto peers = static_cast<unsigned>(state.range(0)), per_commit = static_cast<unsigned>(state.range(1));
  for (auto _ : state) {
    std::vector<std::shared_ptr<const WorkerAssociations>> tables;
    auto all = make(tables);
    unsigned staged = 0;
    for (unsigned peer = 0; peer < peers; ++peer) stage(all, peer, per_commit, staged, state);
    all.commit();
    state.counters["sets"] = staged;
    for (unsigned peer = 0; peer < peers; ++peer) all.remove(static_cast<uint16_t>(peer));
    all.commit();
  }
}
BENCHMARK(start)->Name("Start")->ArgsProduct({{100, 500}, {1, 32}})->Iterations(1)->Unit(benchmark::kMillisecond);

void change(benchmark::State& state) {
  std::vector<std::shared_ptr<const WorkerAssociations>> tables;
  auto all = make(tables);
  unsigned staged = 0;
  for (unsigned peer = 0; peer < 500; ++peer) stage(all, peer, 1u << 20, staged, state);
  all.commit();
  for (auto _ : state) {
    if (auto done = all.stage_outbound(7, specs(0x800000)); !done) state.SkipWithError(done.error().c_str());
    all.commit();
  }
}
BENCHMARK(change)->Name("Change")->Iterations(200)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace penstock::engine

int main(int argc, char** argv) { return penstock::bench::main(argc, argv); }
