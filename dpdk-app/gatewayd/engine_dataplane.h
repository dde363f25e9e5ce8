// The packet engine in the words of the control side: translates Node to a plan, counters and watches to plain values.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>

#include "control/loop/dataplane.h"
#include "engine/crypto/key_file.h"
#include "engine/engine.h"
#include "gatewayd/hosts.h"

namespace penstock::gatewayd {

constexpr uint16_t kMinInner6 = 1280;  // RFC 8200 §5
std::string why_too_small(uint16_t path_mtu, uint16_t inner);

class EngineDataplane : public loop::Dataplane {
 public:
  // Called with the generation in force (null: none yet) and the next one, before a worker can adopt it.
  using OnPublish = std::function<void(const flow::Generation*, const flow::Generation&)>;

  EngineDataplane(engine::Engine& engine, Hosts& hosts, OnPublish on_publish)
      : engine_(engine), hosts_(hosts), on_publish_(std::move(on_publish)) {}

  model::FieldErrors prepare(const model::Node& node, std::vector<loop::PortInfo>& ports) override;
  model::FieldErrors prepare_peers(const flow::Generation& generation, const model::Objects<model::Peer>& peers,
                                   MissingKeys missing) override;
  void commit_peers() override;
  void abandon_peers() override;
  void tidy_peers() override;
  std::vector<loop::AssociationInfo> associations() const override;
  base::Result<mesh::Made> make_inbound(uint16_t peer, const std::string& identity, uint64_t epoch,
                                        unsigned senders) override;
  base::Result<void> use_outbound(uint16_t peer, const std::string& identity, const mesh::Grant& grant) override;
  void drop_inbound(uint16_t peer, uint64_t epoch) override;
  void drop_outbound(uint16_t peer) override;
  std::vector<AssociationUse> association_use() const override;
  std::vector<loop::CryptoDeviceInfo> crypto_devices() const override;
  void publish(std::shared_ptr<const flow::Generation> generation) override;
  uint64_t oldest_in_use() const override { return engine_.oldest_in_use(); }
  void close_ports_not_in(const model::Node& node) override;

  std::vector<loop::WorkerInfo> workers() const override;
  std::vector<loop::PortInfo> ports() const override;
  loop::PortCounters port_counters(uint16_t port) const override;
  const flow::WorkerCounters& counters(unsigned worker) const override;
  uint64_t client_connections() const override { return hosts_.clients(); }
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

  // What the associations of a peer are made from: of the Peer object, and of the way to it.
  struct Terms {
    crypto::Cipher cipher = crypto::Cipher::kAesGcm128;
    bool esn = true, udp_encapsulation = false;
    uint32_t replay_window = 0;
    base::IpAddress local, remote;
    uint16_t path_mtu = 0;
    bool identities = false;
    std::string key_file, identity;  // one of them
    bool operator==(const Terms&) const = default;
  };
  struct Tunnel {
    Terms terms;
    uint64_t hard_packets = 0, hard_bytes = 0;  // of agreed outbound associations, from the next ones on
    bool carries_v6 = false;
    bool without_keys = false;    // agreed by hand, and could not be read
    std::vector<uint16_t> ports;  // by which it is reached
  };
  using Tunnels = std::map<uint16_t, Tunnel>;  // by slot

  static Tunnel tunnel_of(const model::Peer& peer, const flow::Peer& way);
  static crypto::SaSpec spec_of(const Terms& terms);
  std::string stage_static(uint16_t slot, const Terms& terms);
  const Tunnel* agreed(uint16_t peer, const std::string& identity) const;  // null: it is not that peer's tunnel

  engine::Engine& engine_;
  Hosts& hosts_;
  const OnPublish on_publish_;
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
