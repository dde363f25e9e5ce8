// Statistics as tables: totals for `stats`, rates between two moments for `top`.
#pragma once

#include <string>

#include "control/api/telemetry.pb.h"

namespace penstock::cli {

// Every section that has something in it; drops that never happened are left out.
std::string stats_text(const v1::StatsResponse& stats);

// What happened between the two, per second; at most `lines` lines (0: no bound).
std::string rates_text(const v1::StatsResponse& before, const v1::StatsResponse& now, size_t lines);

}  // namespace penstock::cli
