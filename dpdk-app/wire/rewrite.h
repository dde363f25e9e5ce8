// Changes of a packet in place that keep its checksums right without reading the payload (RFC 1141, RFC 1624).
//
// Memory: writes only header bytes inside the range that parse() accepted; `h` are the Headers of this very frame.
// Hot: inline, no branches on payload, no allocation. Any thread, one packet at a time.
// Checksums that were wrong stay wrong: nothing here hides damage from the receiver.
// Does not: fix SCTP's CRC32c (address changes do not touch it; port changes are not made), rewrite what an ICMP error
// quotes (see compute_l4 in wire/checksum.h for the outer checksum after doing so).
#pragma once

#include <cstring>

#include "base/address.h"
#include "base/bytes.h"
#include "wire/checksum.h"
#include "wire/headers.h"
#include "wire/parse.h"

namespace penstock::wire {

inline void update_checksum(uint8_t* field, ChecksumDelta delta) {
  base::store_raw(field, apply(base::load_raw<uint16_t>(field), delta));
}

// One hop less (RFC 1812 §5.3.1, RFC 8200 §3). The caller has seen to it that more than one is left.
inline void decrement_ttl(uint8_t* ipv4) {
  ChecksumDelta delta;
  // TTL and protocol as one word: a byte stored and read back as part of a word makes the core wait.
  const auto before = base::load_raw<uint16_t>(ipv4 + kIpv4TtlAt);
  const auto after = static_cast<uint16_t>(before - 1);  // little-endian: the TTL is the low byte, and is not 0
  base::store_raw(ipv4 + kIpv4TtlAt, after);
  delta.replace16(before, after);
  update_checksum(ipv4 + kIpv4ChecksumAt, delta);
}
inline void decrement_hop_limit(uint8_t* frame, const Headers& h) {
  uint8_t* ip = frame + h.l2_length;
  if (h.family == 4) {
    decrement_ttl(ip);
  } else {
    --ip[kIpv6HopLimitAt];
  }
}

// The six bits of RFC 2474 §3; the two ECN bits (RFC 3168 §5) stay.
inline void set_dscp(uint8_t* frame, const Headers& h, uint8_t dscp) {
  uint8_t* ip = frame + h.l2_length;
  const auto before = base::load_raw<uint16_t>(ip);
  if (h.family == 4) {
    ip[kIpv4TosAt] = static_cast<uint8_t>((dscp << 2) | (ip[kIpv4TosAt] & 3));
    ChecksumDelta delta;
    delta.replace16(before, base::load_raw<uint16_t>(ip));
    update_checksum(ip + kIpv4ChecksumAt, delta);
  } else {
    // version 4 bits, traffic class 8 bits, flow label
    const uint16_t kept = base::swap16(before) & 0xf03f;
    base::store_be16(ip, static_cast<uint16_t>(kept | ((dscp & 0x3f) << 6)));
  }
}

// What a translated flow writes into each of its packets, computed once.
struct Translation {
  base::IpAddress src, dst;  // same family as the packets
  uint16_t src_port = 0;     // host order; for ICMP echo both are the identifier
  uint16_t dst_port = 0;
  ChecksumDelta l3;  // IPv4 header checksum
  ChecksumDelta l4;  // transport checksum
};

struct Endpoints {
  base::IpAddress src, dst;
  uint16_t src_port = 0;
  uint16_t dst_port = 0;
};

// Packets with the endpoints `from` shall have `to`. ICMP echo counts one identifier, to.src_port; ICMP (IPv4) sums no
// addresses into its checksum.
inline Translation make_translation(const Endpoints& from, const Endpoints& to, uint8_t protocol) {
  Translation t{to.src, to.dst, to.src_port, to.dst_port, {}, {}};
  t.l3.replace_address(from.src, to.src);
  t.l3.replace_address(from.dst, to.dst);
  if (protocol != kProtocolIcmp) t.l4 = t.l3;
  t.l4.replace16(base::swap16(from.src_port), base::swap16(to.src_port));
  if (protocol != kProtocolIcmp && protocol != kProtocolIcmpv6)
    t.l4.replace16(base::swap16(from.dst_port), base::swap16(to.dst_port));
  return t;
}

// The transport checksum after a change it covers. A UDP zero means "none" and stays (RFC 768); a UDP result of zero is
// sent as all ones.
inline void update_l4_checksum(uint8_t* frame, const Headers& h, ChecksumDelta delta) {
  uint8_t* l4 = frame + h.l4_offset;
  if (h.protocol == kProtocolTcp) {
    update_checksum(l4 + kTcpChecksumAt, delta);
  } else if (h.protocol == kProtocolUdp) {
    const auto before = base::load_raw<uint16_t>(l4 + kUdpChecksumAt);
    if (before == 0) return;
    const uint16_t after = apply(before, delta);
    base::store_raw<uint16_t>(l4 + kUdpChecksumAt, after == 0 ? 0xffff : after);
  } else if (is_icmp(h) || is_icmpv6(h)) {
    update_checksum(l4 + kIcmpChecksumAt, delta);
  }
}

inline void write_addresses(uint8_t* ip, uint8_t family, const base::IpAddress& src, const base::IpAddress& dst) {
  if (family == 4) {
    std::memcpy(ip + kIpv4SrcAt, src.v4_bytes(), 4);
    std::memcpy(ip + kIpv4DstAt, dst.v4_bytes(), 4);
  } else {
    std::memcpy(ip + kIpv6SrcAt, src.bytes.data(), 16);
    std::memcpy(ip + kIpv6DstAt, dst.bytes.data(), 16);
  }
}

// Addresses, ports and both checksums. Later fragments carry no transport header: only their addresses change.
// ICMP other than echo: only addresses (which ICMPv6 sums).
inline void translate(uint8_t* frame, const Headers& h, const Translation& t) {
  uint8_t* ip = frame + h.l2_length;
  write_addresses(ip, h.family, t.src, t.dst);
  if (h.family == 4) update_checksum(ip + kIpv4ChecksumAt, t.l3);
  if (h.is(kIsLaterFragment)) return;
  uint8_t* l4 = frame + h.l4_offset;
  if (h.protocol == kProtocolTcp || h.protocol == kProtocolUdp) {
    base::store_be16(l4 + kTcpSrcPortAt, t.src_port);
    base::store_be16(l4 + kTcpDstPortAt, t.dst_port);
    update_l4_checksum(frame, h, t.l4);
  } else if (is_echo(h)) {
    base::store_be16(l4 + kIcmpIdAt, t.src_port);
    update_l4_checksum(frame, h, t.l4);
  } else if (is_icmpv6(h)) {
    update_l4_checksum(frame, h, t.l3);
  }
}

}  // namespace penstock::wire
