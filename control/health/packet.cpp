#include "control/health/packet.h"

#include "wire/build.h"
#include "wire/headers.h"
#include "wire/parse.h"

namespace penstock::health {
namespace {

constexpr size_t kMaxPacket = 2048;  // request: a path and a host name of a few hundred bytes, bounded by the model

// A socket's two ends as they stand in an IP datagram, and whether we or the peer sent it.
struct Ends {
  base::IpAddress src, dst;
};

Ends ends_of(base::Bytes datagram, const wire::Headers& h) {
  const uint8_t* ip = datagram.data() + h.l2_length;
  if (h.family == 4) {
    return {base::IpAddress::v4_from(ip + wire::kIpv4SrcAt), base::IpAddress::v4_from(ip + wire::kIpv4DstAt)};
  }
  return {base::IpAddress::v6_from(ip + wire::kIpv6SrcAt), base::IpAddress::v6_from(ip + wire::kIpv6DstAt)};
}

bool is_echo(const wire::Headers& h, bool reply) {
  if (h.protocol == wire::kProtocolIcmp) return h.icmp_type == (reply ? wire::kIcmpEchoReply : wire::kIcmpEchoRequest);
  return h.protocol == wire::kProtocolIcmpv6 &&
         h.icmp_type == (reply ? wire::kIcmpv6EchoReply : wire::kIcmpv6EchoRequest);
}

bool any_icmp(const wire::Headers& h) { return wire::is_icmp(h) || wire::is_icmpv6(h); }

// What an ICMP error means for a check; null: it is none that ends one (too big, time exceeded of one path ...).
const char* unreachable_of(const wire::Headers& h) {
  if (h.protocol == wire::kProtocolIcmp && h.icmp_type == wire::kIcmpUnreachable) {
    switch (h.icmp_code) {
      case wire::kIcmpFragmentationNeeded:
        return nullptr;
      case wire::kIcmpPortUnreachable:
        return "port unreachable";
      case wire::kIcmpProtocolUnreachable:
        return "protocol unreachable";
      case wire::kIcmpProhibited:
        return "administratively prohibited";
      default:
        return "host unreachable";
    }
  }
  if (h.protocol == wire::kProtocolIcmpv6 && h.icmp_type == wire::kIcmpv6Unreachable) {
    switch (h.icmp_code) {
      case wire::kIcmpv6PortUnreachable:
        return "port unreachable";
      case wire::kIcmpv6Prohibited:
        return "administratively prohibited";
      default:
        return "host unreachable";
    }
  }
  return nullptr;
}

Flow flow_of(const Ends& ends, const wire::Headers& h, bool from_peer) {
  Flow flow;
  flow.local = from_peer ? ends.dst : ends.src;
  flow.remote = from_peer ? ends.src : ends.dst;
  flow.local_port = from_peer ? h.dst_port : h.src_port;
  flow.remote_port = any_icmp(h) ? uint16_t{0} : from_peer ? h.src_port : h.dst_port;
  flow.protocol = h.protocol;
  return flow;
}

// An ICMP error: whose packet it quotes.
std::optional<Answer> decode_error(base::Bytes frame, const wire::Headers& h) {
  const char* what = unreachable_of(h);
  const size_t quoted_at = h.l4_offset + wire::kIcmpLength;
  if (what == nullptr || quoted_at >= h.end || h.end > frame.size()) return std::nullopt;
  const base::Bytes quoted = frame.subspan(quoted_at, h.end - quoted_at);
  wire::Headers inner;
  if (wire::parse_ip(quoted, wire::Whole::kQuoted, wire::Ipv4Checksum::kVerifiedByDevice, inner) !=
      wire::ParseError::kNone) {
    return std::nullopt;
  }
  if (any_icmp(inner) && !is_echo(inner, false)) return std::nullopt;
  Answer out;
  out.flow = flow_of(ends_of(quoted, inner), inner, false);
  out.unreachable = what;
  const size_t seq_at = inner.l4_offset + wire::kTcpSeqAt;
  if (inner.protocol == wire::kProtocolTcp && seq_at + 4 <= quoted.size()) {
    out.quoted_seq = base::load_be32(quoted.data() + seq_at);
  }
  return out;
}

}  // namespace

std::vector<uint8_t> encode(const Flow& flow, const Segment& segment) {
  std::vector<uint8_t> frame(kMaxPacket);
  const base::Bytes payload(reinterpret_cast<const uint8_t*>(segment.payload.data()), segment.payload.size());
  const wire::Link link{};
  const wire::Ip ip{.src = flow.local, .dst = flow.remote};
  size_t length = 0;
  switch (flow.protocol) {
    case wire::kProtocolTcp:
      length = wire::build_tcp(frame, {.link = link,
                                       .ip = ip,
                                       .src_port = flow.local_port,
                                       .dst_port = flow.remote_port,
                                       .seq = segment.seq,
                                       .ack = segment.ack,
                                       .flags = segment.tcp_flags,
                                       .window = kWindow,
                                       .mss = segment.tcp_flags & wire::kTcpSyn ? kSegmentSize : uint16_t{0},
                                       .payload = payload});
      break;
    case wire::kProtocolUdp:
      length = wire::build_udp(
          frame,
          {.link = link, .ip = ip, .src_port = flow.local_port, .dst_port = flow.remote_port, .payload = payload});
      break;
    default:
      length = wire::build_echo(
          frame,
          {.link = link, .ip = ip, .id = flow.local_port, .sequence = segment.echo_sequence, .payload = payload});
      break;
  }
  frame.resize(length);
  return frame;
}

std::optional<Answer> decode(base::Bytes frame) {
  wire::Headers h;
  const auto length = static_cast<uint32_t>(frame.size());
  if (wire::parse(frame, length, wire::Ipv4Checksum::kVerifiedByDevice, h) != wire::ParseError::kNone) {
    return std::nullopt;
  }
  if (h.family == 0 || h.is(wire::kIsFragment) || h.end > frame.size()) return std::nullopt;
  if (any_icmp(h) && !is_echo(h, true)) return decode_error(frame, h);
  if (!any_icmp(h) && h.protocol != wire::kProtocolTcp && h.protocol != wire::kProtocolUdp) return std::nullopt;
  Answer out;
  out.flow = flow_of(ends_of(frame, h), h, true);
  if (h.protocol == wire::kProtocolTcp) {
    const uint8_t* tcp = frame.data() + h.l4_offset;
    out.segment.tcp_flags = h.tcp_flags;
    out.segment.seq = base::load_be32(tcp + wire::kTcpSeqAt);
    out.segment.ack = base::load_be32(tcp + wire::kTcpAckAt);
  } else if (any_icmp(h)) {
    out.segment.echo_sequence = base::load_be16(frame.data() + h.l4_offset + wire::kIcmpSequenceAt);
  }
  out.segment.payload.assign(reinterpret_cast<const char*>(frame.data()) + h.payload_offset, h.end - h.payload_offset);
  return out;
}

}  // namespace penstock::health
