#include "generator/neighbours.h"

#include <gtest/gtest.h>

#include <cstring>

#include "wire/build.h"
#include "wire/headers.h"

namespace penstock::load {
namespace {

const base::MacAddress kOwn = *base::MacAddress::parse("02:00:00:00:00:02");
const base::MacAddress kPeer = *base::MacAddress::parse("02:00:00:00:00:01");

base::IpAddress ip(const char* text) { return *base::IpAddress::parse(text); }

Station station(const char* address, const char* gateway, const char* answers) {
  return {.address = *base::Prefix::parse(address),
          .gateway = ip(gateway),
          .answers = {base::Prefix::parse(answers)->network()}};
}

struct Frame {
  uint8_t bytes[Neighbours::kLongest];
  size_t length = 0;

  wire::Headers headers() const {
    wire::Headers h;
    EXPECT_EQ(wire::parse(all(), static_cast<uint32_t>(length), wire::Ipv4Checksum::kVerify, h),
              wire::ParseError::kNone);
    return h;
  }
  base::Bytes all() const { return {bytes, length}; }
  wire::ArpMessage arp() const {
    wire::ArpMessage message;
    EXPECT_EQ(wire::parse_arp(all(), headers(), message), wire::NeighbourError::kNone);
    return message;
  }
  wire::NdMessage nd() const {
    wire::NdMessage message;
    EXPECT_EQ(wire::parse_nd(all(), headers(), message), wire::NeighbourError::kNone);
    return message;
  }
};

Frame arp(uint16_t operation, const char* from, const char* to) {
  wire::ArpPacket packet;
  packet.link = {.dst = kOwn, .src = kPeer};
  packet.message = {
      .operation = operation, .sender_mac = kPeer, .sender_ip = ip(from), .target_mac = {}, .target_ip = ip(to)};
  Frame frame;
  frame.length = wire::build_arp(frame.bytes, packet);
  return frame;
}

Frame nd(uint8_t type, const char* from, const char* to, const char* target) {
  wire::NdPacket packet;
  packet.link = {.dst = kOwn, .src = kPeer};
  packet.message.type = type;
  packet.message.src = ip(from);
  packet.message.dst = ip(to);
  packet.message.target = ip(target);
  if (!packet.message.src.is_unspecified()) packet.message.link_address = kPeer;
  Frame frame;
  frame.length = wire::build_nd(frame.bytes, packet);
  return frame;
}

// What is said to it.
Frame answer_to(Neighbours& neighbours, const Frame& frame) {
  Frame answer;
  EXPECT_TRUE(neighbours.handle(frame.all(), frame.headers(), answer.bytes, answer.length));
  return answer;
}

TEST(Neighbours, AskForTheGatewayAndHearIt) {
  const Station four = station("198.51.100.2/24", "198.51.100.1", "198.18.0.0/16");
  Neighbours v4(four, kOwn);
  Frame question;
  question.length = v4.question(question.bytes);
  EXPECT_EQ(question.arp(), (wire::ArpMessage{.operation = wire::kArpRequest,
                                              .sender_mac = kOwn,
                                              .sender_ip = ip("198.51.100.2"),
                                              .target_mac = {},
                                              .target_ip = ip("198.51.100.1")}));
  EXPECT_FALSE(v4.resolved());
  EXPECT_EQ(answer_to(v4, arp(wire::kArpReply, "198.51.100.9", "198.51.100.2")).length, 0u);
  EXPECT_FALSE(v4.resolved());  // that was somebody else
  EXPECT_EQ(answer_to(v4, arp(wire::kArpReply, "198.51.100.1", "198.51.100.2")).length, 0u);
  EXPECT_EQ(v4.gateway(), kPeer);

  const Station six = station("2001:db8::2/64", "2001:db8::1", "2001:db8:1::/48");
  Neighbours v6(six, kOwn);
  question.length = v6.question(question.bytes);
  EXPECT_EQ(question.nd().type, wire::kNdNeighbourSolicit);
  EXPECT_EQ(question.nd().target, ip("2001:db8::1"));
  EXPECT_EQ(question.nd().dst, wire::solicited_node(ip("2001:db8::1")));
  EXPECT_EQ(question.nd().link_address, kOwn);
  answer_to(v6, nd(wire::kNdNeighbourAdvert, "2001:db8::9", "2001:db8::2", "2001:db8::9"));
  EXPECT_FALSE(v6.resolved());
  answer_to(v6, nd(wire::kNdNeighbourAdvert, "2001:db8::1", "2001:db8::2", "2001:db8::1"));
  EXPECT_EQ(v6.gateway(), kPeer);
}

TEST(Neighbours, AnswerForThemselvesAndWhatTheyWereTold) {
  const Station four = station("198.51.100.2/24", "198.51.100.1", "198.18.0.0/16");
  Neighbours v4(four, kOwn);
  for (const char* asked : {"198.51.100.2", "198.18.200.1"}) {
    const wire::ArpMessage reply = answer_to(v4, arp(wire::kArpRequest, "198.51.100.9", asked)).arp();
    EXPECT_EQ(reply.operation, wire::kArpReply);
    EXPECT_EQ(reply.sender_mac, kOwn);
    EXPECT_EQ(reply.sender_ip, ip(asked));
    EXPECT_EQ(reply.target_mac, kPeer);
  }
  EXPECT_EQ(answer_to(v4, arp(wire::kArpRequest, "198.51.100.9", "198.19.0.1")).length, 0u);

  const Station six = station("2001:db8::2/64", "2001:db8::1", "2001:db8:1::/48");
  Neighbours v6(six, kOwn);
  for (const char* asked : {"2001:db8::2", "2001:db8:1::77"}) {
    const wire::NdMessage reply = answer_to(v6, nd(wire::kNdNeighbourSolicit, "2001:db8::9", asked, asked)).nd();
    EXPECT_EQ(reply.type, wire::kNdNeighbourAdvert);
    EXPECT_EQ(reply.target, ip(asked));
    EXPECT_EQ(reply.dst, ip("2001:db8::9"));
    EXPECT_EQ(reply.link_address, kOwn);
    EXPECT_TRUE(reply.solicited);
  }
  EXPECT_EQ(answer_to(v6, nd(wire::kNdNeighbourSolicit, "2001:db8::9", "2001:db8::3", "2001:db8::3")).length, 0u);
  // Who only checks whether its address is free (RFC 4862 5.4) has none to be answered at.
  EXPECT_EQ(answer_to(v6, nd(wire::kNdNeighbourSolicit, "::", "ff02::1:ff00:2", "2001:db8::2")).length, 0u);
}

TEST(Neighbours, LeaveTheRestToOthers) {
  const Station four = station("198.51.100.2/24", "198.51.100.1", "198.18.0.0/16");
  Neighbours v4(four, kOwn);
  Frame frame = arp(wire::kArpRequest, "198.51.100.9", "198.51.100.2");
  wire::Headers headers = frame.headers();
  headers.ether_type = wire::kEtherTypeIpv4;
  headers.family = 4;
  headers.protocol = wire::kProtocolTcp;
  Frame answer;
  EXPECT_FALSE(v4.handle(frame.all(), headers, answer.bytes, answer.length));
  EXPECT_EQ(answer.length, 0u);
}

}  // namespace
}  // namespace penstock::load
