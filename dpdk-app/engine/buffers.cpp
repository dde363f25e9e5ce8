#include "engine/buffers.h"

#include <rte_errno.h>
#include <rte_mbuf.h>

#include <string>

#include "engine/packet.h"

namespace penstock::engine {

namespace {
constexpr uint16_t kPrivateSize = (sizeof(Carry) + RTE_MBUF_PRIV_ALIGN - 1) / RTE_MBUF_PRIV_ALIGN * RTE_MBUF_PRIV_ALIGN;

base::Result<rte_mempool*> make_pool(const char* name, uint32_t count, uint16_t room) {
  rte_mempool* pool = rte_pktmbuf_pool_create(name, count, kCacheSize, kPrivateSize, room, SOCKET_ID_ANY);
  if (pool == nullptr)
    return base::Error{"spec.workers.buffers: no memory for " + std::to_string(count) + " buffers of " +
                       std::to_string(room) + " bytes (" + rte_strerror(rte_errno) +
                       "); lower it, reserve hugepages, or raise --memory"};
  return pool;
}
}  // namespace

Buffers::~Buffers() {
  rte_mempool_free(jumbo_);
  rte_mempool_free(standard_);
}

base::Result<void> Buffers::create(uint32_t standard) {
  count_ = standard;
  auto pool = make_pool("packets", standard, kStandardRoom);
  if (!pool) return base::Error{pool.error()};
  standard_ = *pool;
  return {};
}

base::Result<rte_mempool*> Buffers::pool_for_mtu(uint16_t mtu) {
  if (mtu <= kStandardMtu) return standard_;
  if (jumbo_ == nullptr) {
    auto pool = make_pool("jumbo", count_ / 4, kJumboRoom);
    if (!pool) return pool;
    jumbo_ = *pool;
  }
  return jumbo_;
}

}  // namespace penstock::engine
