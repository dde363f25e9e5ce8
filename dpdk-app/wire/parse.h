// Reads the headers of one Ethernet frame into numbers. Pure, bounds first, no allocation; called for every packet.
//
// Memory: reads only frame[0, size); keeps nothing. Any thread. Multi-segment packets: pass the first segment,
// which the caller guarantees to hold all headers (at least min(packet length, 256) bytes) and the whole length apart.
// Checks the header rules of RFC 791/1812 §5.2.2 (version, header length, total length, header checksum unless told
// that the device did it) and RFC 8200 (version, payload length, extension header chain, at most kMaxExtensionHeaders).
// A packet whose end lies beyond byte 65535 of its frame is kTruncatedIp (offsets are 16 bits wide).
// Does not check: L4 checksums (see wire/checksum.h), addresses (a matter of policy: flow), TTL expiry.
#pragma once

#include <cstdint>

#include "base/address.h"
#include "base/bytes.h"
#include "wire/headers.h"

namespace penstock::wire {

constexpr unsigned kMaxExtensionHeaders = 8;  // RFC 8504 §5.3 asks for a limit; a longer chain is kMalformedExtension
constexpr unsigned kMaxVlanTags = 2;          // outer and inner; a third tag is kMalformedVlan

// Why a frame is not a packet we understand. Each becomes a drop reason of the same name in flow/verdict.h.
enum class ParseError : uint8_t {
  kNone,
  kTruncatedEthernet,   // shorter than its Ethernet header and tags
  kMalformedVlan,       // more tags than kMaxVlanTags
  kTruncatedIp,         // shorter than its IP header, or total length beyond the frame
  kBadIpVersion,        // version field disagrees with the EtherType
  kBadIpHeaderLength,   // IHL below 5, or beyond the total length; IPv4 options malformed
  kBadIpChecksum,       // IPv4 header checksum wrong
  kBadIpTotalLength,    // IPv4 total length below the shortest header
  kMalformedExtension,  // IPv6 extension header chain broken, too long, or hop-by-hop not first
  kTruncatedTransport,  // TCP/UDP/ICMP header cut short (not a later fragment)
  kBadTransportHeader,  // TCP data offset below 5 or beyond the packet; UDP length below 8 or beyond the packet
  kTinyFragment,        // RFC 1858 / RFC 8200 §4.5: first fragment too small for its transport header, or offset 1 TCP
  kBadFragment,         // fragment whose end exceeds 65535, without data, or not a multiple of 8 while more follow
};

enum : uint8_t {              // Headers::flags
  kIsFragment = 1 << 0,       // any fragment (first, middle or last); not IPv6 "fragment 0 of 1" (RFC 6946: whole)
  kIsLaterFragment = 1 << 1,  // offset > 0: carries no transport header
  kHasIpOptions = 1 << 2,     // IPv4 IHL > 5, or any IPv6 hop-by-hop options header
  kHasSourceRoute = 1 << 3,   // IPv4 LSRR/SSRR, or IPv6 routing header type 0 (RFC 5095)
  kDontFragment = 1 << 4,     // IPv4 DF, and every IPv6 packet
  kMoreFragments = 1 << 5,
  kHasRouterAlert = 1 << 6,
  kIsTagged = 1 << 7,  // at least one VLAN tag in the frame
};

// Where things are and what the decisions need. Offsets count from the first byte of the frame. 32 bytes.
struct Headers {
  uint16_t ether_type = 0;  // host order, after VLAN tags
  uint16_t vlan = 0;        // outer VLAN id 0..4095 when kIsTagged
  uint8_t family = 0;       // 4, 6, or 0 (not IP: ARP and the rest; then only the three fields above, l2_length, flags)
  uint8_t protocol = 0;     // transport protocol (after IPv6 extension headers)
  uint8_t flags = 0;
  uint8_t l2_length = 0;        // Ethernet header and tags: where IP begins
  uint16_t l4_offset = 0;       // first byte after the IP header (and extension headers)
  uint16_t payload_offset = 0;  // first byte after the transport header; equals l4_offset where there is none
  uint16_t end = 0;             // one past the last byte of the IP datagram; frame bytes beyond are padding
  uint16_t src_port = 0;        // TCP, UDP, SCTP; ICMP echo: the identifier in both ports; else 0
  uint16_t dst_port = 0;
  uint8_t tcp_flags = 0;  // FIN 1 SYN 2 RST 4 PSH 8 ACK 16 URG 32 ECE 64 CWR 128
  uint8_t icmp_type = 0;  // ICMP and ICMPv6
  uint8_t icmp_code = 0;
  uint8_t hop_limit = 0;         // TTL or hop limit
  uint8_t traffic_class = 0;     // TOS or traffic class: DSCP << 2 | ECN
  uint8_t inner_vlan_tags = 0;   // tags beyond the outer one
  uint16_t fragment_offset = 0;  // bytes
  uint32_t fragment_id = 0;

  bool is(uint8_t flag) const { return flags & flag; }
};
static_assert(sizeof(Headers) <= 40);

enum class Ipv4Checksum : uint8_t { kVerify, kVerifiedByDevice };

// Parses `frame` (of a packet `packet_length` bytes long in all). On an error `out` holds what was read before it.
ParseError parse(base::Bytes frame, uint32_t packet_length, Ipv4Checksum checksum, Headers& out);

// Parses from the IP header on (a tunnel's inside, the packet quoted in an ICMP error): offsets count from `datagram`,
// l2_length is 0. `quoted` accepts a datagram cut short after 8 transport bytes, as ICMP quotes it (RFC 792, RFC 4443).
enum class Whole : uint8_t { kYes, kQuoted };
ParseError parse_ip(base::Bytes datagram, Whole whole, Ipv4Checksum checksum, Headers& out);

// The family counts: ICMP in IPv6, or ICMPv6 in IPv4, is not parsed and has no type. Not for later fragments.
inline bool is_icmp(const Headers& h) { return h.family == 4 && h.protocol == kProtocolIcmp; }
inline bool is_icmpv6(const Headers& h) { return h.family == 6 && h.protocol == kProtocolIcmpv6; }
inline bool is_echo(const Headers& h) {
  if (is_icmp(h)) return h.icmp_type == kIcmpEchoRequest || h.icmp_type == kIcmpEchoReply;
  return is_icmpv6(h) && (h.icmp_type == kIcmpv6EchoRequest || h.icmp_type == kIcmpv6EchoReply);
}
// Messages that quote the packet they are about from payload_offset on (RFC 1122 §3.2.2, RFC 4443 §2.1).
inline bool is_icmp_error(const Headers& h) {
  if (is_icmp(h))
    return h.icmp_type == kIcmpUnreachable || h.icmp_type == kIcmpSourceQuench || h.icmp_type == kIcmpRedirect ||
           h.icmp_type == kIcmpTimeExceeded || h.icmp_type == kIcmpParameterProblem;
  return is_icmpv6(h) && h.icmp_type < kIcmpv6EchoRequest;
}

const char* to_string(ParseError error);

}  // namespace penstock::wire
