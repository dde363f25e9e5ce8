#include "control/liveness/path_mtu.h"

#include <gtest/gtest.h>

#include "wire/build.h"
#include "wire/headers.h"

namespace penstock::liveness {
namespace {

base::IpAddress ip(const char* text) { return base::IpAddress::parse(text).value(); }

// An outer packet of ours: ESP, or ESP in UDP, of which `quoted` bytes come back.
std::vector<uint8_t> message(bool v6, bool udp, uint32_t mtu, size_t quoted, uint8_t protocol = wire::kProtocolEsp) {
  const auto local = ip(v6 ? "2001:db8:f::1" : "192.0.2.1"), remote = ip(v6 ? "2001:db8:f::2" : "192.0.2.2");
  std::vector<uint8_t> esp(100);
  base::store_be32(esp.data(), 0x1234abcd);
  std::vector<uint8_t> outer(300);
  if (udp) {
    outer.resize(wire::build_udp(
        outer,
        {.ip = {.src = local, .dst = remote}, .src_port = 50000, .dst_port = wire::kPortEspInUdp, .payload = esp}));
  } else {
    const size_t head = wire::build_ip_header(outer, {.src = local, .dst = remote}, protocol, esp.size());
    std::copy(esp.begin(), esp.end(), outer.begin() + static_cast<ptrdiff_t>(head));
    outer.resize(head + esp.size());
  }
  outer.resize(std::min(outer.size(), quoted));
  wire::IcmpErrorPacket packet;
  packet.link = wire::Link{};
  packet.src = ip(v6 ? "2001:db8:f::9" : "192.0.2.9");
  packet.type = v6 ? wire::kIcmpv6PacketTooBig : wire::kIcmpUnreachable;
  packet.code = v6 ? 0 : wire::kIcmpFragmentationNeeded;
  packet.mtu = mtu;
  packet.original = outer;
  std::vector<uint8_t> frame(600);
  frame.resize(wire::build_icmp_error(frame, packet));
  return frame;
}

TEST(PathMtu, WhatARouterSays) {
  for (const bool v6 : {false, true})
    for (const bool udp : {false, true}) {
      const auto told = parse_too_big(message(v6, udp, 1400, 1000));
      ASSERT_TRUE(told) << v6 << udp;
      EXPECT_EQ(told->local, ip(v6 ? "2001:db8:f::1" : "192.0.2.1"));
      EXPECT_EQ(told->remote, ip(v6 ? "2001:db8:f::2" : "192.0.2.2"));
      EXPECT_EQ(told->spi, 0x1234abcdu);
      EXPECT_EQ(told->mtu, 1400);
    }
}

TEST(PathMtu, NeverBelowWhatEveryLinkCarries) {
  EXPECT_EQ(parse_too_big(message(false, false, 0, 1000))->mtu, 576);
  EXPECT_EQ(parse_too_big(message(false, false, 68, 1000))->mtu, 576);
  EXPECT_EQ(parse_too_big(message(true, false, 100, 1000))->mtu, 1280);
  EXPECT_EQ(parse_too_big(message(true, false, 0xffffffff, 1000))->mtu, 65535);
}

TEST(PathMtu, WhatIsCutShortOrAboutSomethingElseIsNothing) {
  EXPECT_TRUE(parse_too_big(message(false, false, 1400, 28)));  // RFC 792: eight bytes are enough for an SPI
  EXPECT_FALSE(parse_too_big(message(false, true, 1400, 28)));  // but not behind UDP
  EXPECT_FALSE(parse_too_big(message(false, false, 1400, 1000, wire::kProtocolTcp)));
  EXPECT_FALSE(parse_too_big({}));
  for (const bool v6 : {false, true}) {
    const auto whole = message(v6, true, 1400, 1000);
    for (size_t length = 0; length < whole.size(); ++length)
      (void)parse_too_big({whole.data(), length});  // reads nothing beyond (under ASan)
    for (size_t at = 14; at < whole.size(); ++at)
      for (const uint8_t value : {0x00, 0xff}) {
        auto bent = whole;
        bent[at] = value;
        (void)parse_too_big(bent);
      }
  }
}

TEST(PathMtu, IsOnlyLoweredAndForgottenAfterTenMinutes) {
  PathMtus mtus;
  const auto a = ip("192.0.2.2"), b = ip("192.0.2.3");
  EXPECT_FALSE(mtus.learn(3, a, 1500, 1500, 0));
  EXPECT_TRUE(mtus.learn(3, a, 1400, 1500, 0));
  EXPECT_FALSE(mtus.learn(3, a, 1450, 1400, 0));
  EXPECT_TRUE(mtus.learn(3, b, 1300, 1500, kAge / 2));
  EXPECT_TRUE(mtus.learn(3, a, 1350, 1400, kAge / 2));
  EXPECT_EQ(mtus.of(3), (PathMtus::ByAddress{{a, 1350}, {b, 1300}}));
  EXPECT_FALSE(mtus.next_aged(kAge));
  EXPECT_EQ(mtus.next_aged(kAge + kAge / 2), 3);
  EXPECT_FALSE(mtus.next_aged(kAge + kAge / 2));
  EXPECT_TRUE(mtus.of(3).empty());
  EXPECT_TRUE(mtus.learn(3, a, 1400, 1500, 0));
  EXPECT_TRUE(mtus.learn(4, b, 1400, 1500, 0));
  mtus.keep({4});
  EXPECT_TRUE(mtus.of(3).empty());
  EXPECT_FALSE(mtus.of(4).empty());
}

}  // namespace
}  // namespace penstock::liveness
