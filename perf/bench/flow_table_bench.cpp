// The flow table in bursts of 64, as the engine uses it: find and count packets of 1, 1k, 100k and 1M flows in random
// order; misses; opening and closing; the whole turnover of a SYN flood on a full table. "cycles" are per packet, the
// median of all bursts: what else runs on the machine does not count.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <map>
#include <memory>
#include <random>
#include <vector>

#include "base/time.h"
#include "flow/flow_table.h"

namespace {

using namespace penstock;
using flow::FlowKey;
using flow::FlowStateId;
using flow::FlowTable;

constexpr unsigned kBurst = 64;
constexpr auto kIgnore = [](flow::Flow&, uint32_t) {};

FlowKey key_of(uint32_t n) {
  return {base::IpAddress::v4(0x0a000000 + (n >> 10)), base::IpAddress::v4(0xc0000201),
          static_cast<uint16_t>(1024 + (n & 0x3ff)), 80, 6};
}

FlowKey reply_of(const FlowKey& key) {
  FlowKey reply = key.reversed();
  reply.src = base::IpAddress::v4(0x0a800001);
  return reply;
}

// A table of 2^20 with `count` established flows; kept, since filling a million takes a while.
FlowTable& table_of(uint32_t count) {
  static std::map<uint32_t, std::unique_ptr<FlowTable>> tables;
  auto& table = tables[count];
  if (table == nullptr) {
    table = std::make_unique<FlowTable>(1u << 20, flow::HashSecret{});
    for (uint32_t n = 0; n < count; ++n)
      (void)table->open(key_of(n), reply_of(key_of(n)), FlowStateId::kTcpEstablished, false, 0, kIgnore);
  }
  return *table;
}

// Packets in random order, prepared outside of the measurement as a receive burst would have them.
struct Packets {
  static constexpr size_t kCount = 1u << 18;  // of them: 16 MiB of keys and hashes, walked in order
  std::vector<FlowKey> keys;
  std::vector<uint64_t> hashes;

  Packets(const FlowTable& table, uint32_t first, uint32_t flows, bool replies) {
    std::mt19937 random(1);
    for (size_t i = 0; i < kCount; ++i) {
      FlowKey key = key_of(first + static_cast<uint32_t>(random() % flows));
      if (replies && random() % 2) key = reply_of(key);
      keys.push_back(key);
      hashes.push_back(table.hash(key));
    }
  }
};

// Cycles of every burst.
class Meter {
 public:
  explicit Meter(benchmark::State& state) : state_(state) {}
  void begin() { begin_ = base::read_cycles(); }
  void end() { bursts_.push_back(static_cast<uint32_t>(base::read_cycles() - begin_)); }

  ~Meter() {
    if (bursts_.empty()) return;
    const auto middle = bursts_.begin() + static_cast<std::ptrdiff_t>(bursts_.size() / 2);
    std::nth_element(bursts_.begin(), middle, bursts_.end());
    state_.counters["cycles"] = static_cast<double>(*middle) / kBurst;
    state_.SetItemsProcessed(static_cast<int64_t>(bursts_.size()) * kBurst);
  }

 private:
  benchmark::State& state_;
  std::vector<uint32_t> bursts_;
  base::Cycles begin_ = 0;
};

template <typename PerMatch>
void find_bursts(benchmark::State& state, FlowTable& table, const Packets& packets, PerMatch&& per_match) {
  FlowKey keys[kBurst];  // as the parser leaves them: in the first cache
  uint64_t hashes[kBurst];
  const FlowKey* pointers[kBurst];
  flow::FlowMatch matches[kBurst];
  for (unsigned i = 0; i < kBurst; ++i) pointers[i] = &keys[i];
  size_t at = 0;
  Meter meter(state);
  for (auto _ : state) {
    std::copy_n(&packets.keys[at], kBurst, keys);
    std::copy_n(&packets.hashes[at], kBurst, hashes);
    meter.begin();
    table.find(pointers, hashes, kBurst, matches, 1);
    for (const flow::FlowMatch& match : matches) per_match(match);
    meter.end();
    at = (at + kBurst) % Packets::kCount;
  }
}

void find_and_count(benchmark::State& state) {
  const auto flows = static_cast<uint32_t>(state.range(0));
  FlowTable& table = table_of(flows);
  const Packets packets(table, 0, flows, true);
  find_bursts(state, table, packets, [](const flow::FlowMatch& match) { match.flow->count(match.direction, 64, 2); });
}
BENCHMARK(find_and_count)->Arg(1)->Arg(1000)->Arg(100'000)->Arg(1'000'000);

void miss(benchmark::State& state) {
  const auto flows = static_cast<uint32_t>(state.range(0));
  FlowTable& table = table_of(flows);
  const Packets packets(table, 2'000'000, 1'000'000, false);
  find_bursts(state, table, packets, [](const flow::FlowMatch& match) { benchmark::DoNotOptimize(match.kind); });
}
BENCHMARK(miss)->Arg(1000)->Arg(1'000'000);

// One flow after another is opened and closed in a table that holds `flows` others: the cost of a short connection.
void open_and_close(benchmark::State& state) {
  FlowTable& table = table_of(static_cast<uint32_t>(state.range(0)));
  uint32_t next = 4'000'000;
  Meter meter(state);
  for (auto _ : state) {
    flow::Flow* opened[kBurst];
    meter.begin();
    for (flow::Flow*& f : opened) {
      const FlowKey key = key_of(next++);
      f = table.open(key, reply_of(key), FlowStateId::kTcpSynSent, false, 1, kIgnore).flow;
    }
    for (flow::Flow* f : opened) table.close(*f);
    meter.end();
  }
}
BENCHMARK(open_and_close)->Arg(1000)->Arg(900'000);

// Every SYN of the flood misses, evicts an embryonic flow and takes its place.
void syn_flood(benchmark::State& state) {
  FlowTable table(1u << 20, {});
  for (uint32_t n = 0; n < 500'000; ++n)
    (void)table.open(key_of(n), reply_of(key_of(n)), FlowStateId::kTcpEstablished, false, 0, kIgnore);
  uint32_t next = 1'000'000;
  const auto syn = [&] {
    const FlowKey key = key_of(next++);
    (void)table.open(key, reply_of(key), FlowStateId::kTcpSynSent, false, 1, kIgnore);
  };
  while (!table.is_under_pressure()) syn();
  Meter meter(state);
  for (auto _ : state) {
    meter.begin();
    for (unsigned i = 0; i < kBurst; ++i) syn();
    meter.end();
  }
}
BENCHMARK(syn_flood);

void sweep(benchmark::State& state) {
  FlowTable& table = table_of(static_cast<uint32_t>(state.range(0)));
  const flow::StateTimeouts timeouts;
  Meter meter(state);
  for (auto _ : state) {
    meter.begin();
    table.sweep(kBurst, 2, timeouts, [](flow::Flow&, uint32_t) { return true; });
    meter.end();
  }
}
BENCHMARK(sweep)->Arg(1'000'000);

}  // namespace

BENCHMARK_MAIN();
