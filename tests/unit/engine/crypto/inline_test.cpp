// ESP whose cipher a NIC does: what is sealed is in clear until the NIC has it, what the NIC opened is judged as ever,
// and the CPU understands both, as it encrypts with code of its own.
#include <algorithm>

#include "engine/crypto/esp_inline.h"
#include "unit/engine/crypto/esp_fixture.h"

namespace penstock::crypto {
namespace {

constexpr uint16_t kPort = 3;
constexpr uint16_t kEthernet = 14;

std::unique_ptr<InlinePort> nic(FakeInlineSettings settings = {}) {
  auto made = InlinePort::of_fake(kPort, "nic0", 1, FakeInline::make(settings));
  EXPECT_TRUE(made.ok()) << made.error();
  return made.ok() ? std::move(*made) : nullptr;
}

class Inline : public testing::TestWithParam<std::tuple<Cipher, bool, bool>> {
 protected:
  Outline outline() const {
    return {.cipher = std::get<0>(GetParam()), .esn = std::get<1>(GetParam()), .outer_v6 = std::get<2>(GetParam())};
  }
  void SetUp() override { begin({}); }
  void begin(const FakeInlineSettings& settings, uint64_t first = 1) {
    forget();
    port_ = nic(settings);
    tunnel_ = tunnel_of(outline(), {cpu_}, first);
    auto out = port_->make_session(tunnel_.out->spec(), Direction::kOutbound);
    ASSERT_TRUE(out.ok()) << out.error();
    out_ = *out;
    if (outline().esn) return;  // the CPU opens what comes
    auto in = port_->make_session(tunnel_.in->spec(), Direction::kInbound);
    ASSERT_TRUE(in.ok()) << in.error();
    in_ = *in;
  }
  void forget() {
    out_.reset();
    in_.reset();
    tunnel_ = {};
    port_.reset();
  }
  void TearDown() override {
    forget();
    EXPECT_EQ(rte_mempool_in_use_count(packet_pool()), 0u);
  }

  // As the stages do.
  EspPacket sealed(const std::vector<uint8_t>& inner) {
    EspPacket p{.packet = buffer_of(inner), .sa = tunnel_.out.get()};
    EXPECT_TRUE(seal(*tunnel_.out, *out_, p, kEthernet, 0));
    EXPECT_EQ(p.verdict, EspVerdict::done);
    rte_pktmbuf_prepend(p.packet, kEthernet);
    auto* ethernet = rte_pktmbuf_mtod(p.packet, uint8_t*);
    std::memset(ethernet, 0, kEthernet);
    base::store_be16(ethernet + 12, outline().outer_v6 ? 0x86dd : 0x0800);
    return p;
  }
  std::vector<uint8_t> sent(const std::vector<uint8_t>& inner) {
    EspPacket p = sealed(inner);
    port_->fake()->transmit(p.packet);
    return freed(p.packet);
  }
  static std::vector<uint8_t> freed(rte_mbuf* m) {
    std::vector<uint8_t> frame = bytes_of(m);
    rte_pktmbuf_free(m);
    return frame;
  }
  static std::vector<uint8_t> datagram(const std::vector<uint8_t>& frame) {
    return {frame.begin() + kEthernet, frame.end()};
  }
  std::vector<uint8_t> framed(const std::vector<uint8_t>& outer) const {
    std::vector<uint8_t> frame(kEthernet);
    base::store_be16(&frame[12], outline().outer_v6 ? 0x86dd : 0x0800);
    frame.insert(frame.end(), outer.begin(), outer.end());
    return frame;
  }
  struct Opened {
    EspVerdict verdict;
    uint64_t flags;
    std::vector<uint8_t> bytes;
  };
  Opened received(const std::vector<uint8_t>& frame) {
    EspPacket p{.packet = buffer_of(frame), .sa = tunnel_.in.get()};
    p.packet->ol_flags = 0;
    port_->fake()->receive(p.packet);
    Opened opened{EspVerdict::done, p.packet->ol_flags, {}};
    rte_pktmbuf_adj(p.packet, kEthernet);
    uint32_t spi = 0;
    opened.verdict = find(p.packet, spi, p.place);
    if (opened.verdict == EspVerdict::done && (opened.flags & RTE_MBUF_F_RX_SEC_OFFLOAD) != 0) {
      unseal(*tunnel_.in, p, (opened.flags & RTE_MBUF_F_RX_SEC_OFFLOAD_FAILED) != 0, 0);
      opened.verdict = p.verdict;
    } else if (opened.verdict == EspVerdict::done) {
      lane_.decrypt({&p, 1});
      opened.verdict = p.verdict;
    }
    opened.bytes = freed(p.packet);
    return opened;
  }

