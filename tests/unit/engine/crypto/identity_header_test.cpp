// The identity header: written and read, cut short at every byte, with every bit wrong; and inside ESP, where both
// sides agreed, one did, or none.
#include "engine/crypto/identity_header.h"

#include "esp_forger.h"

namespace penstock::crypto {
namespace {

std::vector<uint8_t> header(uint32_t identity, uint8_t next_header) {
  std::vector<uint8_t> out(kIdentityHeaderLength);
  write_identity(out.data(), identity, next_header);
  return out;
}

TEST(IdentityHeader, IsReadAsItWasWritten) {
  for (const uint32_t identity : {0u, 1u, 0x8000u, 0xffffffffu}) {
    for (const uint8_t next : {wire::kProtocolIpip, wire::kProtocolIpv6}) {
      const auto read = read_identity(header(identity, next));
      ASSERT_TRUE(read.has_value());
      EXPECT_EQ(read->identity, identity);
      EXPECT_EQ(read->next_header, next);
    }
  }
  EXPECT_EQ(header(0x01020304, 4), (std::vector<uint8_t>{0x10, 4, 0, 0, 1, 2, 3, 4})) << "as the picture has it";
}

TEST(IdentityHeader, CutShortItIsNone) {
  const auto whole = header(7, 4);
  for (size_t length = 0; length < whole.size(); ++length) {
    const std::vector<uint8_t> part(whole.begin(),
                                    whole.begin() + static_cast<ptrdiff_t>(length));  // of exactly this size
    EXPECT_FALSE(read_identity(part).has_value()) << length;
  }
}

TEST(IdentityHeader, EveryBitButTheNumbersMustBeRight) {
  for (size_t bit = 0; bit < 8 * kIdentityHeaderLength; ++bit) {
    auto bytes = header(7, 4);
    bytes[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
    EXPECT_EQ(read_identity(bytes).has_value(), bit >= 32) << bit;
  }
}

class IdentityInEsp : public testing::TestWithParam<Cipher> {
 protected:
  Outline outline_{.cipher = GetParam()};
  CryptoDevice* device_ = device("crypto_aesni_mb");
  TestLane lane_{{device_}};

  std::unique_ptr<OutboundSa> sender(bool identities) {
    SaSpec spec = spec_of(outline_);
    spec.identities = identities;
    auto sa = OutboundSa::make(std::move(spec), {{device_}});
    return std::move(*sa);
  }
  std::unique_ptr<InboundSa> receiver(bool identities) {
    SaSpec spec = spec_of(outline_, true);
    spec.identities = identities;
    auto sa = InboundSa::make(std::move(spec), {{device_}});
    return std::move(*sa);
  }
  // Through both; the number that arrives, when the verdict is done.
  EspVerdict pass(OutboundSa& out, InboundSa& in, const std::vector<uint8_t>& inner, uint32_t& identity) {
    EspPacket p{.packet = buffer_of(inner), .sa = &out, .identity = identity};
    lane_.encrypt({&p, 1});
    EXPECT_EQ(p.verdict, EspVerdict::done);
    p = {.packet = p.packet, .sa = &in};
    uint32_t spi = 0;
    EXPECT_EQ(find(p.packet, spi, p.place), EspVerdict::done);
    lane_.decrypt({&p, 1});
    if (p.verdict == EspVerdict::done) {
      EXPECT_EQ(bytes_of(p.packet), inner);
    }
    rte_pktmbuf_free(p.packet);
    identity = p.identity;
    return p.verdict;
  }
};

TEST_P(IdentityInEsp, TheNumberArrivesWithEveryPacket) {
  const auto out = sender(true);
  const auto in = receiver(true);
  for (const bool v6 : {false, true}) {
    for (size_t length = 48; length <= out->inner_mtu(); length += 61) {
      uint32_t identity = static_cast<uint32_t>(length * 0x01010101u);
      const uint32_t sent = identity;
      ASSERT_EQ(pass(*out, *in, inner_packet(v6, length), identity), EspVerdict::done) << length;
      EXPECT_EQ(identity, sent);
    }
    uint32_t identity = 1;
    EXPECT_EQ(pass(*out, *in, inner_packet(v6, out->inner_mtu()), identity), EspVerdict::done);
  }
}

TEST_P(IdentityInEsp, TheHeaderIsPartOfThePathMtu) {
  const auto with = sender(true), without = sender(false);
  EXPECT_EQ(with->inner_mtu() + kIdentityHeaderLength, without->inner_mtu());
  const auto sealed = lane_.encrypt(*with, inner_packet(false, with->inner_mtu()));
  ASSERT_EQ(sealed.verdict, EspVerdict::done);
  EXPECT_LE(sealed.bytes.size(), outline_.mtu);
}

TEST_P(IdentityInEsp, OneSideAloneIsRefusedByName) {
  const auto with_out = sender(true), without_out = sender(false);
  const auto with_in = receiver(true), without_in = receiver(false);
  uint32_t identity = 5;
  EXPECT_EQ(pass(*with_out, *without_in, inner_packet(false, 100), identity), EspVerdict::identity_unexpected);
  identity = 5;
  EXPECT_EQ(pass(*without_out, *with_in, inner_packet(false, 100), identity), EspVerdict::identity_missing);
  identity = 5;
  const auto other_in = receiver(false);
  EXPECT_EQ(pass(*without_out, *other_in, inner_packet(false, 100), identity), EspVerdict::done);
  EXPECT_EQ(identity, 0u) << "none came along";
}

INSTANTIATE_TEST_SUITE_P(Ciphers, IdentityInEsp, testing::Values(Cipher::kAesGcm128, Cipher::kAesCbc256Sha256));

TEST(IdentityForged, WhatAHolderOfTheKeyMaySendWrong) {
  const Outline outline{.cipher = Cipher::kAesGcm128, .esn = true};
  CryptoDevice* gcm = device("crypto_aesni_gcm");
  TestLane lane{{gcm}};
  Forger forger{gcm, outline};
  SaSpec spec = spec_of(outline, true);
  spec.identities = true;
  const auto made = InboundSa::make(std::move(spec), {{gcm}});
  ASSERT_TRUE(made.ok());
  uint64_t sequence = 0;
  const auto receive = [&](std::vector<uint8_t> payload, uint8_t next_header) {
    return lane.decrypt(**made, forger.packet(++sequence, trailed(payload, next_header))).verdict;
  };
  const auto behind = [](std::vector<uint8_t> first, const std::vector<uint8_t>& inner) {
    first.insert(first.end(), inner.begin(), inner.end());
    return first;
  };
  const auto inner = inner_packet(false, 62);
  EXPECT_EQ(receive(behind(header(9, 4), inner), kProtocolIdentity), EspVerdict::done);
  for (size_t length = 0; length < kIdentityHeaderLength; ++length) {  // every truncation
    auto cut = header(9, 4);
    cut.resize(length);
    EXPECT_EQ(receive(cut, kProtocolIdentity), EspVerdict::identity_malformed) << length;
  }
  EXPECT_EQ(receive(header(9, 4), kProtocolIdentity), EspVerdict::malformed_inner) << "nothing behind it";
  EXPECT_EQ(receive(behind(header(9, 41), inner), kProtocolIdentity), EspVerdict::malformed_inner);
  EXPECT_EQ(receive(behind(header(9, 6), inner), kProtocolIdentity), EspVerdict::identity_malformed);
  EXPECT_EQ(receive(behind(header(9, kProtocolIdentity), behind(header(8, 4), inner)), kProtocolIdentity),
            EspVerdict::identity_malformed)
      << "one in another";
  for (unsigned next = 0; next < 256; ++next) {
    if (next == kProtocolIdentity) continue;
    EXPECT_EQ(receive(inner, static_cast<uint8_t>(next)), next == 59 ? EspVerdict::dummy : EspVerdict::identity_missing)
        << next;
  }
}

}  // namespace
}  // namespace penstock::crypto
