// Address resolution messages as values: ARP for IPv4 over Ethernet (RFC 826) and neighbour discovery for IPv6
// (RFC 4861: router solicitation, neighbour solicitation and advertisement).
//
// Memory: parse reads only frame[0, size), results are values. Any thread; a few hundred nanoseconds, not for every
// packet. Failure is a NeighbourError that names the broken rule; `out` then holds nothing to rely on. Does not: keep a
// neighbour table or decide whom to believe, parse router advertisements and redirects.
#pragma once

#include <cstdint>
#include <optional>

#include "base/address.h"
#include "base/bytes.h"
#include "wire/headers.h"
#include "wire/parse.h"

namespace penstock::wire {

enum class NeighbourError : uint8_t {
  kNone,
  kNotNeighbour,     // neither ARP nor one of the three ND messages
  kTruncated,        // shorter than the message
  kBadFormat,        // ARP: not Ethernet and IPv4; ND: code not 0
  kBadOperation,     // ARP: neither request nor reply
  kBadSender,        // a sender's MAC that is a group (RFC 1812 §3.3.2), an IP that is multicast or broadcast
  kBadHopLimit,      // not 255: came through a router (RFC 4861 §7.1.1)
  kBadChecksum,      // ICMPv6 checksum wrong
  kBadTarget,        // target is multicast or unspecified
  kBadDestination,   // unspecified source to other than a solicited-node group, or a solicited advert to a group
  kBadOption,        // option of length 0, beyond the packet, or a link-layer address that is not Ethernet's
  kExtensionHeader,  // ND behind extension headers, fragments among them (RFC 6980 §5, RFC 7113 §3)
};
const char* to_string(NeighbourError error);

struct ArpMessage {
  uint16_t operation = kArpRequest;
  base::MacAddress sender_mac;
  base::IpAddress sender_ip;  // 0.0.0.0: a probe (RFC 5227 §1.1)
  base::MacAddress target_mac;
  base::IpAddress target_ip;

  bool operator==(const ArpMessage&) const = default;
};

struct NdMessage {
  uint8_t type = kNdNeighbourSolicit;  // or kNdNeighbourAdvert, kNdRouterSolicit
  base::IpAddress src, dst;            // of the IPv6 header; src :: while a node checks its address (RFC 4862 §5.4)
  base::IpAddress target;              // not in router solicitations
  std::optional<base::MacAddress> link_address;  // source's (solicitations) or target's (advertisements)
  bool router = false;                           // flags of an advertisement
  bool solicited = false;
  bool overrides = false;

  bool operator==(const NdMessage&) const = default;
};

// `h` are the Headers that parse() made of `frame`.
NeighbourError parse_arp(base::Bytes frame, const Headers& h, ArpMessage& out);
NeighbourError parse_nd(base::Bytes frame, const Headers& h, NdMessage& out);

base::IpAddress solicited_node(const base::IpAddress& target);  // ff02::1:ffxx:xxxx, RFC 4291 §2.7.1
base::MacAddress multicast_mac(const base::IpAddress& group);   // RFC 1112 §6.4, RFC 2464 §7
constexpr base::MacAddress kBroadcastMac{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

}  // namespace penstock::wire