  CryptoDevice* cpu_ = device("crypto_aesni_mb");
  TestLane lane_{{cpu_}};
  std::unique_ptr<InlinePort> port_;
  Tunnel tunnel_;
  std::shared_ptr<const InlineSession> out_, in_;
};

TEST_P(Inline, WhatTheNicEncryptsTheCpuDecrypts) {
  for (size_t length : {28u, 29u, 30u, 31u, 100u, 1400u}) {
    const auto inner = inner_packet(false, length);
    const auto frame = sent(inner);
    const Outcome opened = lane_.decrypt(*tunnel_.in, datagram(frame));
    EXPECT_EQ(opened.verdict, EspVerdict::done) << length;
    EXPECT_EQ(opened.bytes, inner) << length;
  }
  EXPECT_EQ(tunnel_.out->packets(EspVerdict::done), 6u);
  EXPECT_EQ(port_->fake()->encrypted(), 6u);
}

TEST_P(Inline, WhatTheCpuEncryptsTheNicDecrypts) {
  for (bool v6 : {false, true}) {
    const auto inner = inner_packet(v6, 300);
    const Outcome closed = lane_.encrypt(*tunnel_.out, inner);
    ASSERT_EQ(closed.verdict, EspVerdict::done);
    const Opened opened = received(framed(closed.bytes));
    EXPECT_EQ((opened.flags & RTE_MBUF_F_RX_SEC_OFFLOAD) != 0, !outline().esn);
    EXPECT_EQ(opened.verdict, EspVerdict::done);
    EXPECT_EQ(opened.bytes, inner);
  }
  EXPECT_EQ(tunnel_.in->packets(EspVerdict::done), 2u);
}

// The order of both roads is one: a sequence number each, never twice.
TEST_P(Inline, BothRoadsShareTheSequenceNumbersAndTheWindow) {
  const auto inner = inner_packet(false, 64);
  const auto first = sent(inner);
  const Outcome second = lane_.encrypt(*tunnel_.out, inner);
  const auto third = sent(inner);
  const size_t at = kEthernet + (outline().outer_v6 ? 40 : 20) + 4;
  EXPECT_EQ(base::load_be32(&first[at]), 1u);
  EXPECT_EQ(base::load_be32(&second.bytes[at - kEthernet]), 2u);
  EXPECT_EQ(base::load_be32(&third[at]), 3u);
  EXPECT_EQ(received(third).verdict, EspVerdict::done);
  EXPECT_EQ(lane_.decrypt(*tunnel_.in, datagram(first)).verdict, EspVerdict::done);
  EXPECT_EQ(received(first).verdict, EspVerdict::replayed);
  EXPECT_EQ(lane_.decrypt(*tunnel_.in, datagram(third)).verdict, EspVerdict::replayed);
  EXPECT_EQ(received(framed(second.bytes)).verdict, EspVerdict::done);
}

TEST_P(Inline, AForgedPacketIsNamedAndMovesNothing) {
  auto frame = sent(inner_packet(false, 200));
  auto forged = frame;
  forged[forged.size() - 40] ^= 1;
  const Opened refused = received(forged);
  EXPECT_EQ((refused.flags & RTE_MBUF_F_RX_SEC_OFFLOAD_FAILED) != 0, !outline().esn);
  EXPECT_EQ(refused.verdict, EspVerdict::failed_authentication);
  EXPECT_EQ(tunnel_.in->packets(EspVerdict::failed_authentication), 1u);
  EXPECT_EQ(received(frame).verdict, EspVerdict::done) << "the window has not moved";
}

TEST_P(Inline, WithoutMarkOrMetadataItLeavesInClear) {
  const auto inner = inner_packet(false, 200);
  const std::vector<uint8_t> payload(inner.begin() + 28, inner.end());
  const auto shows = [&](const std::vector<uint8_t>& frame) {
    return std::search(frame.begin(), frame.end(), payload.begin(), payload.end()) != frame.end();
  };
  EXPECT_FALSE(shows(sent(inner)));
  EspPacket unmarked = sealed(inner);
  unmarked.packet->ol_flags = 0;
  port_->fake()->transmit(unmarked.packet);
  EXPECT_TRUE(shows(freed(unmarked.packet)));
  EspPacket misplaced = sealed(inner);
  misplaced.packet->l2_len = 18;
  port_->fake()->transmit(misplaced.packet);
  EXPECT_TRUE(shows(freed(misplaced.packet)));
  port_->fake()->fail(InlineFault::kClear);
  EXPECT_TRUE(shows(sent(inner)));
}

// A device takes part of a burst, and is given the rest again.
TEST_P(Inline, WhatIsGivenTwiceIsEncryptedOnce) {
  const auto inner = inner_packet(false, 200);
  EspPacket p = sealed(inner);
  port_->fake()->transmit(p.packet);
  port_->fake()->transmit(p.packet);
  const Outcome opened = lane_.decrypt(*tunnel_.in, datagram(freed(p.packet)));
  EXPECT_EQ(opened.verdict, EspVerdict::done);
  EXPECT_EQ(opened.bytes, inner);
}

TEST_P(Inline, ARefusalLeavesThePacketToTheCpu) {
  const auto inner = inner_packet(false, 203);
  port_->fake()->fail(InlineFault::kMetadata);
  EspPacket p{.packet = buffer_of(inner), .sa = tunnel_.out.get()};
  EXPECT_FALSE(seal(*tunnel_.out, *out_, p, kEthernet, 0));
  EXPECT_TRUE(port_->failed());
  EXPECT_EQ(p.packet->ol_flags & RTE_MBUF_F_TX_SEC_OFFLOAD, 0u);
  EXPECT_EQ(bytes_of(p.packet), inner);
  lane_.encrypt({&p, 1});
  EXPECT_EQ(p.verdict, EspVerdict::done);
  const Opened opened = received(framed(freed(p.packet)));
  EXPECT_EQ(opened.verdict, EspVerdict::done);
  EXPECT_EQ(opened.bytes, inner);
}

TEST_P(Inline, ANicThatDecryptsNothingLeavesItToTheCpu) {
  port_->fake()->fail(InlineFault::kReceive);
  const auto inner = inner_packet(false, 80);
  const Opened opened = received(sent(inner));
  EXPECT_EQ(opened.flags, 0u);
  EXPECT_EQ(opened.verdict, EspVerdict::done);
  EXPECT_EQ(opened.bytes, inner);
}

TEST_P(Inline, WhatEspRefusesIsRefusedBeforeTheNic) {
  EspPacket p{.packet = buffer_of(inner_packet(false, 1480)), .sa = tunnel_.out.get()};
  EXPECT_TRUE(seal(*tunnel_.out, *out_, p, kEthernet, 0));
  EXPECT_EQ(p.verdict, EspVerdict::too_big);
  EXPECT_EQ(p.packet->ol_flags & RTE_MBUF_F_TX_SEC_OFFLOAD, 0u);
  EXPECT_EQ(tunnel_.out->packets(EspVerdict::too_big), 1u);
  rte_pktmbuf_free(p.packet);
}

TEST_P(Inline, ExtendedNumbersGoOnBeyondTheirLowHalf) {
  if (!outline().esn) return;
  begin({}, (uint64_t{1} << 32) - 3);
  const auto inner = inner_packet(false, 90);
  for (int i = 0; i < 6; ++i) {
    const auto frame = sent(inner);
    const Opened opened = received(frame);
    EXPECT_EQ(opened.verdict, EspVerdict::done) << i;
    EXPECT_EQ(opened.bytes, inner) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Ciphers, Inline,
                         testing::Combine(testing::Values(Cipher::kAesGcm128, Cipher::kAesGcm256), testing::Bool(),
                                          testing::Bool()));

TEST(InlinePort, SaysWhatItLacks) {
  const auto port = nic({.esn = false});
  EXPECT_EQ(port->lacks(spec_of({.esn = false}), Direction::kOutbound), "");
  EXPECT_EQ(port->lacks(spec_of({.esn = true}), Direction::kInbound), "nic0 does not offer extended sequence numbers");
  EXPECT_NE(nic({.esn = true})->lacks(spec_of({.esn = true}), Direction::kInbound), "")
      << "a NIC does not say which high half it checked with: an old packet would pass for one of the next epoch";
  EXPECT_EQ(nic({.esn = true})->lacks(spec_of({.esn = true}), Direction::kOutbound), "");
  EXPECT_EQ(port->lacks(spec_of({.cipher = Cipher::kChaCha20Poly1305, .esn = false}), Direction::kInbound),
            "nic0 is asked for AES-GCM only");
  EXPECT_EQ(port->lacks(spec_of({.esn = false, .udp = true}), Direction::kOutbound),
            "nic0 is not asked for ESP in UDP");
}

TEST(InlinePort, HasRoomForSoManyKeysAndForThatManyAgain) {
  const auto port = nic({.keys = 2});
  for (int round = 0; round < 3; ++round) {
    auto first = port->make_session(spec_of({}), Direction::kOutbound);
    auto second = port->make_session(spec_of({.esn = false}, true), Direction::kInbound);
    EXPECT_TRUE(first.ok() && second.ok());
    const auto third = port->make_session(spec_of({}), Direction::kOutbound);
    ASSERT_FALSE(third.ok());
    EXPECT_EQ(third.error(), "nic0 has no room for another key, or refuses it");
    EXPECT_EQ(port->fake()->keys(), 2u);
  }
  EXPECT_EQ(port->fake()->keys(), 0u);
}

TEST(InlinePort, ADeviceWithoutSecurityIsNone) { EXPECT_EQ(InlinePort::of_device(RTE_MAX_ETHPORTS, "x", 1), nullptr); }

TEST(FakeInlineSettings, AreRead) {
  const auto read = read_fake_inline("interface=fabric,keys=5,esn=0,fail=clear,after=77");
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->interface, "fabric");
  EXPECT_EQ(read->keys, 5u);
  EXPECT_FALSE(read->esn);
  EXPECT_EQ(read->fault, InlineFault::kClear);
  EXPECT_EQ(read->after, 77u);
  for (const char* wrong : {"", "keys=5", "interface=", "interface=a,keys=1025", "interface=a,esn=2",
                            "interface=a,fail=never", "interface=a,after=-1", "interface=a,x", "interface=a,keys"})
    EXPECT_FALSE(read_fake_inline(wrong).ok()) << wrong;
}

}  // namespace
}  // namespace penstock::crypto
