// The outside of a tunnel: what its header takes from the inner one (RFC 4301 §5.1.2, RFC 6040 §4.1), what is refused
// before sealing, and everything that a stranger may put around ESP (RFC 4303 §3.4.1, RFC 3948, RFC 8200).
#include "esp_forger.h"
#include "wire/checksum.h"
#include "wire/parse.h"

namespace penstock::crypto {
namespace {

CryptoDevice* gcm() { return device("crypto_aesni_gcm"); }

std::unique_ptr<OutboundSa> outbound(SaSpec spec) {
  auto made = OutboundSa::make(std::move(spec), std::vector{gcm()});
  EXPECT_TRUE(made.ok());
  return std::move(*made);
}

std::vector<uint8_t> summed(std::vector<uint8_t> ip) {
  base::store_be16(&ip[10], 0);
  base::store_raw(&ip[10], wire::compute_ipv4_header(ip.data()));
  return ip;
}

wire::Headers headers_of(const std::vector<uint8_t>& packet) {
  wire::Headers h;
  EXPECT_EQ(wire::parse_ip(packet, wire::Whole::kYes, wire::Ipv4Checksum::kVerify, h), wire::ParseError::kNone);
  return h;
}

TEST(Outer, DscpEcnAndHopLimitFollowTheSpec) {
  TestLane lane({gcm()});
  for (const bool outer_v6 : {false, true})
    for (const bool inner_v6 : {false, true})
      for (const DscpPolicy policy : {DscpPolicy::kCopy, DscpPolicy::kFixed})
        for (const EcnMode mode : {EcnMode::kNormal, EcnMode::kCompatible}) {
          SaSpec spec = spec_of({.outer_v6 = outer_v6});
          spec.dscp_policy = policy;
          spec.dscp = 10;
          spec.ecn = mode;
          spec.hop_limit = 200;
          const auto sa = outbound(std::move(spec));
          for (const uint8_t dscp : {0, 46, 63})
            for (uint8_t ecn = 0; ecn < 4; ++ecn) {
              const auto inner = inner_packet(inner_v6, 80, static_cast<uint8_t>(dscp << 2 | ecn));
              const auto h = headers_of(lane.encrypt(*sa, inner).bytes);
              ASSERT_EQ(h.traffic_class >> 2, policy == DscpPolicy::kCopy ? dscp : 10);
              ASSERT_EQ(h.traffic_class & 3, mode == EcnMode::kNormal ? ecn : 0);
              ASSERT_EQ(h.hop_limit, 200) << "constructed, not the inner one's";
            }
        }
}

TEST(Outer, DontFragmentFollowsThePolicy) {
  TestLane lane({gcm()});
  for (const DfPolicy policy : {DfPolicy::kCopy, DfPolicy::kSet, DfPolicy::kClear}) {
    SaSpec spec = spec_of({});
    spec.df = policy;
    const auto sa = outbound(std::move(spec));
    for (const bool inner_df : {false, true}) {
      auto inner = inner_packet(false, 80);
      inner[6] = inner_df ? 0x40 : 0;
      inner = summed(inner);
      const auto h = headers_of(lane.encrypt(*sa, inner).bytes);
      const bool expected = policy == DfPolicy::kSet || (policy == DfPolicy::kCopy && inner_df);
      EXPECT_EQ(h.is(wire::kDontFragment), expected);
      EXPECT_EQ(h.fragment_id != 0, !expected) << "an identification only where fragments may arise (RFC 6864 4)";
      inner.resize(sa->inner_mtu() + 1u);
      base::store_be16(&inner[2], static_cast<uint16_t>(inner.size()));
      EXPECT_EQ(lane.encrypt(*sa, summed(inner)).verdict,
                inner_df ? EspVerdict::too_big : EspVerdict::needs_fragmentation);
    }
    const auto v6 = headers_of(lane.encrypt(*sa, inner_packet(true, 80)).bytes);
    EXPECT_EQ(v6.is(wire::kDontFragment), policy != DfPolicy::kClear) << "IPv6 inside counts as set";
  }
}

TEST(Outer, WhatCannotBeSealedIsAsItWas) {
  const auto sa = outbound(spec_of({}));
  TestLane lane({gcm()});
  const auto inner = inner_packet(false, 80);
  const auto refuse = [&](EspVerdict expected, auto change) {
    EspPacket p{.packet = buffer_of(inner), .sa = sa.get()};
    const uint16_t room = p.packet->buf_len;
    change(p.packet);
    const auto before = bytes_of(p.packet);
    lane.encrypt({&p, 1});
    EXPECT_EQ(p.verdict, expected) << to_string(p.verdict);
    EXPECT_EQ(bytes_of(p.packet), before);
    p.packet->buf_len = room;  // the pool does not put it right
    while (rte_mbuf_refcnt_read(p.packet) > 1) rte_mbuf_refcnt_update(p.packet, -1);
    rte_pktmbuf_free(p.packet);
  };
  refuse(EspVerdict::shared_buffer, [](rte_mbuf* m) { rte_mbuf_refcnt_update(m, 1); });
  refuse(EspVerdict::pending_offload, [](rte_mbuf* m) { m->ol_flags |= RTE_MBUF_F_TX_IP_CKSUM; });
  refuse(EspVerdict::no_headroom, [](rte_mbuf* m) {
    std::memmove(static_cast<uint8_t*>(m->buf_addr) + 35, rte_pktmbuf_mtod(m, void*), m->data_len);
    m->data_off = 35;  // 20 + 8 + 8 are needed
  });
  refuse(EspVerdict::no_tailroom,
         [](rte_mbuf* m) { m->buf_len = static_cast<uint16_t>(m->data_off + m->data_len + 17); });
  refuse(EspVerdict::malformed_inner, [](rte_mbuf* m) { rte_pktmbuf_trim(m, 1); });
  EXPECT_EQ(sa->sequence(), 1u) << "no number was spent";
}

// Everything below is refused by find_esp(), before any SA is asked.
EspVerdict found(const std::vector<uint8_t>& packet) {
  rte_mbuf* m = buffer_of(packet);
  uint32_t spi = 0;
  EspPlace place;
  const EspVerdict v = find(m, spi, place);
  EXPECT_EQ(bytes_of(m), packet);
  rte_pktmbuf_free(m);
  return v;
}

std::vector<uint8_t> in_udp(const std::vector<uint8_t>& payload) {
  std::vector<uint8_t> udp(8);
  base::store_be16(&udp[0], 4500);
  base::store_be16(&udp[2], 4500);
  base::store_be16(&udp[4], static_cast<uint16_t>(8 + payload.size()));
  udp.insert(udp.end(), payload.begin(), payload.end());
  return in_outer(udp, wire::kProtocolUdp);
}

TEST(Find, UdpThatIsNoEsp) {
  EXPECT_EQ(found(in_udp({0xff})), EspVerdict::nat_keepalive);
  EXPECT_EQ(found(in_udp({0xfe})), EspVerdict::truncated_esp) << "a byte, but not the keepalive's";
  EXPECT_EQ(found(in_udp({0xff, 0xff})), EspVerdict::truncated_esp);
  EXPECT_EQ(found(in_udp({})), EspVerdict::truncated_esp);
  EXPECT_EQ(found(in_udp({0, 0, 0})), EspVerdict::truncated_esp);
  EXPECT_EQ(found(in_udp({0, 0, 0, 0})), EspVerdict::non_esp_marker);
  EXPECT_EQ(found(in_udp(std::vector<uint8_t>(40))), EspVerdict::non_esp_marker);
  for (size_t n = 4; n < 8; ++n) EXPECT_EQ(found(in_udp(std::vector<uint8_t>(n, 1))), EspVerdict::truncated_esp);
  EXPECT_EQ(found(in_udp(std::vector<uint8_t>(8, 1))), EspVerdict::done);
  EXPECT_EQ(found(in_outer(std::vector<uint8_t>(8))), EspVerdict::done) << "SPI 0 is a marker in UDP only";
  EXPECT_EQ(found(in_outer(std::vector<uint8_t>(40), 6)), EspVerdict::not_esp);
  EXPECT_EQ(found(in_outer(std::vector<uint8_t>(40), 51)), EspVerdict::not_esp) << "AH";
}

TEST(Find, FragmentsAreRefusedFirstAndLaterOnes) {
  const auto esp = in_outer(std::vector<uint8_t>(64, 1));
  for (const uint16_t field : {0x2000, 0x0008, 0x2008}) {
    auto fragment = esp;
    base::store_be16(&fragment[6], field);
    EXPECT_EQ(found(summed(fragment)), EspVerdict::outer_fragment) << field;
  }
}

std::vector<uint8_t> v6_around(uint8_t next, const std::vector<uint8_t>& rest) {
  std::vector<uint8_t> packet(40);
  const wire::Ip ip{.src = address("2001:db8:1::1"), .dst = address("2001:db8:2::2")};
  EXPECT_EQ(wire::build_ip_header(packet, ip, next, rest.size()), 40u);
  packet.insert(packet.end(), rest.begin(), rest.end());
  return packet;
}

TEST(Find, Ipv6ExtensionHeadersOutside) {
  Forger forger(gcm(), {.outer_v6 = true});
  auto made = InboundSa::make(spec_of({.outer_v6 = true}, true), std::vector{gcm()});
  ASSERT_TRUE(made.ok());
  TestLane lane({gcm()});
  const auto inner = inner_packet(true, 80);
  const std::vector<uint8_t> options{50, 0, 1, 4, 0, 0, 0, 0};  // next: ESP; PadN
  uint64_t sequence = 0;
  for (const uint8_t header : {0, 60}) {
    auto rest = options;
    const auto esp = forger.esp(++sequence, trailed(inner, 41));
    rest.insert(rest.end(), esp.begin(), esp.end());
    const auto opened = lane.decrypt(**made, v6_around(header, rest));
    EXPECT_EQ(opened.verdict, EspVerdict::done) << unsigned{header} << " " << to_string(opened.verdict);
    EXPECT_EQ(opened.bytes, inner);
  }
  // RFC 6946: fragment 0 of 1 is whole; any other is not.
  std::vector<uint8_t> fragment{50, 0, 0, 0, 1, 2, 3, 4};
  const auto esp = forger.esp(++sequence, trailed(inner, 41));
  fragment.insert(fragment.end(), esp.begin(), esp.end());
  EXPECT_EQ(found(v6_around(44, fragment)), EspVerdict::done);
  fragment.resize(8 + 64);
  fragment[3] = 1;
  EXPECT_EQ(found(v6_around(44, fragment)), EspVerdict::outer_fragment);
  fragment[3] = 8;
  EXPECT_EQ(found(v6_around(44, fragment)), EspVerdict::outer_fragment);
  EXPECT_EQ(found(v6_around(60, {50, 9, 0, 0})), EspVerdict::not_esp) << "a chain beyond the packet";
}

TEST(Find, EncapsulationMustBeTheAgreedOne) {
  TestLane lane({gcm()});
  for (const bool agreed : {false, true}) {
    Tunnel t = tunnel_of({.udp = agreed}, {gcm()});
    Tunnel other = tunnel_of({.udp = !agreed}, {gcm()});
    const auto sealed = lane.encrypt(*other.out, inner_packet(false, 80)).bytes;
    const auto refused = lane.decrypt(*t.in, sealed);
    EXPECT_EQ(refused.verdict, EspVerdict::wrong_encapsulation);
    EXPECT_EQ(refused.bytes, sealed);
  }
}

}  // namespace
}  // namespace penstock::crypto
