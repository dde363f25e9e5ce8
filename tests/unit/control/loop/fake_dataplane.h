// A packet engine without packets: workers are threads that adopt generations and finish commands. Tests read what they
// were asked, put events into their rings, and can stop a worker or make prepare() fail.
#pragma once

#include <atomic>
#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "control/loop/dataplane.h"

namespace penstock::loop {

class FakeDataplane : public Dataplane {
  template <typename F>
  auto locked(F&& f) {
    const std::lock_guard lock(mutex_);
    return f();
  }

 public:
  struct Injected {
    unsigned worker;
    flow::InterfaceId interface;
    flow::InjectAs as;
    std::vector<uint8_t> frame;
  };
  struct Neighbour {
    unsigned worker;
    base::IpAddress address;
    base::MacAddress mac;
    flow::NeighbourState state;
  };

  explicit FakeDataplane(unsigned workers) : workers_(workers), slot_(std::make_unique<flow::GenerationSlot>()) {
    for (unsigned i = 0; i < workers; ++i) counters_.push_back(std::make_unique<flow::WorkerCounters>());
  }
  ~FakeDataplane() override {
    stop_ = true;
    for (auto& thread : threads_) thread.join();
  }

  // ---- knobs, any thread ----
  std::atomic<bool> paused{false};  // workers adopt nothing and finish nothing
  std::atomic<std::chrono::milliseconds> commit_takes{std::chrono::milliseconds(0)};
  void refuse_device(const std::string& device) {
    locked([&] { bad_device_ = device; });
  }
  void set_link(const std::string& interface, bool up) {
    locked([&] { open_.at(interface).link_up = up; });
  }
  // Paths to peers on which probes get lost; all others answer at once.
  void set_silent(std::set<std::pair<uint16_t, uint8_t>> paths) {
    locked([&] { silent_ = std::move(paths); });
  }
  void set_associations(std::vector<AssociationInfo> all) {
    locked([&] { associations_ = std::move(all); });
  }
  void push(const flow::Event& event) {
    locked([&] { events_.push_back(event); });
  }

  // ---- what was asked ----
  std::atomic<unsigned> made{0}, committed{0}, commits{0};  // sets of keys; those in force; how often some came into it
  std::vector<std::string> calls() {
    return locked([&] { return calls_; });
  }
  std::set<std::string> open_devices() {
    return locked([&] {
      std::set<std::string> out;
      for (const auto& [name, port] : open_) out.insert(name);
      return out;
    });
  }
  std::vector<Injected> take_injected() {
    return locked([&] { return std::exchange(injected_, {}); });
  }
  std::vector<Neighbour> take_neighbours() {
    return locked([&] { return std::exchange(neighbours_, {}); });
  }

  // ---- Dataplane ----
  model::FieldErrors prepare(const model::Node& node, std::vector<PortInfo>& ports) override {
    const std::lock_guard lock(mutex_);
    calls_.push_back("prepare");
    for (size_t i = 0; i < node.interfaces.size(); ++i) {
      if (!bad_device_.empty() && node.interfaces[i].device == bad_device_) {
        return {{"", "spec.interfaces[" + std::to_string(i) + "].device", "no such device"}};
      }
    }
    for (const auto& interface : node.interfaces) {
      if (!open_.contains(interface.name)) {
        PortInfo port;
        port.interface = interface.name;
        port.port = next_port_++;
        port.mac.bytes = {0x02, 0, 0, 0, 0, static_cast<uint8_t>(port.port + 1)};
        port.rx_queues = port.tx_queues = 1;
        port.link_up = true;
        open_[interface.name] = port;
      }
      ports.push_back(open_.at(interface.name));
    }
    while (threads_.size() < workers_) {
      const auto id = static_cast<unsigned>(threads_.size());
      threads_.emplace_back([this, id] { run(id); });
      while (!slot_->workers[id].running) std::this_thread::yield();
    }
    return {};
  }
  model::FieldErrors prepare_peers(const flow::Generation&, const model::Objects<model::Peer>&, MissingKeys) override {
    return {};
  }
  void commit_peers() override {
    std::this_thread::sleep_for(commit_takes.load());
    committed = made.load();
    ++commits;
  }
  void abandon_peers() override {}
  void tidy_peers() override {}
  std::vector<AssociationInfo> associations() const override {
    const std::lock_guard lock(mutex_);
    return associations_;
  }
  std::vector<CryptoDeviceInfo> crypto_devices() const override {
    const std::lock_guard lock(mutex_);
    return crypto_devices_;
  }
  void set_crypto_devices(std::vector<CryptoDeviceInfo> devices) {
    const std::lock_guard lock(mutex_);
    crypto_devices_ = std::move(devices);
  }
  base::Result<mesh::Made> make_inbound(uint16_t, const std::string& identity, uint64_t, unsigned) override {
    if (identity.empty()) return base::Error{"no tunnels here"};
    ++made;
    return mesh::Made{};
  }
  base::Result<void> use_outbound(uint16_t, const std::string&, const mesh::Grant&) override {
    return base::Error{"no tunnels here"};
  }
  void drop_inbound(uint16_t, uint64_t) override {}
  void drop_outbound(uint16_t) override {}
  std::vector<AssociationUse> association_use() const override { return {}; }
  void publish(std::shared_ptr<const flow::Generation> generation) override {
    slot_->current.store(generation.get());
    locked([&] {
      calls_.push_back("publish");
      live_ = std::move(generation);
    });
  }
  uint64_t oldest_in_use() const override {
    uint64_t oldest = UINT64_MAX;
    for (const auto& worker : slot_->workers) {
      if (worker.running) oldest = std::min(oldest, worker.adopted.load());
    }
    return oldest;
  }
  void close_ports_not_in(const model::Node& node) override {
    const std::lock_guard lock(mutex_);
    calls_.push_back("close");
    std::erase_if(open_, [&](const auto& entry) {
      return std::none_of(node.interfaces.begin(), node.interfaces.end(),
                          [&](const auto& interface) { return interface.name == entry.first; });
    });
  }
  std::vector<WorkerInfo> workers() const override {
    std::vector<WorkerInfo> out;
    for (unsigned id = 0; id < workers_ && slot_->workers[id].running; ++id) {
      const auto& worker = slot_->workers[id];
      out.push_back({id, id, worker.adopted.load(), worker.adopted_at.load(), true, {}});
    }
    return out;
  }
  std::vector<PortInfo> ports() const override {
    const std::lock_guard lock(mutex_);
    std::vector<PortInfo> out;
    for (const auto& [name, port] : open_) out.push_back(port);
    return out;
  }
  PortCounters port_counters(uint16_t) const override { return {}; }
  const flow::WorkerCounters& counters(unsigned worker) const override { return *counters_[worker]; }
  flow::WorkerCounters& counters_of(unsigned worker) { return *counters_[worker]; }
  uint64_t client_connections() const override { return clients; }
  unsigned owner_of(const flow::FlowKey& key) const override { return key.src_port % workers_; }
  bool submit(unsigned worker, flow::Command* command) override {
    const std::lock_guard lock(mutex_);
    if (commands_[worker].size() >= 64) return false;
    commands_[worker].push_back(command);
    return true;
  }
  size_t poll_events(size_t most, const std::function<void(const flow::Event&)>& sink) override {
    size_t taken = 0;
    for (; taken < most; ++taken) {
      flow::Event event;
      {
        const std::lock_guard lock(mutex_);
        if (events_.empty()) break;
        event = events_.front();
        events_.pop_front();
      }
      sink(event);
    }
    return taken;
  }
  base::Result<std::unique_ptr<Watch>> capture(const std::string&, uint8_t, uint16_t) override {
    return base::Error{"the fake captures nothing"};
  }
  base::Result<void> trace(const std::string&, unsigned, base::Nanos,
                           const std::function<bool(const TraceStep&)>&) override {
    return base::Error{"the fake traces nothing"};
  }
  base::Result<Explanation> explain(flow::InterfaceId, std::span<const uint8_t>) override {
    return base::Error{"the fake explains nothing"};
  }

