// TCP segments as packets: what a connection wants to say becomes mbufs with IP and TCP headers and checksums. A
// segment that is longer than the path takes is cut here (GSO in software), or leaves as one packet for the device to
// cut (TSO).
//
// Memory: packets come from the given pools and are the caller's; payload is copied out of the connection's chain.
// Failure: a pool that is empty ends the segment early; TCP sends the rest again. Thread: the worker's. Packets begin
// with an Ethernet header whose addresses are zero: the next hop is not known yet.
#pragma once

#include <rte_mbuf.h>

#include "l7/tcp/cookie.h"
#include "l7/tcp/segment.h"

namespace penstock::host {

// Payload that a buffer of the standard size holds behind the longest headers.
constexpr uint32_t kLeastPayload = 1900;

// What the device that a packet leaves by does itself.
struct Offload {
  bool checksums = false;  // finishes a checksum that is that of the pseudo header so far
  bool segments = false;   // cuts long segments
};

class PacketWriter {
 public:
  explicit PacketWriter(rte_mempool* pool) : pool_(pool) {}
  // For packets that are longer than the buffers of `pool`; without it none is.
  void use_jumbo(rte_mempool* jumbo) { jumbo_ = jumbo; }

  // Where the next segment goes before begin(); its pieces must stay until done().
  tcp::Tuple tuple;
  tcp::Outgoing segment;
  Offload offload;
  void begin();
  bool done() const { return done_; }
  // The next packet of the segment; null: the pool is empty, and the rest of the segment is given up.
  rte_mbuf* next();

  uint64_t given_up() const { return given_up_; }

 private:
  struct Layers {  // of a frame that is being written
    uint8_t* ip;
    uint8_t* tcp;
    size_t header;  // bytes of the TCP header
    size_t l4;      // with all payload
  };

  rte_mempool* pool_for(uint32_t payload) const {
    return payload > kLeastPayload && jumbo_ != nullptr ? jumbo_ : pool_;
  }
  // Some devices refuse to cut into less (256 in i40e).
  static constexpr uint16_t kLeastCut = 256;
  bool cut_by_device() const {
    return offload.segments && segment.segment_size >= kLeastCut && segment.length > segment.segment_size;
  }
  Layers write_headers(uint8_t* frame, uint32_t payload);
  void finish(rte_mbuf* m, const Layers& layers, bool cut);
  rte_mbuf* give_up(rte_mbuf* m);
  rte_mbuf* next_large();
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
