#include "wire/build.h"

#include <algorithm>
#include <cstring>

#include "wire/checksum.h"
#include "wire/headers.h"

namespace penstock::wire {

namespace {

using base::Bytes;
using base::IpAddress;
using base::MutableBytes;
using base::store_be16;
using base::store_be32;

// RFC 1812 §4.3.2.5: errors carry precedence 6, internetwork control.
constexpr uint8_t kIcmpErrorTos = 0xc0;

void copy_payload(uint8_t* to, Bytes payload) {
  if (!payload.empty()) std::memcpy(to, payload.data(), payload.size());
}

// Room for the transport part: headers before it are written, `body` bytes follow at `l4`. Null: does not fit.
struct Opened {
  uint8_t* l4 = nullptr;
  size_t total = 0;
};

Opened open_packet(MutableBytes out, const std::optional<Link>& link, const Ip& ip, uint8_t protocol, size_t body) {
  size_t at = 0;
  if (link) {
    at = build_ethernet(out, *link, ip.src.is_v4() ? kEtherTypeIpv4 : kEtherTypeIpv6);
    if (at == 0) return {};
  }
  const size_t header = build_ip_header(out.subspan(at), ip, protocol, body);
  if (header == 0 || out.size() - at - header < body) return {};
  return {out.data() + at + header, at + header + body};
}

// The transport checksum over `length` bytes at l4, whose field holds zero.
void seal(uint8_t* l4, size_t length, size_t checksum_at, uint8_t protocol, const Ip& ip) {
  uint64_t sum = sum_bytes({l4, length});
  if (protocol != kProtocolIcmp) sum += sum_pseudo_header(ip.src, ip.dst, protocol, static_cast<uint32_t>(length));
  auto checksum = static_cast<uint16_t>(~fold(sum));
  if (checksum == 0 && protocol == kProtocolUdp) checksum = 0xffff;  // RFC 768
  base::store_raw(l4 + checksum_at, checksum);
}

IpAddress address_at(const uint8_t* ip, uint8_t family, bool source) {
  if (family == 4) return IpAddress::v4_from(ip + (source ? kIpv4SrcAt : kIpv4DstAt));
  return IpAddress::v6_from(ip + (source ? kIpv6SrcAt : kIpv6DstAt));
}

}  // namespace

size_t build_ethernet(MutableBytes out, const Link& link, uint16_t ether_type) {
  const size_t length = kEthernetLength + (link.vlan != 0 ? kVlanTagLength : 0);
  if (out.size() < length) return 0;
  uint8_t* p = out.data();
  std::memcpy(p + kEthernetDstAt, link.dst.bytes.data(), 6);
  std::memcpy(p + kEthernetSrcAt, link.src.bytes.data(), 6);
  if (link.vlan != 0) {
    store_be16(p + kEthernetTypeAt, kEtherTypeVlan);
    store_be16(p + kEthernetLength, link.vlan & kVlanIdMask);
  }
  store_be16(p + length - 2, ether_type);
  return length;
}

size_t build_ip_header(MutableBytes out, const Ip& ip, uint8_t protocol, size_t payload_length) {
  if (ip.src.is_v4() != ip.dst.is_v4()) return 0;
  uint8_t* p = out.data();
  if (ip.src.is_v4()) {
    if (out.size() < kIpv4MinLength || payload_length > 0xffff - kIpv4MinLength) return 0;
    p[kIpv4VersionAt] = 0x45;
    p[kIpv4TosAt] = ip.traffic_class;
    store_be16(p + kIpv4TotalLengthAt, static_cast<uint16_t>(kIpv4MinLength + payload_length));
    store_be16(p + kIpv4IdAt, ip.id);
    store_be16(p + kIpv4FragmentAt, ip.dont_fragment ? kIpv4DontFragment : 0);
    p[kIpv4TtlAt] = ip.hop_limit;
    p[kIpv4ProtocolAt] = protocol;
    std::memcpy(p + kIpv4SrcAt, ip.src.v4_bytes(), 4);
    std::memcpy(p + kIpv4DstAt, ip.dst.v4_bytes(), 4);
    base::store_raw(p + kIpv4ChecksumAt, compute_ipv4_header(p));
    return kIpv4MinLength;
  }
  if (out.size() < kIpv6Length || payload_length > 0xffff) return 0;
  store_be32(p, 0x60000000u | static_cast<uint32_t>(ip.traffic_class) << 20);
  store_be16(p + kIpv6PayloadLengthAt, static_cast<uint16_t>(payload_length));
  p[kIpv6NextHeaderAt] = protocol;
  p[kIpv6HopLimitAt] = ip.hop_limit;
  std::memcpy(p + kIpv6SrcAt, ip.src.bytes.data(), 16);
  std::memcpy(p + kIpv6DstAt, ip.dst.bytes.data(), 16);
  return kIpv6Length;
}

size_t build_arp(MutableBytes out, const ArpPacket& packet) {
  const ArpMessage& m = packet.message;
  const size_t at = build_ethernet(out, packet.link, kEtherTypeArp);
  if (at == 0 || out.size() - at < kArpLength || m.sender_ip.is_v6() || m.target_ip.is_v6()) return 0;
  uint8_t* arp = out.data() + at;
  store_be16(arp + kArpHardwareAt, kArpHardwareEthernet);
  store_be16(arp + kArpProtocolAt, kEtherTypeIpv4);
  arp[kArpHardwareLengthAt] = 6;
  arp[kArpProtocolLengthAt] = 4;
  store_be16(arp + kArpOperationAt, m.operation);
  std::memcpy(arp + kArpSenderMacAt, m.sender_mac.bytes.data(), 6);
  std::memcpy(arp + kArpSenderIpAt, m.sender_ip.v4_bytes(), 4);
  std::memcpy(arp + kArpTargetMacAt, m.target_mac.bytes.data(), 6);
  std::memcpy(arp + kArpTargetIpAt, m.target_ip.v4_bytes(), 4);
  return at + kArpLength;
}

size_t build_tcp(MutableBytes out, const TcpPacket& packet) {
  const size_t header = kTcpMinLength + (packet.mss != 0 ? kTcpOptionMssLength : 0);
  const size_t length = header + packet.payload.size();
  const Opened opened = open_packet(out, packet.link, packet.ip, kProtocolTcp, length);
  if (opened.l4 == nullptr) return 0;
  uint8_t* tcp = opened.l4;
  store_be16(tcp + kTcpSrcPortAt, packet.src_port);
  store_be16(tcp + kTcpDstPortAt, packet.dst_port);
  store_be32(tcp + kTcpSeqAt, packet.seq);
  store_be32(tcp + kTcpAckAt, packet.ack);
  tcp[kTcpDataOffsetAt] = static_cast<uint8_t>(header / 4 << 4);
  tcp[kTcpFlagsAt] = packet.flags;
  store_be16(tcp + kTcpWindowAt, packet.window);
  store_be32(tcp + kTcpChecksumAt, 0);  // checksum and urgent pointer
  if (packet.mss != 0) {
    tcp[kTcpMinLength] = kTcpOptionMss;
    tcp[kTcpMinLength + 1] = kTcpOptionMssLength;
    store_be16(tcp + kTcpMinLength + 2, packet.mss);
  }
  copy_payload(tcp + header, packet.payload);
  seal(tcp, length, kTcpChecksumAt, kProtocolTcp, packet.ip);
  return opened.total;
}

size_t build_udp(MutableBytes out, const UdpPacket& packet) {
  const size_t length = kUdpLength + packet.payload.size();
  const Opened opened = open_packet(out, packet.link, packet.ip, kProtocolUdp, length);
  if (opened.l4 == nullptr) return 0;
  uint8_t* udp = opened.l4;
  store_be16(udp + kTcpSrcPortAt, packet.src_port);
  store_be16(udp + kTcpDstPortAt, packet.dst_port);
  store_be16(udp + kUdpLengthAt, static_cast<uint16_t>(length));
  store_be16(udp + kUdpChecksumAt, 0);
  copy_payload(udp + kUdpLength, packet.payload);
  seal(udp, length, kUdpChecksumAt, kProtocolUdp, packet.ip);
  return opened.total;
}

size_t build_echo(MutableBytes out, const EchoPacket& packet) {
  const bool v4 = packet.ip.src.is_v4();
  const uint8_t protocol = v4 ? kProtocolIcmp : kProtocolIcmpv6;
  const size_t length = kIcmpLength + packet.payload.size();
  const Opened opened = open_packet(out, packet.link, packet.ip, protocol, length);
  if (opened.l4 == nullptr) return 0;
  uint8_t* icmp = opened.l4;
  store_be32(icmp, 0);
  if (v4) {
    icmp[kIcmpTypeAt] = packet.reply ? kIcmpEchoReply : kIcmpEchoRequest;
  } else {
    icmp[kIcmpTypeAt] = packet.reply ? kIcmpv6EchoReply : kIcmpv6EchoRequest;
  }
  store_be16(icmp + kIcmpIdAt, packet.id);
  store_be16(icmp + kIcmpSequenceAt, packet.sequence);
  copy_payload(icmp + kIcmpLength, packet.payload);
  seal(icmp, length, kIcmpChecksumAt, protocol, packet.ip);
  return opened.total;
}

size_t build_icmp_error(MutableBytes out, const IcmpErrorPacket& packet) {
  const bool v4 = packet.src.is_v4();
  const size_t header = v4 ? kIpv4MinLength : kIpv6Length;
  if (packet.original.size() < header || packet.original[0] >> 4 != (v4 ? 4 : 6)) return 0;
  const size_t most = (v4 ? kIcmpErrorMaxLength : kIpv6MinMtu) - header - kIcmpLength;
  const Bytes quoted = packet.original.first(std::min(packet.original.size(), most));
  const uint8_t protocol = v4 ? kProtocolIcmp : kProtocolIcmpv6;
  const Ip ip{.src = packet.src,
              .dst = address_at(packet.original.data(), v4 ? 4 : 6, true),
              .hop_limit = packet.hop_limit,
              .traffic_class = v4 ? kIcmpErrorTos : uint8_t{0}};
  const size_t length = kIcmpLength + quoted.size();
  const Opened opened = open_packet(out, packet.link, ip, protocol, length);
  if (opened.l4 == nullptr) return 0;
  uint8_t* icmp = opened.l4;
  base::store_raw<uint64_t>(icmp, 0);
  icmp[kIcmpTypeAt] = packet.type;
  icmp[kIcmpCodeAt] = packet.code;
  if (v4) {
    store_be16(icmp + kIcmpMtuAt, static_cast<uint16_t>(std::min<uint32_t>(packet.mtu, 0xffff)));
  } else {
    store_be32(icmp + kIcmpv6MtuAt, packet.mtu);
  }
  copy_payload(icmp + kIcmpLength, quoted);
  seal(icmp, length, kIcmpChecksumAt, protocol, ip);
  return opened.total;
}

bool may_answer_with_error(Bytes frame, const Headers& h) {
  if (h.family == 0 || h.is(kIsLaterFragment) || is_icmp_error(h)) return false;
  if (is_icmpv6(h) && h.icmp_type == kNdRedirect) return false;
  if (h.l2_length != 0 && (frame[kEthernetDstAt] & 1)) return false;
  const uint8_t* ip = frame.data() + h.l2_length;
  const IpAddress src = address_at(ip, h.family, true);
  const IpAddress dst = address_at(ip, h.family, false);
  if (src.is_unspecified() || src.is_loopback() || src.is_multicast() || dst.is_multicast()) return false;
  // 0/8 and class E are not hosts (RFC 1812 §5.3.7); 255.255.255.255 is among the latter.
  if (h.family == 4) return src.v4_bytes()[0] != 0 && src.v4_bytes()[0] < 240 && dst.v4_bytes()[0] < 240;
  return true;
}

size_t build_nd(MutableBytes out, const NdPacket& packet) {
  const NdMessage& m = packet.message;
  const Ip ip{.src = m.src, .dst = m.dst, .hop_limit = kNdHopLimit};
  if (m.src.is_v4()) return 0;
  const size_t fixed = m.type == kNdRouterSolicit ? kNdRouterSolicitLength : kNdNeighbourLength;
  const size_t length = fixed + (m.link_address ? kNdLinkOptionLength : 0);
  const Opened opened = open_packet(out, packet.link, ip, kProtocolIcmpv6, length);
  if (opened.l4 == nullptr) return 0;
  uint8_t* icmp = opened.l4;
  base::store_raw<uint64_t>(icmp, 0);
  icmp[kIcmpTypeAt] = m.type;
  const bool advert = m.type == kNdNeighbourAdvert;
  if (advert)
    icmp[4] = static_cast<uint8_t>((m.router ? kNdFlagRouter : 0) | (m.solicited ? kNdFlagSolicited : 0) |
                                   (m.overrides ? kNdFlagOverride : 0));
  if (m.type != kNdRouterSolicit) std::memcpy(icmp + kNdTargetAt, m.target.bytes.data(), 16);
  if (m.link_address) {
    icmp[fixed] = advert ? kNdOptionTargetLink : kNdOptionSourceLink;
    icmp[fixed + 1] = kNdLinkOptionLength / 8;
    std::memcpy(icmp + fixed + 2, m.link_address->bytes.data(), 6);
  }
  seal(icmp, length, kIcmpChecksumAt, kProtocolIcmpv6, ip);
  return opened.total;
}

size_t build_reset(MutableBytes out, const ResetPacket& packet) {
  const Headers& h = packet.headers;
  if (h.protocol != kProtocolTcp || h.is(kIsFragment) || (h.tcp_flags & kTcpRst)) return 0;
  const uint8_t* ip = packet.frame.data() + h.l2_length;
  const uint8_t* tcp = packet.frame.data() + h.l4_offset;
  TcpPacket reset{.link = packet.link,
                  .ip = {.src = address_at(ip, h.family, false),
                         .dst = address_at(ip, h.family, true),
                         .hop_limit = packet.hop_limit},
                  .src_port = h.dst_port,
                  .dst_port = h.src_port};
  if (h.tcp_flags & kTcpAck) {
    reset.seq = base::load_be32(tcp + kTcpAckAt);
    reset.flags = kTcpRst;
  } else {
    const uint32_t length = static_cast<uint32_t>(h.end - h.payload_offset) + ((h.tcp_flags & kTcpSyn) ? 1 : 0) +
                            ((h.tcp_flags & kTcpFin) ? 1 : 0);
    reset.ack = base::load_be32(tcp + kTcpSeqAt) + length;
    reset.flags = kTcpRst | kTcpAck;
  }
  return build_tcp(out, reset);
}

size_t build_erspan_headers(MutableBytes out, const ErspanHeaders& headers) {
  constexpr size_t kOwn = kGreSequencedLength + kErspan2Length;
  if (headers.frame_length > 0xffff) return 0;
  size_t at = 0;
  if (headers.link) {
    at = build_ethernet(out, *headers.link, headers.ip.src.is_v4() ? kEtherTypeIpv4 : kEtherTypeIpv6);
    if (at == 0) return 0;
  }
  const size_t ip = build_ip_header(out.subspan(at), headers.ip, kProtocolGre, kOwn + headers.frame_length);
  if (ip == 0 || out.size() - at - ip < kOwn) return 0;
  uint8_t* gre = out.data() + at + ip;
  store_be16(gre, kGreHasSequence);
  store_be16(gre + 2, kEtherTypeErspan2);
  store_be32(gre + 4, headers.sequence);
  // Ver 4 | VLAN 12 || COS 3 | En 2 (11: the frame keeps its tag) | T 1 | session 10 || reserved 12 | index 20
  uint8_t* erspan = gre + kGreSequencedLength;
  store_be16(erspan, static_cast<uint16_t>(kErspan2Version << 12 | (headers.vlan & kVlanIdMask)));
  store_be16(erspan + 2, static_cast<uint16_t>((headers.vlan != 0 ? 3 << 11 : 0) | (headers.truncated ? 1 << 10 : 0) |
                                               (headers.session & kErspanMaxSession)));
  store_be32(erspan + 4, 0);
  return at + ip + kOwn;
}

size_t build_ipip_headers(MutableBytes out, const IpipHeaders& headers) {
  size_t at = 0;
  if (headers.link) {
    at = build_ethernet(out, *headers.link, headers.ip.src.is_v4() ? kEtherTypeIpv4 : kEtherTypeIpv6);
    if (at == 0) return 0;
  }
  const uint8_t protocol = headers.inner_family == 4 ? kProtocolIpip : kProtocolIpv6;
  const size_t ip = build_ip_header(out.subspan(at), headers.ip, protocol, headers.inner_length);
  return ip == 0 ? 0 : at + ip;
}

}  // namespace penstock::wire
