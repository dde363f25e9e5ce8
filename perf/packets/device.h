// DPDK as the generator uses it: started without touching a device that was not named, and its ports as Links.
// One process starts it once. Errors are sentences without the field's name.
#pragma once

#include <memory>
#include <string>

#include "base/address.h"
#include "base/result.h"
#include "packets/link.h"
#include "packets/spec.h"

namespace penstock::load {

std::optional<Fault> start_dpdk(const Spec& spec);  // on the specification's core
void end_dpdk();                                    // after the last Link; leaves no file behind
// Room for packets in half the memory that was asked for; at most 131071. Buffers hold the largest frame in one piece.
base::Result<rte_mempool*> make_pool(const Spec& spec);

class DeviceLink : public Link {
 public:
  // Attaches and starts `device`, for frames up to `largest` (with CRC).
  static base::Result<std::unique_ptr<DeviceLink>> open(const std::string& device, uint16_t largest, rte_mempool* pool);
  ~DeviceLink() override;

  base::MacAddress mac() const;
  void set_mac(const base::MacAddress& mac);  // where the device lets it be set; it hears every address in any case
  bool is_up() const;
  // Connects a memif again whose other side went away and may be back: its driver does not. At most ten times a second,
  // for a connection that is being made is broken off. While nobody is there nothing is sent and nothing comes.
  void mend();

  uint16_t send(rte_mbuf** packets, uint16_t count, Cycles now) override;
  uint16_t receive(rte_mbuf** packets, Cycles now) override;
  // Of a kernel's interface (`iface=` of the device): what came there and never here, for its drivers do not all tell
  // what their rings had no room for; only differences mean something, and these are right when nothing is on its way.
  uint64_t missed() const override;

 private:
  DeviceLink(uint16_t port, std::string interface, bool mends)
      : port_(port), interface_(std::move(interface)), mends_(mends) {}
  base::Result<void> start(uint16_t largest, rte_mempool* pool);

  const uint16_t port_;
  const std::string interface_;  // empty: none
  const bool mends_;
  bool started_ = true;
};

}  // namespace penstock::load
