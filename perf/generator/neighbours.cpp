#include "generator/neighbours.h"

#include <algorithm>
#include <cstring>

#include "wire/build.h"
#include "wire/headers.h"

namespace penstock::load {

bool Neighbours::answers_for(const base::IpAddress& address) const {
  return (station_.address && station_.address->address == address) ||
         std::ranges::any_of(station_.answers, [&](const base::Prefix& prefix) { return prefix.contains(address); });
}

void Neighbours::learn(const base::IpAddress& address, const base::MacAddress& mac) {
  if (station_.gateway == address) gateway_ = mac;
}

size_t Neighbours::question(base::MutableBytes out) const {
  if (station_.gateway->is_v4()) {
    wire::ArpPacket packet;
    packet.link = {.dst = wire::kBroadcastMac, .src = own_};
    packet.message = {.operation = wire::kArpRequest,
                      .sender_mac = own_,
                      .sender_ip = station_.address->address,
                      .target_mac = {},
                      .target_ip = *station_.gateway};
    return wire::build_arp(out, packet);
  }
  wire::NdPacket packet;
  packet.message.type = wire::kNdNeighbourSolicit;
  packet.message.src = station_.address->address;
  packet.message.dst = wire::solicited_node(*station_.gateway);
  packet.message.target = *station_.gateway;
  packet.message.link_address = own_;
  packet.link = {.dst = wire::multicast_mac(packet.message.dst), .src = own_};
  return wire::build_nd(out, packet);
}

size_t Neighbours::answer_arp(base::Bytes frame, const wire::Headers& headers, base::MutableBytes out) {
  wire::ArpMessage message;
  if (wire::parse_arp(frame, headers, message) != wire::NeighbourError::kNone) return 0;
  learn(message.sender_ip, message.sender_mac);
  if (message.operation != wire::kArpRequest || !answers_for(message.target_ip)) return 0;
  wire::ArpPacket packet;
  packet.link = {.dst = message.sender_mac, .src = own_};
  packet.message = {.operation = wire::kArpReply,
                    .sender_mac = own_,
                    .sender_ip = message.target_ip,
                    .target_mac = message.sender_mac,
                    .target_ip = message.sender_ip};
  return wire::build_arp(out, packet);
}

size_t Neighbours::answer_nd(const wire::NdMessage& message, const base::MacAddress& from, base::MutableBytes out) {
  if (message.type == wire::kNdNeighbourAdvert) learn(message.target, message.link_address.value_or(from));
  if (message.type != wire::kNdNeighbourSolicit || !answers_for(message.target) || message.src.is_unspecified())
    return 0;
  wire::NdPacket packet;
  packet.link = {.dst = message.link_address.value_or(from), .src = own_};
  packet.message.type = wire::kNdNeighbourAdvert;
  packet.message.src = packet.message.target = message.target;
  packet.message.dst = message.src;
  packet.message.link_address = own_;
  packet.message.solicited = packet.message.overrides = true;
  return wire::build_nd(out, packet);
}

bool Neighbours::handle(base::Bytes frame, const wire::Headers& headers, base::MutableBytes out, size_t& answer) {
  answer = 0;
  if (headers.ether_type == wire::kEtherTypeArp) {
    answer = answer_arp(frame, headers, out);
    return true;
  }
  wire::NdMessage message;
  if (!wire::is_icmpv6(headers) || wire::parse_nd(frame, headers, message) != wire::NeighbourError::kNone) return false;
  base::MacAddress from;
  std::memcpy(from.bytes.data(), frame.data() + wire::kEthernetSrcAt, 6);
  answer = answer_nd(message, from, out);
  return true;
}

}  // namespace penstock::load
