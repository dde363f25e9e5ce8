// What every benchmark needs: the EAL on one core without hugepages or devices, and cycles per item.
//
//   int main(int argc, char** argv) { return penstock::bench::main(argc, argv); }
#pragma once

#include <benchmark/benchmark.h>
#include <rte_eal.h>

#include <iterator>

#include "base/time.h"

namespace penstock::bench {

// Memory is reserved address space until it is used; AVX-512 as the gateway allows it to DPDK's libraries.
inline bool start_eal(const char* megabytes) {
  const char* eal[] = {"bench",
                       "-l",
                       "0",
                       "--no-huge",
                       "-m",
                       megabytes,
                       "--no-pci",
                       "--no-telemetry",
                       "--log-level=3",
                       "--no-shconf",
                       "--force-max-simd-bitwidth=512"};
  return rte_eal_init(std::size(eal), const_cast<char**>(eal)) >= 0;
}

inline int main(int argc, char** argv, const char* megabytes = "4096") {
  if (!start_eal(megabytes)) return 1;
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  rte_eal_cleanup();
  return 0;
}

// Counts the cycles of a benchmark's loop; report() divides them by the items it worked on.
class CycleMeter {
 public:
  explicit CycleMeter(benchmark::State& state) : state_(state), start_(base::read_cycles()) {}
  void report(double items_per_iteration, const char* name = "cycles/item") {
    const auto cycles = static_cast<double>(base::read_cycles() - start_);
    const double items = static_cast<double>(state_.iterations()) * items_per_iteration;
    state_.counters[name] = cycles / items;
    state_.SetItemsProcessed(static_cast<int64_t>(items));
  }

 private:
  benchmark::State& state_;
  base::Cycles start_;
};

}  // namespace penstock::bench
