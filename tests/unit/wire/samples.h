// Packets that the wire tests share.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "wire/build.h"
#include "wire/checksum.h"
#include "wire/headers.h"
#include "wire/parse.h"

namespace penstock::wire::test {

using base::Bytes;
using base::IpAddress;
using base::MacAddress;

using Frame = std::vector<uint8_t>;

inline IpAddress ip(std::string_view text) { return *IpAddress::parse(text); }

inline const MacAddress kHere{{2, 0, 0, 0, 0, 1}};
inline const MacAddress kThere{{2, 0, 0, 0, 0, 2}};
inline const Link kLink{.dst = kThere, .src = kHere};
inline Ip ip4() { return {.src = ip("192.0.2.1"), .dst = ip("198.51.100.2")}; }
inline Ip ip6() { return {.src = ip("2001:db8::1"), .dst = ip("2001:db8:1::2")}; }

inline Frame text(std::string_view payload) { return {payload.begin(), payload.end()}; }

// Runs a builder into a buffer of its own and cuts it to the length written.
template <typename Builder, typename Packet>
Frame make(Builder builder, const Packet& packet) {
  Frame frame(2000);
  frame.resize(builder(frame, packet));
  return frame;
}

inline Frame tcp4(uint8_t flags = kTcpSyn, std::string_view payload = "", uint16_t vlan = 0) {
  const Frame body = text(payload);
  Link link = kLink;
  link.vlan = vlan;
  return make(build_tcp, TcpPacket{.link = link,
                                   .ip = ip4(),
                                   .src_port = 40000,
                                   .dst_port = 80,
                                   .seq = 1000,
                                   .ack = 2000,
                                   .flags = flags,
                                   .window = 65535,
                                   .mss = static_cast<uint16_t>(flags & kTcpSyn ? 1460 : 0),
                                   .payload = body});
}
inline Frame tcp6(uint8_t flags = kTcpAck, std::string_view payload = "hello") {
  const Frame body = text(payload);
  return make(
      build_tcp,
      TcpPacket{.link = kLink, .ip = ip6(), .src_port = 40000, .dst_port = 443, .flags = flags, .payload = body});
}
inline Frame udp(const Ip& ip, std::string_view payload = "question") {
  const Frame body = text(payload);
  return make(build_udp, UdpPacket{.link = kLink, .ip = ip, .src_port = 5353, .dst_port = 53, .payload = body});
}
inline Frame echo(const Ip& ip, bool reply = false) {
  const Frame body = text("abcdefgh");
  return make(build_echo,
              EchoPacket{.link = kLink, .ip = ip, .reply = reply, .id = 77, .sequence = 3, .payload = body});
}
inline Frame arp() {
  return make(build_arp, ArpPacket{.link = {.dst = kBroadcastMac, .src = kHere},
                                   .message = {.operation = kArpRequest,
                                               .sender_mac = kHere,
                                               .sender_ip = ip("192.0.2.1"),
                                               .target_ip = ip("192.0.2.2")}});
}
inline NdMessage solicitation() {
  return {.type = kNdNeighbourSolicit,
          .src = ip("fe80::1"),
          .dst = solicited_node(ip("2001:db8::2")),
          .target = ip("2001:db8::2"),
          .link_address = kHere};
}
inline Frame nd(const NdMessage& message = solicitation()) {
  return make(build_nd, NdPacket{.link = {.dst = multicast_mac(message.dst), .src = kHere}, .message = message});
}
inline Frame icmp_error(const Frame& about) {
  const bool v4 = about[12] == 8;
  return make(build_icmp_error, IcmpErrorPacket{.link = kLink,
                                                .src = v4 ? ip("203.0.113.9") : ip("2001:db8:9::9"),
                                                .type = v4 ? kIcmpUnreachable : kIcmpv6PacketTooBig,
                                                .code = v4 ? kIcmpFragmentationNeeded : uint8_t{0},
                                                .mtu = 1400,
                                                .original = Bytes(about).subspan(kEthernetLength)});
}

// IPv6 with `chain` between the fixed header (whose next header is `first`) and nothing.
inline Frame ip6_with(uint8_t first, const Frame& chain) {
  Frame frame(kEthernetLength + kIpv6Length);
  build_ethernet(frame, kLink, kEtherTypeIpv6);
  build_ip_header(base::MutableBytes(frame).subspan(kEthernetLength), ip6(), first, chain.size());
  frame.insert(frame.end(), chain.begin(), chain.end());
  return frame;
}

inline std::vector<Frame> samples() {
  return {tcp4(),
          tcp4(kTcpAck | kTcpPsh, "GET / HTTP/1.1\r\n\r\n"),
          tcp4(kTcpSyn, "", 100),
          tcp6(),
          udp(ip4()),
          udp(ip6()),
          echo(ip4()),
          echo(ip6(), true),
          arp(),
          nd(),
          icmp_error(udp(ip4())),
          icmp_error(tcp6())};
}

inline ParseError parse_frame(const Frame& frame, Headers& h) {
  return parse(frame, static_cast<uint32_t>(frame.size()), Ipv4Checksum::kVerify, h);
}

inline void fix_ipv4_checksum(Frame& frame, size_t at = kEthernetLength) {
  base::store_raw(&frame[at + kIpv4ChecksumAt], compute_ipv4_header(&frame[at]));
}

}  // namespace penstock::wire::test
