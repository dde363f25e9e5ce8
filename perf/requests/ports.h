// DPDK for the ports of the own stack: the environment is started once in a process and ended with this object, which
// leaves no file behind. Only devices that are named are taken. It runs on the lowest core that the process may use.
//
// Failure: open() says which field is wrong and why; what was opened before is closed. One thread.
#pragma once

#include <rte_mempool.h>

#include <memory>
#include <vector>

#include "requests/spec.h"

namespace penstock::requests {

class Ports {
 public:
  // Null after a fault. Call it once in a process.
  static std::unique_ptr<Ports> open(const Spec& spec, Faults& faults);
  ~Ports();

  rte_mempool* pool() const { return pool_; }
  uint16_t number(size_t index) const { return numbers_[index]; }  // as in Spec::ports

 private:
  Ports() = default;
  bool start_environment(const Spec& spec, Faults& faults);
  bool add_device(const PortSpec& spec, const std::string& field, Faults& faults);
  bool add_loop(Faults& faults);
  bool start(uint16_t port, const std::string& field, Faults& faults);

  bool started_ = false;
  rte_mempool* pool_ = nullptr;
  std::vector<uint16_t> numbers_;
};

}  // namespace penstock::requests
