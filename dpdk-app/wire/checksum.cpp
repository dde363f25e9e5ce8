#include "wire/checksum.h"

#include <algorithm>
#include <cstring>

#include "wire/headers.h"

namespace penstock::wire {

namespace {

uint64_t sum_address(const base::IpAddress& a) {
  if (a.is_v4()) return base::load_raw<uint32_t>(a.v4_bytes());
  uint64_t sum = 0;
  for (size_t i = 0; i < 16; i += 4) sum += base::load_raw<uint32_t>(&a.bytes[i]);
  return sum;
}

// RFC 9293 §3.1, RFC 8200 §8.1: the two layouts sum up to the same.
uint64_t sum_trailer(uint8_t protocol, uint32_t l4_length) {
  return base::swap32(l4_length) + uint64_t{base::swap16(protocol)};
}

bool has_checksum(const Headers& h) {
  const bool covered = h.protocol == kProtocolTcp || h.protocol == kProtocolUdp || is_icmp(h) || is_icmpv6(h);
  return h.family != 0 && covered && !h.is(kIsFragment);
}

// Everything the checksum covers, its own field included.
uint64_t sum_covered(base::Bytes frame, const Headers& h) {
  const uint8_t* l4 = frame.data() + h.l4_offset;
  uint32_t length = static_cast<uint32_t>(h.end - h.l4_offset);
  if (h.protocol == kProtocolUdp) length = std::min<uint32_t>(length, base::load_be16(l4 + kUdpLengthAt));
  uint64_t sum = sum_bytes({l4, length});
  if (h.protocol == kProtocolIcmp) return sum;  // RFC 792: no pseudo header
  const uint8_t* ip = frame.data() + h.l2_length;
  const size_t addresses = h.family == 4 ? kIpv4SrcAt : kIpv6SrcAt;
  const size_t address_bytes = h.family == 4 ? 8 : 32;
  for (size_t i = 0; i < address_bytes; i += 4) sum += base::load_raw<uint32_t>(ip + addresses + i);
  return sum + sum_trailer(h.protocol, length);
}

}  // namespace

// 64 bytes at once as eight lanes of which the halves are added apart: 2^32 additions fit each.
uint64_t sum_bytes(base::Bytes bytes, uint64_t sum) {
  using Lanes [[gnu::vector_size(64)]] = uint64_t;
  const uint8_t* p = bytes.data();
  size_t left = bytes.size();
  if (left >= sizeof(Lanes)) {
    Lanes low{}, high{};
    for (; left >= sizeof(Lanes); left -= sizeof(Lanes), p += sizeof(Lanes)) {
      Lanes words;
      std::memcpy(&words, p, sizeof words);
      low += words & 0xffffffff;
      high += words >> 32;
    }
    low += high;
    for (size_t i = 0; i < sizeof(Lanes) / sizeof(uint64_t); ++i) sum += low[i];
  }
  for (; left >= 4; left -= 4, p += 4) sum += base::load_raw<uint32_t>(p);
  if (left >= 2) {
    sum += base::load_raw<uint16_t>(p);
    p += 2;
    left -= 2;
  }
  if (left != 0) sum += *p;  // RFC 1071 §1: padded with a zero byte
  return sum;
}

uint64_t sum_pseudo_header(const base::IpAddress& src, const base::IpAddress& dst, uint8_t protocol,
                           uint32_t l4_length) {
  return sum_address(src) + sum_address(dst) + sum_trailer(protocol, l4_length);
}

void ChecksumDelta::replace_address(const base::IpAddress& from, const base::IpAddress& to) {
  replace16(fold(sum_address(from)), fold(sum_address(to)));
}

uint8_t l4_checksum_at(uint8_t protocol) {
  switch (protocol) {
    case kProtocolTcp:
      return kTcpChecksumAt;
    case kProtocolUdp:
      return kUdpChecksumAt;
    case kProtocolIcmp:
    case kProtocolIcmpv6:
      return kIcmpChecksumAt;
  }
  return kNoChecksum;
}

ChecksumState verify_l4(base::Bytes frame, const Headers& headers) {
  if (!has_checksum(headers)) return ChecksumState::kNone;
  const uint8_t* field = frame.data() + headers.l4_offset + l4_checksum_at(headers.protocol);
  if (headers.protocol == kProtocolUdp && base::load_raw<uint16_t>(field) == 0)
    return headers.family == 4 ? ChecksumState::kNone : ChecksumState::kBad;  // RFC 8200 §8.1
  return fold(sum_covered(frame, headers)) == 0xffff ? ChecksumState::kGood : ChecksumState::kBad;
}

uint16_t compute_l4(base::Bytes frame, const Headers& headers) {
  if (!has_checksum(headers)) return 0;
  const uint8_t* field = frame.data() + headers.l4_offset + l4_checksum_at(headers.protocol);
  const auto without_field = static_cast<uint16_t>(~base::load_raw<uint16_t>(field));
  const auto checksum = static_cast<uint16_t>(~fold(sum_covered(frame, headers) + without_field));
  return checksum == 0 && headers.protocol == kProtocolUdp ? 0xffff : checksum;
}

void write_l4(base::MutableBytes frame, const Headers& headers) {
  if (!has_checksum(headers)) return;
  const uint16_t checksum = compute_l4(frame, headers);
  base::store_raw(frame.data() + headers.l4_offset + l4_checksum_at(headers.protocol), checksum);
}

uint16_t compute_ipv4_header(const uint8_t* ip) {
  const size_t length = static_cast<size_t>(ip[kIpv4VersionAt] & 15) * 4;
  const uint64_t sum = sum_bytes({ip, length}) + static_cast<uint16_t>(~base::load_raw<uint16_t>(ip + kIpv4ChecksumAt));
  return static_cast<uint16_t>(~fold(sum));
}

}  // namespace penstock::wire
