// What a holder of the key may send wrong, and what a stranger may send around the ICV: padding, next header, inner
// packets of every kind (RFC 4303 §2.4 to §2.7), tags of wrong bits and lengths, high halves of sequence numbers.
#include <random>

#include "esp_forger.h"
#include "wire/checksum.h"

namespace penstock::crypto {
namespace {

class BehindIcv : public testing::TestWithParam<std::tuple<Cipher, bool>> {
 protected:
  Cipher cipher_ = std::get<0>(GetParam());
  Outline outline_{.cipher = cipher_, .esn = std::get<1>(GetParam())};
  CryptoDevice* device_ = device(traits_of(cipher_).aead ? "crypto_aesni_gcm" : "crypto_aesni_mb");
  TestLane lane_{{device_}};
  Forger forger_{device_, outline_};
  std::unique_ptr<InboundSa> sa_ = tunnel_of(outline_, {device_}).in;
  uint64_t sequence_ = 0;

  Outcome receive(const std::vector<uint8_t>& clear) { return lane_.decrypt(*sa_, forger_.packet(++sequence_, clear)); }
};

TEST_P(BehindIcv, PaddingOfEveryLengthIsTakenOff) {
  const auto inner = inner_packet(false, 62);
  for (size_t n = 0; n <= 255; n += 4) {
    const auto opened = receive(trailed(inner, 4, counting(n)));
    ASSERT_EQ(opened.verdict, EspVerdict::done) << n;
    ASSERT_EQ(opened.bytes, inner);
  }
}

TEST_P(BehindIcv, PaddingWithOneWrongByteIsRefused) {
  const auto inner = inner_packet(false, 62);
  for (const size_t n : {4u, 16u, 252u})
    for (size_t wrong = 0; wrong < n; ++wrong) {
      auto padding = counting(n);
      padding[wrong] ^= static_cast<uint8_t>(1 + wrong % 255);
      ASSERT_EQ(receive(trailed(inner, 4, padding)).verdict, EspVerdict::bad_padding) << n << " " << wrong;
    }
  EXPECT_EQ(receive(trailed(inner, 4, {0, 0, 0, 0})).verdict, EspVerdict::bad_padding);
  EXPECT_EQ(receive(trailed(inner, 4, {4, 4, 4, 4})).verdict, EspVerdict::bad_padding) << "as CBC in TLS has it";
}

TEST_P(BehindIcv, PadLengthBeyondThePayloadIsRefused) {
  for (size_t payload = 2; payload <= 66; payload += 4)
    for (const size_t beyond : {1u, 2u, 100u}) {
      auto clear = trailed(counting(payload), 4, {});
      clear[payload] = static_cast<uint8_t>(payload + beyond);
      ASSERT_EQ(receive(clear).verdict, EspVerdict::bad_padding) << payload << " " << beyond;
    }
  EXPECT_EQ(receive(trailed({}, 4, counting(2))).verdict, EspVerdict::malformed_inner) << "nothing but padding";
}

TEST_P(BehindIcv, EveryNextHeaderHasItsVerdict) {
  for (const bool v6 : {false, true})
    for (unsigned next = 0; next < 256; ++next) {
      const auto v = receive(trailed(inner_packet(v6, 62), static_cast<uint8_t>(next))).verdict;
      EspVerdict expected = EspVerdict::bad_next_header;
      if (next == 59) expected = EspVerdict::dummy;
      if (next == 253) expected = EspVerdict::identity_unexpected;
      if (next == 4 || next == 41) expected = (next == 41) == v6 ? EspVerdict::done : EspVerdict::malformed_inner;
      ASSERT_EQ(v, expected) << next << " " << to_string(v);
    }
  EXPECT_EQ(receive(trailed({}, 59)).verdict, EspVerdict::dummy) << "a dummy needs no payload";
}

// RFC 4303 §2.7: TFC padding follows a datagram whose own length tells where it ends. Whatever it holds is dropped with
// it: it is no part of the datagram, and forwarding it would leak what the sender's memory held.
TEST_P(BehindIcv, TfcPaddingBehindTheDatagramIsCutOff) {
  for (const bool v6 : {false, true})
    for (const size_t more : {1u, 3u, 64u, 1000u}) {
      const auto inner = inner_packet(v6, 62);
      auto padded = inner;
      padded.resize(inner.size() + more, 0xa7);
      const auto opened = receive(trailed(padded, v6 ? 41 : 4));
      ASSERT_EQ(opened.verdict, EspVerdict::done) << more;
      ASSERT_EQ(opened.bytes, inner);
    }
}

TEST_P(BehindIcv, InnerPacketsThatAreNoneAreRefused) {
  const auto good = inner_packet(false, 62);
  const auto refuse = [&](const std::vector<uint8_t>& inner, uint8_t next, const char* why) {
    EXPECT_EQ(receive(trailed(inner, next)).verdict, EspVerdict::malformed_inner) << why;
  };
  const auto summed = [](std::vector<uint8_t> ip) {
    base::store_be16(&ip[10], 0);
    base::store_raw(&ip[10], wire::compute_ipv4_header(ip.data()));
    return ip;
  };
  for (size_t cut = 0; cut < good.size(); ++cut)
    refuse({good.begin(), good.begin() + static_cast<long>(cut)}, 4, "cut");
  auto bad = good;
  bad[10] ^= 1;
  refuse(bad, 4, "header checksum");
  bad = good;
  base::store_be16(&bad[2], static_cast<uint16_t>(good.size() + 1));
  refuse(summed(bad), 4, "one byte longer than what was decrypted: it would take in the padding");
  base::store_be16(&bad[2], 0xffff);
  refuse(summed(bad), 4, "far longer");
  base::store_be16(&bad[2], 19);
  refuse(summed(bad), 4, "shorter than its header");
  bad = good;
  bad[0] = 0x44;
  refuse(bad, 4, "header of 16 bytes");
  bad = inner_packet(true, 62);
  base::store_be16(&bad[4], 23);
  refuse(bad, 41, "IPv6 payload longer than what was decrypted");
  std::mt19937 random(3);
  for (int i = 0; i < 500; ++i) {
    std::vector<uint8_t> noise(random() % 200);
    for (uint8_t& byte : noise) byte = static_cast<uint8_t>(random());
    refuse(noise, i % 2 ? 4 : 41, "noise");
  }
  EXPECT_EQ(receive(trailed(good, 4)).verdict, EspVerdict::done) << "and the SA goes on";
}

TEST_P(BehindIcv, EveryBitOfTheTagCounts) {
  const auto packet = forger_.packet(1, trailed(inner_packet(false, 62), 4));
  for (size_t bit = 0; bit < 8 * kIcvLength; ++bit) {
    auto forged = packet;
    forged[packet.size() - kIcvLength + bit / 8] ^= static_cast<uint8_t>(1u << bit % 8);
    ASSERT_EQ(lane_.decrypt(*sa_, forged).verdict, EspVerdict::failed_authentication) << bit;
  }
  for (const uint8_t all : {0x00, 0xff}) {
    auto forged = packet;
    std::fill(forged.end() - kIcvLength, forged.end(), all);
    ASSERT_EQ(lane_.decrypt(*sa_, forged).verdict, EspVerdict::failed_authentication);
  }
  EXPECT_EQ(lane_.decrypt(*sa_, packet).verdict, EspVerdict::done);
}

TEST_P(BehindIcv, ATagOfAnotherLengthIsNoTag) {
  const auto esp = forger_.esp(1, trailed(inner_packet(false, 62), 4));
  for (int change = -16; change <= 16; ++change) {
    if (change == 0) continue;
    auto forged = esp;
    forged.resize(static_cast<size_t>(static_cast<int>(esp.size()) + change), 0);
    const auto v = lane_.decrypt(*sa_, in_outer(forged)).verdict;
    ASSERT_EQ(v, change % 4 == 0 ? EspVerdict::failed_authentication : EspVerdict::misaligned_esp) << change;
  }
}

TEST_P(BehindIcv, TheHighHalfOfTheSequenceIsAuthenticated) {
  const auto clear = trailed(inner_packet(false, 62), 4);
  const auto v = lane_.decrypt(*sa_, forger_.packet((uint64_t{1} << 32) + 1, clear)).verdict;
  EXPECT_EQ(v, outline_.esn ? EspVerdict::failed_authentication : EspVerdict::done);
  if (!outline_.esn) return;
  EXPECT_EQ(sa_->window().top(), 0u);
  // A peer without ESN is another peer.
  Forger other(device_, {.cipher = cipher_, .esn = false});
  EXPECT_EQ(lane_.decrypt(*sa_, other.packet(1, clear)).verdict, EspVerdict::failed_authentication);
}

INSTANTIATE_TEST_SUITE_P(Ciphers, BehindIcv,
                         testing::Combine(testing::Values(Cipher::kAesGcm128, Cipher::kNullSha256), testing::Bool()));

}  // namespace
}  // namespace penstock::crypto
