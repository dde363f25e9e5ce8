// The workers' stacks, for those who read what they wrote: access records and counters.
//
// The engine owns the stacks and keeps them until it ends; Hosts must not be asked after that. Any thread.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "control/telemetry/collect_l7.h"
#include "l7/host/worker_stack.h"

namespace penstock::gatewayd {

class Hosts {
 public:
  // How large stacks are made, before the first of them. False: there are some, of other sizes.
  bool plan(const host::Sizes& sizes);
  // EngineOptions::make_host. Null: the system has no secrets to give.
  std::unique_ptr<engine::LocalHost> make(engine::WorkerState& worker);
  // Before any worker can adopt `next`; null: nobody listens.
  void on_publish(const route::L7Config* before, const route::L7Config* next);
  std::vector<host::WorkerStack*> all() const;  // by worker
  std::vector<telemetry::L7Worker> counters() const;
  uint64_t clients() const;  // connections of clients, idle ones included

 private:
  mutable std::mutex lock_;
  host::Sizes sizes_;
  std::vector<host::WorkerStack*> all_;
  std::shared_ptr<limit::Tables> limits_;          // of requests: one rate for all workers
  std::shared_ptr<proxy::OutlierTable> outliers_;  // an endpoint that failed is out for all
};

}  // namespace penstock::gatewayd
