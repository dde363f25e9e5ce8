// The filter: build time, and cycles a packet in bursts of 64. The promise: 10,000 rules cost at most twice 10.
#include <random>

#include "bench/bench_main.h"
#include "flow/filter.h"

namespace {

using namespace penstock;

// What operators write: services by destination and port for some sources, and sources that are shut out.
flow::RuleMatch any_match(std::mt19937_64& random) {
  flow::RuleMatch match;
  const auto number = [&](unsigned below) { return static_cast<unsigned>(random() % below); };
  if (number(4) == 0) {
    match.src = {base::IpAddress::v4(0x0b000000 + number(0x20000000)), static_cast<uint8_t>(16 + number(17))};
    match.dst = {base::IpAddress::v4(0), 0};
    return match;
  }
  match.dst = {base::IpAddress::v4(0x0a000000 | number(0x1000000)), static_cast<uint8_t>(number(2) != 0 ? 32 : 24)};
  if (number(3) != 0)
    match.src = {base::IpAddress::v4(0xc0000000 | number(0x1000000)), static_cast<uint8_t>(16 + number(17))};
  match.protocol = number(3) == 0 ? 17 : 6;
  match.dst_port_first = match.dst_port_last = static_cast<uint16_t>(1 + number(1000));
  if (number(10) == 0) match.dst_port_first = 0, match.dst_port_last = 1023;
  return match;
}

std::vector<flow::FilterRule> rules_of(size_t count) {
  std::mt19937_64 random(4);
  std::vector<flow::FilterRule> rules(count);
  for (flow::FilterRule& rule : rules) rule.matches = {any_match(random)};
  return rules;
}

void build(benchmark::State& state) {
  const auto rules = rules_of(static_cast<size_t>(state.range(0)));
  for (auto _ : state) {
    const auto filter = flow::Filter::build(rules, {});
    if (!filter) return state.SkipWithError(filter.error().c_str());
  }
}
BENCHMARK(build)->Arg(10)->Arg(1000)->Arg(10'000)->Unit(benchmark::kMillisecond);

// Packets that reach a rule each; arguments: rules, mirrors.
void classify(benchmark::State& state) {
  const auto rules = rules_of(static_cast<size_t>(state.range(0)));
  std::mt19937_64 random(5);
  std::vector<flow::MirrorMatch> mirrors(static_cast<size_t>(state.range(1)));
  for (uint32_t i = 0; i < mirrors.size(); ++i) mirrors[i] = {i, {any_match(random)}};
  const auto filter = flow::Filter::build(rules, mirrors);
  if (!filter) return state.SkipWithError(filter.error().c_str());

  constexpr size_t kPackets = 4096;
  std::vector<flow::FilterInput> packets(kPackets);
  std::vector<const flow::FilterInput*> inputs;
  for (flow::FilterInput& p : packets) {
    const flow::RuleMatch& match = rules[random() % rules.size()].matches[0];
    p.src = match.src == base::Prefix{} ? base::IpAddress::v4(static_cast<uint32_t>(random())) : match.src.address;
    p.dst = match.dst.length == 0 ? base::IpAddress::v4(static_cast<uint32_t>(random())) : match.dst.address;
    p.protocol = match.protocol != 0 ? match.protocol : 6;
    p.src_port = static_cast<uint16_t>(random());
    p.dst_port = match.dst_port_first;
    inputs.push_back(&p);
  }
  flow::FilterResult results[flow::kFilterBurst];
  size_t at = 0;
  bench::CycleMeter meter(state);
  for (auto _ : state) {
    (*filter)->classify({&inputs[at], flow::kFilterBurst}, results);
    benchmark::DoNotOptimize(results);
    at = (at + flow::kFilterBurst) % kPackets;
  }
  meter.report(flow::kFilterBurst, "cycles/packet");
}
BENCHMARK(classify)->Args({10, 0})->Args({100, 0})->Args({1000, 0})->Args({10'000, 0})->Args({10, 64});

}  // namespace

int main(int argc, char** argv) { return penstock::bench::main(argc, argv); }
