#include "control/neighbour/message.h"

#include <array>

#include "wire/arp_nd.h"
#include "wire/build.h"
#include "wire/parse.h"

namespace penstock::neighbour {
namespace {

Message from_arp(const wire::ArpMessage& arp) {
  Message out;
  out.verb = arp.operation == wire::kArpReply ? Verb::kAnswer : Verb::kQuestion;
  out.subject = arp.sender_ip;
  out.mac = arp.sender_mac;
  out.target = arp.target_ip;
  out.solicited = arp.operation == wire::kArpReply;
  return out;
}

std::optional<Message> from_nd(const wire::NdMessage& nd) {
  Message out;
  out.mac = nd.link_address.value_or(base::MacAddress{});
  out.destination = nd.dst;
  switch (nd.type) {
    case wire::kNdNeighbourSolicit:
      out.subject = nd.src;
      out.target = nd.target;
      return out;
    case wire::kNdNeighbourAdvert:
      out.verb = Verb::kAnswer;
      out.subject = nd.target;
      out.solicited = nd.solicited;
      out.override = nd.overrides;
      return out;
    default:
      return std::nullopt;  // router solicitations: the gateway advertises no routes
  }
}

}  // namespace

std::optional<Message> decode(base::Bytes frame) {
  wire::Headers headers;
  const auto length = static_cast<uint32_t>(frame.size());
  if (wire::parse(frame, length, wire::Ipv4Checksum::kVerify, headers) != wire::ParseError::kNone) return std::nullopt;
  if (wire::ArpMessage arp; wire::parse_arp(frame, headers, arp) == wire::NeighbourError::kNone) return from_arp(arp);
  if (wire::NdMessage nd; wire::parse_nd(frame, headers, nd) == wire::NeighbourError::kNone) return from_nd(nd);
  return std::nullopt;
}

std::vector<uint8_t> encode(const Message& message, const base::MacAddress& source,
                            const base::MacAddress& destination) {
  std::array<uint8_t, 128> buffer{};
  size_t length = 0;
  const wire::Link link{.dst = destination, .src = source};
  const bool question = message.verb == Verb::kQuestion;
  if (message.subject.is_v4()) {
    wire::ArpPacket packet{.link = link};
    packet.message.operation = question ? wire::kArpRequest : wire::kArpReply;
    packet.message.sender_mac = message.mac;
    packet.message.sender_ip = message.subject;
    if (!question) packet.message.target_mac = destination;
    packet.message.target_ip = message.target;
    length = wire::build_arp(buffer, packet);
  } else {
    wire::NdPacket packet{.link = link};
    packet.message.type = question ? wire::kNdNeighbourSolicit : wire::kNdNeighbourAdvert;
    packet.message.src = message.subject;
    packet.message.dst = message.destination;
    packet.message.target = question ? message.target : message.subject;
    if (!message.subject.is_unspecified()) packet.message.link_address = message.mac;  // RFC 4861 §4.3
    packet.message.router = !question;
    packet.message.solicited = message.solicited;
    packet.message.overrides = message.override;
    length = wire::build_nd(buffer, packet);
  }
  return {buffer.begin(), buffer.begin() + static_cast<ptrdiff_t>(length)};
}

base::IpAddress all_nodes() { return {{0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}}; }

}  // namespace penstock::neighbour
