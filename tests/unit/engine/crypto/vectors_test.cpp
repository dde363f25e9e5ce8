// Packets that others published: RFC 7634 appendix A, the ESP cases of draft-mcgrew-gcm-test-01 §4, RFC 3602 §4 and the
// key stream of NIST's GCM specification. Keys, sequence numbers and every byte are theirs; the outer IPv4 header is
// the test's own, and so is the ICV of RFC 3602's packets, which have none.
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

// draft-mcgrew-gcm-test-01 §4, but for its cases of AES-192 and of an SPI that is reserved. Their next header is 1
// (ICMP: the draft's payload, not a tunnel's), so a right ICV and right padding end in bad_next_header, with the clear
// text in the buffer.
struct GcmCase {
  const char* name;
  const char* key;  // with salt
  uint32_t spi;
  uint64_t sequence;
  bool esn;
  const char* esp;
  const char* clear;
};
constexpr GcmCase kGcmCases[] = {
    {"Esn1", "4c80cdefbb5d10da906ac73c3613a6342e443b68", 0x00004321, 0x8765432100000000, true,
     "00004321000000004956ed7e3b244cfefecf537e729d5b07dc30df528dd22b76"
     "8d1b98736696a6fd348509fa13ceac34cfa2436f14a3f3cf65925bf1f4a13c5d"
     "15b21e1884f5ff6247aeabb786b93bce61bc17d768fd9732459018148f6cbe72"
     "2fd04796562dfdb4",
     "45000048699a000080114db7c0a80102c0a801010a9bf15638d3010000010000"
     "00000000045f736970045f756470037369700963796265726369747902646b00"
     "0021000101020201"},
    {"NistKey", "feffe9928665731c6d6a8f9467308308cafebabe", 0x0000a5f8, 0xa, false,
     "0000a5f80000000afacedbaddecaf888deb22cd9b07c72c16e3a65beeb8df304"
     "a5a5897d33ae530f1ba76d5d114d2a5c3de81827c10e9a4f51330d0eec416642"
     "cfbb85a5b47e48a4ec3b9ba95d918bd183b70d3aa8bc6ee4c309e9d85a41ad4a",
     "4500003e698f000080114dccc0a80102c0a801010a980035002a2343b2d00100"
     "0001000000000000037369700963796265726369747902646b00000100010001"},
    {"Aes256Tcp", "abbccddef00112233445566778899aababbccddef00112233445566778899aab11223344", 0x4a2cbfe3, 0x2, false,
     "4a2cbfe3000000020102030405060708ff425c9b724599df7a3bcd510194e00d"
     "6a78107f1b0b1cbf06efae9d65a5d763748a637985771d347f0545659f14e99d"
     "ef842d8eb335f4eecfdbf831824b4c4915956c96",
     "4500003069a6400080062690c0a801029389155e0a9e008b2dc57ee000000000"
     "7002400020bf0000020405b40101040201020201"},
    {"Esn5", "3de09874b388e6491988d0c3607eae1f57690e43", 0x42f67e3f, 0x1010101010101010, true,
     "42f67e3f101010104e280000a2fca1a3fba2caa4853cf9f0f22cb10d86dd83b0"
     "fec75691cf1a04b00d1138ec9c35791765acbd8701ad79845bf9fe3fba487bc9"
     "1755e6662b4c8d0d1f5e22739530320ae0d731cc978ecafaeae88f00e80d6e48",
     "4500003c99c300008001cb7c40679318010101010800085c0200430061626364"
     "65666768696a6b6c6d6e6f707172737475767761626364656667686901020201"},
    {"Esn6", "3de09874b388e6491988d0c3607eae1f57690e43", 0x42f67e3f, 0x1010101010101010, true,
     "42f67e3f101010104e280000a2fca1a3fba2ca845e5df9f0f22c3e6e86dd831e"
     "1fc65792cd1af9130e1379ed369f071f35e034be95f112e4e7d05d35",
     "4500001c42a200008001441f406793b6e00000020a00f5ff01020201"},
    {"Esn8", "abbccddef00112233445566778899aabdecaf888", 0x00000100, 0x1, true,
     "0000010000000001cafedebaceface7418a6fd42f72cbf4ab2a2ea901f73d814"
     "e3e7f243d95412e1c349c1d2fbec168f9190feebaf2cb01984e65863965d7472"
     "b79da345e0e780191f0d2f0e0f496c226f2127b27db35724e7845d68651f57e6"
     "5f354f75ff17015769623436",
     "4500004933ba00007f119106c3fb1d10c2b1d326c02831ce0035dd7b800302d5"
     "00004e20001e8c18d75b81dc91baa0476b91b924b280389d92c963bac046ec95"
     "9b6266c04722b14923010101"},
    {"Aes256Esn9", "abbccddef00112233445566778899aababbccddef00112233445566778899aab73616c74", 0x17405e67,
     0x156f3126dd0db99b, true,
     "17405e67dd0db99b616e640169766563f2d69ecdbd5a0d5b8d5ef38bad4da58d"
     "1f278fde98ef67549d524a3018d9a57ff4d3a31ce673119e451626c2415771e3"
     "b7eebca614c89b35",
     "45080028732c00004006e9f90a0106120a01038f06b88023dd6bafbecb712602"
     "50101f646d540001"},
    {"Esn10", "3de09874b388e6491988d0c3607eae1f57690e43", 0x42f67e3f, 0x1010101010101010, true,
     "42f67e3f101010104e280000a2fca1a3fba2cad12fc1f9f00d3cebf305410db8"
     "3d7784b607323d220f24b0a97d54182800cadb0f68d99ef0e0c0c89ae9bea888"
     "4e52d65bc1afd0740f742444747b5b39ab533163aad4550ee5160975cdb608c5"
     "769189609763b8e18caa81e2",
     "45000049333e00007f119182c3fb1d10c2b1d326c02831ce0035cb458003025b"
     "000001e0001e8c18d65759d52284a0352c71475c8880391c764d6e5ee0496b32"
     "5ae270c03899493915010101"},
    {"Aes256Esn11", "abbccddef00112233445566778899aababbccddef00112233445566778899aab73616c74", 0x17405e67,
     0x156f3126dd0db99b, true,
     "17405e67dd0db99b616e640169766563d4b7ed86a1777f2ea13d6973d324c69e"
     "7b43f826fb56831226508bebd2dceb18d0a6df10e5487df074113e14c641024e"
     "3e6773d91a62ee429b043a10e3efe6b012a49363412364f8c0cac587f249e56b"
     "11e24f30e44ccc76",
     "636973636f0172756c657301746865016e6574776501646566696e6501746865"
     "746563686e6f6c6f67696573017468617477696c6c01646566696e65746f6d6f"
     "72726f7701020201"},
    {"OnlyPadding", "7d773d00c144c525ac619d18c84a3f47d9664267", 0x335467ae, 0xffffffff, false,
     "335467aeffffffff43457e9182443bc6437f866bcb3f699fe9b0822bac961c45"
     "04bef270",
     "01020201"},
    {"Words", "abbccddef00112233445566778899aabdecaf888", 0x00000100, 0x1, true,
     "0000010000000001cafedebaceface7429c9fc69a197d038ccdd14e2ddfcaa05"
     "43332164412503524303ed3c6c5f283843af8c3e",
     "746f016265016f72016e6f7401746f0162650001"},
    {"Aes256EndOfNumbers", "6c6567616c697a656d6172696a75616e61616e64646f69746265666f726569617475726e", 0x796b6963,
     0xffffffffffffffff, true,
     "796b6963ffffffff333021696765746df97ab2aa356d8edce17644ac8c78e25d"
     "d24dedbb29ebf1b64a274b39b49c3a864cd3d78ca4ae68a32b42458fb57dbe82"
     "1dcc63b9d0937ba2945f669368661a329fb4c053",
     "45000030da3a00008001df3bc0a80005c0a800010800c6cd0200070061626364"
     "65666768696a6b6c6d6e6f707172737401020201"},
};

