// The Internet checksum (RFC 1071), its incremental update (RFC 1624 eqn. 3), and the pseudo headers of TCP/UDP/ICMPv6.
// All sums are kept as they stand in the packet (network order loaded raw), which one's complement permits.
#pragma once

#include <cstdint>

#include "base/address.h"
#include "base/bytes.h"

namespace penstock::wire {

// An unfolded one's complement sum of 16-bit words; add ranges in any order, fold once.
// Ranges after the first must start at an even offset of the whole.
uint64_t sum_bytes(base::Bytes bytes, uint64_t sum = 0);
inline uint16_t fold(uint64_t sum) {
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffffffff) + (sum >> 32);
  auto s = static_cast<uint32_t>((sum & 0xffff) + (sum >> 16));
  s = (s & 0xffff) + (s >> 16);
  s = (s & 0xffff) + (s >> 16);
  return static_cast<uint16_t>(s);
}

uint64_t sum_pseudo_header(const base::IpAddress& src, const base::IpAddress& dst, uint8_t protocol, uint32_t l4_length);

// A change of header bytes as an addend, computed once per flow and applied once per packet.
// `delta` = ~old + new over the words that change.
struct ChecksumDelta {
  uint32_t sum = 0;  // folded lazily; at most 2^16 additions

  void replace16(uint16_t old_raw, uint16_t new_raw) { sum += static_cast<uint16_t>(~old_raw) + new_raw; }
  void replace_address(const base::IpAddress& from, const base::IpAddress& to);  // IPv4: the 4 bytes; IPv6: the 16
  void merge(const ChecksumDelta& other) { sum += fold(other.sum); }
};

// The checksum field (raw) after the change.
inline uint16_t apply(uint16_t checksum_raw, ChecksumDelta delta) {
  return static_cast<uint16_t>(~fold(static_cast<uint64_t>(static_cast<uint16_t>(~checksum_raw)) + delta.sum));
}

}  // namespace penstock::wire
