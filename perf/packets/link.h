// What a port sends to and receives from: a device of DPDK, or the way to another port of the same generator (loop.h).
#pragma once

#include <rte_mbuf.h>

#include <cstdint>

#include "packets/clock.h"

namespace penstock::load {

class Link {
 public:
  static constexpr uint16_t kBurst = 32;

  Link() = default;
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;
  virtual ~Link() = default;

  // Takes the first packets of `packets` and says how many; the others stay the caller's.
  virtual uint16_t send(rte_mbuf** packets, uint16_t count, Cycles now) = 0;
  // At most kBurst packets, the caller's from now on.
  virtual uint16_t receive(rte_mbuf** packets, Cycles now) = 0;
  // Packets that came but were dropped for want of room, since the port was opened.
  virtual uint64_t missed() const = 0;
  // A trial begins: stages count from here.
  virtual void restart() {}
};

}  // namespace penstock::load
