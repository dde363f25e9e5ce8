#include "engine/port.h"

#include <net/if.h>
#include <rte_bus.h>
#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "flow/shard.h"

namespace penstock::engine {

namespace {

std::string device_name(const std::string& devargs) { return devargs.substr(0, devargs.find(',')); }

base::Error failed(const PortRequest& request, const std::string& what, int status) {
  return {"device \"" + request.device + "\": " + what + " (" + rte_strerror(status < 0 ? -status : status) + ")"};
}

// A device that spreads packets over its queues by a key of ours. Virtual devices claim RSS without computing it.
bool can_rss(const rte_eth_dev_info& info) {
  constexpr uint64_t kNeeded = RTE_ETH_RSS_NONFRAG_IPV4_TCP | RTE_ETH_RSS_NONFRAG_IPV4_UDP;
  const char* bus = rte_bus_name(rte_dev_bus(info.device));
  return (info.flow_type_rss_offloads & kNeeded) == kNeeded && bus != nullptr && std::strcmp(bus, "vdev") != 0;
}

// Not that all buffers of a queue are of one pool (MBUF_FAST_FREE): standard and long ones leave by the same.
constexpr uint64_t kTransmitOffloads = RTE_ETH_TX_OFFLOAD_MULTI_SEGS | RTE_ETH_TX_OFFLOAD_IPV4_CKSUM |
                                       RTE_ETH_TX_OFFLOAD_TCP_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_TSO;

rte_eth_conf configuration(const PortRequest& request, const rte_eth_dev_info& info, bool rss,
                           const crypto::InlineOffloads& inline_crypto) {
  rte_eth_conf conf{};
  conf.rxmode.mtu = request.mtu;
  conf.rxmode.offloads = info.rx_offload_capa & (RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_VLAN_STRIP);
  conf.txmode.offloads = info.tx_offload_capa & kTransmitOffloads;
  conf.rxmode.offloads |= inline_crypto.rx;
  conf.txmode.offloads |= inline_crypto.tx;
  if (rss) {
    static auto key = flow::rss_key();
    conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
    conf.rx_adv_conf.rss_conf.rss_key = key.data();
    conf.rx_adv_conf.rss_conf.rss_key_len = std::min<uint8_t>(info.hash_key_size, key.size());
    conf.rx_adv_conf.rss_conf.rss_hf =
        info.flow_type_rss_offloads & (RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP);
  }
  return conf;
}

base::Result<void> spread_evenly(uint16_t port, uint16_t reta_size, uint16_t queues) {
  std::array<rte_eth_rss_reta_entry64, 8> reta{};  // 512 entries
  if (reta_size > 512) return base::Error{"redirection table larger than 512 entries"};
  for (uint16_t i = 0; i < reta_size; ++i) {
    reta[i / 64].mask |= 1ull << (i % 64);
    reta[i / 64].reta[i % 64] = flow::kRetaSize > i ? i % queues : (i % flow::kRetaSize) % queues;
  }
  if (const int status = rte_eth_dev_rss_reta_update(port, reta.data(), reta_size); status != 0)
    return base::Error{std::string("redirection table refused (") + rte_strerror(-status) + ")"};
  return {};
}

base::Result<void> set_up_queues(const PortRequest& request, const Port& port, const rte_eth_dev_info& info,
                                 rte_mempool* pool) {
  uint16_t rx_ring = kRxDescriptors, tx_ring = kTxDescriptors;
  if (const int s = rte_eth_dev_adjust_nb_rx_tx_desc(port.id, &rx_ring, &tx_ring); s != 0)
    return failed(request, "cannot size its rings", s);
  for (uint16_t q = 0; q < port.rx_queues; ++q)
    if (const int s = rte_eth_rx_queue_setup(port.id, q, rx_ring, SOCKET_ID_ANY, nullptr, pool); s != 0)
      return failed(request, "receive queue " + std::to_string(q) + " refused", s);
  rte_eth_txconf tx = info.default_txconf;
  tx.offloads = info.tx_queue_offload_capa & kTransmitOffloads;
  for (uint16_t q = 0; q < port.tx_queues; ++q)
    if (const int s = rte_eth_tx_queue_setup(port.id, q, tx_ring, SOCKET_ID_ANY, &tx); s != 0)
      return failed(request, "transmit queue " + std::to_string(q) + " refused", s);
  return {};
}

base::Result<void> configure(const PortRequest& request, Buffers& buffers, Port& port) {
  rte_eth_dev_info info{};
  if (const int s = rte_eth_dev_info_get(port.id, &info); s != 0)
    return failed(request, "cannot be asked what it is", s);
  port.driver = info.driver_name;
  port.max_mtu = port.driver == "net_tap" ? RTE_ETHER_MTU : info.max_mtu;  // it says 65535, and sends nothing longer
  port.checksums = (info.tx_offload_capa & RTE_ETH_TX_OFFLOAD_TCP_CKSUM) != 0;
  // net_tap says it cuts, but refuses segments that fill the MTU and does not know IPv6.
  port.segments = (info.tx_offload_capa & kTransmitOffloads) == kTransmitOffloads && port.driver != "net_tap";
  const auto wanted = static_cast<uint16_t>(request.queues != 0 ? request.queues : request.workers);
  port.rx_queues = std::min(wanted, info.max_rx_queues);
  port.tx_queues = std::min<uint16_t>(static_cast<uint16_t>(request.workers), info.max_tx_queues);
  // These devices have as many queues as their arguments say, and misbehave when some are left unused.
  const bool fixed_queues = port.driver == "net_af_packet" || port.driver == "net_pcap" || port.driver == "net_ring";
  if (fixed_queues) port.rx_queues = info.max_rx_queues;
  if (fixed_queues) port.tx_queues = info.max_tx_queues;
  if (request.mtu > port.max_mtu)
    return base::Error{"device \"" + request.device + "\" takes an MTU of at most " + std::to_string(port.max_mtu)};
  const bool rss = can_rss(info) && port.rx_queues == request.workers && request.workers > 1;
  auto pool = buffers.pool_for_mtu(request.mtu);
  if (!pool) return base::Error{pool.error()};

  // Devices that cannot be told their MTU keep the one they have; the packet path enforces ours.
  rte_eth_conf conf = configuration(request, info, rss, crypto::offloads_of(port.id));
  int status = rte_eth_dev_configure(port.id, port.rx_queues, port.tx_queues, &conf);
  if (status == -EINVAL && request.mtu > RTE_ETHER_MTU) {
    conf.rxmode.mtu = 0;
    status = rte_eth_dev_configure(port.id, port.rx_queues, port.tx_queues, &conf);
  }
  if (status != 0) return failed(request, "cannot be configured", status);
  if (auto queues = set_up_queues(request, port, info, *pool); !queues) return queues;
  (void)rte_eth_dev_set_mtu(port.id, request.mtu);
  if (const int s = rte_eth_dev_start(port.id); s != 0) return failed(request, "cannot be started", s);
  if (rss) {
    if (auto spread = spread_evenly(port.id, info.reta_size, port.rx_queues); !spread) return spread;
    port.rss = true;
  }
  return {};
}

base::Result<void> set_addresses(const PortRequest& request, Port& port) {
  rte_ether_addr mac{};
  if (request.has_mac) {
    std::memcpy(mac.addr_bytes, request.mac.bytes.data(), 6);
    (void)rte_eth_dev_default_mac_addr_set(port.id, &mac);  // not every device can; what it has is what counts
  }
  if (const int s = rte_eth_macaddr_get(port.id, &mac); s != 0) return failed(request, "has no MAC address", s);
  std::memcpy(port.mac.bytes.data(), mac.addr_bytes, 6);
  if (request.has_mac) port.mac = request.mac;
  const bool foreign_mac = request.has_mac && std::memcmp(mac.addr_bytes, request.mac.bytes.data(), 6) != 0;
  if (request.promiscuous || foreign_mac) (void)rte_eth_promiscuous_enable(port.id);
  (void)rte_eth_allmulticast_enable(port.id);  // neighbour discovery arrives by multicast
  return {};
}

// Devices on top of a kernel interface (AF_PACKET, AF_XDP, TAP) always call their link up; the kernel knows better.
bool kernel_says_up(uint16_t port) {
  rte_eth_dev_info info{};
  if (rte_eth_dev_info_get(port, &info) != 0 || info.if_index == 0) return true;
  ifreq request{};
  if (if_indextoname(info.if_index, request.ifr_name) == nullptr) return false;  // the interface is gone
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const bool known = ioctl(fd, SIOCGIFFLAGS, &request) == 0;
  close(fd);
  return !known || (request.ifr_flags & IFF_RUNNING);
}

}  // namespace

namespace {

// What the device offers by itself, or what stands in for that.
base::Result<void> add_inline_crypto(const PortRequest& request, Port& port) {
  if (request.fake_inline.empty()) {
    port.inline_crypto = crypto::InlinePort::of_device(port.id, request.interface, port.tx_queues);
    return {};
  }
  const std::string name = device_name(request.fake_inline);
  const auto arguments = request.fake_inline.substr(std::min(name.size() + 1, request.fake_inline.size()));
  auto settings = crypto::read_fake_inline(arguments);
  if (!settings) return base::Error{name + ": " + settings.error()};
  auto fake = crypto::FakeInline::make(*settings);
  if (fake == nullptr || !fake->attach(port.id, port.rx_queues, port.tx_queues))
    return base::Error{name + ": cannot stand before the queues of " + request.interface};
  auto made = crypto::InlinePort::of_fake(port.id, name, port.tx_queues, std::move(fake));
  if (!made) return base::Error{made.error()};
  port.inline_crypto = std::move(*made);
  return {};
}

}  // namespace

base::Result<Port> open_port(const PortRequest& request, Buffers& buffers) {
  const std::string name = device_name(request.device);
  Port port;
  port.interface = request.interface;
  port.device = request.device;
  port.mtu = request.mtu;
  port.fake_inline = request.fake_inline;
  if (rte_eth_dev_get_port_by_name(name.c_str(), &port.id) == 0)
    return base::Error{"device \"" + name + "\" is in use by another interface"};
  if (const int s = rte_dev_probe(request.device.c_str()); s != 0)
    return failed(request, "cannot be opened: no such device, no permission, or wrong arguments", s);
  if (rte_eth_dev_get_port_by_name(name.c_str(), &port.id) != 0) {
    return base::Error{"device \"" + request.device + "\" is not an Ethernet device"};
  }
  auto ready = configure(request, buffers, port);
  if (ready.ok()) ready = set_addresses(request, port);
  if (ready.ok()) ready = add_inline_crypto(request, port);
  if (!ready) {
    close_port(port);
    return base::Error{ready.error()};
  }
  return port;
}

void close_port(const Port& port) {
  rte_eth_dev_info info{};
  const bool known = rte_eth_dev_info_get(port.id, &info) == 0;
  (void)rte_eth_dev_stop(port.id);
  if (port.inline_crypto != nullptr && port.inline_crypto->fake() != nullptr) port.inline_crypto->fake()->detach();
  (void)rte_eth_dev_close(port.id);
  if (known) (void)rte_dev_remove(info.device);
}

LinkState link_of(uint16_t port) {
  rte_eth_link link{};
  if (rte_eth_link_get_nowait(port, &link) != 0) return {};
  return {link.link_status == RTE_ETH_LINK_UP && kernel_says_up(port),
          link.link_speed == RTE_ETH_SPEED_NUM_UNKNOWN ? 0 : link.link_speed};
}

}  // namespace penstock::engine