class GcmVectors : public testing::TestWithParam<GcmCase> {};

TEST_P(GcmVectors, AreOpenedAndCheckedToTheTrailer) {
  const GcmCase& c = GetParam();
  const bool large = octets(c.key).size() > 20;
  for (const char* driver : {"crypto_aesni_gcm", "crypto_aesni_mb", "crypto_openssl"})
    for (const CryptoUse use : {CryptoUse::kAny, CryptoUse::kQueues}) {
      SaSpec spec = spec_of({.cipher = large ? Cipher::kAesGcm256 : Cipher::kAesGcm128, .esn = c.esn}, true);
      spec.spi = c.spi;
      spec.key = key_from(c.key);
      CryptoDevice* d = device(driver, use);
      auto in = InboundSa::make(std::move(spec), std::vector{d});
      ASSERT_TRUE(in.ok()) << in.error();
      if (c.sequence > 1) {
        ASSERT_EQ((*in)->window().mark(c.sequence - 1), ReplayWindow::Place::kNew);
      }
      TestLane lane({d});
      const auto packet = with_outer(octets(c.esp));
      auto forged = packet;
      forged.back() ^= 1;
      ASSERT_EQ(lane.decrypt(**in, forged).verdict, EspVerdict::failed_authentication) << driver;
      const auto opened = lane.decrypt(**in, packet);
      ASSERT_EQ(opened.verdict, EspVerdict::bad_next_header) << driver << " " << to_string(opened.verdict);
      ASSERT_EQ((*in)->window().top(), c.sequence);
      const auto clear = octets(c.clear);
      EXPECT_TRUE(std::equal(clear.begin(), clear.end(), opened.bytes.begin() + 36)) << driver;
    }
}

