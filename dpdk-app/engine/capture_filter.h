// tcpdump's expressions (pcap-filter(7)) for captures and traces: compiled where they are asked for, run by workers.
//
// An expression comes from outside: its length is bounded, and what does not compile is an error with libpcap's words.
// Names of hosts are looked up when it is compiled, as tcpdump does. A filter is immutable; any thread may match.
#pragma once

#include <pcap/pcap.h>

#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"

namespace penstock::flow {
struct WatchFilter {
  bpf_program program{};
  bool match_all = false;

  WatchFilter() = default;
  WatchFilter(const WatchFilter&) = delete;
  ~WatchFilter();
  bool matches(const uint8_t* frame, uint32_t length, uint32_t captured) const;
};
}  // namespace penstock::flow

namespace penstock::engine {

// Nothing but blanks: everything matches.
base::Result<std::unique_ptr<flow::WatchFilter>> compile_filter(const std::string& expression);

}  // namespace penstock::engine
