// Exact flows: operations a second of one worker's table (the aim over gRPC is 500,000; the table must not be what
// limits it), at random keys in a table that fills to a million, and lookups in bursts.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <random>
#include <vector>

#include "base/time.h"
#include "flow/exact_table.h"

namespace {

using namespace penstock;
using flow::ExactOp;
using flow::ExactOpKind;
using flow::ExactStatus;
using flow::ExactTable;

constexpr uint32_t kMillion = 1'000'000;
constexpr uint32_t kCapacity = 1u << 20;
constexpr size_t kBatch = 512;  // operations a worker applies per round

// A million different keys in random order.
const std::vector<ExactOp>& all_ops(ExactOpKind kind) {
  static std::vector<ExactOp> ops;
  if (ops.empty()) {
    for (uint32_t n = 0; n < kMillion; ++n) {
      ExactOp op;
      op.key = {base::IpAddress::v4(0x0a000000 + (n >> 10)), base::IpAddress::v4(0xc0000201),
                static_cast<uint16_t>(1024 + (n & 0x3ff)), 443, 6};
      op.cookie = n;
      op.idle_seconds = 60;
      ops.push_back(op);
    }
    std::shuffle(ops.begin(), ops.end(), std::mt19937(1));
  }
  for (ExactOp& op : ops) op.kind = kind;
  return ops;
}

void apply_all(ExactTable& table, const std::vector<ExactOp>& ops) {
  ExactStatus statuses[kBatch];
  for (size_t from = 0; from < ops.size(); from += kBatch) {
    const size_t count = std::min(kBatch, ops.size() - from);
    table.apply({&ops[from], count}, {statuses, count}, 0);
  }
}

void run(benchmark::State& state, ExactOpKind measured, bool fill_first) {
  for (auto _ : state) {
    state.PauseTiming();
    ExactTable table(kCapacity, {});
    // Fills and empties once, so that page faults of a young table are measured apart (add_first_touch).
    apply_all(table, all_ops(ExactOpKind::kAdd));
    if (!fill_first) apply_all(table, all_ops(ExactOpKind::kDelete));
    const std::vector<ExactOp>& ops = all_ops(measured);
    state.ResumeTiming();
    apply_all(table, ops);
    state.PauseTiming();
    benchmark::DoNotOptimize(table.size());
    state.ResumeTiming();
  }
  state.SetItemsProcessed(state.iterations() * kMillion);
}

void add(benchmark::State& state) { run(state, ExactOpKind::kAdd, false); }
void replace(benchmark::State& state) { run(state, ExactOpKind::kReplace, true); }
void erase(benchmark::State& state) { run(state, ExactOpKind::kDelete, true); }
BENCHMARK(add)->Unit(benchmark::kMillisecond);
BENCHMARK(replace)->Unit(benchmark::kMillisecond);
BENCHMARK(erase)->Unit(benchmark::kMillisecond);

void add_first_touch(benchmark::State& state) {
  for (auto _ : state) {
    state.PauseTiming();
    const std::vector<ExactOp>& ops = all_ops(ExactOpKind::kAdd);
    {
      ExactTable table(kCapacity, {});
      state.ResumeTiming();
      apply_all(table, ops);
      state.PauseTiming();
    }
    state.ResumeTiming();
  }
  state.SetItemsProcessed(state.iterations() * kMillion);
}
BENCHMARK(add_first_touch)->Unit(benchmark::kMillisecond);

void find_in_a_million(benchmark::State& state) {
  ExactTable table(kCapacity, {});
  const std::vector<ExactOp>& ops = all_ops(ExactOpKind::kAdd);
  apply_all(table, ops);
  constexpr unsigned kBurst = 64;
  std::vector<uint64_t> hashes;
  for (const ExactOp& op : ops) hashes.push_back(table.hash(op.key));
  const flow::FlowKey* pointers[kBurst];
  flow::ExactEntry* entries[kBurst];
  size_t at = 0;
  base::Cycles cycles = 0;
  for (auto _ : state) {
    for (unsigned i = 0; i < kBurst; ++i) pointers[i] = &ops[at + i].key;
    const base::Cycles begin = base::read_cycles();
    table.find(pointers, &hashes[at], kBurst, entries);
    for (flow::ExactEntry* entry : entries) entry->count(64, 1);
    cycles += base::read_cycles() - begin;
    at = (at + kBurst) % (kMillion - kBurst);
  }
  state.SetItemsProcessed(state.iterations() * kBurst);
  state.counters["cycles/packet"] = static_cast<double>(cycles) / static_cast<double>(state.iterations() * kBurst);
}
BENCHMARK(find_in_a_million);

}  // namespace

BENCHMARK_MAIN();
