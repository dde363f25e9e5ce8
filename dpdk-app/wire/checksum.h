// The Internet checksum (RFC 1071), its incremental update (RFC 1624 eqn. 3), and the pseudo headers of TCP/UDP/ICMPv6.
// All sums are kept as they stand in the packet (network order loaded raw), which one's complement permits.
#pragma once

#include <cstdint>

#include "base/address.h"
#include "base/bytes.h"
#include "wire/parse.h"

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

uint64_t sum_pseudo_header(const base::IpAddress& src, const base::IpAddress& dst, uint8_t protocol,
                           uint32_t l4_length);

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
  uint64_t sum = static_cast<uint64_t>(static_cast<uint16_t>(~checksum_raw)) + delta.sum;  // 33 bits
  sum = (sum & 0xffff) + (sum >> 16);                                                      // 18
  sum = (sum & 0xffff) + (sum >> 16);                                                      // 17
  return static_cast<uint16_t>(~(sum + (sum >> 16)));
}

// The whole of a packet's transport: TCP, UDP, ICMP, ICMPv6. `frame` is contiguous from byte 0 to headers.end at least,
// `headers` are of this very frame. Fragments and other protocols have no such checksum here (SCTP: CRC32c, not ours).
// The pseudo header takes the addresses of the IP header: with a routing header on its way that is not the final one.
enum class ChecksumState : uint8_t {
  kGood,
  kBad,
  kNone,  // UDP over IPv4 without one (RFC 768), fragment, or a protocol that has none
};
ChecksumState verify_l4(base::Bytes frame, const Headers& headers);

// The value (raw) the checksum field should hold, whatever it holds now. UDP: never 0 (RFC 768). 0 where verify says
// kNone.
uint16_t compute_l4(base::Bytes frame, const Headers& headers);
void write_l4(base::MutableBytes frame, const Headers& headers);  // stores compute_l4()

// Over an IPv4 header with its options; the field counts as zero.
uint16_t compute_ipv4_header(const uint8_t* ip);

// Where the transport checksum of `protocol` lies from l4_offset on; kNoChecksum: it has none.
constexpr uint8_t kNoChecksum = 0xff;
uint8_t l4_checksum_at(uint8_t protocol);

}  // namespace penstock::wire
