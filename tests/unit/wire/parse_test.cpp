// wire/parse.h: what well-formed packets parse to, and which error each broken one gets.
#include "wire/parse.h"

#include <gtest/gtest.h>

#include "unit/wire/samples.h"

namespace penstock::wire::test {
namespace {

constexpr size_t kIp = kEthernetLength;
constexpr size_t kL4 = kEthernetLength + kIpv4MinLength;

// `change` applied to a good TCP packet over IPv4, with its header checksum repaired.
template <typename Change>
ParseError broken(Change change, Frame frame = tcp4(kTcpAck, "payload.")) {
  change(frame);
  fix_ipv4_checksum(frame);
  Headers h;
  return parse_frame(frame, h);
}

void set_fragment(Frame& frame, uint16_t field) { base::store_be16(&frame[kIp + kIpv4FragmentAt], field); }

TEST(Parse, Tcp4) {
  Headers h;
  ASSERT_EQ(parse_frame(tcp4(kTcpSyn, "xy"), h), ParseError::kNone);
  EXPECT_EQ(h.ether_type, kEtherTypeIpv4);
  EXPECT_EQ(h.family, 4);
  EXPECT_EQ(h.protocol, kProtocolTcp);
  EXPECT_EQ(h.flags, kDontFragment);
  EXPECT_EQ(h.l2_length, 14);
  EXPECT_EQ(h.l4_offset, 34);
  EXPECT_EQ(h.payload_offset, 58);  // with MSS
  EXPECT_EQ(h.end, 60);
  EXPECT_EQ(h.src_port, 40000);
  EXPECT_EQ(h.dst_port, 80);
  EXPECT_EQ(h.tcp_flags, kTcpSyn);
  EXPECT_EQ(h.hop_limit, 64);
}

TEST(Parse, PaddingIsNotPayload) {
  Frame frame = udp(ip4(), "q");
  const size_t end = frame.size();
  frame.resize(60);
  Headers h;
  ASSERT_EQ(parse_frame(frame, h), ParseError::kNone);
  EXPECT_EQ(h.end, end);
  EXPECT_EQ(h.payload_offset, 42);
}

TEST(Parse, TagsUpToTwo) {
  Frame frame = tcp4(kTcpSyn, "", 100);
  Headers h;
  ASSERT_EQ(parse_frame(frame, h), ParseError::kNone);
  EXPECT_TRUE(h.is(kIsTagged));
  EXPECT_EQ(h.vlan, 100);
  EXPECT_EQ(h.l2_length, 18);
  EXPECT_EQ(h.inner_vlan_tags, 0);
  const Frame outer{0x88, 0xa8, 0x20, 0x07};  // PCP 1, id 7
  frame.insert(frame.begin() + 12, outer.begin(), outer.end());
  ASSERT_EQ(parse_frame(frame, h), ParseError::kNone);
  EXPECT_EQ(h.vlan, 7);
  EXPECT_EQ(h.inner_vlan_tags, 1);
  EXPECT_EQ(h.l4_offset, 42);
  frame.insert(frame.begin() + 12, outer.begin(), outer.end());
  EXPECT_EQ(parse_frame(frame, h), ParseError::kMalformedVlan);
  frame.resize(17);
  EXPECT_EQ(parse_frame(frame, h), ParseError::kTruncatedEthernet);
}

TEST(Parse, ArpAndUnknownTypesHaveNoFamily) {
  Headers h;
  ASSERT_EQ(parse_frame(arp(), h), ParseError::kNone);
  EXPECT_EQ(h.family, 0);
  EXPECT_EQ(h.ether_type, kEtherTypeArp);
  EXPECT_EQ(h.l2_length, 14);
}

TEST(Parse, EchoIdentifierInBothPorts) {
  for (const Frame& frame : {echo(ip4()), echo(ip6(), true)}) {
    Headers h;
    ASSERT_EQ(parse_frame(frame, h), ParseError::kNone);
    EXPECT_EQ(h.src_port, 77);
    EXPECT_EQ(h.dst_port, 77);
  }
}

TEST(Parse, Ipv6TrafficClassAndPayload) {
  Ip header = ip6();
  header.traffic_class = 0xb8;
  header.hop_limit = 3;
  Headers h;
  ASSERT_EQ(parse_frame(udp(header), h), ParseError::kNone);
  EXPECT_EQ(h.family, 6);
  EXPECT_EQ(h.traffic_class, 0xb8);
  EXPECT_EQ(h.hop_limit, 3);
  EXPECT_EQ(h.l4_offset, 54);
  EXPECT_TRUE(h.is(kDontFragment));
}

TEST(Parse, TruncatedAnywhere) {
  for (const Frame& whole : {tcp4(), udp(ip4()), tcp6(), udp(ip6()), echo(ip4())}) {
    for (size_t n = 0; n < whole.size(); ++n) {
      const Frame frame(whole.begin(), whole.begin() + static_cast<long>(n));
      Headers h;
      EXPECT_EQ(parse_frame(frame, h), n < 14 ? ParseError::kTruncatedEthernet : ParseError::kTruncatedIp) << n;
    }
  }
}

TEST(Parse, BrokenIpv4Headers) {
  Headers h;
  Frame frame = tcp4();
  frame[kIp + kIpv4ChecksumAt] ^= 1;
  EXPECT_EQ(parse_frame(frame, h), ParseError::kBadIpChecksum);
  EXPECT_EQ(parse(frame, static_cast<uint32_t>(frame.size()), Ipv4Checksum::kVerifiedByDevice, h), ParseError::kNone);
  EXPECT_EQ(broken([](Frame& f) { f[kIp] = 0x65; }), ParseError::kBadIpVersion);
  EXPECT_EQ(broken([](Frame& f) { f[kIp] = 0x44; }), ParseError::kBadIpHeaderLength);
  EXPECT_EQ(broken([](Frame& f) { base::store_be16(&f[kIp + kIpv4TotalLengthAt], 19); }),
            ParseError::kBadIpTotalLength);
  EXPECT_EQ(broken([](Frame& f) {
              f[kIp] = 0x47;
              base::store_be16(&f[kIp + kIpv4TotalLengthAt], 24);
            }),
            ParseError::kBadIpHeaderLength);
  EXPECT_EQ(broken([](Frame& f) { base::store_be16(&f[kIp + kIpv4TotalLengthAt], 0xffff); }), ParseError::kTruncatedIp);
}

TEST(Parse, BrokenTransport) {
  EXPECT_EQ(broken([](Frame& f) { f[kL4 + kTcpDataOffsetAt] = 0x40; }), ParseError::kBadTransportHeader);
  EXPECT_EQ(broken([](Frame& f) { f[kL4 + kTcpDataOffsetAt] = 0xf0; }), ParseError::kBadTransportHeader);
  EXPECT_EQ(broken([](Frame& f) { base::store_be16(&f[kIp + kIpv4TotalLengthAt], 30); }),
            ParseError::kTruncatedTransport);
  EXPECT_EQ(broken([](Frame& f) { base::store_be16(&f[kL4 + kUdpLengthAt], 7); }, udp(ip4())),
            ParseError::kBadTransportHeader);
  EXPECT_EQ(broken([](Frame& f) { base::store_be16(&f[kL4 + kUdpLengthAt], 17); }, udp(ip4())),
            ParseError::kBadTransportHeader);
}

TEST(Parse, Ipv4Options) {
  const auto with_options = [](const Frame& options) {
    Frame frame = udp(ip4());
    frame.insert(frame.begin() + kL4, options.begin(), options.end());
    frame[kIp] = static_cast<uint8_t>(0x45 + options.size() / 4);
    base::store_be16(&frame[kIp + kIpv4TotalLengthAt], static_cast<uint16_t>(frame.size() - kIp));
    fix_ipv4_checksum(frame);
    return frame;
  };
  Headers h;
  ASSERT_EQ(parse_frame(with_options({148, 4, 0, 0}), h), ParseError::kNone);
  EXPECT_TRUE(h.is(kHasIpOptions) && h.is(kHasRouterAlert));
  EXPECT_EQ(h.dst_port, 53);
  EXPECT_EQ(h.l4_offset, 38);
  ASSERT_EQ(parse_frame(with_options({1, 131, 7, 4, 10, 0, 0, 1}), h), ParseError::kNone);
  EXPECT_TRUE(h.is(kHasSourceRoute));
  ASSERT_EQ(parse_frame(with_options({0, 131, 200, 200}), h), ParseError::kNone);  // nothing counts after the end
  EXPECT_FALSE(h.is(kHasSourceRoute));
  EXPECT_EQ(parse_frame(with_options({7, 1, 0, 0}), h), ParseError::kBadIpHeaderLength);
  EXPECT_EQ(parse_frame(with_options({7, 5, 0, 0}), h), ParseError::kBadIpHeaderLength);
  EXPECT_EQ(parse_frame(with_options({1, 1, 1, 7}), h), ParseError::kBadIpHeaderLength);
}

TEST(Parse, Ipv4Fragments) {
  Headers h;
  Frame frame = udp(ip4(), "12345678");  // 16 bytes of IP payload
  set_fragment(frame, kIpv4MoreFragments);
  base::store_be16(&frame[kL4 + kUdpLengthAt], 1000);
  fix_ipv4_checksum(frame);
  ASSERT_EQ(parse_frame(frame, h), ParseError::kNone);
  EXPECT_TRUE(h.is(kIsFragment) && h.is(kMoreFragments) && !h.is(kIsLaterFragment));
  EXPECT_EQ(h.dst_port, 53);
  set_fragment(frame, 100);
  fix_ipv4_checksum(frame);
  ASSERT_EQ(parse_frame(frame, h), ParseError::kNone);
  EXPECT_TRUE(h.is(kIsLaterFragment));
  EXPECT_EQ(h.fragment_offset, 800);
  EXPECT_EQ(h.dst_port, 0);
  EXPECT_EQ(h.payload_offset, h.l4_offset);

  EXPECT_EQ(broken([](Frame& f) { set_fragment(f, 0x1fff); }, frame), ParseError::kBadFragment);  // beyond 65535
  EXPECT_EQ(broken([](Frame& f) { set_fragment(f, kIpv4MoreFragments | 5); }, udp(ip4(), "123")),
            ParseError::kBadFragment);
  EXPECT_EQ(broken([](Frame& f) { set_fragment(f, 1); }), ParseError::kTinyFragment);
  EXPECT_EQ(broken([](Frame& f) {
              set_fragment(f, kIpv4MoreFragments);
              base::store_be16(&f[kIp + kIpv4TotalLengthAt], 28);
            }),
            ParseError::kTinyFragment);
}

TEST(Parse, Ipv6ExtensionChain) {
  const Frame destination{kProtocolUdp, 0, 1, 4, 0, 0, 0, 0};
  const Frame udp_header{0, 7, 0, 9, 0, 8, 0, 0};
  Frame chain{kProtocolDestinationOptions, 0, 5, 2, 0, 0, 1, 0};  // hop-by-hop with router alert
  chain.insert(chain.end(), destination.begin(), destination.end());
  chain.insert(chain.end(), udp_header.begin(), udp_header.end());
  Headers h;
  ASSERT_EQ(parse_frame(ip6_with(kProtocolHopByHop, chain), h), ParseError::kNone);
  EXPECT_EQ(h.protocol, kProtocolUdp);
  EXPECT_EQ(h.l4_offset, 54 + 16);
  EXPECT_EQ(h.dst_port, 9);
  EXPECT_TRUE(h.is(kHasRouterAlert) && h.is(kHasIpOptions));

  EXPECT_EQ(parse_frame(ip6_with(kProtocolDestinationOptions, {0, 0, 1, 4, 0, 0, 0, 0, 59, 0, 1, 4, 0, 0, 0, 0}), h),
            ParseError::kMalformedExtension);  // hop-by-hop second
  EXPECT_EQ(parse_frame(ip6_with(kProtocolHopByHop, {59, 0, 1, 5, 0, 0, 0, 0}), h), ParseError::kMalformedExtension);
  EXPECT_EQ(parse_frame(ip6_with(kProtocolHopByHop, {59, 1, 1, 4, 0, 0, 0, 0}), h), ParseError::kMalformedExtension);
  ASSERT_EQ(parse_frame(ip6_with(kProtocolRouting, {59, 0, 0, 0, 0, 0, 0, 0}), h), ParseError::kNone);
  EXPECT_TRUE(h.is(kHasSourceRoute));
  EXPECT_EQ(h.protocol, kProtocolNoNext);
  ASSERT_EQ(parse_frame(ip6_with(kProtocolAh, {kProtocolEsp, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 9, 9, 9, 9}), h),
            ParseError::kNone);
  EXPECT_EQ(h.protocol, kProtocolEsp);
  EXPECT_EQ(h.l4_offset, 54 + 12);
}

TEST(Parse, Ipv6ChainLength) {
  const auto chain_of = [](unsigned count) {
    Frame chain;
    for (unsigned i = 0; i < count; ++i) {
      const uint8_t next = i + 1 == count ? kProtocolNoNext : kProtocolDestinationOptions;
      chain.insert(chain.end(), {next, 0, 1, 4, 0, 0, 0, 0});
    }
    return ip6_with(kProtocolDestinationOptions, chain);
  };
  Headers h;
  EXPECT_EQ(parse_frame(chain_of(kMaxExtensionHeaders), h), ParseError::kNone);
  EXPECT_EQ(parse_frame(chain_of(kMaxExtensionHeaders + 1), h), ParseError::kMalformedExtension);
}

TEST(Parse, Ipv6Fragments) {
  const auto fragment = [](uint16_t field, uint8_t next, Frame data) {
    Frame header{next, 0, static_cast<uint8_t>(field >> 8), static_cast<uint8_t>(field), 1, 2, 3, 4};
    header.insert(header.end(), data.begin(), data.end());
    return ip6_with(kProtocolFragment, header);
  };
  const Frame udp_header{0, 7, 0, 9, 1, 8, 0, 0};  // of a datagram of 264 bytes
  Headers h;
  ASSERT_EQ(parse_frame(fragment(1, kProtocolUdp, udp_header), h), ParseError::kNone);
  EXPECT_TRUE(h.is(kIsFragment) && h.is(kMoreFragments) && !h.is(kIsLaterFragment));
  EXPECT_EQ(h.fragment_id, 0x01020304u);
  EXPECT_EQ(h.dst_port, 9);
  ASSERT_EQ(parse_frame(fragment(16, kProtocolUdp, {1, 2, 3}), h), ParseError::kNone);
  EXPECT_TRUE(h.is(kIsLaterFragment));
  EXPECT_EQ(h.fragment_offset, 16);
  EXPECT_EQ(h.protocol, kProtocolUdp);
  // RFC 6946: fragment 0 of 1 is a whole packet, and its UDP length must fit.
  EXPECT_EQ(parse_frame(fragment(0, kProtocolUdp, udp_header), h), ParseError::kBadTransportHeader);
  ASSERT_EQ(parse_frame(fragment(0, kProtocolUdp, {0, 7, 0, 9, 0, 8, 0, 0}), h), ParseError::kNone);
  EXPECT_FALSE(h.is(kIsFragment));

  EXPECT_EQ(parse_frame(fragment(1, kProtocolUdp, {1, 2, 3}), h), ParseError::kBadFragment);
  EXPECT_EQ(parse_frame(fragment(1, kProtocolTcp, udp_header), h), ParseError::kTinyFragment);
  EXPECT_EQ(parse_frame(fragment(1, kProtocolDestinationOptions, {17, 1, 1, 4, 0, 0, 0, 0}), h),
            ParseError::kTinyFragment);
  EXPECT_EQ(parse_frame(fragment(0xfff8, kProtocolUdp, udp_header), h), ParseError::kBadFragment);
  EXPECT_EQ(parse_frame(fragment(1, kProtocolFragment, {17, 0, 0, 1, 0, 0, 0, 0}), h), ParseError::kMalformedExtension);
}

TEST(Parse, HeadersInFirstSegmentOfLongerPacket) {
  Frame frame = tcp4(kTcpAck, std::string(1000, 'x'));
  Headers whole, first;
  ASSERT_EQ(parse_frame(frame, whole), ParseError::kNone);
  ASSERT_EQ(parse(Bytes(frame).first(256), static_cast<uint32_t>(frame.size()), Ipv4Checksum::kVerify, first),
            ParseError::kNone);
  EXPECT_EQ(first.end, whole.end);
  EXPECT_EQ(first.payload_offset, whole.payload_offset);
}

TEST(Parse, EndBeyond16BitsIsTruncated) {
  Frame frame(70000);
  build_ethernet(frame, kLink, kEtherTypeIpv4);
  build_ip_header(base::MutableBytes(frame).subspan(kIp), ip4(), kProtocolGre, 0xffff - kIpv4MinLength);
  Headers h;
  EXPECT_EQ(parse_frame(frame, h), ParseError::kTruncatedIp);
}

TEST(ParseIp, QuotedNeedsEightTransportBytes) {
  const Frame frame = tcp4(kTcpAck, "payload");
  const Bytes datagram = Bytes(frame).subspan(kIp);
  Headers h;
  EXPECT_EQ(parse_ip(datagram.first(28), Whole::kYes, Ipv4Checksum::kVerify, h), ParseError::kTruncatedIp);
  ASSERT_EQ(parse_ip(datagram.first(28), Whole::kQuoted, Ipv4Checksum::kVerify, h), ParseError::kNone);
  EXPECT_EQ(h.src_port, 40000);
  EXPECT_EQ(h.end, 28);
  EXPECT_EQ(h.payload_offset, 28);
  EXPECT_EQ(parse_ip(datagram.first(27), Whole::kQuoted, Ipv4Checksum::kVerify, h), ParseError::kTruncatedTransport);
  EXPECT_EQ(parse_ip({}, Whole::kQuoted, Ipv4Checksum::kVerify, h), ParseError::kTruncatedIp);
}

// The short way of common frames, that of datagrams, and the general one (tagged frames have only that) agree on
// mutated packets.
TEST(Parse, ShortWayAgreesWithGeneralWay) {
  std::mt19937 random(1);
  Frame esp = udp(ip4());
  esp[kIp + kIpv4ProtocolAt] = kProtocolEsp;
  fix_ipv4_checksum(esp);
  const std::vector<Frame> seeds = {tcp4(), tcp4(kTcpAck, "0123456789"), udp(ip4()), esp};
  for (int round = 0; round < 200000; ++round) {
    Frame frame = seeds[random() % seeds.size()];
    for (unsigned n = random() % 3; n > 0; --n) frame[kIp + random() % 34] = static_cast<uint8_t>(random());
    if (random() % 4 == 0) frame.resize(kIp + random() % (frame.size() - kIp + 1));
    if (random() % 2 && frame.size() >= kIp + 60) fix_ipv4_checksum(frame);
    const auto checksum = random() % 2 ? Ipv4Checksum::kVerify : Ipv4Checksum::kVerifiedByDevice;
    Frame tagged = frame;
    const uint8_t tag[] = {0x81, 0x00, 0x00, 0x07};
    tagged.insert(tagged.begin() + kEthernetTypeAt, std::begin(tag), std::end(tag));
    Headers general;
    const ParseError error = parse(tagged, static_cast<uint32_t>(tagged.size()), checksum, general);
    const auto same = [&](const Headers& h, size_t l2) {
      const size_t apart = kIp + kVlanTagLength - l2;
      EXPECT_EQ(h.l2_length, l2);
      EXPECT_EQ(h.l4_offset + apart, general.l4_offset);
      EXPECT_EQ(h.payload_offset + apart, general.payload_offset);
      EXPECT_EQ(h.end + apart, general.end);
      EXPECT_EQ(h.flags | kIsTagged, general.flags);
      EXPECT_EQ(std::tie(h.protocol, h.src_port, h.dst_port, h.tcp_flags, h.hop_limit, h.traffic_class),
                std::tie(general.protocol, general.src_port, general.dst_port, general.tcp_flags, general.hop_limit,
                         general.traffic_class));
      EXPECT_EQ(std::tie(h.family, h.fragment_id, h.fragment_offset, h.icmp_type, h.icmp_code, h.ether_type),
                std::tie(general.family, general.fragment_id, general.fragment_offset, general.icmp_type,
                         general.icmp_code, general.ether_type));
    };
    Headers h;
    ASSERT_EQ(parse(frame, static_cast<uint32_t>(frame.size()), checksum, h), error);
    if (error == ParseError::kNone) same(h, kIp);
    if (frame.size() == kIp || frame[kIp] >> 4 != 4) continue;  // parse_ip goes by the version alone
    ASSERT_EQ(parse_ip(Bytes(frame).subspan(kIp), Whole::kYes, checksum, h), error);
    if (error == ParseError::kNone) same(h, 0);
  }
}

TEST(Parse, EveryErrorHasAName) {
  for (int e = 0; e <= static_cast<int>(ParseError::kBadFragment); ++e)
    EXPECT_STRNE(to_string(static_cast<ParseError>(e)), "?");
}

}  // namespace
}  // namespace penstock::wire::test
