#include "l7/proxy_protocol/proxy_protocol.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace penstock::proxy_protocol {
namespace {

using namespace std::string_literals;

base::Bytes bytes_of(const std::string& text) { return {reinterpret_cast<const uint8_t*>(text.data()), text.size()}; }

// "more", the fault's name, or the endpoints and what was consumed. Every shorter input must say "more".
std::string read(const std::string& input) {
  Endpoints e;
  const Read got = read_header(bytes_of(input), e);
  if (got.got == Read::Got::kMore) return "more";
  if (got.got == Read::Got::kRefused) return name_of(got.fault);
  for (size_t size = 0; size < got.consumed; ++size) {
    Endpoints ignored;
    EXPECT_TRUE(read_header(bytes_of(input.substr(0, size)), ignored).got == Read::Got::kMore) << input << size;
  }
  if (!e.known) return "unknown " + std::to_string(got.consumed);
  return (e.datagram ? "udp " : "tcp ") + e.source.to_string() + " " + std::to_string(e.source_port) + " " +
         e.destination.to_string() + " " + std::to_string(e.destination_port) + " " + std::to_string(got.consumed);
}

std::string v2(uint8_t version_command, uint8_t family, const std::string& rest) {
  std::string header("\r\n\r\n\0\r\nQUIT\n", 12);
  header += static_cast<char>(version_command);
  header += static_cast<char>(family);
  header += static_cast<char>(rest.size() >> 8);
  header += static_cast<char>(rest.size());
  return header + rest;
}
const std::string kFour = "\x0a\0\0\x01\x0a\0\0\x02\x9c\x40\0\x50"s;

TEST(ProxyProtocolV1, TheForms) {
  EXPECT_EQ(read("PROXY TCP4 192.0.2.1 198.51.100.2 40000 80\r\nGET"), "tcp 192.0.2.1 40000 198.51.100.2 80 44");
  EXPECT_EQ(read("PROXY TCP6 2001:db8::1 ::2 1 65535\r\n"), "tcp 2001:db8::1 1 ::2 65535 36");
  EXPECT_EQ(read("PROXY UNKNOWN\r\n"), "unknown 15");
  EXPECT_EQ(read("PROXY UNKNOWN ffff:f...f:ffff 65535 x\r\n"), "unknown 39");
  EXPECT_EQ(read(""), "more");
  EXPECT_EQ(read("PROXY TCP4 192.0.2.1"), "more");
}

TEST(ProxyProtocolV1, RefusesEverythingElse) {
  for (const char* bad : {"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n", "PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n",
                          "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n",
                          "PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n", "PROXY tcp4 1.2.3.4 1.2.3.4 1 2\r\n", "PROXY \r\n"})
    EXPECT_EQ(read(bad), "bad_line") << bad;
  for (const char* bad :
       {"PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 -1 2\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 +1 2\r\n", "PROXY TCP4 ::1 ::1 1 2\r\n",
        "PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n", "PROXY TCP4 1.2.3 1.2.3.4 1 2\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4  2\r\n"})
    EXPECT_NE(read(bad).find("bad_"), std::string::npos) << bad;
  EXPECT_EQ(read("GET / HTTP/1.1\r\n"), "no_signature");
  EXPECT_EQ(read("PROXZ"), "no_signature");
  EXPECT_EQ(read("PROXY UNKNOWN " + std::string(91, 'x') + "\r\n"), "unknown 107");
  EXPECT_EQ(read("PROXY UNKNOWN " + std::string(93, 'x')), "too_long");
}

TEST(ProxyProtocolV2, TheForms) {
  EXPECT_EQ(read(v2(0x21, 0x11, kFour)), "tcp 10.0.0.1 40000 10.0.0.2 80 28");
  EXPECT_EQ(read(v2(0x21, 0x12, kFour) + "data"), "udp 10.0.0.1 40000 10.0.0.2 80 28");
  EXPECT_EQ(read(v2(0x20, 0x00, "")), "unknown 16");
  EXPECT_EQ(read(v2(0x20, 0x11, "abc")), "unknown 19");  // LOCAL: the rest is passed over
  EXPECT_EQ(read(v2(0x21, 0x31, std::string(216, 'u'))), "unknown 232");
  EXPECT_EQ(read(v2(0x21, 0x11, kFour + "\x02\0\x03web\x04\0\0"s)), "tcp 10.0.0.1 40000 10.0.0.2 80 37");
}

TEST(ProxyProtocolV2, RefusesEverythingElse) {
  EXPECT_EQ(read(v2(0x11, 0x11, kFour)), "bad_version");
  EXPECT_EQ(read(v2(0x22, 0x11, kFour)), "bad_version");
  EXPECT_EQ(read(v2(0x21, 0x13, kFour)), "bad_family");
  EXPECT_EQ(read(v2(0x21, 0x41, kFour)), "bad_family");
  EXPECT_EQ(read(v2(0x21, 0x11, kFour.substr(1))), "too_short");
  EXPECT_EQ(read(v2(0x21, 0x21, kFour)), "too_short");
  EXPECT_EQ(read(v2(0x21, 0x11, kFour + "\x02\0"s)), "bad_tlv");
  EXPECT_EQ(read(v2(0x21, 0x11, kFour + "\x02\0\x04web"s)), "bad_tlv");
  EXPECT_EQ(read(v2(0x21, 0x11, kFour + "\x03\0\x04\0\0\0\0"s)), "bad_checksum");
  EXPECT_EQ(read(v2(0x21, 0x11, kFour + "\x03\0\x01\0"s)), "bad_tlv");
  EXPECT_EQ(read(v2(0x21, 0x11, kFour + std::string(kMaxHeaderBytes, '\0'))), "too_long");
}

TEST(ProxyProtocolV2, TheChecksumIsCrc32cOfTheHeaderWithItselfZero) {
  std::string header = v2(0x21, 0x11, kFour + "\x03\0\x04\0\0\0\0"s);
  uint32_t crc = ~0u;  // bit by bit, polynomial of RFC 3720 appendix B.4
  for (const char c : header)
    for (int bit = 0; bit < 8; ++bit) {
      const bool one = (crc ^ static_cast<uint32_t>(static_cast<uint8_t>(c)) >> bit) & 1;
      crc = crc >> 1 ^ (one ? 0x82f63b78u : 0);
    }
  base::store_be32(header.data() + header.size() - 4, ~crc);
  EXPECT_EQ(read(header), "tcp 10.0.0.1 40000 10.0.0.2 80 35");
  header[17] ^= 1;
  EXPECT_EQ(read(header), "bad_checksum");
}

TEST(ProxyProtocol, WhatIsWrittenIsReadAgain) {
  std::mt19937 random(3);
  for (int round = 0; round < 2000; ++round) {
    Endpoints e;
    e.known = random() % 8 != 0;
    const bool v4 = random() % 2;
    for (base::IpAddress* a : {&e.source, &e.destination}) {
      for (uint8_t& byte : a->bytes) byte = static_cast<uint8_t>(random() % 3 ? random() : 0);
      if (v4) *a = base::IpAddress::v4(static_cast<uint32_t>(random()));
    }
    e.source_port = static_cast<uint16_t>(random());
    e.destination_port = static_cast<uint16_t>(random() % 100);
    for (const Version version : {Version::kV1, Version::kV2}) {
      e.datagram = version == Version::kV2 && random() % 2;
      uint8_t out[kMaxEncodedBytes];
      const size_t size = encode_header(version, e, out);
      ASSERT_TRUE(size > 0);
      EXPECT_EQ(encode_header(version, e, {out, size - 1}), 0u);
      Endpoints back;
      const Read got = read_header({out, size}, back);
      ASSERT_TRUE(got.got == Read::Got::kHeader && got.consumed == size);
      ASSERT_EQ(back.known, e.known);
      if (!e.known) continue;
      EXPECT_TRUE(back.source == e.source && back.destination == e.destination && back.datagram == e.datagram);
      EXPECT_TRUE(back.source_port == e.source_port && back.destination_port == e.destination_port);
    }
  }
}

TEST(ProxyProtocol, EveryFaultHasAName) {
  for (int i = 0; i < static_cast<int>(Fault::kCount); ++i) {
    EXPECT_NE(std::string(name_of(static_cast<Fault>(i))), "");
    EXPECT_NE(std::string(sentence_of(static_cast<Fault>(i))), "");
  }
}

}  // namespace
}  // namespace penstock::proxy_protocol
