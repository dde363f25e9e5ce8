// wire/checksum.h against a naive oracle, and the L4 helpers on built and damaged packets.
#include "wire/checksum.h"

#include <gtest/gtest.h>

#include "unit/wire/samples.h"

namespace penstock::wire::test {
namespace {

// RFC 1071 §1, word by word, host order; the raw form is its swap.
uint16_t naive(Bytes bytes, uint32_t sum = 0) {
  for (size_t i = 0; i < bytes.size(); ++i) {
    sum += i % 2 == 0 ? bytes[i] << 8 : bytes[i];
    sum = (sum & 0xffff) + (sum >> 16);
  }
  return static_cast<uint16_t>(sum);
}

Frame noise(std::mt19937& random, size_t size) {
  Frame bytes(size);
  // All ones and zeros now and then: the carries that random bytes seldom make.
  const unsigned kind = random() % 4;
  for (uint8_t& b : bytes) b = kind == 0 ? 0xff : kind == 1 ? 0 : static_cast<uint8_t>(random());
  return bytes;
}

TEST(Checksum, SumMatchesOracle) {
  std::mt19937 random(2);
  for (int round = 0; round < 20000; ++round) {
    const Frame bytes = noise(random, random() % 300);
    EXPECT_EQ(fold(sum_bytes(bytes)), base::swap16(naive(bytes)));
  }
}

TEST(Checksum, RangesAddUp) {
  std::mt19937 random(3);
  for (int round = 0; round < 2000; ++round) {
    const Frame bytes = noise(random, 200);
    const size_t cut = random() % 100 * 2;
    EXPECT_EQ(fold(sum_bytes(Bytes(bytes).subspan(cut), sum_bytes(Bytes(bytes).first(cut)))), fold(sum_bytes(bytes)));
  }
}

TEST(Checksum, LargestSums) {
  const Frame bytes(65535, 0xff);
  EXPECT_EQ(fold(sum_bytes(bytes)), base::swap16(naive(bytes)));
  EXPECT_EQ(fold(~uint64_t{0}), 0xffff);
  EXPECT_EQ(fold(0), 0);
}

TEST(Checksum, PseudoHeader) {
  const Frame v4{192, 0, 2, 1, 198, 51, 100, 2, 0, 6, 0x01, 0x02};
  EXPECT_EQ(fold(sum_pseudo_header(ip4().src, ip4().dst, kProtocolTcp, 0x0102)), base::swap16(naive(v4)));
  Frame v6;
  for (const IpAddress& a : {ip6().src, ip6().dst}) v6.insert(v6.end(), a.bytes.begin(), a.bytes.end());
  v6.insert(v6.end(), {0, 1, 2, 3, 0, 0, 0, kProtocolUdp});
  EXPECT_EQ(fold(sum_pseudo_header(ip6().src, ip6().dst, kProtocolUdp, 0x010203)), base::swap16(naive(v6)));
}

// Of data with a checksum in it: after any change, the delta gives what a recomputation gives.
TEST(Checksum, DeltaEqualsRecomputation) {
  std::mt19937 random(4);
  for (int round = 0; round < 50000; ++round) {
    Frame bytes = noise(random, 40);
    bytes[39] |= 1;  // not all zero: no checksum of a packet is
    const auto before = static_cast<uint16_t>(~fold(sum_bytes(bytes)));
    ChecksumDelta delta;
    for (unsigned n = random() % 5; n > 0; --n) {
      uint8_t* word = &bytes[random() % 19 * 2];
      const auto value = static_cast<uint16_t>(random() % 3 == 0 ? 0xffff * (random() % 2) : random());
      delta.replace16(base::load_raw<uint16_t>(word), value);
      base::store_raw(word, value);
    }
    EXPECT_EQ(apply(before, delta), static_cast<uint16_t>(~fold(sum_bytes(bytes))));
  }
}

TEST(Checksum, L4OfBuiltPacketsIsGoodAndDamageIsSeen) {
  for (Frame frame : samples()) {
    Headers h;
    ASSERT_EQ(parse_frame(frame, h), ParseError::kNone);
    if (h.family == 0) continue;
    EXPECT_EQ(verify_l4(frame, h), ChecksumState::kGood);
    const uint8_t at = l4_checksum_at(h.protocol);
    EXPECT_EQ(compute_l4(frame, h), base::load_raw<uint16_t>(&frame[h.l4_offset + at]));
    frame[h.end - 1u] ^= 0x10;
    EXPECT_EQ(verify_l4(frame, h), ChecksumState::kBad);
    write_l4(frame, h);
    EXPECT_EQ(verify_l4(frame, h), ChecksumState::kGood);
  }
}

TEST(Checksum, UdpZeroMeansNoneInIpv4Only) {
  for (const bool v4 : {true, false}) {
    Frame frame = udp(v4 ? ip4() : ip6());
    Headers h;
    ASSERT_EQ(parse_frame(frame, h), ParseError::kNone);
    base::store_be16(&frame[h.l4_offset + kUdpChecksumAt], 0);
    EXPECT_EQ(verify_l4(frame, h), v4 ? ChecksumState::kNone : ChecksumState::kBad);
  }
}

TEST(Checksum, UdpResultZeroIsSentAsOnes) {
  Frame frame = udp(ip4(), "ab");
  Headers h;
  ASSERT_EQ(parse_frame(frame, h), ParseError::kNone);
  // Payload 0 has checksum c; payload c then sums up to all ones, so that its checksum is zero.
  base::store_be16(&frame[h.payload_offset], 0);
  base::store_raw(&frame[h.payload_offset], compute_l4(frame, h));
  EXPECT_EQ(compute_l4(frame, h), 0xffff);
  write_l4(frame, h);
  EXPECT_EQ(verify_l4(frame, h), ChecksumState::kGood);
}

TEST(Checksum, FragmentsAndOthersHaveNone) {
  Frame frame = udp(ip4(), "12345678");
  base::store_be16(&frame[kEthernetLength + kIpv4FragmentAt], kIpv4MoreFragments);
  fix_ipv4_checksum(frame);
  Headers h;
  ASSERT_EQ(parse_frame(frame, h), ParseError::kNone);
  EXPECT_EQ(verify_l4(frame, h), ChecksumState::kNone);
  EXPECT_EQ(compute_l4(frame, h), 0);
}

}  // namespace
}  // namespace penstock::wire::test
