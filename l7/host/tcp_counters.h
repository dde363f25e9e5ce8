// What a worker's TCP counted, as others may read it at any time: the stack's own counters are plain numbers of the
// worker, which copies them here a hundred times a second.
#pragma once

#include <array>

#include "base/counter.h"
#include "l7/tcp/listener.h"
#include "l7/tcp/tuning.h"

namespace penstock::host {

using ListenerCounts = std::array<uint64_t, static_cast<size_t>(tcp::ListenerCount::kCount)>;

inline constexpr std::array<const char*, std::tuple_size_v<ListenerCounts>> kListenerCountNames = {
    "accepted", "cookies_sent", "cookies_valid", "cookies_refused", "backlog_full", "table_full"};

struct TcpCounters {
  std::array<base::Counter, static_cast<size_t>(tcp::Count::kCount)> counts;
  std::array<base::Counter, static_cast<size_t>(tcp::ListenerCount::kCount)> listeners;  // all together
  base::Counter connections, clients, chunks, chunks_capacity;                           // gauges
};

}  // namespace penstock::host
