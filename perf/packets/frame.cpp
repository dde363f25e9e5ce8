#include "packets/frame.h"

#include <cstring>

#include "wire/checksum.h"
#include "wire/headers.h"

namespace penstock::load {

Frame::Frame(const StreamSpec& spec, uint64_t seed)
    : layout_(spec.layout),
      signed_(spec.signature),
      checksum_at_(wire::l4_checksum_at(spec.layout.protocol)),
      header_(spec.layout.bytes),
      fields_(spec.layout.fields, seed) {
  make_pattern(spec, seed);
  restart();
}

void Frame::make_pattern(const StreamSpec& spec, uint64_t seed) {
  Random random(mixed(seed));
  pattern_.resize(spec.sizes.largest());
  sums_.resize(pattern_.size() + 1);
  crcs_.resize(pattern_.size() + 1);
  crcs_[0] = crc_of({});
  for (size_t i = 0; i < pattern_.size(); ++i) {
    uint8_t& byte = pattern_[i];
    switch (spec.payload) {
      case Payload::kZeros:
        break;
      case Payload::kIncrement:
        byte = static_cast<uint8_t>(i);
        break;
      case Payload::kRandom:
        byte = static_cast<uint8_t>(random.next());
        break;
      case Payload::kHex:
        byte = spec.hex[i % spec.hex.size()];
        break;
    }
    sums_[i + 1] = sums_[i] + (i % 2 == 0 ? byte : byte << 8);
    crcs_[i + 1] = crc_of({&byte, 1}, crcs_[i]);
  }
}

void Frame::set_link(const base::MacAddress& own, const base::MacAddress& next_hop) {
  if (layout_.own_destination) std::memcpy(header_.data(), next_hop.bytes.data(), 6);
  if (layout_.own_source) std::memcpy(header_.data() + wire::kEthernetSrcAt, own.bytes.data(), 6);
}

void Frame::restart() {
  fields_.restart(header_.data());
  esp_sequence_ = 1;  // RFC 4303 §2.2
  if (layout_.esp_counts) base::store_be32(header_.data() + layout_.l4 + 4, esp_sequence_);
  sum_headers();
}

// The pseudo header without the length (RFC 9293 §3.1, RFC 8200 §8.1), and the transport's own header.
void Frame::sum_headers() {
  const uint8_t* ip = header_.data() + layout_.l3;
  const size_t l4_length = header_.size() - layout_.l4;
  if (layout_.family == 4) ip_sum_ = wire::sum_bytes({ip, wire::kIpv4MinLength});
  l4_sum_ = wire::sum_bytes({header_.data() + layout_.l4, l4_length});
  if (layout_.protocol == wire::kProtocolIcmp) return;
  l4_sum_ += base::swap16(layout_.protocol);
  l4_sum_ = layout_.family == 4 ? wire::sum_bytes({ip + wire::kIpv4SrcAt, 8}, l4_sum_)
                                : wire::sum_bytes({ip + wire::kIpv6SrcAt, 32}, l4_sum_);
}

void Frame::advance() {
  if (layout_.fields.empty() && !layout_.esp_counts) return;
  fields_.advance(header_.data());
  if (layout_.esp_counts) base::store_be32(header_.data() + layout_.l4 + 4, ++esp_sequence_);
  sum_headers();
}

uint16_t Frame::transport_checksum(const uint8_t* signature, size_t fill, size_t l4_length) const {
  uint64_t sum = l4_sum_ + sums_[fill];
  const auto length = base::swap16(static_cast<uint16_t>(l4_length));
  if (layout_.protocol != wire::kProtocolIcmp) sum += length;
  if (layout_.protocol == wire::kProtocolUdp) sum += length;  // its own header holds it, too
  if (signed_) {
    const uint16_t own = wire::fold(wire::sum_bytes({signature, kSignatureLength}));
    sum += fill % 2 == 0 ? own : base::swap16(own);
  }
  const auto checksum = static_cast<uint16_t>(~wire::fold(sum));
  return layout_.protocol == wire::kProtocolUdp && checksum == 0 ? 0xffff : checksum;
}

void Frame::write(uint8_t* at, uint16_t size, const Signature& signature) {
  const size_t length = size - kCrcLength;
  const size_t fill = length - header_.size() - (signed_ ? kSignatureLength : 0);
  uint8_t* payload = at + header_.size();
  std::memcpy(at, header_.data(), header_.size());
  std::memcpy(payload, pattern_.data(), fill);
  if (signed_) write_signature(payload + fill, signature, crcs_[fill]);
  uint8_t* ip = at + layout_.l3;
  uint8_t* l4 = at + layout_.l4;
  const size_t l4_length = length - layout_.l4;
  if (layout_.family == 4) {
    const auto total = static_cast<uint16_t>(length - layout_.l3);
    base::store_be16(ip + wire::kIpv4TotalLengthAt, total);
    base::store_raw(ip + wire::kIpv4ChecksumAt, static_cast<uint16_t>(~wire::fold(ip_sum_ + base::swap16(total))));
  } else {
    base::store_be16(ip + wire::kIpv6PayloadLengthAt, static_cast<uint16_t>(l4_length));
  }
  if (layout_.protocol == wire::kProtocolUdp)
    base::store_be16(l4 + wire::kUdpLengthAt, static_cast<uint16_t>(l4_length));
  if (checksum_at_ != wire::kNoChecksum)
    base::store_raw(l4 + checksum_at_, transport_checksum(payload + fill, fill, l4_length));
  advance();
}

}  // namespace penstock::load
