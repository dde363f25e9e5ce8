// wire/rewrite.h and wire/tcp_options.h: every change in place leaves the checksums a recomputation would give.
#include "wire/rewrite.h"

#include <gtest/gtest.h>

#include "unit/wire/samples.h"
#include "wire/tcp_options.h"

namespace penstock::wire::test {
namespace {

IpAddress random_ip(std::mt19937& random, bool v4) {
  if (v4) return IpAddress::v4(static_cast<uint32_t>(random()));
  IpAddress a = ip("2001:db8::");
  for (size_t i = 4; i < 16; ++i) a.bytes[i] = static_cast<uint8_t>(random());
  return a;
}

Headers reparse(const Frame& frame) {
  Headers h;
  EXPECT_EQ(parse_frame(frame, h), ParseError::kNone);
  return h;
}

TEST(Rewrite, DecrementTtlEveryValue) {
  for (int ttl = 2; ttl < 256; ++ttl) {
    Ip header = ip4();
    header.hop_limit = static_cast<uint8_t>(ttl);
    header.id = static_cast<uint16_t>(ttl * 977);
    Frame frame = udp(header);
    decrement_hop_limit(frame.data(), reparse(frame));
    EXPECT_EQ(reparse(frame).hop_limit, ttl - 1);
    EXPECT_EQ(base::load_raw<uint16_t>(&frame[24]), compute_ipv4_header(&frame[14]));
  }
  Frame frame = udp(ip6());
  decrement_hop_limit(frame.data(), reparse(frame));
  EXPECT_EQ(reparse(frame).hop_limit, 63);
}

TEST(Rewrite, DscpKeepsEcn) {
  for (const bool v4 : {true, false}) {
    for (uint8_t dscp = 0; dscp < 64; ++dscp) {
      Ip header = v4 ? ip4() : ip6();
      header.traffic_class = 0x6a;
      Frame frame = udp(header);
      if (!v4) base::store_be32(&frame[14], base::load_be32(&frame[14]) | 0xabcde);  // flow label
      set_dscp(frame.data(), reparse(frame), dscp);
      EXPECT_EQ(reparse(frame).traffic_class, dscp << 2 | 2);
      if (!v4) {
        EXPECT_EQ(base::load_be32(&frame[14]) & 0xfffff, 0xabcdeu);
      }
    }
  }
}

TEST(Rewrite, TranslationEqualsRecomputation) {
  std::mt19937 random(5);
  for (int round = 0; round < 20000; ++round) {
    const bool v4 = random() % 2;
    const Ip header{.src = random_ip(random, v4), .dst = random_ip(random, v4)};
    Frame payload(random() % 20);
    for (uint8_t& b : payload) b = static_cast<uint8_t>(random());
    const auto port = [&] { return static_cast<uint16_t>(random()); };
    Frame frame;
    switch (random() % 3) {
      case 0:
        frame = make(build_tcp, TcpPacket{.link = kLink,
                                          .ip = header,
                                          .src_port = port(),
                                          .dst_port = port(),
                                          .flags = kTcpAck,
                                          .payload = payload});
        break;
      case 1:
        frame =
            make(build_udp,
                 UdpPacket{.link = kLink, .ip = header, .src_port = port(), .dst_port = port(), .payload = payload});
        break;
      case 2:
        frame = make(build_echo, EchoPacket{.link = kLink, .ip = header, .id = port(), .payload = payload});
        break;
    }
    Headers h = reparse(frame);
    const Endpoints to{random_ip(random, v4), random_ip(random, v4), port(), port()};
    const Translation t = make_translation({header.src, header.dst, h.src_port, h.dst_port}, to, h.protocol);
    translate(frame.data(), h, t);
    h = reparse(frame);  // the IPv4 checksum is verified here
    EXPECT_EQ(verify_l4(frame, h), ChecksumState::kGood);
    const uint16_t field = base::load_raw<uint16_t>(&frame[h.l4_offset + l4_checksum_at(h.protocol)]);
    EXPECT_EQ(field, compute_l4(frame, h));
    EXPECT_EQ(h.src_port, to.src_port);
    if (!is_echo(h)) {
      EXPECT_EQ(h.dst_port, to.dst_port);
    }
    const uint8_t* header_at = &frame[h.l2_length];
    EXPECT_EQ(v4 ? IpAddress::v4_from(header_at + kIpv4DstAt) : IpAddress::v6_from(header_at + kIpv6DstAt), to.dst);
  }
}

TEST(Rewrite, UdpWithoutChecksumStaysSo) {
  Frame frame = udp(ip4());
  Headers h = reparse(frame);
  base::store_be16(&frame[h.l4_offset + kUdpChecksumAt], 0);
  const Endpoints from{ip4().src, ip4().dst, h.src_port, h.dst_port};
  translate(frame.data(), h, make_translation(from, {ip("10.0.0.1"), ip4().dst, 1, 2}, kProtocolUdp));
  EXPECT_EQ(base::load_be16(&frame[h.l4_offset + kUdpChecksumAt]), 0);
}

TEST(Rewrite, UdpResultZeroBecomesOnes) {
  Frame frame = udp(ip4(), "ab");
  Headers h = reparse(frame);
  // Choose the new source port so that the checksum would come out as zero.
  base::store_be16(&frame[h.l4_offset], 0);
  const uint16_t port = base::swap16(compute_l4(frame, h));
  base::store_be16(&frame[h.l4_offset], 5353);
  const Endpoints from{ip4().src, ip4().dst, 5353, 53};
  translate(frame.data(), h, make_translation(from, {ip4().src, ip4().dst, port, 53}, kProtocolUdp));
  EXPECT_EQ(base::load_be16(&frame[h.l4_offset + kUdpChecksumAt]), 0xffff);
  EXPECT_EQ(verify_l4(frame, h), ChecksumState::kGood);
}

TEST(Rewrite, LaterFragmentsChangeAddressesOnly) {
  Frame frame = udp(ip4(), "12345678");
  base::store_be16(&frame[14 + kIpv4FragmentAt], 10);
  fix_ipv4_checksum(frame);
  const Frame before = frame;
  const Headers h = reparse(frame);
  translate(frame.data(), h,
            make_translation({ip4().src, ip4().dst, 5353, 53}, {ip("10.0.0.1"), ip4().dst, 1, 2}, kProtocolUdp));
  reparse(frame);
  EXPECT_TRUE(std::equal(frame.begin() + h.l4_offset, frame.end(), before.begin() + h.l4_offset));
}

TEST(Rewrite, IcmpOfTheOtherFamilyIsNotTouched) {
  const Frame data{1, 2, 3, 4, 5, 6, 7, 8};
  Frame frame = ip6_with(kProtocolIcmp, data);
  const Headers h = reparse(frame);
  EXPECT_FALSE(is_echo(h));
  translate(frame.data(), h, make_translation({ip6().src, ip6().dst}, {ip("fd00::1"), ip6().dst, 7, 7}, kProtocolIcmp));
  EXPECT_EQ(Frame(frame.end() - 8, frame.end()), data);
}

TEST(Rewrite, IcmpErrorsKeepGoodChecksums) {
  for (Frame frame : {icmp_error(udp(ip4())), icmp_error(tcp6())}) {
    Headers h = reparse(frame);
    const bool v4 = h.family == 4;
    const Endpoints from{v4 ? ip("203.0.113.9") : ip("2001:db8:9::9"), v4 ? ip4().src : ip6().src};
    const Endpoints to{from.src, v4 ? ip("10.9.9.9") : ip("fd00::99")};
    translate(frame.data(), h, make_translation(from, to, h.protocol));
    h = reparse(frame);
    EXPECT_EQ(verify_l4(frame, h), ChecksumState::kGood);
  }
}

// A SYN whose options are `options`, padded with end-of-list.
Frame syn_with(Frame options) {
  options.resize((options.size() + 3) / 4 * 4);
  Frame frame = make(build_tcp, TcpPacket{.link = kLink,
                                          .ip = ip4(),
                                          .src_port = 1,
                                          .dst_port = 2,
                                          .flags = kTcpSyn,
                                          .payload = options});  // becomes options when the data offset says so
  Headers h = reparse(frame);
  frame[h.l4_offset + kTcpDataOffsetAt] = static_cast<uint8_t>((kTcpMinLength + options.size()) / 4 << 4);
  h = reparse(frame);
  write_l4(frame, h);
  return frame;
}

TEST(ClampMss, LowersAndKeepsChecksum) {
  for (const Frame& options : {Frame{2, 4, 5, 180}, Frame{1, 2, 4, 5, 180}, Frame{1, 1, 4, 2, 2, 4, 0xff, 0xff},
                               Frame{3, 3, 7, 2, 4, 5, 180}}) {
    Frame frame = syn_with(options);
    Headers h = reparse(frame);
    EXPECT_FALSE(clamp_mss(frame.data(), h, 0xffff));
    EXPECT_TRUE(clamp_mss(frame.data(), h, 1281));
    EXPECT_FALSE(clamp_mss(frame.data(), h, 1281));
    EXPECT_EQ(verify_l4(frame, h), ChecksumState::kGood);
    EXPECT_EQ(base::load_be16(&frame[h.l4_offset + find_mss(&frame[h.l4_offset], h.payload_offset - h.l4_offset)]),
              1281);
  }
}

TEST(ClampMss, LeavesOthersAlone) {
  for (const Frame& options : {Frame{}, Frame{0, 2, 4, 5, 180}, Frame{2, 3, 5, 180}, Frame{2, 0, 5, 180},
                               Frame{3, 40, 0, 0}, Frame{1, 1, 1, 2}, Frame{8, 1, 2, 4, 5, 180}}) {
    Frame frame = syn_with(options);
    const Frame before = frame;
    EXPECT_FALSE(clamp_mss(frame.data(), reparse(frame), 500));
    EXPECT_EQ(frame, before);
  }
  Frame frame = tcp4(kTcpAck, "x");
  EXPECT_FALSE(clamp_mss(frame.data(), reparse(frame), 500));
}

}  // namespace
}  // namespace penstock::wire::test
