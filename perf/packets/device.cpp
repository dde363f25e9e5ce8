#include "packets/device.h"

#include <rte_bus.h>
#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <sstream>
#include <vector>

namespace penstock::load {

namespace {

constexpr uint16_t kDescriptors = 1024;
constexpr uint16_t kHeadroomAndCache = 256;

std::string reason_of(int code) { return rte_strerror(code < 0 ? -code : code); }

// The value of `iface=` among a device's arguments; empty when there is none.
std::string interface_of(const std::string& device) {
  constexpr std::string_view kKey = ",iface=";
  const size_t at = device.find(kKey);
  if (at == std::string::npos) return {};
  const size_t begin = at + kKey.size();
  return device.substr(begin, device.find(',', begin) - begin);
}

// Packets that an interface of this network namespace received: proc(5), net/dev. 0: it is not there.
uint64_t arrived_at(const std::string& interface) {
  std::ifstream table("/proc/self/net/dev");
  for (std::string line; std::getline(table, line);) {
    const size_t begin = line.find_first_not_of(' '), colon = line.find(':');
    if (colon == std::string::npos || line.substr(begin, colon - begin) != interface) continue;
    uint64_t bytes = 0, packets = 0;
    std::istringstream(line.substr(colon + 1)) >> bytes >> packets;
    return packets;
  }
  return 0;
}

// DPDK makes a directory even when it has nothing to put there, and leaves it.
void remove_directory() { ::rmdir(rte_eal_get_runtime_dir()); }

}  // namespace

std::optional<Fault> start_dpdk(const Spec& spec) {
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) == 0 && !CPU_ISSET(spec.core, &allowed))
    return Fault{"cores[0]", std::to_string(spec.core) + " is no core that this process may use"};
  std::vector<std::string> words = {"penstock-lab-packets",
                                    "--no-telemetry",
                                    "--lcores",
                                    "0@" + std::to_string(spec.core),
                                    "-m",
                                    std::to_string(spec.memory_megabytes),
                                    "--file-prefix",
                                    spec.prefix,
                                    "--log-level",
                                    "error",
                                    "-a",
                                    "0000:00:00.0"};
  // Either way no file is made: not for the configuration, not for hugepages.
  if (spec.huge)
    words.emplace_back("--in-memory");
  else
    words.insert(words.end(), {"--no-huge", "--no-shconf"});
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  if (rte_eal_init(static_cast<int>(argv.size()), argv.data()) >= 0) return std::nullopt;
  remove_directory();
  return Fault{"memoryMegabytes", "DPDK does not start: " + reason_of(rte_errno) + "; " +
                                      (spec.huge ? "it needs as much memory in free hugepages, or \"huge\": false"
                                                 : "it needs as much free memory")};
}

void end_dpdk() {
  rte_eal_cleanup();
  remove_directory();
}

base::Result<rte_mempool*> make_pool(const Spec& spec) {
  const auto room =
      static_cast<uint16_t>(std::max<unsigned>(RTE_MBUF_DEFAULT_DATAROOM, spec.largest_frame()) + RTE_PKTMBUF_HEADROOM);
  const size_t each = sizeof(rte_mbuf) + room + 128;  // with the pool's own words
  const size_t count = std::min<size_t>(131071, spec.memory_megabytes * (size_t{1} << 20) / 2 / each);
  rte_mempool* pool =
      rte_pktmbuf_pool_create("packets", static_cast<unsigned>(count), kHeadroomAndCache, 0, room, SOCKET_ID_ANY);
  if (pool != nullptr) return pool;
  return base::Error{"no memory for " + std::to_string(count) + " packets: " + reason_of(rte_errno)};
}

