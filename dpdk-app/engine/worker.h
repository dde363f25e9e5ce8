// A worker: one thread on one core, run to completion. run_round() is the whole of its life, in order:
//
//   clock → generation → devices → crypto devices → other workers → notices → commands → pipeline → own packets →
//   connections of its own → ageing → flush → quiescent
//
// Notices are read after packets were taken from devices, and before they are processed: a reply can never overtake the
// notice that its flow belongs elsewhere.
#pragma once

#include <rte_ring.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "engine/local_host.h"
#include "engine/worker_state.h"

namespace penstock::engine {

struct RxQueue {
  uint16_t port = 0;
  uint16_t queue = 0;
  bool operator==(const RxQueue&) const = default;
};

// The queues a worker polls, swapped by the control thread as ports come and go.
struct QueueList {
  std::vector<RxQueue> queues;
};

constexpr unsigned kCommandRing = 1024;     // commands waiting per worker
constexpr unsigned kProgramPerRound = 512;  // exact-flow operations per round: keeps a round under about 100 µs
constexpr unsigned kDumpPerRound = 1024;

class Worker {
 public:
  // `id` is unique in the process; beyond the mesh (Explain's) the worker still takes a place in it.
  Worker(unsigned id, unsigned core, Mesh& mesh, const WorkerSizes& sizes, flow::SharedBucket* shared_buckets,
         flow::SourceBuckets& sources, rte_mempool* pool, const flow::HashSecret& secret, flow::GenerationSlot& slot);
  ~Worker();

  void start();  // control thread; the thread pins itself to its core
  void stop();   // asks, waits until the round in progress ends, drops what is held

  // Before start(). What terminates connections on this worker; it goes with it.
  void set_host(std::unique_ptr<LocalHost> host);

  // Any thread. False: the ring is full.
  bool submit(flow::Command* command);

  // Control thread: takes effect at the next round; returns when the worker no longer uses the old list.
  void set_queues(std::vector<RxQueue> queues);
  // The same for what it encrypts and decrypts with.
  void set_associations(std::shared_ptr<const WorkerAssociations> next);
  std::vector<RxQueue> queues() const { return queues_now_.queues; }

  // Runs one round on the caller's thread; for workers without a thread (Explain, stories, benchmarks).
  bool run_round();
  // Processes these packets as if a device had delivered them, and everything that follows from them.
  void inject_burst(rte_mbuf** packets, unsigned count);

  WorkerState& state() { return state_; }
  const WorkerState& state() const { return state_; }
  unsigned core() const { return core_; }

 private:
  void thread_main();
  void read_clock();
  bool adopt_generation();
  unsigned receive_devices();
  unsigned receive_crypto();
  unsigned receive_workers();
  void read_notices();
  void run_commands();
  void process(rte_mbuf** packets, unsigned count, Origin origin);
  void process_released();
  void process_own();
  unsigned speak();
  void rest(bool busy);

  const unsigned core_;
  std::unique_ptr<LocalHost> host_;
  WorkerState state_;
  flow::GenerationSlot& slot_;
  rte_ring* commands_ = nullptr;
  flow::Command* current_ = nullptr;  // being worked on over several rounds
  QueueList queues_now_;              // the worker's copy
  std::atomic<QueueList*> queues_next_{nullptr};
  std::shared_ptr<const WorkerAssociations> associations_;  // the control thread's hold on what the worker reads
  std::atomic<const WorkerAssociations*> associations_next_, associations_seen_;
  std::atomic<bool> stop_{false};
  std::thread thread_;
  base::Cycles started_ = 0, cycles_per_ms_ = 1;
  uint64_t ns_per_cycle_ = 0;  // in 32 fractional bits
  const base::Nanos started_ns_ = base::monotonic_now();
  unsigned empty_rounds_ = 0;
  Burst burst_;
};

}  // namespace penstock::engine
