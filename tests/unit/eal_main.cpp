// GoogleTest's main for rooms whose tables live in DPDK memory: starts the EAL on one core without hugepages or
// devices.
#include <gtest/gtest.h>
#include <rte_eal.h>

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  const char* eal[] = {"unit",
                       "-l",
                       "0",
                       "--no-huge",
                       "-m",
                       "4096",
                       "--no-pci",
                       "--no-telemetry",
                       "--log-level=3",
                       "--file-prefix=penstock-unit",
                       "--no-shconf"};
  if (rte_eal_init(std::size(eal), const_cast<char**>(eal)) < 0) return 1;
  const int status = RUN_ALL_TESTS();
  rte_eal_cleanup();
  return status;
}