  uint64_t clients = 0;  // what client_connections() says

 private:
  void run(unsigned id) {
    pthread_setname_np(pthread_self(), "worker");
    auto& me = slot_->workers[id];
    me.running = true;
    while (!stop_) {
      if (!paused) {
        // As a real worker: read the pointer, work by it, say so afterwards.
        if (const auto* generation = slot_->current.load(); generation != nullptr && generation->number != me.adopted) {
          me.adopted_at = base::monotonic_now();
          me.adopted = generation->number;
        }
        finish_commands(id);
      }
      std::this_thread::sleep_for(std::chrono::microseconds(50));
    }
    me.running = false;
  }

  void finish_commands(unsigned id) {
    const std::lock_guard lock(mutex_);
    for (; !commands_[id].empty(); commands_[id].pop_front()) {
      flow::Command* command = commands_[id].front();
      if (command->kind == flow::CommandKind::kInject) {
        const auto& inject = static_cast<const flow::InjectCommand&>(*command);
        injected_.push_back({id, inject.interface, inject.as, inject.frame});
      } else if (command->kind == flow::CommandKind::kNeighbour) {
        const auto& n = static_cast<const flow::NeighbourCommand&>(*command);
        neighbours_.push_back({id, n.address, n.mac, n.state});
      }
      if (command->kind == flow::CommandKind::kProbe) answer(static_cast<const flow::ProbeCommand&>(*command));
      command->finish();
    }
  }

  void answer(const flow::ProbeCommand& probe) {
    if (silent_.contains({probe.peer, probe.path})) return;
    flow::Event event;
    event.kind = flow::EventKind::kProbeAnswer;
    event.peer = probe.peer;
    event.path = probe.path;
    event.sequence = probe.sequence;
    event.round_trip = 1'000'000;
    events_.push_back(event);
  }

  const unsigned workers_;
  mutable std::mutex mutex_;
  std::vector<std::string> calls_;
  std::map<std::string, PortInfo> open_;
  std::string bad_device_;
  uint16_t next_port_ = 0;
  std::shared_ptr<const flow::Generation> live_;
  std::unique_ptr<flow::GenerationSlot> slot_;
  std::vector<std::unique_ptr<flow::WorkerCounters>> counters_;
  std::map<unsigned, std::deque<flow::Command*>> commands_;
  std::deque<flow::Event> events_;
  std::vector<Injected> injected_;
  std::set<std::pair<uint16_t, uint8_t>> silent_;
  std::vector<CryptoDeviceInfo> crypto_devices_;
  std::vector<AssociationInfo> associations_;
  std::vector<Neighbour> neighbours_;
  std::atomic<bool> stop_{false};
  std::vector<std::thread> threads_;
};

}  // namespace penstock::loop
