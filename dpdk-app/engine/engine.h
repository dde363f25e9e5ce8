// The packet engine as the control side sees it: starts DPDK, owns devices, buffers, workers and what they share.
// One per process. Unless a comment says otherwise, called from the control thread.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/buffers.h"
#include "engine/port.h"
#include "engine/worker.h"

namespace penstock::engine {

struct EngineOptions {
  bool huge_pages = true;  // false, or none reserved: ordinary memory
  unsigned memory_mb = 0;  // 0: what is needed for the defaults
  std::string log_level = "error";
  std::string key_log;                                                // crypto/key_log.h; empty: none
  std::function<std::unique_ptr<LocalHost>(WorkerState&)> make_host;  // of each worker; empty: TCP ends nowhere here
};

struct WorkerPlan {
  std::vector<unsigned> cores;
  WorkerSizes sizes;
  uint32_t buffers = 65536;
  bool operator==(const WorkerPlan&) const = default;
};

struct PortPlan {
  PortRequest request;
  std::string twin;                     // kernel interface name; empty: none
  std::vector<base::Prefix> addresses;  // of the twin
};

struct PlanError {
  std::string path;  // "spec.interfaces[1].device"
  std::string reason;
};

class Engine {
 public:
  static base::Result<std::unique_ptr<Engine>> start(const EngineOptions& options);
  ~Engine();

  // Starts the workers on the first call; opens ports that are not open. On errors nothing is left open that was not.
  std::vector<PlanError> prepare(const WorkerPlan& workers, const std::vector<PortPlan>& ports,
                                 const std::vector<std::string>& crypto_devices);
  void close_ports_except(const std::vector<std::string>& interfaces);
  // Those of the list that are not ports (crypto/fake_inline.h); prepare() does it, too.
  std::vector<PlanError> set_crypto_devices(const std::vector<std::string>& crypto_devices);

  void publish(const flow::Generation* generation) { slot_.current.store(generation, std::memory_order_release); }
  uint64_t oldest_in_use() const;

  // Any thread once workers run.
  const std::vector<std::unique_ptr<Worker>>& workers() const { return workers_; }
  std::vector<Port> ports() const;
  const flow::GenerationSlot& slot() const { return slot_; }
  const WorkerPlan& plan() const { return plan_; }
  const flow::HashSecret& secret() const { return secret_; }
  // Once workers run; see its header for threads.
  Associations& associations() { return *associations_; }

  // A worker without thread or devices over the live generation, with small tables of its own: Explain.
  std::unique_ptr<Worker> make_shadow();
  flow::GenerationSlot& shadow_slot() { return shadow_slot_; }
  rte_mempool* pool() const { return buffers_.standard(); }
  rte_mempool* copies() const { return copies_; }
  bool huge_pages() const { return huge_pages_; }

 private:
  Engine() = default;
  std::vector<PlanError> start_workers(const WorkerPlan& plan);
  std::vector<PlanError> open_ports(const std::vector<PortPlan>& ports);
  std::vector<PlanError> plan_fakes(const std::vector<std::string>& crypto_devices, std::vector<PortPlan>& plans) const;
  base::Result<void> open_twin(const PortPlan& plan, Port& port);
  void connect_port(const Port& port);
  void disconnect_port(const Port& port);
  enum class Spread : uint8_t { kWhereChanged, kToAll };
  void spread_queues(Spread spread);  // returns when the workers it concerns have finished a round and taken their list

  bool huge_pages_ = true;
  std::function<std::unique_ptr<LocalHost>(WorkerState&)> make_host_;
  WorkerPlan plan_;
  Buffers buffers_;
  rte_mempool* copies_ = nullptr;
  flow::HashSecret secret_;
  std::unique_ptr<flow::SharedBucket[]> shared_buckets_, shadow_buckets_;
  std::unique_ptr<flow::SourceBuckets> sources_, shadow_sources_;
  std::unique_ptr<Mesh> mesh_, shadow_mesh_;
  flow::GenerationSlot slot_, shadow_slot_;
  mutable std::mutex ports_lock_;  // ports_ is read by status calls of other threads
  std::vector<Port> ports_;        // twins follow their port
  std::vector<std::unique_ptr<Worker>> workers_;
  std::unique_ptr<crypto::KeyLog> key_log_;     // null: keys are written nowhere
  std::unique_ptr<Associations> associations_;  // goes after the workers have stopped
};

}  // namespace penstock::engine
