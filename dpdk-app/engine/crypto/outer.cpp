#include "engine/crypto/outer.h"

#include <immintrin.h>

#include <cstring>

#include "engine/crypto/ecn.h"
#include "wire/checksum.h"

namespace penstock::crypto {

namespace {

constexpr uint16_t kFirstDynamicPort = 49152;  // RFC 6335 §6
constexpr uint16_t kDynamicPorts = 16384;
constexpr uint32_t kFlowLabelMask = 0xfffff;  // RFC 8200 §3: 20 bits

uint32_t mix(uint32_t hash, uint64_t word) { return static_cast<uint32_t>(_mm_crc32_u64(hash, word)); }

bool has_ports(uint8_t protocol) {
  return protocol == wire::kProtocolTcp || protocol == wire::kProtocolUdp || protocol == wire::kProtocolSctp;
}

uint32_t hash_v4(const uint8_t* ip, size_t header, size_t length) {
  uint32_t hash = mix(ip[wire::kIpv4ProtocolAt], base::load_raw<uint64_t>(ip + wire::kIpv4SrcAt));
  const uint16_t fragment = base::load_be16(ip + wire::kIpv4FragmentAt);
  const bool whole = (fragment & (wire::kIpv4OffsetMask | wire::kIpv4MoreFragments)) == 0;
  if (whole && has_ports(ip[wire::kIpv4ProtocolAt]) && header + 4 <= length)
    hash = mix(hash, base::load_raw<uint32_t>(ip + header));
  return hash;
}

// Behind extension headers the addresses alone must do.
uint32_t hash_v6(const uint8_t* ip, size_t length) {
  const uint8_t next = ip[wire::kIpv6NextHeaderAt];
  uint32_t hash = next;
  for (size_t at = wire::kIpv6SrcAt; at < wire::kIpv6Length; at += 8)
    hash = mix(hash, base::load_raw<uint64_t>(ip + at));
  if (has_ports(next) && wire::kIpv6Length + 4 <= length)
    hash = mix(hash, base::load_raw<uint32_t>(ip + wire::kIpv6Length));
  return hash;
}

bool dont_fragment(DfPolicy policy, const InnerView& inner) {
  switch (policy) {
    case DfPolicy::kCopy:
      return inner.dont_fragment;
    case DfPolicy::kSet:
      return true;
    case DfPolicy::kClear:
      return false;
  }
  return true;
}

void write_v4(OutboundSa& sa, const InnerView& inner, uint8_t traffic_class, uint8_t* ip, size_t total) {
  const bool df = dont_fragment(sa.outer_policy().df, inner);
  ip[wire::kIpv4TosAt] = traffic_class;
  base::store_be16(ip + wire::kIpv4TotalLengthAt, static_cast<uint16_t>(total));
  base::store_be16(ip + wire::kIpv4IdAt, df ? 0 : sa.next_datagram_id());
  base::store_be16(ip + wire::kIpv4FragmentAt, df ? wire::kIpv4DontFragment : 0);
  // What changed stands in the words 0 to 3 of the header; the template's own version and IHL byte is summed already.
  const uint64_t sum =
      sa.outer_sum() + base::swap16(traffic_class) + base::load_raw<uint16_t>(ip + wire::kIpv4TotalLengthAt) +
      base::load_raw<uint16_t>(ip + wire::kIpv4IdAt) + base::load_raw<uint16_t>(ip + wire::kIpv4FragmentAt);
  base::store_raw(ip + wire::kIpv4ChecksumAt, static_cast<uint16_t>(~wire::fold(sum)));
}

// 20, 28, 40 or 48 bytes: as a memcpy of unknown length it would be a call.
void copy_outer(const uint8_t* from, size_t length, uint8_t* to) {
  std::memcpy(to, from, 16);
  if (length > 32) std::memcpy(to + 16, from + 16, 16);
  uint8_t last[16];  // may overlap what was written
  std::memcpy(last, from + length - 16, 16);
  std::memcpy(to + length - 16, last, 16);
}

}  // namespace

bool look_inside(base::Bytes bytes, InnerView& view) {
  const uint8_t* ip = bytes.data();
  if (bytes.size() < wire::kIpv4MinLength) return false;
  view.family = ip[0] >> 4;
  if (view.family == 4) {
    const size_t header = static_cast<size_t>(ip[0] & 0x0f) * 4;
    view.length = base::load_be16(ip + wire::kIpv4TotalLengthAt);
    if (header < wire::kIpv4MinLength || view.length < header || view.length > bytes.size()) return false;
    view.traffic_class = ip[wire::kIpv4TosAt];
    view.dont_fragment = (base::load_be16(ip + wire::kIpv4FragmentAt) & wire::kIpv4DontFragment) != 0;
    view.flow_hash = hash_v4(ip, header, view.length);
    return true;
  }
  if (view.family != 6 || bytes.size() < wire::kIpv6Length) return false;
  const size_t length = wire::kIpv6Length + base::load_be16(ip + wire::kIpv6PayloadLengthAt);
  if (length > bytes.size() || length > 0xffff) return false;
  view.length = static_cast<uint16_t>(length);
  view.traffic_class = static_cast<uint8_t>(base::load_be16(ip) >> 4);
  view.dont_fragment = true;
  view.flow_hash = hash_v6(ip, length);
  return true;
}

void write_outer(OutboundSa& sa, const InnerView& inner, uint8_t* at, size_t esp_length) {
  const OutboundSa::OuterPolicy& policy = sa.outer_policy();
  const uint8_t dscp = policy.dscp_policy == DscpPolicy::kCopy ? inner.traffic_class >> 2 : policy.dscp;
  const auto traffic_class = static_cast<uint8_t>(dscp << 2 | enter_tunnel(inner.traffic_class, policy.ecn));
  const size_t total = sa.outer_length() + esp_length;
  copy_outer(sa.outer(), sa.outer_length(), at);
  size_t ip_length = wire::kIpv4MinLength;
  if (!policy.v6) {
    write_v4(sa, inner, traffic_class, at, total);
  } else {
    ip_length = wire::kIpv6Length;
    base::store_be32(at, 6u << 28 | static_cast<uint32_t>(traffic_class) << 20 | (inner.flow_hash & kFlowLabelMask));
    base::store_be16(at + wire::kIpv6PayloadLengthAt, static_cast<uint16_t>(total - ip_length));
  }
  if (!sa.udp_encapsulation()) return;
  uint8_t* udp = at + ip_length;
  if (policy.port_by_flow)
    base::store_be16(udp, static_cast<uint16_t>(kFirstDynamicPort + (inner.flow_hash >> 8) % kDynamicPorts));
  base::store_be16(udp + wire::kUdpLengthAt, static_cast<uint16_t>(total - ip_length));
}

void finish_udp6(uint8_t* outer, size_t esp_length) {
  uint8_t* udp = outer + wire::kIpv6Length;
  const size_t length = wire::kUdpLength + esp_length;
  base::store_be16(udp + wire::kUdpChecksumAt, 0);
  const uint64_t pseudo = wire::sum_pseudo_header(base::IpAddress::v6_from(outer + wire::kIpv6SrcAt),
                                                  base::IpAddress::v6_from(outer + wire::kIpv6DstAt),
                                                  wire::kProtocolUdp, static_cast<uint32_t>(length));
  const auto checksum = static_cast<uint16_t>(~wire::fold(wire::sum_bytes({udp, length}, pseudo)));
  base::store_raw<uint16_t>(udp + wire::kUdpChecksumAt, checksum == 0 ? 0xffff : checksum);
}

}  // namespace penstock::crypto
