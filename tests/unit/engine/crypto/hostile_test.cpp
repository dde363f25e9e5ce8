// What strangers send: every byte flipped, every length cut, replays and reordering against an oracle, padding and
// inner packets that only a holder of the key could have made wrong. Each refusal has the name it should.
#include <algorithm>
#include <random>
#include <set>

#include "esp_fixture.h"
#include "wire/checksum.h"

namespace penstock::crypto {
namespace {

constexpr Cipher kSome[] = {Cipher::kAesGcm128, Cipher::kAesCbc128Sha256, Cipher::kNullSha256};

CryptoDevice* device_for(Cipher cipher) {
  return device(traits_of(cipher).aead ? "crypto_aesni_gcm" : "crypto_aesni_mb");
}

class Hostile : public testing::TestWithParam<Cipher> {
 protected:
  CryptoDevice* device_ = device_for(GetParam());
  TestLane lane_{{device_}};
};

TEST_P(Hostile, AFlippedBitAnywhereIsRefusedByName) {
  for (const bool udp : {false, true}) {
    Tunnel t = tunnel_of({.cipher = GetParam(), .udp = udp}, {device_});
    const auto sealed = lane_.encrypt(*t.out, inner_packet(false, 90)).bytes;
    const size_t esp = 20 + (udp ? 8 : 0);
    for (size_t at = 0; at < sealed.size(); ++at)
      for (const uint8_t bit : {0x01, 0x80}) {
        auto forged = sealed;
        forged[at] ^= bit;
        const auto v = lane_.decrypt(*t.in, forged).verdict;
        if (at < 20) {
          EXPECT_EQ(v, EspVerdict::not_esp) << at << " " << to_string(v);
        } else if (at < esp) {
          // Ports, length and checksum of UDP are nothing ESP relies on; a wrong length is noticed.
          EXPECT_TRUE(v == EspVerdict::done || v == EspVerdict::replayed || v == EspVerdict::not_esp ||
                      v == EspVerdict::truncated_esp || v == EspVerdict::misaligned_esp ||
                      v == EspVerdict::failed_authentication)
              << at << " " << to_string(v);
        } else if (at < esp + 4) {
          EXPECT_EQ(v, EspVerdict::wrong_spi) << at << " " << to_string(v);
        } else {
          EXPECT_TRUE(v == EspVerdict::failed_authentication || v == EspVerdict::zero_sequence ||
                      v == EspVerdict::replayed || v == EspVerdict::too_old)
              << at << " " << to_string(v);
        }
      }
  }
}

TEST_P(Hostile, AForgeryMovesNeitherWindowNorLifetime) {
  Tunnel t = tunnel_of({.cipher = GetParam()}, {device_});
  auto sealed = lane_.encrypt(*t.out, inner_packet(false, 90)).bytes;
  auto forged = sealed;
  base::store_be32(&forged[24], 5000);
  EXPECT_EQ(lane_.decrypt(*t.in, forged).verdict, EspVerdict::failed_authentication);
  EXPECT_EQ(t.in->window().top(), 0u);
  EXPECT_EQ(lane_.decrypt(*t.in, sealed).verdict, EspVerdict::done);
}

TEST_P(Hostile, EveryTruncationIsRefused) {
  Tunnel t = tunnel_of({.cipher = GetParam(), .udp = true}, {device_});
  const auto sealed = lane_.encrypt(*t.out, inner_packet(false, 90)).bytes;
  for (size_t length = 0; length < sealed.size(); ++length) {
    std::vector<uint8_t> cut(sealed.begin(), sealed.begin() + static_cast<std::ptrdiff_t>(length));
    EXPECT_EQ(lane_.decrypt(*t.in, cut).verdict, EspVerdict::not_esp) << length;
    if (length < 28) continue;
    // The same with outer headers that tell the truth about it.
    base::store_be16(&cut[2], static_cast<uint16_t>(length));
    base::store_be16(&cut[24], static_cast<uint16_t>(length - 20));
    base::store_be16(&cut[10], 0);
    base::store_raw(&cut[10], wire::compute_ipv4_header(cut.data()));
    const auto v = lane_.decrypt(*t.in, cut).verdict;
    EXPECT_TRUE(v == EspVerdict::truncated_esp || v == EspVerdict::misaligned_esp ||
                v == EspVerdict::failed_authentication)
        << length << " " << to_string(v);
  }
}

TEST_P(Hostile, ReplaysAndReorderingAgreeWithTheOracle) {
  Tunnel t = tunnel_of({.cipher = GetParam(), .esn = true}, {device_}, (uint64_t{1} << 32) - 3000);
  // The receiver has kept up with the sender's past.
  ASSERT_EQ(t.in->window().mark((uint64_t{1} << 32) - 3001), ReplayWindow::Place::kNew);
  uint64_t top = (uint64_t{1} << 32) - 3001;
  std::set<uint64_t> seen{top};
  std::vector<std::pair<uint64_t, std::vector<uint8_t>>> sent;
  for (uint64_t n = 0; n < 6000; ++n)
    sent.emplace_back(top + 1 + n, lane_.encrypt(*t.out, inner_packet(false, 60)).bytes);
  std::mt19937 random(7);
  const uint64_t base = top + 1;
  for (int i = 0; i < 8000; ++i) {
    const auto centre = static_cast<int64_t>(i) * 6000 / 8000;
    const auto pick = std::clamp<int64_t>(centre + static_cast<int64_t>(random() % 3000) - 1500, 0, 5999);
    const auto& [sequence, bytes] = sent[static_cast<size_t>(pick)];
    ASSERT_EQ(sequence, base + static_cast<uint64_t>(pick));
    const auto v = lane_.decrypt(*t.in, bytes).verdict;
    if (sequence + 1024 <= top) {
      // With ESN a number below the window reads as one of the next subspace, and no key confirms that.
      ASSERT_EQ(v, EspVerdict::failed_authentication) << i;
    } else {
      ASSERT_EQ(v, seen.contains(sequence) ? EspVerdict::replayed : EspVerdict::done) << i << " " << to_string(v);
      seen.insert(sequence);
      top = std::max(top, sequence);
    }
  }
  EXPECT_GT(top, uint64_t{1} << 32) << "the test crosses into the second subspace";
}

TEST_P(Hostile, BothCopiesOfADuplicateInOneBurstAreNotBelieved) {
  Tunnel t = tunnel_of({.cipher = GetParam()}, {device_});
  const auto sealed = lane_.encrypt(*t.out, inner_packet(false, 90)).bytes;
  std::array<EspPacket, 2> burst;
  for (EspPacket& p : burst) {
    uint32_t spi = 0;
    p = {.packet = buffer_of(sealed), .sa = t.in.get()};
    ASSERT_EQ(find(p.packet, spi, p.place), EspVerdict::done);
  }
  lane_.decrypt(burst);
  EXPECT_EQ(burst[0].verdict, EspVerdict::done);
  EXPECT_EQ(burst[1].verdict, EspVerdict::replayed);
  for (EspPacket& p : burst) rte_pktmbuf_free(p.packet);
}

INSTANTIATE_TEST_SUITE_P(Ciphers, Hostile, testing::ValuesIn(kSome));

// What only the key's holder can send.
TEST(Inner, OutsideTheSelectorsIsRefusedAfterDecryption) {
  CryptoDevice* d = device("crypto_aesni_gcm");
  TestLane lane({d});
  auto out = OutboundSa::make(spec_of({}), std::vector{d});
  SaSpec spec = spec_of({}, true);
  Selector s;
  s.local = *base::Prefix::parse("10.2.0.0/16");
  s.remote = *base::Prefix::parse("10.1.0.0/24");
  s.protocol = wire::kProtocolUdp;
  s.local_ports = {53, 53};
  spec.selectors.push_back(s);
  auto in = InboundSa::make(std::move(spec), std::vector{d});
  ASSERT_TRUE(out.ok() && in.ok());
  auto inner = inner_packet(false, 80);
  EXPECT_EQ(lane.decrypt(**in, lane.encrypt(**out, inner).bytes).verdict, EspVerdict::done);
  inner[23] = 54;  // destination port
  EXPECT_EQ(lane.decrypt(**in, lane.encrypt(**out, inner).bytes).verdict, EspVerdict::selector_mismatch);
  EXPECT_EQ(lane.decrypt(**in, lane.encrypt(**out, inner_packet(true, 80)).bytes).verdict,
            EspVerdict::selector_mismatch);
  EXPECT_EQ((*in)->packets(EspVerdict::selector_mismatch), 2u);
}

TEST(Inner, EcnIsCombinedAndDscpKept) {
  CryptoDevice* d = device("crypto_aesni_gcm");
  TestLane lane({d});
  for (const bool v6 : {false, true})
    for (uint8_t inner_ecn = 0; inner_ecn < 4; ++inner_ecn)
      for (uint8_t outer_ecn = 0; outer_ecn < 4; ++outer_ecn) {
        Tunnel t = tunnel_of({}, {d});
        auto sealed = lane.encrypt(*t.out, inner_packet(v6, 80, static_cast<uint8_t>(46 << 2 | inner_ecn))).bytes;
        EXPECT_EQ(sealed[1], 46 << 2 | inner_ecn) << "copied outward (RFC 6040 4.1, RFC 4301 5.1.2.1)";
        sealed[1] = static_cast<uint8_t>(outer_ecn);
        base::store_be16(&sealed[10], 0);
        base::store_raw(&sealed[10], wire::compute_ipv4_header(sealed.data()));
        const auto opened = lane.decrypt(*t.in, sealed);
        // RFC 6040 figure 4, in words: CE outside wins, or loses a packet that cannot carry it; ECT(1) outside turns
        // ECT(0) inside.
        if (outer_ecn == 3 && inner_ecn == 0) {
          EXPECT_EQ(opened.verdict, EspVerdict::congestion_lost);
          continue;
        }
        uint8_t expected = inner_ecn;
        if (outer_ecn == 3) expected = 3;
        if (outer_ecn == 1 && inner_ecn == 2) expected = 1;
        EXPECT_EQ(opened.verdict, EspVerdict::done);
        EXPECT_EQ(opened.bytes, inner_packet(v6, 80, static_cast<uint8_t>(46 << 2 | expected)));
      }
}

TEST(Sas, LifetimesEndThemByName) {
  CryptoDevice* d = device("crypto_aesni_gcm");
  TestLane lane({d});
  SaSpec spec = spec_of({});
  spec.lifetime.soft_packets = 2;
  spec.lifetime.hard_packets = 3;
  spec.lifetime.hard_time = 1000;
  auto out = OutboundSa::make(std::move(spec), std::vector{d});
  ASSERT_TRUE(out.ok());
  const auto inner = inner_packet(false, 80);
  EXPECT_EQ(lane.encrypt(**out, inner, 999).verdict, EspVerdict::done);
  EXPECT_FALSE((*out)->wants_rekey(999));
  EXPECT_EQ(lane.encrypt(**out, inner, 1000).verdict, EspVerdict::lifetime_expired);
  EXPECT_EQ(lane.encrypt(**out, inner, 999).verdict, EspVerdict::done);
  EXPECT_TRUE((*out)->wants_rekey(999));
  EXPECT_EQ(lane.encrypt(**out, inner, 999).verdict, EspVerdict::done);
  const auto refused = lane.encrypt(**out, inner, 999);
  EXPECT_EQ(refused.verdict, EspVerdict::lifetime_expired);
  EXPECT_EQ(refused.bytes, inner) << "a refused packet is as it was";
}

TEST(Sas, TheSequenceStopsWellBeforeItCycles) {
  CryptoDevice* d = device("crypto_aesni_gcm");
  TestLane lane({d});
  const uint64_t last = 0xffffffff - kSequenceMargin;
  Tunnel t = tunnel_of({.esn = false}, {d}, last);
  EXPECT_EQ(lane.encrypt(*t.out, inner_packet(false, 80)).verdict, EspVerdict::done);
  EXPECT_EQ(lane.encrypt(*t.out, inner_packet(false, 80)).verdict, EspVerdict::sequence_exhausted);
}

TEST(Sas, AContinuedCountAsksForItsSuccessorInTime) {
  CryptoDevice* d = device("crypto_aesni_gcm");
  TestLane lane({d});
  // Without ESN: three quarters of the numbers are gone before the SA begins.
  const uint64_t numbers = (uint64_t{1} << 32) - kSequenceMargin;
  Tunnel late = tunnel_of({.esn = false}, {d}, numbers - numbers / 4);
  EXPECT_FALSE(late.out->wants_rekey(0));
  EXPECT_EQ(lane.encrypt(*late.out, inner_packet(false, 80)).verdict, EspVerdict::done);
  EXPECT_TRUE(late.out->wants_rekey(0));
  EXPECT_FALSE(OutboundSa::make(spec_of({}), std::vector{d}, 0).ok()) << "no packet has number 0";
}

TEST(Sas, ABurstOfManySasKeepsEachOnesOrder) {
  CryptoDevice* d = device("crypto_aesni_gcm");
  TestLane lane({d});
  std::vector<Tunnel> tunnels;
  for (int i = 0; i < 5; ++i) tunnels.push_back(tunnel_of({}, {d}));
  std::mt19937 random(11);
  for (int round = 0; round < 20; ++round) {
    std::vector<EspPacket> burst;
    for (int i = 0; i < 150; ++i)
      burst.push_back({.packet = buffer_of(inner_packet(false, 60 + random() % 9)),
                       .sa = tunnels[random() % tunnels.size()].out.get()});
    lane.encrypt(burst);
    std::map<Sa*, uint32_t> last;
    for (EspPacket& p : burst) {
      ASSERT_EQ(p.verdict, EspVerdict::done);
      const uint32_t sequence = base::load_be32(rte_pktmbuf_mtod_offset(p.packet, uint8_t*, 24));
      ASSERT_TRUE(!last.contains(p.sa) || sequence == last[p.sa] + 1);
      last[p.sa] = sequence;
      for (Tunnel& t : tunnels)
        if (t.out.get() == p.sa) p.sa = t.in.get();
      uint32_t spi = 0;
      ASSERT_EQ(find(p.packet, spi, p.place), EspVerdict::done);
    }
    lane.decrypt(burst);
    for (EspPacket& p : burst) {
      ASSERT_EQ(p.verdict, EspVerdict::done);
      rte_pktmbuf_free(p.packet);
    }
  }
}

// More than a queue holds: the rest comes back at once, as it was, and nothing of it in ESP's clothes.
TEST(Queues, WhatADeviceDoesNotTakeIsAsItWas) {
  rte_mempool* pool = rte_pktmbuf_pool_create("esp_many", 4095, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
  ASSERT_NE(pool, nullptr);
  for (const Cipher cipher : kSome) {
    CryptoDevice* d = device(traits_of(cipher).aead ? "crypto_aesni_gcm" : "crypto_aesni_mb", CryptoUse::kQueues);
    Tunnel t = tunnel_of({.cipher = cipher}, {d});
    auto made = EspLane::make({.queue_pair = 1, .capacity = 3000}, std::vector{d});
    ASSERT_TRUE(made.ok());
    EspLane& lane = **made;
    const auto fill = [&](Sa* sa, const std::vector<uint8_t>& bytes) {
      std::vector<EspPacket> burst;
      for (int i = 0; i < 2500; ++i) {
        rte_mbuf* m = rte_pktmbuf_alloc(pool);
        std::copy(bytes.begin(), bytes.end(),
                  reinterpret_cast<uint8_t*>(rte_pktmbuf_append(m, static_cast<uint16_t>(bytes.size()))));
        uint32_t spi = 0;
        burst.push_back({.packet = m, .sa = sa});
        if (sa == t.in.get()) find(m, spi, burst.back().place);
      }
      return burst;
    };
    const auto drain = [&] {
      std::vector<EspPacket> out(64), all;
      while (lane.in_flight() > 0)
        for (size_t i = 0, n = lane.collect(out, 0); i < n; ++i) all.push_back(out[i]);
      return all;
    };
    const auto inner = inner_packet(false, 77);
    const auto sealed = TestLane({d}).encrypt(*t.out, inner).bytes;
    for (const bool out : {true, false}) {
      Sa* sa = out ? static_cast<Sa*>(t.out.get()) : t.in.get();
      const auto& bytes = out ? inner : sealed;
      auto burst = fill(sa, bytes);
      out ? lane.encrypt(burst, 0) : lane.decrypt(burst, 0);
      size_t refused = 0;
      for (EspPacket& p : burst)
        if (p.verdict == EspVerdict::device_full) {
          ++refused;
          ASSERT_EQ(bytes_of(p.packet), bytes) << traits_of(cipher).name << " out " << out;
          rte_pktmbuf_free(p.packet);
        } else {
          ASSERT_EQ(p.verdict, EspVerdict::in_flight);
        }
      EXPECT_GT(refused, 400u);
      EXPECT_EQ(sa->packets(EspVerdict::device_full), refused);
      EXPECT_EQ(sa->in_flight(), 2500 - refused);
      for (EspPacket& p : drain()) rte_pktmbuf_free(p.packet);
      EXPECT_EQ(sa->in_flight(), 0u);
    }
    EXPECT_EQ(t.in->packets(EspVerdict::done), 1u) << "copies of one packet";
  }
  rte_mempool_free(pool);
}

TEST(Sas, NullNeedsItsFlag) {
  SaSpec spec = spec_of({.cipher = Cipher::kNullSha256});
  EXPECT_TRUE(check(spec).ok());
  spec.allow_cleartext_payload = false;
  EXPECT_FALSE(check(spec).ok());
}

TEST(Sas, SaysWhyNotABetterPath) {
  CryptoDevice* gcm = device("crypto_aesni_gcm");
  CryptoDevice* ssl = device("crypto_openssl");
  const std::vector both{gcm, ssl};
  auto fast = OutboundSa::make(spec_of({}), both);
  ASSERT_TRUE(fast.ok());
  EXPECT_EQ((*fast)->session().path(), CryptoPath::kCpu);
  EXPECT_EQ((*fast)->why_not_better(), "look-aside: no such device");
  auto slow = OutboundSa::make(spec_of({.cipher = Cipher::kAesCbc128Sha256}), both);
  ASSERT_TRUE(slow.ok());
  EXPECT_EQ((*slow)->session().device(), ssl);
  EXPECT_NE((*slow)->why_not_better().find("crypto_aesni_gcm_test does not offer"), std::string::npos);
}

}  // namespace
}  // namespace penstock::crypto
