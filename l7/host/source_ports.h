// Ports for connections that the gateway opens: such that the answer reaches the worker that asks (flow/shard.h).
//
// Ports below kFirst are servers', above kLast answers to health checks. Each worker has its own share of them for each
// pair of addresses, so nothing is shared; what a tuple uses is free again when the stack has forgotten it, TIME-WAIT
// included. Failure: 0 when kTries ports in a row are taken: nearly all are. Thread: the worker's.
#pragma once

#include "flow/shard.h"
#include "l7/tcp/stack.h"

namespace penstock::host {

class SourcePorts {
 public:
  static constexpr uint16_t kFirst = 1024, kLast = 60999;
  static constexpr unsigned kTries = 1024;  // at nine of ten taken, one of 10^46 searches fails for bad luck

  SourcePorts(unsigned worker, unsigned workers, uint32_t seed) : worker_(worker), workers_(workers), next_(seed) {}

  // Completes the tuple's local_port.
  bool choose(const tcp::Stack& stack, tcp::Tuple& tuple) {
    flow::FlowKey key{.src = tuple.remote, .dst = tuple.local, .src_port = tuple.remote_port, .protocol = 6};
    flow::LandingPorts ports(flow::owner_hash(key), worker_, workers_, next_);
    for (unsigned i = 0; i < kTries; ++i) {
      ++next_;
      tuple.local_port = ports.next();
      if (tuple.local_port >= kFirst && tuple.local_port <= kLast && stack.find(tuple) == tcp::kNone) return true;
    }
    return false;
  }

 private:
  unsigned worker_, workers_;
  uint32_t next_;  // where the last search ended: the longest-free port comes first
};

}  // namespace penstock::host
