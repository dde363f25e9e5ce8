// One end of the load generator: a host with one address on one port, our TCP, and no kernel. It answers ARP for itself
// and sends everything to its gateway. One thread; memory is the pool's and the stack's.
#pragma once

#include <rte_ethdev.h>

#include <string>

#include "base/address.h"
#include "l7/host/packets.h"
#include "l7/tcp/stack.h"
#include "wire/parse.h"

namespace penstock::load {

class Side {
 public:
  static constexpr uint16_t kBurst = 64;

  Side(uint16_t port, const base::IpAddress& own, const base::IpAddress& gateway, rte_mempool* pool, uint32_t capacity,
       base::Nanos now);

  // Packets in: to the stack, or ARP. Returns how many came.
  unsigned receive(base::Nanos now);
  // What connections have to say, and the question where the gateway is while nobody has said.
  unsigned transmit(base::Nanos now);

  tcp::Stack& stack() { return stack_; }
  const base::IpAddress& address() const { return own_; }
  bool ready() const { return knows_gateway_; }
  uint64_t sent() const { return sent_; }
  uint64_t refused() const { return refused_; }

 private:
  void on_arp(const rte_mbuf* m, const wire::Headers& headers);
  void say_arp(uint16_t operation, const base::MacAddress& mac, const base::IpAddress& ip);
  void flush();

  uint16_t port_;
  base::IpAddress own_, gateway_;
  base::MacAddress own_mac_, gateway_mac_;
  bool knows_gateway_ = false;
  base::Nanos asked_at_ = 0;
  rte_mempool* pool_;
  tcp::Stack stack_;
  host::PacketWriter writer_;
  rte_mbuf* out_[kBurst];
  uint16_t count_ = 0;
  uint64_t sent_ = 0, refused_ = 0;
};

}  // namespace penstock::load
