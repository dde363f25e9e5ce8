// A DPDK device opened for the packet path. Control thread opens and closes; workers only poll and send.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/address.h"
#include "base/result.h"
#include "engine/buffers.h"
#include "engine/crypto/inline_port.h"

namespace penstock::engine {

struct PortRequest {
  std::string interface;  // for messages
  std::string device;     // devargs ("net_af_packet0,iface=eth1") or a PCI address
  uint16_t queues = 0;    // wanted; 0: one per worker
  uint16_t mtu = 1500;
  bool has_mac = false;
  base::MacAddress mac;
  bool promiscuous = false;
  unsigned workers = 1;
  std::string fake_inline;  // crypto/fake_inline.h: name and arguments; empty: none
};

struct Port {
  std::string interface, device, driver;
  uint16_t id = 0xffff;
  uint16_t rx_queues = 0, tx_queues = 0;
  uint16_t mtu = 0, max_mtu = 0;
  base::MacAddress mac;
  bool rss = false;        // spreads by our key: a packet arrives at its owner
  uint16_t twin = 0xffff;  // its kernel twin's port id
  bool is_twin = false;
  bool checksums = false;                             // finishes TCP checksums of what it sends
  bool segments = false;                              // and cuts long TCP segments (TSO)
  std::string fake_inline;                            // as requested
  std::shared_ptr<crypto::InlinePort> inline_crypto;  // null: it has none
};

constexpr uint16_t kRxDescriptors = 1024;
constexpr uint16_t kTxDescriptors = 1024;

// Probes, configures and starts the device. On an error it is as it was before.
base::Result<Port> open_port(const PortRequest& request, Buffers& buffers);
void close_port(const Port& port);  // its `inline_crypto` has no keys any more

struct LinkState {
  bool up = false;
  uint32_t speed_mbps = 0;
};
LinkState link_of(uint16_t port);

}  // namespace penstock::engine
