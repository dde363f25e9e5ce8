// Packet buffer pools. One standard pool (frames to 2 KiB less headroom) for all ports, one jumbo pool made when the
// first port with a larger MTU is opened. Every mbuf carries a zeroed Carry in its private area. Control thread only;
// workers allocate through the per-thread mempool cache.
#pragma once

#include <rte_mempool.h>

#include <cstdint>

#include "base/result.h"

namespace penstock::engine {

constexpr uint16_t kStandardRoom = 2048 + 128;  // data room with headroom
constexpr uint16_t kJumboRoom = 9728 + 128;     // 9000 bytes of IP, L2 headers, tunnels
constexpr uint16_t kStandardMtu = 1800;         // above this a port uses the jumbo pool
constexpr unsigned kCacheSize = 256;

class Buffers {
 public:
  ~Buffers();
  Buffers() = default;
  Buffers(const Buffers&) = delete;
  Buffers& operator=(const Buffers&) = delete;

  // `standard`: buffers of the standard pool; the jumbo pool gets a quarter of it.
  base::Result<void> create(uint32_t standard);
  base::Result<rte_mempool*> pool_for_mtu(uint16_t mtu);
  rte_mempool* standard() const { return standard_; }

 private:
  rte_mempool* standard_ = nullptr;
  rte_mempool* jumbo_ = nullptr;
  uint32_t count_ = 0;
};

}  // namespace penstock::engine
