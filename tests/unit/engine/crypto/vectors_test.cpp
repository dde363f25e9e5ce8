// Packets that others published: RFC 7634 appendix A, and the ESP cases of draft-mcgrew-gcm-test-01 §2. The key, the
// sequence number and every byte are theirs; the outer IPv4 header is the test's own.
#include <string>

#include "esp_fixture.h"
#include "wire/checksum.h"

namespace penstock::crypto {
namespace {

std::vector<uint8_t> octets(const std::string& hex) {
  std::vector<uint8_t> bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2)
    bytes.push_back(static_cast<uint8_t>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  return bytes;
}

Key key_from(const std::string& hex) {
  auto bytes = octets(hex);
  auto key = Key::take(bytes);
  return std::move(*key);
}

std::vector<uint8_t> with_outer(const std::vector<uint8_t>& esp) {
  std::vector<uint8_t> packet(20);
  const wire::Ip ip{.src = address("192.0.2.1"), .dst = address("198.51.100.2")};
  EXPECT_EQ(wire::build_ip_header(packet, ip, wire::kProtocolEsp, esp.size()), 20u);
  packet.insert(packet.end(), esp.begin(), esp.end());
  return packet;
}

TEST(Vectors, Rfc7634AppendixA) {
  SaSpec spec = spec_of({.cipher = Cipher::kChaCha20Poly1305, .esn = false}, true);
  spec.spi = 0x01020304;
  spec.key = key_from("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9fa0a1a2a3");
  CryptoDevice* d = device("crypto_aesni_mb");
  auto in = InboundSa::make(std::move(spec), std::vector{d});
  ASSERT_TRUE(in.ok()) << in.error();
  TestLane lane({d});
  const auto opened =
      lane.decrypt(**in, with_outer(octets("01020304000000051011121314151617"
                                           "24039428b97f417e3c13753a4f05087b67c352e6a7fab1b982d466ef407ae5c6"
                                           "14ee8099d52844eb61aa95dfab4c02f72aa71e7c4c4f64c9befe2facc638e8f3"
                                           "cbec163fac469b502773f6fb94e664da9165b82829f641e0"
                                           "76aaa8266b7fb0f7b11b369907e1ad43")));
  ASSERT_EQ(opened.verdict, EspVerdict::done) << to_string(opened.verdict);
  EXPECT_EQ(opened.bytes, octets("45000054a6f200004001e778c6336405c000020508005b7a3a080000553bec10"
                                 "0007362708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20212223"
                                 "2425262728292a2b2c2d2e2f3031323334353637"));
}

TEST(Vectors, GcmWithExtendedSequenceNumbers) {
  SaSpec spec = spec_of({.cipher = Cipher::kAesGcm128, .esn = true}, true);
  spec.spi = 0x4321;
  spec.key = key_from("4c80cdefbb5d10da906ac73c3613a6342e443b68");
  CryptoDevice* d = device("crypto_aesni_gcm");
  auto in = InboundSa::make(std::move(spec), std::vector{d});
  ASSERT_TRUE(in.ok()) << in.error();
  ASSERT_EQ((*in)->window().mark(0x87654320ffffffff), ReplayWindow::Place::kNew);
  TestLane lane({d});
  const auto opened =
      lane.decrypt(**in, with_outer(octets("00004321000000004956ed7e3b244cfe"
                                           "fecf537e729d5b07dc30df528dd22b768d1b98736696a6fd348509fa13ceac34"
                                           "cfa2436f14a3f3cf65925bf1f4a13c5d15b21e1884f5ff6247aeabb786b93bce"
                                           "61bc17d768fd9732"
                                           "459018148f6cbe722fd04796562dfdb4")));
  // The draft's datagram is cut for its length (its UDP length says more than is there): what counts is that the ICV
  // was right and the padding its own.
  EXPECT_NE(opened.verdict, EspVerdict::failed_authentication);
  EXPECT_EQ((*in)->window().top(), 0x8765432100000000u);
}

}  // namespace
}  // namespace penstock::crypto
