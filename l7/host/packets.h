// TCP segments as packets: what a connection wants to say becomes mbufs with IP and TCP headers and checksums, cut to
// the path's segment size where the segment is longer (GSO in software).
//
// Memory: packets come from the given pool and are the caller's; payload is copied out of the connection's chain.
// Failure: a pool that is empty ends the segment early; TCP sends the rest again. Thread: the worker's. Packets begin
// with an Ethernet header whose addresses are zero: the next hop is not known yet.
#pragma once

#include <rte_mbuf.h>

#include "l7/tcp/cookie.h"
#include "l7/tcp/segment.h"

namespace penstock::host {

// Payload that a buffer of the standard size holds behind the longest headers.
constexpr uint32_t kLeastPayload = 1900;

class PacketWriter {
 public:
  explicit PacketWriter(rte_mempool* pool) : pool_(pool) {}
  // For packets that are longer than the buffers of `pool`; without it none is.
  void use_jumbo(rte_mempool* jumbo) { jumbo_ = jumbo; }

  // Where the next segment goes before begin(); its pieces must stay until done().
  tcp::Tuple tuple;
  tcp::Outgoing segment;
  void begin();
  bool done() const { return done_; }
  // The next packet of the segment; null: the pool is empty, and the rest of the segment is given up.
  rte_mbuf* next();

  uint64_t given_up() const { return given_up_; }

 private:
  rte_mempool* pool_for(uint32_t payload) const {
    return payload > kLeastPayload && jumbo_ != nullptr ? jumbo_ : pool_;
  }
  void copy_payload(uint8_t* to, uint32_t length);

  rte_mempool* pool_;
  rte_mempool* jumbo_ = nullptr;
  uint32_t sent_ = 0;            // payload bytes
  size_t piece_ = 0, into_ = 0;  // where the next byte is
  uint8_t flags_ = 0;            // of the whole segment
  bool done_ = true;
  uint64_t given_up_ = 0;
};

}  // namespace penstock::host
