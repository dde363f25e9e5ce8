// tcp::Stack as the proxy's transport (l7/proxy/net.h): connections by their number in the stack.
//
// Every call that may have given the connection something to say touches it. Thread: the worker's; memory: the stack's.
#pragma once

#include <algorithm>

#include "l7/config/cluster.h"
#include "l7/host/source_ports.h"
#include "l7/host/way.h"
#include "l7/proxy/net.h"
#include "l7/tcp/stack.h"

namespace penstock::host {

class StackNet {
 public:
  StackNet(tcp::Stack& stack, const engine::WorkerState& worker, uint32_t seed)
      : stack_(stack), worker_(worker), ports_(worker.id, worker.workers, seed) {}

  size_t peek(uint32_t id, base::Bytes* pieces, size_t max, size_t& count) {
    return stack_.at(id).peek(pieces, max, count);
  }
  size_t readable(uint32_t id) { return stack_.at(id).readable(); }
  void consume(uint32_t id, size_t bytes, base::Nanos now) {
    stack_.at(id).consume(bytes, now);
    stack_.touch(id);
  }
  size_t write(uint32_t id, base::Bytes bytes, base::Nanos now) {
    const size_t taken = stack_.at(id).write(bytes, now);
    stack_.touch(id);
    return taken;
  }
  // Nothing that was allowed is refused; and nobody takes more than a share of what is free, so that those who do not
  // read leave something to the others. Who gets nothing hears of it when there is memory again.
  size_t writable(uint32_t id) {
    const size_t wanted = stack_.at(id).writable();
    const size_t chunks = stack_.shared().chunks.available() / kShare;
    if (wanted != 0 && chunks <= 1) stack_.starve(id);
    return std::min(wanted, chunks > 1 ? (chunks - 1) * tcp::kChunkBytes : 0);  // one begins or ends unaligned
  }
  void finish(uint32_t id, base::Nanos now) {
    stack_.at(id).finish(now);
    stack_.touch(id);
  }
  void close(uint32_t id, base::Nanos now) {
    stack_.at(id).close(now);
    stack_.touch(id);
  }
  void abort(uint32_t id) {
    stack_.at(id).abort();
    stack_.touch(id);
  }
  bool peer_finished(uint32_t id) { return stack_.at(id).peer_finished(); }
  void widen(uint32_t id) { stack_.at(id).widen(); }
  void touch(uint32_t id) { stack_.touch(id); }
  void release(uint32_t id) { stack_.release(id); }
  uint32_t connect(const config::Endpoint& endpoint, base::Nanos now);
  base::IpAddress peer_address(uint32_t id) { return stack_.tuple_of(id).remote; }
  uint16_t peer_port(uint32_t id) { return stack_.tuple_of(id).remote_port; }
  base::IpAddress local_address(uint32_t id) { return stack_.tuple_of(id).local; }

 private:
  static constexpr size_t kShare = 8;

  tcp::Stack& stack_;
  const engine::WorkerState& worker_;
  SourcePorts ports_;
};

inline uint32_t StackNet::connect(const config::Endpoint& endpoint, base::Nanos now) {
  const Way way = way_to(worker_, endpoint.address);
  tcp::Tuple tuple{.local = way.source, .remote = endpoint.address, .local_port = 0, .remote_port = endpoint.port};
  if (way.source.is_unspecified()) return tcp::kNone;
  if (!ports_.choose(stack_, tuple)) return proxy::kNoPort;
  return stack_.connect(tuple, now, mss_of(way, tuple.local.is_v4()));
}

}  // namespace penstock::host
