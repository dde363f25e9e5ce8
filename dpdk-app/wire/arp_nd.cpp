#include "wire/arp_nd.h"

#include <cstring>

#include "wire/checksum.h"

namespace penstock::wire {

namespace {

using base::IpAddress;
using base::MacAddress;

MacAddress read_mac(const uint8_t* at) {
  MacAddress mac;
  std::memcpy(mac.bytes.data(), at, mac.bytes.size());
  return mac;
}

// RFC 4861 §4.6: each option names its length in units of 8 bytes; unknown ones are skipped.
NeighbourError read_options(base::Bytes options, uint8_t wanted, std::optional<MacAddress>& link_address) {
  while (!options.empty()) {
    if (options.size() < 8) return NeighbourError::kBadOption;
    const size_t length = size_t{options[1]} * 8;
    if (length == 0 || length > options.size()) return NeighbourError::kBadOption;
    if (options[0] == wanted) {
      if (length != kNdLinkOptionLength) return NeighbourError::kBadOption;
      const MacAddress mac = read_mac(&options[2]);
      if (mac.is_multicast()) return NeighbourError::kBadSender;
      link_address = mac;
    }
    options = options.subspan(length);
  }
  return NeighbourError::kNone;
}

// RFC 4861 §6.1.1, §7.1.1, §7.1.2, after the checks common to all.
NeighbourError check_rules(const NdMessage& m) {
  if (m.type != kNdRouterSolicit && (m.target.is_multicast() || m.target.is_unspecified()))
    return NeighbourError::kBadTarget;
  if (m.src.is_multicast()) return NeighbourError::kBadSender;
  if (m.type == kNdNeighbourAdvert) {
    if (m.src.is_unspecified()) return NeighbourError::kBadSender;
    return m.solicited && m.dst.is_multicast() ? NeighbourError::kBadDestination : NeighbourError::kNone;
  }
  if (!m.src.is_unspecified()) return NeighbourError::kNone;
  if (m.link_address) return NeighbourError::kBadOption;
  if (m.type == kNdNeighbourSolicit && m.dst != solicited_node(m.target)) return NeighbourError::kBadDestination;
  return NeighbourError::kNone;
}

}  // namespace

NeighbourError parse_arp(base::Bytes frame, const Headers& h, ArpMessage& out) {
  if (h.family != 0 || h.ether_type != kEtherTypeArp) return NeighbourError::kNotNeighbour;
  if (frame.size() < h.l2_length + kArpLength) return NeighbourError::kTruncated;
  const uint8_t* arp = frame.data() + h.l2_length;
  if (base::load_be16(arp + kArpHardwareAt) != kArpHardwareEthernet ||
      base::load_be16(arp + kArpProtocolAt) != kEtherTypeIpv4 || arp[kArpHardwareLengthAt] != 6 ||
      arp[kArpProtocolLengthAt] != 4)
    return NeighbourError::kBadFormat;
  out.operation = base::load_be16(arp + kArpOperationAt);
  out.sender_mac = read_mac(arp + kArpSenderMacAt);
  out.sender_ip = IpAddress::v4_from(arp + kArpSenderIpAt);
  out.target_mac = read_mac(arp + kArpTargetMacAt);
  out.target_ip = IpAddress::v4_from(arp + kArpTargetIpAt);
  if (out.operation != kArpRequest && out.operation != kArpReply) return NeighbourError::kBadOperation;
  if (out.sender_mac.is_multicast() || out.sender_mac.is_zero() || out.sender_ip.is_multicast() ||
      out.sender_ip.is_broadcast())
    return NeighbourError::kBadSender;
  return NeighbourError::kNone;
}

NeighbourError parse_nd(base::Bytes frame, const Headers& h, NdMessage& out) {
  if (h.family != 6 || h.protocol != kProtocolIcmpv6 || h.is(kIsFragment)) return NeighbourError::kNotNeighbour;
  if (h.icmp_type != kNdRouterSolicit && h.icmp_type != kNdNeighbourSolicit && h.icmp_type != kNdNeighbourAdvert)
    return NeighbourError::kNotNeighbour;
  if (h.l4_offset != h.l2_length + kIpv6Length) return NeighbourError::kExtensionHeader;
  if (h.hop_limit != kNdHopLimit) return NeighbourError::kBadHopLimit;
  const size_t fixed = h.icmp_type == kNdRouterSolicit ? kNdRouterSolicitLength : kNdNeighbourLength;
  if (frame.size() < h.end || h.end < h.l4_offset + fixed) return NeighbourError::kTruncated;
  if (h.icmp_code != 0) return NeighbourError::kBadFormat;
  if (verify_l4(frame, h) != ChecksumState::kGood) return NeighbourError::kBadChecksum;
  const uint8_t* ip = frame.data() + h.l2_length;
  const uint8_t* icmp = frame.data() + h.l4_offset;
  out = NdMessage{
      .type = h.icmp_type, .src = IpAddress::v6_from(ip + kIpv6SrcAt), .dst = IpAddress::v6_from(ip + kIpv6DstAt)};
  if (out.type != kNdRouterSolicit) out.target = IpAddress::v6_from(icmp + kNdTargetAt);
  if (out.type == kNdNeighbourAdvert) {
    out.router = icmp[4] & kNdFlagRouter;
    out.solicited = icmp[4] & kNdFlagSolicited;
    out.overrides = icmp[4] & kNdFlagOverride;
  }
  const uint8_t wanted = out.type == kNdNeighbourAdvert ? kNdOptionTargetLink : kNdOptionSourceLink;
  const NeighbourError error =
      read_options(frame.subspan(h.l4_offset + fixed, h.end - h.l4_offset - fixed), wanted, out.link_address);
  return error != NeighbourError::kNone ? error : check_rules(out);
}

IpAddress solicited_node(const IpAddress& target) {
  IpAddress group{{0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x01, 0xff, 0, 0, 0}};
  std::memcpy(&group.bytes[13], &target.bytes[13], 3);
  return group;
}

MacAddress multicast_mac(const IpAddress& group) {
  const auto& b = group.bytes;
  if (group.is_v4()) return {{0x01, 0x00, 0x5e, static_cast<uint8_t>(b[13] & 0x7f), b[14], b[15]}};
  return {{0x33, 0x33, b[12], b[13], b[14], b[15]}};
}

const char* to_string(NeighbourError error) {
  switch (error) {
    case NeighbourError::kNone:
      return "none";
    case NeighbourError::kNotNeighbour:
      return "not_neighbour";
    case NeighbourError::kTruncated:
      return "truncated";
    case NeighbourError::kBadFormat:
      return "bad_format";
    case NeighbourError::kBadOperation:
      return "bad_operation";
    case NeighbourError::kBadSender:
      return "bad_sender";
    case NeighbourError::kBadHopLimit:
      return "bad_hop_limit";
    case NeighbourError::kBadChecksum:
      return "bad_checksum";
    case NeighbourError::kBadTarget:
      return "bad_target";
    case NeighbourError::kBadDestination:
      return "bad_destination";
    case NeighbourError::kBadOption:
      return "bad_option";
    case NeighbourError::kExtensionHeader:
      return "extension_header";
  }
  return "?";
}

}  // namespace penstock::wire
