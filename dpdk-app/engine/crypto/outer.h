// What the outside of a tunnel shows of its inside: the few fields of the inner header that the outer one depends on,
// and the outer header itself (RFC 4301 §5.1.2, RFC 3948 §2.1, RFC 6040, RFC 6437 §3).
//
// Memory: reads and writes only the ranges given. Hot: no allocation, no branches on payload. Any thread.
// Does not: decrement the inner TTL (RFC 4301 §5.1.2.1 leaves that to forwarding, before and behind the tunnel).
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "engine/crypto/sa.h"

namespace penstock::crypto {

struct InnerView {
  uint16_t length = 0;  // of the datagram, by its own header
  uint8_t family = 0;   // 4 or 6
  uint8_t traffic_class = 0;
  bool dont_fragment = false;
  uint32_t flow_hash = 0;  // equal for all packets of a flow in one direction; all fragments of a datagram share one
};

// False: not an IPv4 or IPv6 datagram that lies within `bytes`. The packet has passed the pipeline: this only keeps
// lengths honest.
bool look_inside(base::Bytes bytes, InnerView& view);

// Writes sa.outer_length() bytes at `at`, for an ESP packet of `esp_length` bytes behind them. The UDP checksum is zero
// over IPv4 (RFC 3948 §2.1); over IPv6 finish_udp6() sums the encrypted packet (RFC 8200 §8.1).
void write_outer(OutboundSa& sa, const InnerView& inner, uint8_t* at, size_t esp_length);
void finish_udp6(uint8_t* outer, size_t esp_length);

}  // namespace penstock::crypto
