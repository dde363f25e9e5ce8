// A signature survives the wire, and no changed byte goes unseen.
#include "packets/signature.h"

#include <gtest/gtest.h>

#include <vector>

#include "packets/random.h"

namespace penstock::load {
namespace {

std::vector<uint8_t> payload_of(const Signature& s, size_t length) {
  std::vector<uint8_t> payload(length);
  Random random(length);
  for (uint8_t& byte : payload) byte = static_cast<uint8_t>(random.next());
  const size_t fill = length - kSignatureLength;
  write_signature(payload.data() + fill, s, crc_of({payload.data(), fill}));
  return payload;
}

TEST(Signature, ReadsBackWhatWasWritten) {
  for (const size_t length : {18u, 19u, 25u, 64u, 1472u})
    for (const Signature s :
         {Signature{0, 0, 0, 0}, Signature{199, 255, kFortyBits, kFortyBits}, Signature{7, 3, 1ull << 39, 5}}) {
      Signature out;
      ASSERT_EQ(read_signature(payload_of(s, length), 200, s.epoch, out), Judgement::kOurs);
      EXPECT_EQ(out.stream, s.stream);
      EXPECT_EQ(out.epoch, s.epoch);
      EXPECT_EQ(out.sequence, s.sequence);
      EXPECT_EQ(out.nanos, s.nanos);
    }
}

TEST(Signature, EveryChangeOfAByteIsCorruptionOfItsStream) {
  const Signature s{.stream = 5, .epoch = 77, .sequence = 123456, .nanos = 987654321};
  for (const size_t length : {18u, 40u}) {
    const auto good = payload_of(s, length);
    for (size_t at = 0; at < length; ++at)
      for (unsigned change = 1; change < 256; ++change) {
        auto bad = good;
        bad[at] = static_cast<uint8_t>(bad[at] ^ change);
        Signature out;
        ASSERT_EQ(read_signature(bad, 256, s.epoch, out), Judgement::kCorrupted) << at << " " << change;
        ASSERT_EQ(out.stream, s.stream) << at << " " << change;
      }
  }
}

TEST(Signature, AnEarlierTrialsIsStaleWhicheverOfItsNumbersIsChanged) {
  const Signature s{.stream = 5, .epoch = 77, .sequence = 123456, .nanos = 987654321};
  const auto good = payload_of(s, 40);
  Signature out;
  EXPECT_EQ(read_signature(good, 256, 78, out), Judgement::kStale);
  for (size_t at = 0; at < 40; ++at) {
    if (at >= 22 && at < 26) continue;  // its marks: two of them are gone with one
    auto bad = good;
    bad[at] ^= 0x40;
    EXPECT_EQ(read_signature(bad, 256, 78, out), Judgement::kStale) << at;
  }
}

TEST(Signature, StrangersAreForeign) {
  Signature out;
  EXPECT_EQ(read_signature({}, 256, 0, out), Judgement::kForeign);
  EXPECT_EQ(read_signature(std::vector<uint8_t>(17), 256, 0, out), Judgement::kForeign);
  EXPECT_EQ(read_signature(std::vector<uint8_t>(100), 256, 1, out), Judgement::kForeign);
  Random random(9);
  for (int i = 0; i < 10000; ++i) {
    std::vector<uint8_t> noise(64);
    for (uint8_t& byte : noise) byte = static_cast<uint8_t>(random.next());
    ASSERT_EQ(read_signature(noise, 256, 1, out), Judgement::kForeign);
  }
  // A stream that this specification does not have.
  EXPECT_EQ(read_signature(payload_of({.stream = 9, .epoch = 1}, 20), 9, 1, out), Judgement::kForeign);
}

TEST(Signature, TheCrcIsThatOfTheRfc) {
  const std::vector<uint8_t> zeros(32);
  EXPECT_EQ(~crc_of(zeros), 0x8a9136aau);  // RFC 3720 §B.4
}

}  // namespace
}  // namespace penstock::load
