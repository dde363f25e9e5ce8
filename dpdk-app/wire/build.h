// Writes whole packets: what the gateway itself says on the wire (ARP, ND, ICMP, RST, echo, tunnel headers) and what
// tests say to it. Lengths and checksums are filled in; a packet that is built parses to what it was built from.
//
// Memory: writes out[0, returned length) only, allocates nothing, keeps nothing. `payload` and `original` must not
// overlap `out`. Any thread. Failure: 0, nothing sensible written; it does not fit `out` or 16-bit length fields,
// or the arguments mix address families.
// Does not: pad frames to 60 bytes (devices do), fragment, choose addresses, decide whether an answer is allowed
// (but see may_answer_with_error), limit rates.
#pragma once

#include <cstdint>
#include <optional>

#include "base/address.h"
#include "base/bytes.h"
#include "wire/arp_nd.h"
#include "wire/parse.h"

namespace penstock::wire {

struct Link {
  base::MacAddress dst;
  base::MacAddress src;
  uint16_t vlan = 0;  // 0: untagged
};

// Family 4 or 6 by its addresses.
struct Ip {
  base::IpAddress src;
  base::IpAddress dst;
  uint8_t hop_limit = 64;  // RFC 1700: the default of hosts
  uint8_t traffic_class = 0;
  uint16_t id = 0;            // IPv4; 0 is fine while dont_fragment (RFC 6864 §4.1)
  bool dont_fragment = true;  // IPv4
};

size_t build_ethernet(base::MutableBytes out, const Link& link, uint16_t ether_type);
// The IP header alone, for `payload_length` bytes of `protocol` behind it.
size_t build_ip_header(base::MutableBytes out, const Ip& ip, uint8_t protocol, size_t payload_length);

// In every packet below: `link` absent means that the packet begins at its IP header.

struct ArpPacket {
  Link link;
  ArpMessage message;
};
size_t build_arp(base::MutableBytes out, const ArpPacket& packet);

struct TcpPacket {
  std::optional<Link> link;
  Ip ip;
  uint16_t src_port = 0;
  uint16_t dst_port = 0;
  uint32_t seq = 0;
  uint32_t ack = 0;
  uint8_t flags = 0;
  uint16_t window = 0;
  uint16_t mss = 0;  // 0: no option (RFC 9293 §3.7.1)
  base::Bytes payload;
};
size_t build_tcp(base::MutableBytes out, const TcpPacket& packet);

struct UdpPacket {
  std::optional<Link> link;
  Ip ip;
  uint16_t src_port = 0;
  uint16_t dst_port = 0;
  base::Bytes payload;
};
size_t build_udp(base::MutableBytes out, const UdpPacket& packet);

struct EchoPacket {
  std::optional<Link> link;
  Ip ip;
  bool reply = false;
  uint16_t id = 0;
  uint16_t sequence = 0;
  base::Bytes payload;
};
size_t build_echo(base::MutableBytes out, const EchoPacket& packet);

// To the source of `original`, quoting as much of it as 576 bytes (RFC 1812 §4.3.2.3) or 1280 bytes (RFC 4443 §2.4c)
// of datagram allow. type and code: kIcmp… or kIcmpv6… by the family of `original`.
struct IcmpErrorPacket {
  std::optional<Link> link;
  base::IpAddress src;  // of the gateway, in the family of `original`
  uint8_t type = 0;
  uint8_t code = 0;
  uint32_t mtu = 0;      // fragmentation needed (RFC 1191 §4), packet too big (RFC 4443 §3.2)
  base::Bytes original;  // the IP datagram [l2_length, end), as much of it as is at hand
  uint8_t hop_limit = 64;
};
size_t build_icmp_error(base::MutableBytes out, const IcmpErrorPacket& packet);

// RFC 1122 §3.2.2, RFC 1812 §4.3.2.7, RFC 4443 §2.4e: no errors about errors, redirects, later fragments, group or
// undefined addresses. `frame` is what `h` was parsed from.
bool may_answer_with_error(base::Bytes frame, const Headers& h);

// src, dst and type from the message; hop limit 255, checksum.
struct NdPacket {
  Link link;
  NdMessage message;
};
size_t build_nd(base::MutableBytes out, const NdPacket& packet);

// RST for a segment that no connection wants (RFC 9293 §3.10.7.1); 0 when the segment is a RST itself.
struct ResetPacket {
  std::optional<Link> link;
  base::Bytes frame;  // holding the segment
  const Headers& headers;
  uint8_t hop_limit = 64;
};
size_t build_reset(base::MutableBytes out, const ResetPacket& packet);

// Everything before a mirrored frame of `frame_length` bytes: IP, GRE with sequence number (RFC 2890), ERSPAN type II
// (draft-foschiano-erspan §4.2). Returns the length of the headers.
struct ErspanHeaders {
  std::optional<Link> link;
  Ip ip;
  uint32_t sequence = 0;
  uint16_t session = 0;    // 10 bits
  uint16_t vlan = 0;       // of the mirrored frame, which keeps its tag; 0: none
  bool truncated = false;  // the mirrored frame was cut
  size_t frame_length = 0;
};
size_t build_erspan_headers(base::MutableBytes out, const ErspanHeaders& headers);

// Everything before an IP datagram that travels inside another (RFC 2003, RFC 2473).
struct IpipHeaders {
  std::optional<Link> link;
  Ip ip;
  uint8_t inner_family = 4;
  size_t inner_length = 0;
};
size_t build_ipip_headers(base::MutableBytes out, const IpipHeaders& headers);

}  // namespace penstock::wire
