#include "control/liveness/path_mtu.h"

#include <algorithm>

#include "wire/headers.h"
#include "wire/parse.h"

namespace penstock::liveness {

namespace {

base::IpAddress address_at(base::Bytes ip, bool v4, size_t v4_at, size_t v6_at) {
  return v4 ? base::IpAddress::v4_from(ip.data() + v4_at) : base::IpAddress::v6_from(ip.data() + v6_at);
}

}  // namespace

std::optional<TooBig> parse_too_big(base::Bytes frame) {
  wire::Headers h;
  if (wire::parse(frame, static_cast<uint32_t>(frame.size()), wire::Ipv4Checksum::kVerifiedByDevice, h) !=
          wire::ParseError::kNone ||
      h.is(wire::kIsFragment))
    return std::nullopt;
  const bool v4 = h.family == 4;
  const bool about_size =
      v4 ? wire::is_icmp(h) && h.icmp_type == wire::kIcmpUnreachable && h.icmp_code == wire::kIcmpFragmentationNeeded
         : wire::is_icmpv6(h) && h.icmp_type == wire::kIcmpv6PacketTooBig;
  const size_t at = h.l4_offset + wire::kIcmpLength, end = std::min<size_t>(h.end, frame.size());
  if (!about_size || at >= end) return std::nullopt;
  const base::Bytes quote = frame.subspan(at, end - at);
  wire::Headers inner;
  if (wire::parse_ip(quote, wire::Whole::kQuoted, wire::Ipv4Checksum::kVerifiedByDevice, inner) !=
          wire::ParseError::kNone ||
      inner.family != h.family || inner.is(wire::kIsLaterFragment))
    return std::nullopt;
  size_t esp = inner.l4_offset;
  if (inner.protocol == wire::kProtocolUdp && inner.dst_port == wire::kPortEspInUdp) {
    esp += wire::kUdpLength;
  } else if (inner.protocol != wire::kProtocolEsp) {
    return std::nullopt;
  }
  if (esp + 4 > quote.size()) return std::nullopt;
  TooBig out;
  out.local = address_at(quote, v4, wire::kIpv4SrcAt, wire::kIpv6SrcAt);
  out.remote = address_at(quote, v4, wire::kIpv4DstAt, wire::kIpv6DstAt);
  out.spi = base::load_be32(quote.data() + esp);
  const uint8_t* icmp = frame.data() + h.l4_offset;
  const uint32_t said = v4 ? base::load_be16(icmp + 6) : base::load_be32(icmp + 4);
  out.mtu = static_cast<uint16_t>(std::clamp<uint32_t>(said, v4 ? kLeastMtu4 : kLeastMtu6, UINT16_MAX));
  return out;
}

bool PathMtus::learn(uint16_t peer, const base::IpAddress& remote, uint16_t mtu, uint16_t now_used, base::Nanos now) {
  if (mtu >= now_used) return false;
  known_[peer][remote] = {mtu, now + kAge};
  return true;
}

std::optional<uint16_t> PathMtus::next_aged(base::Nanos now) {
  for (auto& [peer, paths] : known_)
    if (std::erase_if(paths, [now](const auto& entry) { return entry.second.until <= now; }) != 0) return peer;
  return std::nullopt;
}

void PathMtus::keep(const std::set<uint16_t>& peers) {
  std::erase_if(known_, [&](const auto& entry) { return !peers.contains(entry.first); });
}

PathMtus::ByAddress PathMtus::of(uint16_t peer) const {
  ByAddress out;
  if (const auto at = known_.find(peer); at != known_.end())
    for (const auto& [remote, known] : at->second) out[remote] = known.mtu;
  return out;
}

}  // namespace penstock::liveness