INSTANTIATE_TEST_SUITE_P(Draft, GcmVectors, testing::ValuesIn(kGcmCases),
                         [](const testing::TestParamInfo<GcmCase>& test) { return test.param.name; });

// The GCM specification's test cases 3 and 4 (and NIST's): key feffe992..., IV cafebabefacedbaddecaf888. Our IV is the
// sequence number, so number facedbaddecaf888 under salt cafebabe makes that nonce, and the ciphertext is the inner
// packet under the published key stream (its plaintext and ciphertext, one over the other).
TEST(Vectors, SealingUsesNistsKeyStream) {
  const auto plain = octets(
      "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
      "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255");
  const auto cipher = octets(
      "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e"
      "21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091473f5985");
  SaSpec spec = spec_of({.cipher = Cipher::kAesGcm128});
  spec.key = key_from("feffe9928665731c6d6a8f9467308308cafebabe");
  CryptoDevice* d = device("crypto_aesni_gcm");
  auto out = OutboundSa::make(std::move(spec), std::vector{d}, 0xfacedbaddecaf888);
  ASSERT_TRUE(out.ok()) << out.error();
  TestLane lane({d});
  const auto inner = inner_packet(false, 62);
  const auto sealed = lane.encrypt(**out, inner);
  ASSERT_EQ(sealed.verdict, EspVerdict::done);
  for (size_t i = 0; i < inner.size(); ++i) ASSERT_EQ(sealed.bytes[36 + i], inner[i] ^ plain[i] ^ cipher[i]) << i;
}

// RFC 3602 §4, cases 7 and 8: tunnel mode, AES-CBC-128. The ICV, HMAC-SHA-256-128 under 00 01 02 ... 1f, is added here.
TEST(Vectors, Rfc3602TunnelPackets) {
  const struct {
    const char* esp;
    const char* inner;
  } cases[] = {
      {"0000876500000002f4e765244f6407adf13dc1380f673f37"
       "773b5241a4c449225e4f3ce5ed611b0c237ca96cf74a93013c1b0ea1a0cf70f8"
       "e4ecaec78ac53aad7a0f022b859243c647752e94a859352b8a4d4d2decd136e5"
       "c177f132ad3fbfb2201ac9904c74ee0a109e0ca1e4dfe9d5a100b842f1c22f0d"
       "771b0a4d2be28767cb0b5c901fcc563e",
       "45000054090400004001f988c0a87b03c0a87bc808009f76a90a0100b49c083d"
       "02a2040008090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20212223"
       "2425262728292a2b2c2d2e2f3031323334353637"},
      {"0000876500000005"
       "85d47224b5f3dd5d2101d4ea8dffab22"
       "15b92683819596a8047232cc00f7048fe45318e11f8a0f62ede3c3fc61203bb5"
       "0f980a08c9843fd3a1b06d5c07ff9639b7eb7dfb3512e5de435e7207ed971ef3"
       "d2726d9b5ef6affc6d17a0decbb13892"
       "1bd64e8f00e524a753196a60041b3a82",
       "45000044090c00004001f990c0a87b03c0a87bc80800d63caa0a0200c69c083d"
       "a3de0300ffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
       "ffffffff"},
  };
  for (const char* driver : {"crypto_aesni_mb", "crypto_openssl"}) {
    SaSpec spec = spec_of({.cipher = Cipher::kAesCbc128Sha256, .esn = false}, true);
    spec.spi = 0x8765;
    spec.key = key_from("0123456789abcdef0123456789abcdef");
    spec.integrity_key = key_from("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
    CryptoDevice* d = device(driver);
    auto in = InboundSa::make(std::move(spec), std::vector{d});
    ASSERT_TRUE(in.ok()) << in.error();
    TestLane lane({d});
    for (const auto& c : cases) {
      const auto opened = lane.decrypt(**in, with_outer(octets(c.esp)));
      ASSERT_EQ(opened.verdict, EspVerdict::done) << driver << " " << to_string(opened.verdict);
      EXPECT_EQ(opened.bytes, octets(c.inner)) << driver;
    }
  }
}

}  // namespace
}  // namespace penstock::crypto
