#include "requests/ports.h"

#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_ring.h>
#include <sched.h>

#include <algorithm>

#include "engine/packet.h"

namespace penstock::requests {

namespace {

constexpr uint32_t kMostBuffers = 65535;
constexpr uint32_t kBufferBytes = 2560;  // with headers and private room
constexpr uint16_t kQueue = 1024;        // of a device
constexpr unsigned kLoopRing = 8192;     // packets between two looped ports

std::string why(int error) { return rte_strerror(error < 0 ? -error : error); }

// The lowest core the process may run on: the only one, if it was pinned.
int core_of_process() {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  ::sched_getaffinity(0, sizeof cores, &cores);
  int core = 0;
  while (core + 1 < CPU_SETSIZE && !CPU_ISSET(core, &cores)) ++core;
  return core;
}

}  // namespace

std::unique_ptr<Ports> Ports::open(const Spec& spec, Faults& faults) {
  std::unique_ptr<Ports> ports(new Ports);
  if (!ports->start_environment(spec, faults)) return nullptr;
  bool good = true;
  if (spec.ports[0].device.starts_with("loop:")) {
    good = ports->add_loop(faults);
  } else {
    for (size_t i = 0; good && i < spec.ports.size(); ++i)
      good = ports->add_device(spec.ports[i], "ports[" + std::to_string(i) + "].device", faults);
  }
  for (size_t i = 0; good && i < ports->numbers_.size(); ++i)
    good = ports->start(ports->numbers_[i], "ports[" + std::to_string(i) + "].device", faults);
  return good ? std::move(ports) : nullptr;
}

bool Ports::start_environment(const Spec& spec, Faults& faults) {
  const std::string core = std::to_string(core_of_process()), megabytes = std::to_string(spec.memory_megabytes);
  std::vector<std::string> words = {
      "penstock-lab-requests", "--no-telemetry", "--log-level", "error",       "-l", core, "-m", megabytes,
      "--file-prefix",         spec.prefix,      "-a",          "0000:00:00.0"};
  if (spec.huge)
    words.insert(words.end(), {"--in-memory"});
  else
    words.insert(words.end(), {"--no-huge", "--no-shconf"});
  std::vector<char*> argv;
  for (std::string& each : words) argv.push_back(each.data());
  if (rte_eal_init(static_cast<int>(argv.size()), argv.data()) < 0) {
    faults.push_back({"memoryMegabytes", "DPDK does not start with core " + core + " and " + megabytes + " MB" +
                                             (spec.huge ? " of hugepages: " : ": ") + why(rte_errno)});
    return false;
  }
  started_ = true;
  const uint32_t buffers =
      std::min<uint64_t>(kMostBuffers, uint64_t{spec.memory_megabytes} * 1024 * 1024 / 2 / kBufferBytes);
  pool_ = rte_pktmbuf_pool_create("requests", buffers, 256, RTE_ALIGN(sizeof(engine::Carry), RTE_MBUF_PRIV_ALIGN),
                                  RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
  if (pool_ == nullptr) faults.push_back({"memoryMegabytes", "is not enough for the packets: " + why(rte_errno)});
  return pool_ != nullptr;
}

bool Ports::add_device(const PortSpec& spec, const std::string& field, Faults& faults) {
  const std::string name = spec.device.substr(0, spec.device.find(','));
  uint16_t number = 0;
  if (rte_eth_dev_get_port_by_name(name.c_str(), &number) == 0) {
    faults.push_back({field, name + " is there twice"});
    return false;
  }
  const int error = rte_dev_probe(spec.device.c_str());
  if (error != 0 || rte_eth_dev_get_port_by_name(name.c_str(), &number) != 0) {
    faults.push_back({field, "there is no such device (" + why(error == 0 ? ENODEV : error) + "): " + spec.device});
    return false;
  }
  numbers_.push_back(number);
  return true;
}

// Two ports joined by two rings: what the one sends the other receives.
bool Ports::add_loop(Faults& faults) {
  rte_ring* rings[2] = {};
  for (unsigned i = 0; i < 2; ++i)
    rings[i] = rte_ring_create(i == 0 ? "loop0" : "loop1", kLoopRing, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
  for (unsigned i = 0; i < 2 && rings[0] != nullptr && rings[1] != nullptr; ++i) {
    const int number = rte_eth_from_rings(i == 0 ? "net_loop0" : "net_loop1", &rings[i], 1, &rings[1 - i], 1, 0);
    if (number < 0) break;
    numbers_.push_back(static_cast<uint16_t>(number));
  }
  if (numbers_.size() != 2) faults.push_back({"ports[0].device", "no memory for a loop: " + why(rte_errno)});
  return numbers_.size() == 2;
}

bool Ports::start(uint16_t port, const std::string& field, Faults& faults) {
  const rte_eth_conf conf{};
  int error = rte_eth_dev_configure(port, 1, 1, &conf);
  if (error == 0) error = rte_eth_rx_queue_setup(port, 0, kQueue, SOCKET_ID_ANY, nullptr, pool_);
  if (error == 0) error = rte_eth_tx_queue_setup(port, 0, kQueue, SOCKET_ID_ANY, nullptr);
  if (error == 0) error = rte_eth_dev_start(port);
  if (error == 0) {
    rte_eth_promiscuous_enable(port);  // a MAC of ours need not be the device's; refused where there is no filter
    return true;
  }
  faults.push_back({field, "cannot be started: " + why(error)});
  return false;
}

Ports::~Ports() {
  for (const uint16_t number : numbers_) {
    rte_eth_dev_stop(number);
    rte_eth_dev_close(number);
  }
  if (started_) rte_eal_cleanup();
}

}  // namespace penstock::requests