base::Result<std::unique_ptr<DeviceLink>> DeviceLink::open(const std::string& device, uint16_t largest,
                                                           rte_mempool* pool) {
  if (const int failed = rte_dev_probe(device.c_str()); failed != 0)
    return base::Error{"\"" + device + "\" cannot be attached: " + reason_of(failed)};
  const std::string name = device.substr(0, device.find(','));
  uint16_t port = 0;
  if (const int failed = rte_eth_dev_get_port_by_name(name.c_str(), &port); failed != 0)
    return base::Error{"\"" + name + "\" is no network device"};
  std::unique_ptr<DeviceLink> link(new DeviceLink(port, interface_of(device), name.starts_with("net_memif")));
  if (auto started = link->start(largest, pool); !started) return base::Error{"\"" + device + "\" " + started.error()};
  return link;
}

base::Result<void> DeviceLink::start(uint16_t largest, rte_mempool* pool) {
  const rte_eth_conf conf{};
  uint16_t receive = kDescriptors, transmit = kDescriptors;
  if (const int failed = rte_eth_dev_configure(port_, 1, 1, &conf); failed != 0)
    return base::Error{"cannot be configured: " + reason_of(failed)};
  rte_eth_dev_adjust_nb_rx_tx_desc(port_, &receive, &transmit);
  int failed = rte_eth_rx_queue_setup(port_, 0, receive, SOCKET_ID_ANY, nullptr, pool);
  if (failed == 0) failed = rte_eth_tx_queue_setup(port_, 0, transmit, SOCKET_ID_ANY, nullptr);
  if (failed != 0) return base::Error{"has no queues: " + reason_of(failed)};
  const auto mtu = static_cast<uint16_t>(std::max<int>(largest - RTE_ETHER_HDR_LEN - RTE_ETHER_CRC_LEN, 1500));
  uint16_t now = 0;
  rte_eth_dev_get_mtu(port_, &now);
  if (now < mtu && (failed = rte_eth_dev_set_mtu(port_, mtu)) != 0)
    return base::Error{"does not take frames of " + std::to_string(largest) + " bytes: " + reason_of(failed)};
  if ((failed = rte_eth_dev_start(port_)) != 0) return base::Error{"does not start: " + reason_of(failed)};
  rte_eth_promiscuous_enable(port_);  // a device that cannot hears everything anyway
  return {};
}

DeviceLink::~DeviceLink() {
  rte_eth_dev_stop(port_);
  rte_eth_dev_close(port_);
}

base::MacAddress DeviceLink::mac() const {
  rte_ether_addr address{};
  rte_eth_macaddr_get(port_, &address);
  base::MacAddress mac;
  std::memcpy(mac.bytes.data(), address.addr_bytes, 6);
  return mac;
}

void DeviceLink::set_mac(const base::MacAddress& mac) {
  rte_ether_addr address{};
  std::memcpy(address.addr_bytes, mac.bytes.data(), 6);
  rte_eth_dev_default_mac_addr_set(port_, &address);
}

bool DeviceLink::is_up() const {
  rte_eth_link link{};
  return rte_eth_link_get_nowait(port_, &link) == 0 && link.link_status == RTE_ETH_LINK_UP;
}

void DeviceLink::mend() {
  if (!mends_ || (started_ && is_up())) return;
  rte_eth_dev_stop(port_);
  started_ = rte_eth_dev_start(port_) == 0;
}

uint16_t DeviceLink::send(rte_mbuf** packets, uint16_t count, Cycles) {
  return started_ ? rte_eth_tx_burst(port_, 0, packets, count) : 0;
}

uint16_t DeviceLink::receive(rte_mbuf** packets, Cycles) {
  return started_ ? rte_eth_rx_burst(port_, 0, packets, kBurst) : 0;
}

uint64_t DeviceLink::missed() const {
  rte_eth_stats stats{};
  if (rte_eth_stats_get(port_, &stats) != 0) return 0;
  return interface_.empty() ? stats.imissed + stats.rx_nombuf : arrived_at(interface_) - stats.ipackets;
}

}  // namespace penstock::load
