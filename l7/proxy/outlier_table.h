// What all workers together know of endpoints that fail, by the stable slots of clusters and endpoints.
//
// Runs of failures are counted here, over all workers: a failure adds one, a success looks and ends the run if there is
// one. So what goes well writes nothing that another worker reads. Results of an interval are counted by each worker
// for itself and added up by the one that ends the interval. What is decided (an ejection, its end, an interval's end)
// is decided by one worker at a time, who has the cluster's Turn; nobody waits for it but control. Who else is
// concerned sees another `version`, at its next request to the cluster.
//
// Memory: made once, for all slots; join() makes 16 bytes an endpoint for each worker. Thread: prepare() is control's,
// before workers can adopt `next`; join() before a worker runs; atomics are for any, the rest is for who has the turn.
#pragma once

#include <array>
#include <atomic>
#include <memory>

#include "base/counter.h"
#include "base/time.h"
#include "l7/proxy/limits.h"
#include "l7/route/l7_config.h"

namespace penstock::proxy {

struct OutlierResults {  // of one worker with one endpoint, since it runs
  base::Counter good, bad;
};

struct OutlierSums {
  uint64_t good = 0, bad = 0;
};

class OutlierTable {
 public:
  static constexpr uint32_t kMaxWorkers = 64;  // as flow::kMaxWorkers

  struct alignas(64) Endpoint {  // one that fails does not slow its neighbours
    std::atomic<uint32_t> failures{0}, gateway_errors{0}, local_failures{0};  // in a row
    std::atomic<base::Nanos> until{0};                                        // of its ejection; 0: there is none
    uint32_t times = 0;                                                       // ejected of late
    OutlierSums before;                                                       // this interval
  };
  struct Cluster {
    std::atomic<bool> taken{false};  // the turn
    std::atomic<uint32_t> version{0};
    std::atomic<base::Nanos> interval_until{0};  // 0: no result since the last one
    std::atomic<base::Nanos> first_until{0};     // of its ejections; 0: there is none
  };

  class Turn {
   public:
    explicit Turn(Cluster& cluster) : taken_(cluster.taken), mine_(!taken_.exchange(true, std::memory_order_acquire)) {}
    ~Turn() {
      if (mine_) taken_.store(false, std::memory_order_release);
    }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;
    explicit operator bool() const { return mine_; }  // false: somebody else has it

   private:
    std::atomic<bool>& taken_;
    const bool mine_;
  };

  explicit OutlierTable(const Limits& limits);

  // Forgets what it knows of others that had the slots: an endpoint that `before` did not have, with outlier detection,
  // begins anew. `before` null: there was none.
  void prepare(const route::L7Config* before, const route::L7Config& next);
  // A worker's own results, by endpoint. Null: kMaxWorkers have theirs.
  OutlierResults* join();

  Endpoint& endpoint(uint32_t slot) { return endpoints_[slot]; }
  const Endpoint& endpoint(uint32_t slot) const { return endpoints_[slot]; }
  Cluster& cluster(uint32_t slot) { return clusters_[slot]; }
  const Cluster& cluster(uint32_t slot) const { return clusters_[slot]; }
  OutlierSums sums(uint32_t endpoint) const;  // of all workers
  bool is_ejected(uint32_t endpoint) const { return endpoints_[endpoint].until.load(std::memory_order_relaxed) != 0; }

  uint32_t cluster_slots() const { return cluster_slots_; }
  uint32_t endpoint_slots() const { return endpoint_slots_; }

 private:
  void forget(Endpoint& endpoint, uint32_t slot) const;

  const uint32_t cluster_slots_, endpoint_slots_;
  std::unique_ptr<Cluster[]> clusters_;
  std::unique_ptr<Endpoint[]> endpoints_;
  std::array<std::unique_ptr<OutlierResults[]>, kMaxWorkers> results_;
  std::atomic<uint32_t> workers_{0};
};

}  // namespace penstock::proxy
