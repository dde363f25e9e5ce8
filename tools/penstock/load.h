// flows load: programs many exact flows through one stream and says how fast that went.
#pragma once

#include <cstdint>

#include "tools/penstock/cli.h"

namespace penstock::cli {

struct Load {
  uint32_t count = 1'000'000;
  uint32_t batch = 4000;
  uint32_t window = 16;  // batches sent and not yet acknowledged
  bool v6 = false;
  bool remove = false;
};

int run_load(const Shared& shared, const Load& load);

}  // namespace penstock::cli
