#include "wire/parse.h"

#include <algorithm>

#include "wire/checksum.h"
#include "wire/headers.h"

namespace penstock::wire {

namespace {

// The bytes at hand and how far the packet really goes.
struct Extent {
  const uint8_t* bytes;
  size_t readable;  // bytes[0, readable) may be read
  size_t length;    // of the whole packet, at most kMaxPacket: every offset then fits 16 bits
  Whole whole;
};

constexpr size_t kMaxPacket = 0xffff;
constexpr unsigned kMaxHopByHopOptions = 32;  // RFC 8504 §5.3: eight options, and the padding around them

// The transport header does not fit. A first fragment that hides it is an attack (RFC 1858 §3, RFC 8200 §4.5).
ParseError cut_short(const Headers& out) {
  return out.is(kIsFragment) ? ParseError::kTinyFragment : ParseError::kTruncatedTransport;
}

// What ICMP quotes of a transport header: 8 bytes, enough for ports or the echo identifier.
constexpr size_t kQuotedTransport = 8;

ParseError parse_tcp(const Extent& x, size_t room, Headers& out) {
  const uint8_t* tcp = x.bytes + out.l4_offset;
  const bool quoted = x.whole == Whole::kQuoted;
  if (room < kTcpMinLength) [[unlikely]] {
    if (!quoted || room < kQuotedTransport) return cut_short(out);
    out.payload_offset = out.end;
  } else {
    const size_t length = static_cast<size_t>(tcp[kTcpDataOffsetAt] >> 4) * 4;
    if (length < kTcpMinLength) [[unlikely]]
      return ParseError::kBadTransportHeader;
    if (length > room && !quoted) [[unlikely]] {
      const bool beyond_packet = length > static_cast<size_t>(out.end - out.l4_offset) && !out.is(kIsFragment);
      return beyond_packet ? ParseError::kBadTransportHeader : cut_short(out);
    }
    out.payload_offset = static_cast<uint16_t>(out.l4_offset + std::min(length, room));
    out.tcp_flags = tcp[kTcpFlagsAt];
  }
  out.src_port = base::load_be16(tcp + kTcpSrcPortAt);
  out.dst_port = base::load_be16(tcp + kTcpDstPortAt);
  return ParseError::kNone;
}

ParseError parse_udp(const Extent& x, size_t room, Headers& out) {
  if (room < kUdpLength) [[unlikely]]
    return cut_short(out);
  const uint8_t* udp = x.bytes + out.l4_offset;
  const size_t length = base::load_be16(udp + kUdpLengthAt);
  if (length < kUdpLength) [[unlikely]]
    return ParseError::kBadTransportHeader;
  if (length > static_cast<size_t>(out.end - out.l4_offset)) [[unlikely]] {
    // The first fragment of a longer datagram, or a quotation, shows less than the length says.
    if (!out.is(kIsFragment) && x.whole == Whole::kYes) return ParseError::kBadTransportHeader;
  }
  out.src_port = base::load_be16(udp + kTcpSrcPortAt);
  out.dst_port = base::load_be16(udp + kTcpDstPortAt);
  out.payload_offset = static_cast<uint16_t>(out.l4_offset + kUdpLength);
  return ParseError::kNone;
}

ParseError parse_icmp(const Extent& x, size_t room, Headers& out) {
  if (room < kIcmpLength) return cut_short(out);
  const uint8_t* icmp = x.bytes + out.l4_offset;
  out.icmp_type = icmp[kIcmpTypeAt];
  out.icmp_code = icmp[kIcmpCodeAt];
  out.payload_offset = static_cast<uint16_t>(out.l4_offset + kIcmpLength);
  if (is_echo(out)) out.src_port = out.dst_port = base::load_be16(icmp + kIcmpIdAt);
  return ParseError::kNone;
}

ParseError parse_sctp(const Extent& x, size_t room, Headers& out) {
  const bool quoted = x.whole == Whole::kQuoted && room >= kQuotedTransport;
  if (room < kSctpLength && !quoted) return cut_short(out);
  out.src_port = base::load_be16(x.bytes + out.l4_offset);
  out.dst_port = base::load_be16(x.bytes + out.l4_offset + 2);
  out.payload_offset = static_cast<uint16_t>(out.l4_offset + std::min(room, kSctpLength));
  return ParseError::kNone;
}

// The rest is carried, not understood: ESP, GRE, AH, tunnels.
// l4_offset <= end and l4_offset <= readable hold on entry; payload_offset == l4_offset.
inline ParseError parse_transport(const Extent& x, Headers& out) {
  const size_t room = std::min<size_t>(out.end, x.readable) - out.l4_offset;
  if (out.protocol == kProtocolTcp) return parse_tcp(x, room, out);
  if (out.protocol == kProtocolUdp) return parse_udp(x, room, out);
  if (is_icmp(out) || is_icmpv6(out)) return parse_icmp(x, room, out);
  if (out.protocol == kProtocolSctp) return parse_sctp(x, room, out);
  return ParseError::kNone;
}

// RFC 791 §3.1; at most 40 bytes, each step at least one.
ParseError read_ipv4_options(const uint8_t* ip, size_t header_length, Headers& out) {
  out.flags |= kHasIpOptions;
  for (size_t at = kIpv4MinLength; at < header_length;) {
    const uint8_t kind = ip[at];
    if (kind == kIpv4OptionEnd) break;
    if (kind == kIpv4OptionNop) {
      ++at;
      continue;
    }
    if (at + 2 > header_length || ip[at + 1] < 2 || at + ip[at + 1] > header_length)
      return ParseError::kBadIpHeaderLength;
    if (kind == kIpv4OptionLooseRoute || kind == kIpv4OptionStrictRoute) out.flags |= kHasSourceRoute;
    if (kind == kIpv4OptionRouterAlert) out.flags |= kHasRouterAlert;
    at += ip[at + 1];
  }
  return ParseError::kNone;
}

// Flags and offset (bytes) into `out`, and whether the piece can be part of a whole.
// `data`: the bytes of the fragmentable part that this packet carries.
ParseError check_fragment(size_t offset, bool more, size_t data, const Extent& x, Headers& out) {
  out.flags |= kIsFragment | (more ? kMoreFragments : 0) | (offset != 0 ? kIsLaterFragment : 0);
  out.fragment_offset = static_cast<uint16_t>(offset);
  if (x.whole == Whole::kQuoted) return ParseError::kNone;  // the quotation may end anywhere
  if (data == 0 || offset + data > kMaxPacket || (more && data % 8 != 0)) return ParseError::kBadFragment;
  // RFC 1858 §4: a TCP fragment at offset 8 could overwrite the flags that the first one showed.
  if (offset == 8 && out.protocol == kProtocolTcp) return ParseError::kTinyFragment;
  return ParseError::kNone;
}

// A header sums up to all ones (RFC 1071 §1).
bool ipv4_checksum_good(const uint8_t* ip, size_t header_length) {
  uint64_t sum = 0;
  for (size_t i = 0; i < kIpv4MinLength; i += 4) sum += base::load_raw<uint32_t>(ip + i);
  if (header_length > kIpv4MinLength) [[unlikely]]
    sum = sum_bytes({ip + kIpv4MinLength, header_length - kIpv4MinLength}, sum);
  return fold(sum) == 0xffff;
}

ParseError parse_ipv4(const Extent& x, Ipv4Checksum checksum, Headers& out) {
  const size_t start = out.l2_length;
  if (x.readable < start + kIpv4MinLength) [[unlikely]]
    return ParseError::kTruncatedIp;
  const uint8_t* ip = x.bytes + start;
  if (ip[kIpv4VersionAt] >> 4 != 4) [[unlikely]]
    return ParseError::kBadIpVersion;
  const size_t header_length = static_cast<size_t>(ip[kIpv4VersionAt] & 15) * 4;
  const size_t total = base::load_be16(ip + kIpv4TotalLengthAt);
  out.family = 4;
  out.traffic_class = ip[kIpv4TosAt];
  out.hop_limit = ip[kIpv4TtlAt];
  out.protocol = ip[kIpv4ProtocolAt];
  if (total < kIpv4MinLength) [[unlikely]]
    return ParseError::kBadIpTotalLength;
  if (header_length < kIpv4MinLength || header_length > total) [[unlikely]]
    return ParseError::kBadIpHeaderLength;
  if (x.readable < start + header_length) [[unlikely]]
    return ParseError::kTruncatedIp;
  if (start + total > x.length && x.whole == Whole::kYes) [[unlikely]]
    return ParseError::kTruncatedIp;
  if (checksum == Ipv4Checksum::kVerify && !ipv4_checksum_good(ip, header_length)) [[unlikely]]
    return ParseError::kBadIpChecksum;
  out.end = static_cast<uint16_t>(std::min(start + total, x.length));
  out.l4_offset = out.payload_offset = static_cast<uint16_t>(start + header_length);
  if (header_length > kIpv4MinLength) [[unlikely]] {
    const ParseError error = read_ipv4_options(ip, header_length, out);
    if (error != ParseError::kNone) return error;
  }
  const uint16_t fragment = base::load_be16(ip + kIpv4FragmentAt);
  out.fragment_id = base::load_be16(ip + kIpv4IdAt);
  if (fragment & kIpv4DontFragment) out.flags |= kDontFragment;
  if (fragment & (kIpv4MoreFragments | kIpv4OffsetMask)) [[unlikely]] {
    const ParseError error = check_fragment(static_cast<size_t>(fragment & kIpv4OffsetMask) * 8,
                                            (fragment & kIpv4MoreFragments) != 0, total - header_length, x, out);
    if (error != ParseError::kNone || out.is(kIsLaterFragment)) return error;
  }
  return parse_transport(x, out);
}

// RFC 8200 §4.2, §4.3: options stay inside their header; a router alert is worth knowing.
ParseError read_hop_by_hop(const uint8_t* header, size_t length, Headers& out) {
  out.flags |= kHasIpOptions;
  unsigned options = 0;
  for (size_t at = 2; at < length;) {
    if (++options > kMaxHopByHopOptions) return ParseError::kMalformedExtension;
    if (header[at] == kIpv6OptionPad1) {
      ++at;
      continue;
    }
    if (at + 2 > length || at + 2 + header[at + 1] > length) return ParseError::kMalformedExtension;
    if (header[at] == kIpv6OptionRouterAlert) out.flags |= kHasRouterAlert;
    at += 2u + header[at + 1];
  }
  return ParseError::kNone;
}

bool is_extension(uint8_t next) {
  return next == kProtocolHopByHop || next == kProtocolDestinationOptions || next == kProtocolRouting ||
         next == kProtocolFragment || next == kProtocolAh;
}

// RFC 8200 §4.5. A packet that says it is fragment 0 of 1 is whole (RFC 6946 §4): not marked as a fragment.
ParseError read_fragment_header(const uint8_t* header, size_t at, const Extent& x, Headers& out) {
  if (out.is(kIsFragment)) return ParseError::kMalformedExtension;  // fragments of fragments
  const uint16_t field = base::load_be16(header + 2);
  out.fragment_id = base::load_be32(header + 4);
  out.protocol = header[0];
  const size_t offset = field & kIpv6OffsetMask;
  const bool more = (field & kIpv6MoreFragments) != 0;
  if (offset == 0 && !more) return ParseError::kNone;
  return check_fragment(offset, more, out.end - at - kIpv6FragmentLength, x, out);
}

// Walks the chain from out.l4_offset; leaves the upper-layer protocol and where it begins.
ParseError walk_extensions(const Extent& x, Headers& out) {
  const size_t limit = std::min<size_t>(out.end, x.readable);
  size_t at = out.l4_offset;
  for (unsigned count = 0; is_extension(out.protocol); ++count) {
    if (count == kMaxExtensionHeaders) return ParseError::kMalformedExtension;
    // A first fragment must hold the whole chain (RFC 8200 §4.5).
    const ParseError broken = out.is(kIsFragment) ? ParseError::kTinyFragment : ParseError::kMalformedExtension;
    if (limit - at < 8) return broken;
    const uint8_t* header = x.bytes + at;
    const uint8_t kind = out.protocol;
    const size_t length = kind == kProtocolFragment ? kIpv6FragmentLength
                          : kind == kProtocolAh     ? (header[1] + size_t{2}) * 4  // RFC 4302 §2.2
                                                    : (header[1] + size_t{1}) * 8;     // RFC 8200 §4.3
    if (length > limit - at) return broken;
    ParseError error = ParseError::kNone;
    if (kind == kProtocolFragment) {
      error = read_fragment_header(header, at, x, out);
    } else if (kind == kProtocolHopByHop) {
      error = count == 0 ? read_hop_by_hop(header, length, out) : ParseError::kMalformedExtension;
    } else if (kind == kProtocolRouting && header[2] == kIpv6RoutingSourceRoute) {
      out.flags |= kHasSourceRoute;
    }
    if (error != ParseError::kNone) return error;
    at += length;
    out.protocol = header[0];
    out.l4_offset = out.payload_offset = static_cast<uint16_t>(at);
    if (out.is(kIsLaterFragment)) break;
  }
  return ParseError::kNone;
}

ParseError parse_ipv6(const Extent& x, Headers& out) {
  const size_t start = out.l2_length;
  if (x.readable < start + kIpv6Length) [[unlikely]]
    return ParseError::kTruncatedIp;
  const uint8_t* ip = x.bytes + start;
  if (ip[0] >> 4 != 6) [[unlikely]]
    return ParseError::kBadIpVersion;
  const size_t total = kIpv6Length + base::load_be16(ip + kIpv6PayloadLengthAt);
  out.family = 6;
  out.flags |= kDontFragment;
  out.traffic_class = static_cast<uint8_t>(base::load_be16(ip) >> 4);
  out.hop_limit = ip[kIpv6HopLimitAt];
  out.protocol = ip[kIpv6NextHeaderAt];
  if (start + total > x.length && x.whole == Whole::kYes) [[unlikely]]
    return ParseError::kTruncatedIp;
  out.end = static_cast<uint16_t>(std::min(start + total, x.length));
  out.l4_offset = out.payload_offset = static_cast<uint16_t>(start + kIpv6Length);
  if (is_extension(out.protocol)) [[unlikely]] {
    const ParseError error = walk_extensions(x, out);
    if (error != ParseError::kNone || out.is(kIsLaterFragment)) return error;
  }
  return parse_transport(x, out);
}

bool is_tag(uint16_t ether_type) { return ether_type == kEtherTypeVlan || ether_type == kEtherTypeServiceVlan; }

// Leaves the EtherType behind the tags in out.ether_type and the whole L2 length in out.l2_length.
ParseError read_tags(base::Bytes frame, Headers& out) {
  unsigned tags = 0;
  size_t at = kEthernetLength;
  for (; is_tag(out.ether_type); ++tags, at += kVlanTagLength) {
    if (tags == kMaxVlanTags) return ParseError::kMalformedVlan;
    if (frame.size() < at + kVlanTagLength) return ParseError::kTruncatedEthernet;
    if (tags == 0) out.vlan = base::load_be16(&frame[at]) & kVlanIdMask;
    out.ether_type = base::load_be16(&frame[at + 2]);
  }
  out.flags |= kIsTagged;
  out.inner_vlan_tags = static_cast<uint8_t>(tags - 1);
  out.l2_length = static_cast<uint8_t>(at);
  return ParseError::kNone;
}

// The datagram that nearly every datagram is: IPv4 without options, not a fragment, TCP, UDP or ESP, nothing wrong,
// `kL2` bytes behind the begin of `frame`. False: something is otherwise, and the general way says what; it gives the
// same answer for these, slower. Header words stay in registers and `out` is written once: half the time of the general
// way.
template <size_t kL2>
inline bool parse_common(base::Bytes frame, size_t packet_length, Ipv4Checksum checksum, Headers& out) {
  constexpr size_t kL4 = kL2 + kIpv4MinLength;
  constexpr uint16_t kFragmentRaw = __builtin_bswap16(kIpv4MoreFragments | kIpv4OffsetMask);
  if (frame.size() < kL4 + kUdpLength) return false;
  const uint8_t* ip = frame.data() + kL2;
  const auto first = base::load_raw<uint64_t>(ip);       // version, TOS, length, id, fragment
  const auto second = base::load_raw<uint64_t>(ip + 8);  // TTL, protocol, checksum, source
  const auto fragment = static_cast<uint16_t>(first >> 48);
  if ((first & 0xff) != 0x45 || (fragment & kFragmentRaw)) return false;
  if (checksum == Ipv4Checksum::kVerify) {
    const uint64_t sum = (first & 0xffffffff) + (first >> 32) + (second & 0xffffffff) + (second >> 32) +
                         base::load_raw<uint32_t>(ip + kIpv4DstAt);
    if (fold(sum) != 0xffff) return false;
  }
  const uint8_t* l4 = ip + kIpv4MinLength;
  const size_t end = kL2 + base::swap16(static_cast<uint16_t>(first >> 16));
  if (end > std::min(packet_length, kMaxPacket)) return false;
  const auto protocol = static_cast<uint8_t>(second >> 8);
  size_t length = kUdpLength;
  uint8_t tcp_flags = 0;
  uint32_t ports = base::load_be32(l4);
  if (protocol == kProtocolTcp) {
    if (frame.size() < kL4 + kTcpMinLength) return false;
    length = static_cast<size_t>(l4[kTcpDataOffsetAt] >> 4) * 4;
    tcp_flags = l4[kTcpFlagsAt];
    if (length < kTcpMinLength || kL4 + length > std::min(end, frame.size())) return false;
  } else if (protocol == kProtocolUdp) {
    const size_t udp_length = base::load_be16(l4 + kUdpLengthAt);
    if (udp_length < kUdpLength || kL4 + udp_length > end) return false;
  } else {
    if (protocol != kProtocolEsp || end < kL4) return false;
    length = 0;
    ports = 0;
  }
  constexpr Headers kSame{.ether_type = kEtherTypeIpv4, .family = 4, .l2_length = kL2, .l4_offset = kL4};
  out = kSame;  // one wide store, then what differs
  out.protocol = protocol;
  out.flags = static_cast<uint8_t>((fragment >> 6 & 1) * kDontFragment);
  out.payload_offset = static_cast<uint16_t>(kL4 + length);
  out.end = static_cast<uint16_t>(end);
  out.src_port = static_cast<uint16_t>(ports >> 16);
  out.dst_port = static_cast<uint16_t>(ports);
  out.tcp_flags = tcp_flags;
  out.hop_limit = static_cast<uint8_t>(second);
  out.traffic_class = static_cast<uint8_t>(first >> 8);
  out.fragment_id = base::swap16(static_cast<uint16_t>(first >> 32));
  return true;
}

[[gnu::noinline]] ParseError parse_any(base::Bytes frame, uint32_t packet_length, Ipv4Checksum checksum, Headers& out) {
  out = Headers{};
  if (frame.size() < kEthernetLength) [[unlikely]]
    return ParseError::kTruncatedEthernet;
  out.l2_length = kEthernetLength;
  out.ether_type = base::load_be16(frame.data() + kEthernetTypeAt);
  const Extent x{frame.data(), frame.size(), std::min<size_t>(packet_length, kMaxPacket), Whole::kYes};
  if (is_tag(out.ether_type)) {
    const ParseError error = read_tags(frame, out);
    if (error != ParseError::kNone) return error;
  }
  if (out.ether_type == kEtherTypeIpv4) return parse_ipv4(x, checksum, out);
  if (out.ether_type == kEtherTypeIpv6) return parse_ipv6(x, out);
  return ParseError::kNone;
}

}  // namespace

ParseError parse(base::Bytes frame, uint32_t packet_length, Ipv4Checksum checksum, Headers& out) {
  constexpr uint16_t kTypeRaw = __builtin_bswap16(kEtherTypeIpv4);
  if (frame.size() > kEthernetLength && base::load_raw<uint16_t>(&frame[kEthernetTypeAt]) == kTypeRaw &&
      parse_common<kEthernetLength>(frame, packet_length, checksum, out)) [[likely]]
    return ParseError::kNone;
  return parse_any(frame, packet_length, checksum, out);
}

ParseError parse_ip(base::Bytes datagram, Whole whole, Ipv4Checksum checksum, Headers& out) {
  if (whole == Whole::kYes && parse_common<0>(datagram, datagram.size(), checksum, out)) [[likely]]
    return ParseError::kNone;
  out = Headers{};
  if (datagram.empty()) return ParseError::kTruncatedIp;
  const Extent x{datagram.data(), datagram.size(), std::min(datagram.size(), kMaxPacket), whole};
  switch (datagram[0] >> 4) {
    case 4:
      out.ether_type = kEtherTypeIpv4;
      return parse_ipv4(x, checksum, out);
    case 6:
      out.ether_type = kEtherTypeIpv6;
      return parse_ipv6(x, out);
  }
  return ParseError::kBadIpVersion;
}

const char* to_string(ParseError error) {
  switch (error) {
    case ParseError::kNone:
      return "none";
    case ParseError::kTruncatedEthernet:
      return "truncated_ethernet";
    case ParseError::kMalformedVlan:
      return "malformed_vlan";
    case ParseError::kTruncatedIp:
      return "truncated_ip";
    case ParseError::kBadIpVersion:
      return "bad_ip_version";
    case ParseError::kBadIpHeaderLength:
      return "bad_ip_header_length";
    case ParseError::kBadIpChecksum:
      return "bad_ip_checksum";
    case ParseError::kBadIpTotalLength:
      return "bad_ip_total_length";
    case ParseError::kMalformedExtension:
      return "malformed_extension";
    case ParseError::kTruncatedTransport:
      return "truncated_transport";
    case ParseError::kBadTransportHeader:
      return "bad_transport_header";
    case ParseError::kTinyFragment:
      return "tiny_fragment";
    case ParseError::kBadFragment:
      return "bad_fragment";
  }
  return "?";
}

}  // namespace penstock::wire
