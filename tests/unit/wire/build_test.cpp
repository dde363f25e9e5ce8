// wire/build.h and wire/arp_nd.h: what is built parses to what it was built from; the rules of errors and resets.
#include "wire/build.h"

#include <gtest/gtest.h>

#include "unit/wire/samples.h"

namespace penstock::wire::test {
namespace {

Headers good(const Frame& frame) {
  Headers h;
  EXPECT_EQ(parse_frame(frame, h), ParseError::kNone);
  if (h.family != 0) {
    EXPECT_NE(verify_l4(frame, h), ChecksumState::kBad);
  }
  return h;
}

Bytes payload_of(const Frame& frame, const Headers& h) {
  return Bytes(frame).subspan(h.payload_offset, h.end - h.payload_offset);
}

TEST(Build, NothingThatDoesNotFit) {
  const auto each_short_buffer = [](auto builder, const auto& packet) {
    const Frame whole = make(builder, packet);
    ASSERT_FALSE(whole.empty());
    for (size_t n = 0; n < whole.size(); ++n) {
      Frame out(n);
      EXPECT_EQ(builder(out, packet), 0u) << n;
    }
  };
  const Frame body(10);
  each_short_buffer(build_tcp, TcpPacket{.link = kLink, .ip = ip4(), .mss = 1400, .payload = body});
  each_short_buffer(build_udp, UdpPacket{.link = kLink, .ip = ip6(), .payload = body});
  each_short_buffer(build_echo, EchoPacket{.ip = ip4(), .payload = body});
  each_short_buffer(build_arp,
                    ArpPacket{.link = kLink, .message = {.sender_ip = ip("10.0.0.1"), .target_ip = ip("10.0.0.2")}});
  each_short_buffer(build_nd, NdPacket{.link = kLink, .message = solicitation()});
  each_short_buffer(build_erspan_headers, ErspanHeaders{.link = kLink, .ip = ip4(), .frame_length = 60});
  each_short_buffer(build_ipip_headers, IpipHeaders{.link = kLink, .ip = ip6(), .inner_length = 60});
}

TEST(Build, RefusesMixedFamiliesAndOversize) {
  Frame out(70000);
  const Frame huge(65530);
  EXPECT_EQ(build_udp(out, {.ip = {.src = ip("10.0.0.1"), .dst = ip("fd00::1")}}), 0u);
  EXPECT_EQ(build_udp(out, {.ip = ip4(), .payload = huge}), 0u);
  EXPECT_EQ(build_udp(out, {.ip = ip6(), .payload = huge}), 0u);
}

TEST(Build, UdpCarriesPayload) {
  for (const Ip& header : {ip4(), ip6()}) {
    const Frame frame = udp(header, "question");
    const Headers h = good(frame);
    EXPECT_EQ(h.src_port, 5353);
    const Bytes payload = payload_of(frame, h);
    EXPECT_EQ(std::string(payload.begin(), payload.end()), "question");
  }
}

TEST(Build, WithoutLinkBeginsAtIp) {
  const Frame datagram = make(build_udp, UdpPacket{.ip = ip6(), .src_port = 1, .dst_port = 2});
  Headers h;
  ASSERT_EQ(parse_ip(datagram, Whole::kYes, Ipv4Checksum::kVerify, h), ParseError::kNone);
  EXPECT_EQ(h.dst_port, 2);
}

TEST(Build, ArpRoundTrip) {
  const ArpMessage message{.operation = kArpReply,
                           .sender_mac = kHere,
                           .sender_ip = ip("192.0.2.1"),
                           .target_mac = kThere,
                           .target_ip = ip("192.0.2.2")};
  for (const uint16_t vlan : {0, 12}) {
    Link link = kLink;
    link.vlan = vlan;
    const Frame frame = make(build_arp, ArpPacket{.link = link, .message = message});
    ArpMessage parsed;
    ASSERT_EQ(parse_arp(frame, good(frame), parsed), NeighbourError::kNone);
    EXPECT_EQ(parsed, message);
  }
}

TEST(Arp, BrokenMessages) {
  const auto broken = [](size_t at, uint8_t value) {
    Frame frame = arp();
    frame[14 + at] = value;
    Headers h;
    parse_frame(frame, h);
    ArpMessage m;
    return parse_arp(frame, h, m);
  };
  EXPECT_EQ(broken(1, 6), NeighbourError::kBadFormat);
  EXPECT_EQ(broken(kArpProtocolLengthAt, 16), NeighbourError::kBadFormat);
  EXPECT_EQ(broken(7, 9), NeighbourError::kBadOperation);
  EXPECT_EQ(broken(kArpSenderMacAt, 1), NeighbourError::kBadSender);
  EXPECT_EQ(broken(kArpSenderIpAt, 224), NeighbourError::kBadSender);
  Frame frame = arp();
  frame.resize(14 + 27);
  Headers h;
  parse_frame(frame, h);
  ArpMessage m;
  EXPECT_EQ(parse_arp(frame, h, m), NeighbourError::kTruncated);
  EXPECT_EQ(parse_arp(udp(ip4()), good(udp(ip4())), m), NeighbourError::kNotNeighbour);
}

TEST(Build, NdRoundTrip) {
  const NdMessage advert{.type = kNdNeighbourAdvert,
                         .src = ip("fe80::2"),
                         .dst = ip("fe80::1"),
                         .target = ip("fe80::2"),
                         .link_address = kThere,
                         .router = true,
                         .solicited = true,
                         .overrides = false};
  const NdMessage probe{
      .type = kNdNeighbourSolicit, .dst = solicited_node(ip("fe80::aabb:ccdd")), .target = ip("fe80::aabb:ccdd")};
  const NdMessage router{.type = kNdRouterSolicit, .src = ip("fe80::1"), .dst = ip("ff02::2"), .link_address = kHere};
  for (const NdMessage& message : {solicitation(), advert, probe, router}) {
    const Frame frame = nd(message);
    NdMessage parsed;
    ASSERT_EQ(parse_nd(frame, good(frame), parsed), NeighbourError::kNone);
    EXPECT_EQ(parsed, message);
  }
}

// `change` applied to the frame, with the ICMPv6 checksum repaired.
template <typename Change>
NeighbourError broken_nd(Change change, const NdMessage& message = solicitation()) {
  Frame frame = nd(message);
  change(frame);
  Headers h;
  if (parse_frame(frame, h) != ParseError::kNone) return NeighbourError::kNotNeighbour;
  write_l4(frame, h);
  NdMessage m;
  return parse_nd(frame, h, m);
}

TEST(Nd, BrokenMessages) {
  constexpr size_t kIcmp = 54;
  EXPECT_EQ(broken_nd([](Frame& f) { f[14 + kIpv6HopLimitAt] = 254; }), NeighbourError::kBadHopLimit);
  EXPECT_EQ(broken_nd([](Frame& f) { f[kIcmp + 1] = 1; }), NeighbourError::kBadFormat);
  EXPECT_EQ(broken_nd([](Frame& f) { f[kIcmp + kNdTargetAt] = 0xff; }), NeighbourError::kBadTarget);
  EXPECT_EQ(broken_nd([](Frame& f) { f[kIcmp + 25] = 0; }), NeighbourError::kBadOption);
  EXPECT_EQ(broken_nd([](Frame& f) { f[kIcmp + 25] = 2; }), NeighbourError::kBadOption);
  EXPECT_EQ(broken_nd([](Frame& f) { f[kIcmp + 26] |= 1; }), NeighbourError::kBadSender);
  EXPECT_EQ(broken_nd([](Frame& f) { base::store_be16(&f[14 + kIpv6PayloadLengthAt], 20); }),
            NeighbourError::kTruncated);
  EXPECT_EQ(broken_nd([](Frame& f) { base::store_be16(&f[14 + kIpv6PayloadLengthAt], 29); }),
            NeighbourError::kBadOption);
  NdMessage message = solicitation();
  message.src = {};
  EXPECT_EQ(broken_nd([](Frame&) {}, message), NeighbourError::kBadOption);
  message.link_address.reset();
  EXPECT_EQ(broken_nd([](Frame&) {}, message), NeighbourError::kNone);
  message.dst = ip("ff02::1");
  EXPECT_EQ(broken_nd([](Frame&) {}, message), NeighbourError::kBadDestination);
  const NdMessage advert{.type = kNdNeighbourAdvert,
                         .src = ip("fe80::2"),
                         .dst = ip("ff02::1"),
                         .target = ip("fe80::2"),
                         .solicited = true};
  EXPECT_EQ(broken_nd([](Frame&) {}, advert), NeighbourError::kBadDestination);

  Frame frame = nd();
  frame.back() ^= 1;
  NdMessage m;
  Headers h;
  ASSERT_EQ(parse_frame(frame, h), ParseError::kNone);
  EXPECT_EQ(parse_nd(frame, h, m), NeighbourError::kBadChecksum);
}

TEST(Nd, NotBehindExtensionHeaders) {
  const Frame plain = nd();
  Frame chain{kProtocolIcmpv6, 0, 0, 0, 0, 0, 0, 1};  // fragment 0 of 1
  chain.insert(chain.end(), plain.begin() + 54, plain.end());
  Frame frame = ip6_with(kProtocolFragment, chain);
  frame[14 + kIpv6HopLimitAt] = 255;
  NdMessage m;
  Headers h;
  ASSERT_EQ(parse_frame(frame, h), ParseError::kNone);
  EXPECT_EQ(parse_nd(frame, h, m), NeighbourError::kExtensionHeader);
}

TEST(Nd, GroupAddresses) {
  EXPECT_EQ(solicited_node(ip("2001:db8::1:2:3")).to_string(), "ff02::1:ff02:3");
  EXPECT_EQ(multicast_mac(ip("ff02::1:ff02:3")).to_string(), "33:33:ff:02:00:03");
  EXPECT_EQ(multicast_mac(ip("239.129.2.3")).to_string(), "01:00:5e:01:02:03");
}

TEST(Build, IcmpErrorsQuoteWhatFits) {
  for (const bool v4 : {true, false}) {
    const Frame about = udp(v4 ? ip4() : ip6(), std::string(1400, 'z'));
    const Frame frame = icmp_error(about);
    EXPECT_EQ(frame.size(), 14u + (v4 ? 576 : 1280));
    const Headers h = good(frame);
    const uint8_t* icmp = &frame[h.l4_offset];
    EXPECT_EQ(v4 ? base::load_be16(icmp + kIcmpMtuAt) : base::load_be32(icmp + kIcmpv6MtuAt), 1400u);
    Headers quoted;
    ASSERT_EQ(parse_ip(payload_of(frame, h), Whole::kQuoted, Ipv4Checksum::kVerify, quoted), ParseError::kNone);
    EXPECT_EQ(quoted.dst_port, 53);
    const uint8_t* header = &frame[14];
    EXPECT_EQ(v4 ? IpAddress::v4_from(header + kIpv4DstAt) : IpAddress::v6_from(header + kIpv6DstAt),
              v4 ? ip4().src : ip6().src);
  }
  Frame out(2000);
  EXPECT_EQ(build_icmp_error(out, {.src = ip("10.0.0.1"), .original = {}}), 0u);
  const Frame six = udp(ip6());
  EXPECT_EQ(build_icmp_error(out, {.src = ip("10.0.0.1"), .original = Bytes(six).subspan(14)}), 0u);
}

TEST(Build, ErrorsOnlyWhereAllowed) {
  const auto may = [](const Frame& frame) {
    Headers h;
    EXPECT_EQ(parse_frame(frame, h), ParseError::kNone);
    return may_answer_with_error(frame, h);
  };
  EXPECT_TRUE(may(udp(ip4())));
  EXPECT_TRUE(may(udp(ip6())));
  EXPECT_TRUE(may(echo(ip4())));
  EXPECT_FALSE(may(icmp_error(udp(ip4()))));
  EXPECT_FALSE(may(icmp_error(tcp6())));
  EXPECT_FALSE(may(arp()));
  EXPECT_FALSE(may(udp({.src = ip("0.0.0.0"), .dst = ip("192.0.2.1")})));
  EXPECT_FALSE(may(udp({.src = ip("192.0.2.1"), .dst = ip("255.255.255.255")})));
  EXPECT_FALSE(may(udp({.src = ip("192.0.2.1"), .dst = ip("224.0.0.5")})));
  EXPECT_FALSE(may(udp({.src = ip("ff02::1"), .dst = ip("fd00::1")})));
  Frame broadcast = udp(ip4());
  broadcast[0] = 0xff;
  EXPECT_FALSE(may(broadcast));
  Frame fragment = udp(ip4());
  base::store_be16(&fragment[14 + kIpv4FragmentAt], 8);
  fix_ipv4_checksum(fragment);
  EXPECT_FALSE(may(fragment));
}

// RFC 9293 §3.10.7.1.
TEST(Build, ResetAnswers) {
  const auto answer = [](const Frame& segment) {
    const Headers h = good(segment);
    return make(build_reset, ResetPacket{.link = kLink, .frame = segment, .headers = h});
  };
  for (const auto& [flags, payload, ack] :
       {std::tuple{kTcpSyn, "", 1001u}, {kTcpSyn, "xyz", 1004u}, {kTcpFin, "xyz", 1004u}, {uint8_t{0}, "xyz", 1003u}}) {
    const Frame frame = answer(tcp4(flags, payload));
    const Headers h = good(frame);
    EXPECT_EQ(h.tcp_flags, kTcpRst | kTcpAck);
    EXPECT_EQ(h.src_port, 80);
    EXPECT_EQ(h.dst_port, 40000);
    EXPECT_EQ(base::load_be32(&frame[h.l4_offset + kTcpSeqAt]), 0u);
    EXPECT_EQ(base::load_be32(&frame[h.l4_offset + kTcpAckAt]), ack);
    EXPECT_EQ(IpAddress::v4_from(&frame[14 + kIpv4SrcAt]), ip4().dst);
  }
  const Frame frame = answer(tcp4(kTcpAck | kTcpSyn, "abc"));
  const Headers h = good(frame);
  EXPECT_EQ(h.tcp_flags, kTcpRst);
  EXPECT_EQ(base::load_be32(&frame[h.l4_offset + kTcpSeqAt]), 2000u);
  EXPECT_TRUE(answer(tcp4(kTcpRst)).empty());
  EXPECT_TRUE(answer(udp(ip4())).empty());
  EXPECT_EQ(good(answer(tcp6())).dst_port, 40000);
}

TEST(Build, TunnelHeaders) {
  const Frame inner = udp(ip4());
  Frame frame = make(build_erspan_headers, ErspanHeaders{.link = kLink,
                                                         .ip = ip6(),
                                                         .sequence = 0x01020304,
                                                         .session = 0x3ff,
                                                         .vlan = 0x123,
                                                         .truncated = true,
                                                         .frame_length = inner.size()});
  EXPECT_EQ(Frame(frame.begin() + 54, frame.end()),
            (Frame{0x10, 0, 0x88, 0xbe, 1, 2, 3, 4, 0x11, 0x23, 0x1f, 0xff, 0, 0, 0, 0}));
  frame.insert(frame.end(), inner.begin(), inner.end());
  EXPECT_EQ(good(frame).protocol, kProtocolGre);
  EXPECT_EQ(good(frame).end, frame.size());

  Frame tunnel = make(build_ipip_headers,
                      IpipHeaders{.link = kLink, .ip = ip6(), .inner_family = 4, .inner_length = inner.size() - 14});
  tunnel.insert(tunnel.end(), inner.begin() + 14, inner.end());
  const Headers h = good(tunnel);
  EXPECT_EQ(h.protocol, kProtocolIpip);
  Headers inside;
  EXPECT_EQ(parse_ip(payload_of(tunnel, h), Whole::kYes, Ipv4Checksum::kVerify, inside), ParseError::kNone);
}

}  // namespace
}  // namespace penstock::wire::test
