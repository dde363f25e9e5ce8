#include "wire/print.h"

#include <algorithm>
#include <cinttypes>
#include <cstdarg>
#include <cstdio>

#include "wire/arp_nd.h"
#include "wire/headers.h"
#include "wire/tcp_options.h"

namespace penstock::wire {

namespace {

using base::Bytes;
using base::IpAddress;

// Appends at most 200 characters: longer than any format below.
[[gnu::format(printf, 2, 3)]] void add(std::string& out, const char* format, ...) {
  char text[200];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  out += text;
}

const char* protocol_name(uint8_t protocol) {
  switch (protocol) {
    case kProtocolIcmp:
      return "ICMP";
    case kProtocolIgmp:
      return "IGMP";
    case kProtocolIpip:
      return "IPIP";
    case kProtocolTcp:
      return "TCP";
    case kProtocolUdp:
      return "UDP";
    case kProtocolIpv6:
      return "IP6";
    case kProtocolGre:
      return "GRE";
    case kProtocolEsp:
      return "ESP";
    case kProtocolAh:
      return "AH";
    case kProtocolIcmpv6:
      return "ICMP6";
    case kProtocolNoNext:
      return "no next header";
    case kProtocolVrrp:
      return "VRRP";
    case kProtocolSctp:
      return "SCTP";
  }
  return nullptr;
}

void add_protocol(std::string& out, uint8_t protocol) {
  if (const char* name = protocol_name(protocol)) {
    out += name;
  } else {
    add(out, "proto %u", protocol);
  }
}

void add_tcp(std::string& out, Bytes bytes, const Headers& h) {
  // tcpdump's order of letters; '.' is ACK.
  static constexpr struct {
    uint8_t flag;
    char letter;
  } kLetters[] = {{kTcpFin, 'F'}, {kTcpSyn, 'S'}, {kTcpRst, 'R'}, {kTcpPsh, 'P'},
                  {kTcpAck, '.'}, {kTcpUrg, 'U'}, {kTcpEce, 'E'}, {kTcpCwr, 'W'}};
  if (h.payload_offset - h.l4_offset < static_cast<int>(kTcpMinLength)) {
    out += "TCP (quoted)";
    return;
  }
  const uint8_t* tcp = bytes.data() + h.l4_offset;
  out += "Flags [";
  for (const auto& l : kLetters)
    if (h.tcp_flags & l.flag) out += l.letter;
  if (h.tcp_flags == 0) out += "none";
  add(out, "], seq %" PRIu32, base::load_be32(tcp + kTcpSeqAt));
  if (h.tcp_flags & kTcpAck) add(out, ", ack %" PRIu32, base::load_be32(tcp + kTcpAckAt));
  add(out, ", win %u", base::load_be16(tcp + kTcpWindowAt));
  if (const size_t at = find_mss(tcp, static_cast<size_t>(h.payload_offset - h.l4_offset)))
    add(out, ", options [mss %u]", base::load_be16(tcp + at));
  add(out, ", length %d", h.end - h.payload_offset);
}

const char* icmp_name(const Headers& h) {
  if (h.family == 4) {
    switch (h.icmp_type) {
      case kIcmpEchoReply:
        return "echo reply";
      case kIcmpEchoRequest:
        return "echo request";
      case kIcmpSourceQuench:
        return "source quench";
      case kIcmpRedirect:
        return "redirect";
      case kIcmpTimeExceeded:
        return "time exceeded";
      case kIcmpParameterProblem:
        return "parameter problem";
      case kIcmpUnreachable:
        return h.icmp_code == kIcmpFragmentationNeeded ? "fragmentation needed" : "unreachable";
    }
    return nullptr;
  }
  switch (h.icmp_type) {
    case kIcmpv6EchoRequest:
      return "echo request";
    case kIcmpv6EchoReply:
      return "echo reply";
    case kIcmpv6Unreachable:
      return "unreachable";
    case kIcmpv6PacketTooBig:
      return "packet too big";
    case kIcmpv6TimeExceeded:
      return "time exceeded";
    case kIcmpv6ParameterProblem:
      return "parameter problem";
    case kNdRouterSolicit:
      return "router solicitation";
    case kNdRouterAdvert:
      return "router advertisement";
    case kNdNeighbourSolicit:
      return "neighbor solicitation";
    case kNdNeighbourAdvert:
      return "neighbor advertisement";
    case kNdRedirect:
      return "redirect";
  }
  return nullptr;
}

void add_icmp(std::string& out, Bytes bytes, const Headers& h, Whole whole) {
  const uint8_t* icmp = bytes.data() + h.l4_offset;
  out += h.family == 4 ? "ICMP " : "ICMP6 ";
  if (const char* name = icmp_name(h)) {
    out += name;
  } else {
    add(out, "type %u", h.icmp_type);
  }
  const size_t end = std::min<size_t>(h.end, bytes.size());
  if (is_echo(h)) {
    add(out, ", id %u, seq %u", h.src_port, base::load_be16(icmp + kIcmpSequenceAt));
  } else if (h.family == 6 && (h.icmp_type == kNdNeighbourSolicit || h.icmp_type == kNdNeighbourAdvert) &&
             end >= h.l4_offset + kNdNeighbourLength) {
    out += ", target " + IpAddress::v6_from(icmp + kNdTargetAt).to_string();
  } else {
    add(out, ", code %u", h.icmp_code);
    if (h.family == 4 && h.icmp_type == kIcmpUnreachable && h.icmp_code == kIcmpFragmentationNeeded)
      add(out, ", mtu %u", base::load_be16(icmp + kIcmpMtuAt));
    if (h.family == 6 && h.icmp_type == kIcmpv6PacketTooBig)
      add(out, ", mtu %" PRIu32, base::load_be32(icmp + kIcmpv6MtuAt));
  }
  add(out, ", length %d", h.end - h.l4_offset);
  // A quotation inside a quotation is not followed.
  if (is_icmp_error(h) && !h.is(kIsFragment) && whole == Whole::kYes && end > h.payload_offset)
    out += " (" + describe_ip(bytes.subspan(h.payload_offset, end - h.payload_offset), Whole::kQuoted) + ")";
}

void add_transport(std::string& out, Bytes bytes, const Headers& h, Whole whole) {
  if (h.is(kIsLaterFragment)) {
    add_protocol(out, h.protocol);
  } else if (h.protocol == kProtocolTcp) {
    add_tcp(out, bytes, h);
  } else if (is_icmp(h) || is_icmpv6(h)) {
    add_icmp(out, bytes, h, whole);
  } else {
    add_protocol(out, h.protocol);
    add(out, ", length %d", h.end - h.payload_offset);
  }
  if (h.is(kIsFragment))
    add(out, ", frag %" PRIu32 ":%d@%u%s", h.fragment_id, h.end - h.l4_offset, h.fragment_offset,
        h.is(kMoreFragments) ? "+" : "");
}

// Where family is set, the fixed IP header is within `bytes`, even after an error.
void add_ip(std::string& out, Bytes bytes, const Headers& h, ParseError error, Whole whole) {
  const uint8_t* ip = bytes.data() + h.l2_length;
  const bool v4 = h.family == 4;
  const bool ports = error == ParseError::kNone && !h.is(kIsLaterFragment) &&
                     (h.protocol == kProtocolTcp || h.protocol == kProtocolUdp || h.protocol == kProtocolSctp);
  const IpAddress src = v4 ? IpAddress::v4_from(ip + kIpv4SrcAt) : IpAddress::v6_from(ip + kIpv6SrcAt);
  const IpAddress dst = v4 ? IpAddress::v4_from(ip + kIpv4DstAt) : IpAddress::v6_from(ip + kIpv6DstAt);
  out += v4 ? "IP " : "IP6 ";
  out += src.to_string();
  if (ports) add(out, ".%u", h.src_port);
  out += " > " + dst.to_string();
  if (ports) add(out, ".%u", h.dst_port);
  out += ": ";
  if (error == ParseError::kNone) {
    add_transport(out, bytes, h, whole);
  } else {
    add_protocol(out, h.protocol);
    add(out, " [%s]", to_string(error));
  }
}

void add_arp(std::string& out, Bytes frame, const Headers& h) {
  ArpMessage m;
  const NeighbourError error = parse_arp(frame, h, m);
  if (error != NeighbourError::kNone) {
    add(out, "ARP [%s]", to_string(error));
  } else if (m.operation == kArpRequest) {
    out += "ARP, Request who-has " + m.target_ip.to_string() + " tell " + m.sender_ip.to_string();
  } else {
    out += "ARP, Reply " + m.sender_ip.to_string() + " is-at " + m.sender_mac.to_string();
  }
}

}  // namespace

std::string describe(Bytes frame) {
  std::string out;
  Headers h;
  const ParseError error = parse(frame, static_cast<uint32_t>(frame.size()), Ipv4Checksum::kVerify, h);
  if (h.is(kIsTagged)) add(out, "vlan %u, ", h.vlan);
  if (h.family != 0) {
    add_ip(out, frame, h, error, Whole::kYes);
  } else if (error != ParseError::kNone) {
    add(out, "[%s], length %zu", to_string(error), frame.size());
  } else if (h.ether_type == kEtherTypeArp) {
    add_arp(out, frame, h);
  } else {
    add(out, "ethertype 0x%04x, length %zu", h.ether_type, frame.size());
  }
  return out;
}

std::string describe_ip(Bytes datagram, Whole whole) {
  std::string out;
  Headers h;
  // Routers change the header they quote (TTL, some more): its checksum says nothing.
  const auto checksum = whole == Whole::kQuoted ? Ipv4Checksum::kVerifiedByDevice : Ipv4Checksum::kVerify;
  const ParseError error = parse_ip(datagram, whole, checksum, h);
  if (h.family != 0) {
    add_ip(out, datagram, h, error, whole);
  } else {
    add(out, "[%s], length %zu", to_string(error), datagram.size());
  }
  return out;
}

}  // namespace penstock::wire
