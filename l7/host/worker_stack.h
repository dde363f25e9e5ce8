// One worker's connections: packets ↔ TCP ↔ the proxy. It is what the engine calls a LocalHost.
//
// A burst: recognise() (whose packets are they), absorb() (state changes only). A round: act(): time, what happened to
// connections is told to the proxy, and what connections have to say leaves as packets.
// Memory: tables and pools are made with it and bounded by Sizes; blocks of connections and chunks are taken from the
// heap when first needed and kept. Thread: made by control before the worker runs, then the worker's alone; Counters
// are read by anybody. Failure: what does not fit is refused by the names of tcp::ListenerCount and proxy counters.
#pragma once

#include <memory>
#include <vector>

#include "engine/local_host.h"
#include "engine/worker_state.h"
#include "l7/host/packets.h"
#include "l7/host/stack_net.h"
#include "l7/host/tcp_counters.h"
#include "l7/proxy/proxy.h"
#include "l7/route/l7_config.h"
#include "l7/tcp/stack.h"

namespace penstock::host {

struct Sizes {
  uint32_t connections =
      256 * 1024;                   // of both sides, TIME-WAIT included; half of them clients', a quarter to endpoints
  uint32_t requests = 16 * 1024;    // under way
  uint32_t stream_mebibytes = 256;  // bytes of connections
  uint32_t half_open = 1024;        // of a listener, an eighth of one source; beyond: SYN cookies
  bool operator==(const Sizes&) const = default;
};

class WorkerStack final : public engine::LocalHost {
 public:
  // `limits` and `outliers`: what all workers share; null: its own.
  WorkerStack(const Sizes& sizes, const engine::WorkerState& worker, const tcp::HashKey& key, uint32_t seed,
              base::Nanos now, std::shared_ptr<limit::Tables> limits = nullptr,
              std::shared_ptr<proxy::OutlierTable> outliers = nullptr);

  void adopt(const flow::Generation& generation) override;
  void recognise(engine::Packet* const* packets, unsigned count) override;
  bool learn(const engine::Packet& error, const flow::FlowKey& key, base::Nanos now) override;
  void absorb(engine::Packet* const* packets, unsigned count, base::Nanos now) override;
  unsigned act(base::Nanos now, rte_mbuf** out, unsigned room) override;
  bool busy() const override { return stack_.connections() != 0; }

  tcp::Stack& stack() { return stack_; }
  proxy::Proxy<StackNet>& proxy() { return proxy_; }
  const TcpCounters& tcp_counters() const { return counters_; }  // any thread

 private:
  static constexpr uint32_t kSegmentsAtOnce = 16;  // of a connection, before another has its turn
  // That a segment of 64 KiB may become in buffers of the standard size, whatever its segment size. One is begun only
  // when all of them have room: after the round its bytes may be another connection's.
  static constexpr uint32_t kMostPackets = (65535 + kLeastPayload - 1) / kLeastPayload;

  struct Open {  // a listener of the generation, as the stack knows it
    base::IpAddress address;
    uint16_t port;
    uint32_t tcp;    // number in the stack
    uint32_t index;  // in L7Config::listeners
  };

  void close_unwanted(const route::L7Config& config);
  void look_at_ports();
  Offload offload_to(const base::IpAddress& remote) const;
  void tell(base::Nanos now);
  void publish_counters(base::Nanos now);

  const engine::WorkerState& worker_;
  const uint32_t half_open_;
  tcp::Stack stack_;
  StackNet net_;
  proxy::Proxy<StackNet> proxy_;
  PacketWriter writer_;
  std::vector<Open> open_;
  bool offloads_ = false;  // some port finishes checksums
  bool draining_ = false;
  TcpCounters counters_;
  ListenerCounts closed_{};  // of listeners that are no more
  base::Nanos publish_at_ = 0;
};

}  // namespace penstock::host

extern template class penstock::proxy::Proxy<penstock::host::StackNet>;  // worker_stack.cpp
