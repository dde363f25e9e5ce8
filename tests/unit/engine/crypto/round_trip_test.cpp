// Every cipher on every kind of device, called or through its queues, all four families, ESN, UDP encapsulation, sizes
// around padding and MTU: what goes in comes out.
#include <algorithm>
#include <tuple>

#include "esp_fixture.h"

namespace penstock::crypto {
namespace {

constexpr Cipher kAll[] = {Cipher::kAesGcm128,       Cipher::kAesGcm256,       Cipher::kChaCha20Poly1305,
                           Cipher::kAesCbc128Sha256, Cipher::kAesCbc256Sha256, Cipher::kNullSha256};

using Case = std::tuple<Cipher, const char*, CryptoUse>;
class RoundTrip : public testing::TestWithParam<Case> {};

TEST_P(RoundTrip, WhatGoesInComesOut) {
  const auto [cipher, driver, use] = GetParam();
  CryptoDevice* d = device(driver, use);
  ASSERT_NE(d, nullptr);
  if (const auto reason = d->lacks(cipher, true); !reason.empty()) GTEST_SKIP() << reason;
  TestLane lane({d});
  for (const bool esn : {true, false})
    for (const bool outer_v6 : {false, true})
      for (const bool udp : {false, true}) {
        Tunnel t = tunnel_of({.cipher = cipher, .esn = esn, .outer_v6 = outer_v6, .udp = udp}, {d});
        ASSERT_TRUE(t.out && t.in);
        if (use == CryptoUse::kQueues) {
          ASSERT_EQ(t.out->session().path(), CryptoPath::kSoftware);
        }
        std::vector<size_t> sizes;
        for (size_t n = 48; n < 48 + 34; ++n) sizes.push_back(n);
        for (size_t n = t.out->inner_mtu() - 20u; n <= t.out->inner_mtu(); ++n) sizes.push_back(n);
        for (const bool inner_v6 : {false, true})
          for (const size_t size : sizes) {
            const auto inner = inner_packet(inner_v6, size);
            const auto sealed = lane.encrypt(*t.out, inner);
            ASSERT_EQ(sealed.verdict, EspVerdict::done) << to_string(sealed.verdict) << " " << size;
            ASSERT_LE(sealed.bytes.size(), 1500u);
            if (cipher != Cipher::kNullSha256) {
              const auto leak =
                  std::search(sealed.bytes.begin(), sealed.bytes.end(), inner.begin(), inner.begin() + 20);
              ASSERT_EQ(leak, sealed.bytes.end()) << "the inner header travels in clear";
            }
            const auto opened = lane.decrypt(*t.in, sealed.bytes);
            ASSERT_EQ(opened.verdict, EspVerdict::done) << to_string(opened.verdict) << " " << size;
            ASSERT_EQ(opened.bytes, inner) << size;
            ASSERT_EQ(lane.decrypt(*t.in, sealed.bytes).verdict, EspVerdict::replayed);
          }
        EXPECT_EQ(lane.encrypt(*t.out, inner_packet(false, t.out->inner_mtu() + 1u)).verdict, EspVerdict::too_big);
      }
}

INSTANTIATE_TEST_SUITE_P(Devices, RoundTrip,
                         testing::Combine(testing::ValuesIn(kAll),
                                          testing::Values("crypto_aesni_gcm", "crypto_aesni_mb", "crypto_openssl"),
                                          testing::Values(CryptoUse::kAny, CryptoUse::kQueues)),
                         [](const testing::TestParamInfo<Case>& test) {
                           std::string name = std::string(traits_of(std::get<0>(test.param)).name) + "_" +
                                              (std::get<1>(test.param) + 7) +
                                              (std::get<2>(test.param) == CryptoUse::kQueues ? "_queues" : "");
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace penstock::crypto
