// wire/print.h and wire/pcapng.h, and every reader of the room on mutated packets.
#include "wire/print.h"

#include <gtest/gtest.h>

#include <memory>

#include "unit/wire/samples.h"
#include "wire/pcapng.h"
#include "wire/tcp_options.h"

namespace penstock::wire::test {
namespace {

TEST(Print, Lines) {
  EXPECT_EQ(describe(tcp4()),
            "IP 192.0.2.1.40000 > 198.51.100.2.80: Flags [S], seq 1000, win 65535, options [mss 1460], length 0");
  EXPECT_EQ(describe(tcp4(kTcpAck | kTcpPsh, "abc", 7)),
            "vlan 7, IP 192.0.2.1.40000 > 198.51.100.2.80: Flags [P.], seq 1000, ack 2000, win 65535, length 3");
  EXPECT_EQ(describe(udp(ip6())), "IP6 2001:db8::1.5353 > 2001:db8:1::2.53: UDP, length 8");
  EXPECT_EQ(describe(echo(ip4())), "IP 192.0.2.1 > 198.51.100.2: ICMP echo request, id 77, seq 3, length 16");
  EXPECT_EQ(describe(arp()), "ARP, Request who-has 192.0.2.2 tell 192.0.2.1");
  EXPECT_EQ(describe(nd()), "IP6 fe80::1 > ff02::1:ff00:2: ICMP6 neighbor solicitation, target 2001:db8::2, length 32");
  EXPECT_EQ(describe(icmp_error(udp(ip4()))),
            "IP 203.0.113.9 > 192.0.2.1: ICMP fragmentation needed, code 4, mtu 1400, length 44 "
            "(IP 192.0.2.1.5353 > 198.51.100.2.53: UDP, length 8)");
}

TEST(Print, BrokenPackets) {
  Frame frame = tcp4();
  frame[14 + kIpv4ChecksumAt] ^= 1;
  EXPECT_EQ(describe(frame), "IP 192.0.2.1 > 198.51.100.2: TCP [bad_ip_checksum]");
  EXPECT_EQ(describe({}), "[truncated_ethernet], length 0");
}

// Copies of the exact size on the heap: AddressSanitizer sees the first byte too far.
TEST(Mutation, NoReaderLeavesItsBytes) {
  std::mt19937 random(6);
  const std::vector<Frame> seeds = samples();
  for (int round = 0; round < 100000; ++round) {
    const Frame& seed = seeds[random() % seeds.size()];
    const size_t size = random() % 3 == 0 ? random() % (seed.size() + 1) : seed.size();
    const std::unique_ptr<uint8_t[]> bytes(new uint8_t[size]);
    std::copy_n(seed.begin(), size, bytes.get());
    for (unsigned n = random() % 6; n > 0 && size > 12; --n)
      bytes[12 + random() % (size - 12)] = static_cast<uint8_t>(random());
    const Bytes frame{bytes.get(), size};
    Headers h;
    const ParseError error = parse(frame, static_cast<uint32_t>(size), Ipv4Checksum::kVerifiedByDevice, h);
    if (error == ParseError::kNone && h.family != 0) {
      ASSERT_LE(h.l2_length, h.l4_offset);
      ASSERT_LE(h.l4_offset, h.payload_offset);
      ASSERT_LE(h.payload_offset, h.end);
      ASSERT_LE(h.end, size);
      verify_l4(frame, h);
      may_answer_with_error(frame, h);
      make(build_reset, ResetPacket{.link = kLink, .frame = frame, .headers = h});
      clamp_mss(bytes.get(), h, 1000);
    }
    if (error == ParseError::kNone) {
      ArpMessage arp_message;
      NdMessage nd_message;
      parse_arp(frame, h, arp_message);
      parse_nd(frame, h, nd_message);
    }
    ASSERT_FALSE(describe(frame).empty());
    if (size > 14) {
      ASSERT_FALSE(describe_ip(frame.subspan(14), Whole::kQuoted).empty());
    }
  }
}

TEST(Pcapng, Blocks) {
  std::string out;
  append_section(out, {.hardware = "x", .os = "Linux", .application = "penstock"});
  const size_t section = out.size();
  append_interface(out, {.name = "eth0", .description = "uplink"});
  const size_t interface = out.size() - section;
  const Frame frame = udp(ip4(), "abc");
  append_packet(out, {.interface = 0,
                      .time = 0x0102030405060708,
                      .original_length = 1500,
                      .bytes = frame,
                      .direction = PcapngDirection::kOutbound,
                      .comment = "drop: no_route"});
  // Walk the blocks as a reader does: length first and last, multiples of four.
  std::vector<uint32_t> types;
  for (size_t at = 0; at < out.size();) {
    const auto length = base::load_raw<uint32_t>(&out[at + 4]);
    ASSERT_EQ(length % 4, 0u);
    ASSERT_LE(at + length, out.size());
    ASSERT_EQ(base::load_raw<uint32_t>(&out[at + length - 4]), length);
    types.push_back(base::load_raw<uint32_t>(&out[at]));
    at += length;
  }
  EXPECT_EQ(types, (std::vector<uint32_t>{0x0a0d0d0a, 1, 6}));
  const char* packet = out.data() + section + interface;
  EXPECT_EQ(base::load_raw<uint32_t>(packet + 12), 0x01020304u);
  EXPECT_EQ(base::load_raw<uint32_t>(packet + 16), 0x05060708u);
  EXPECT_EQ(base::load_raw<uint32_t>(packet + 20), frame.size());
  EXPECT_EQ(base::load_raw<uint32_t>(packet + 24), 1500u);
  EXPECT_EQ(std::string_view(packet + 28, frame.size()),
            std::string_view(reinterpret_cast<const char*>(frame.data()), frame.size()));
  EXPECT_NE(out.find("drop: no_route"), std::string::npos);
}

}  // namespace
}  // namespace penstock::wire::test
