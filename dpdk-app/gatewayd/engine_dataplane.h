// The packet engine in the words of the control side: translates Node to a plan, counters and watches to plain values.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>

#include "control/loop/dataplane.h"
#include "engine/engine.h"

namespace penstock::gatewayd {

class EngineDataplane : public loop::Dataplane {
 public:
  explicit EngineDataplane(engine::Engine& engine) : engine_(engine) {}

  model::FieldErrors prepare(const model::Node& node, std::vector<loop::PortInfo>& ports) override;
  model::FieldErrors prepare_peers(const flow::Generation& generation,
                                   const model::Objects<model::Peer>& peers) override;
  void commit_peers() override;
  void abandon_peers() override;
  std::vector<loop::AssociationInfo> associations() const override;
  void publish(std::shared_ptr<const flow::Generation> generation) override;
  uint64_t oldest_in_use() const override { return engine_.oldest_in_use(); }
  void close_ports_not_in(const model::Node& node) override;

  std::vector<loop::WorkerInfo> workers() const override;
  std::vector<loop::PortInfo> ports() const override;
  loop::PortCounters port_counters(uint16_t port) const override;
  const flow::WorkerCounters& counters(unsigned worker) const override;
  unsigned owner_of(const flow::FlowKey& key) const override;
  bool submit(unsigned worker, flow::Command* command) override;
  size_t poll_events(size_t most, const std::function<void(const flow::Event&)>& sink) override;

  base::Result<std::unique_ptr<Watch>> capture(const std::string& expression, uint8_t points,
                                               uint16_t snap_length) override;
  base::Result<void> trace(const std::string& expression, unsigned packets, base::Nanos deadline,
                           const std::function<bool(const loop::TraceStep&)>& sink) override;
  base::Result<loop::Explanation> explain(flow::InterfaceId interface, std::span<const uint8_t> frame) override;

 private:
  friend class CaptureWatch;

  // The generation in force, kept alive for readers on other threads.
  std::shared_ptr<const flow::Generation> live() const;
  void run_on_all(const std::function<std::unique_ptr<flow::Command>()>& make);
  void copy_exact(engine::Worker& shadow, flow::FlowKey key, flow::InterfaceId interface);
  bool copy_flow(engine::Worker& shadow, const flow::FlowKey& key);

  using Tunnels = std::map<uint16_t, model::Peer>;  // by slot: what the associations were made from

  engine::Engine& engine_;
  Tunnels tunnels_;  // control thread, this and the next
  std::optional<Tunnels> next_tunnels_;
  mutable std::mutex live_lock_;
  std::shared_ptr<const flow::Generation> live_;
  std::mutex capture_lock_;
  uint8_t captures_in_use_ = 0;  // bit per capture id
  std::mutex trace_lock_;        // one trace at a time
  std::mutex explain_lock_;
};

}  // namespace penstock::gatewayd
