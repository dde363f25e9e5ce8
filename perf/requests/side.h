// One end of the generator on our own stack: a host with one address, of IPv4 or IPv6, on one port, our TCP, and no
// kernel. It answers ARP or neighbour solicitations for itself and for the prefixes it was given, and sends everything
// to its gateway.
//
// Packets whose checksums are wrong, or that are for somebody else, are not heard. One thread; memory is the pool's and
// the stack's; the port is started and stopped by its owner.
#pragma once

#include <rte_ethdev.h>

#include "generator/neighbours.h"
#include "l7/host/packets.h"
#include "l7/tcp/stack.h"
#include "requests/spec.h"
#include "wire/parse.h"

namespace penstock::requests {

class Side {
 public:
  static constexpr uint16_t kBurst = 64;
  static constexpr uint16_t kCut = 16;  // packets a segment is cut into, at most

  // Packets since the beginning.
  struct Counts {
    uint64_t sent = 0, received = 0;
    uint64_t refused = 0;    // times a packet was not taken by the port at once, and waited
    uint64_t corrupted = 0;  // wrong checksums
    uint64_t missed = 0;     // came, but the port had no room
    uint64_t starved = 0;    // segments of which a part was not sent, because there was no buffer

    Counts since(const Counts& before) const;
  };

  Side(uint16_t port, const PortSpec& spec, rte_mempool* pool, uint32_t capacity, base::Nanos now);

  // Packets in: to the stack, or to address resolution. Returns how many came.
  unsigned receive(base::Nanos now);
  // What connections have to say, and the question where the gateway is while nobody has said.
  unsigned transmit(base::Nanos now);

  tcp::Stack& stack() { return stack_; }
  const base::IpAddress& address() const { return spec_.address->address; }
  bool ready() const { return neighbours_.resolved(); }
  // No connection is left, not even one that is being closed.
  bool quiet() const { return stack_.connections() == 0; }
  Counts counts() const;

 private:
  unsigned receive_burst(base::Nanos now);
  void on_tcp(const uint8_t* frame, const wire::Headers& headers, base::Nanos now);
  void say(base::Bytes frame);
  bool flush();

  uint16_t port_;
  const PortSpec& spec_;
  load::Neighbours neighbours_;
  base::Nanos asked_at_ = 0;
  rte_mempool* pool_;
  tcp::Stack stack_;
  host::PacketWriter writer_;
  rte_mbuf* out_[kBurst + 2 * kCut];  // a burst that waits, and a segment
  uint16_t count_ = 0;
  uint64_t sent_ = 0, received_ = 0, refused_ = 0, corrupted_ = 0;
};

}  // namespace penstock::requests
