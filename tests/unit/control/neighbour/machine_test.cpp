#include "control/neighbour/machine.h"

#include <gtest/gtest.h>

#include <random>

#include "wire/arp_nd.h"
#include "wire/build.h"

namespace penstock::neighbour {
namespace {

using base::IpAddress;
using base::MacAddress;
using base::Prefix;

constexpr base::Nanos kSecond = base::kNanosPerSecond;

IpAddress ip(const char* text) { return IpAddress::parse(text).value(); }
MacAddress mac(uint8_t last) { return {{0x02, 0, 0, 0, 0, last}}; }

// One interface "lan", 10.0.1.1/24 and 2001:db8:1::1/64, MAC ...:01, answering for 10.0.1.100 and 2001:db8:1::100 too.
class NeighbourTest : public ::testing::Test {
 protected:
  void SetUp() override {
    configure();
    run_until(10 * kSecond);
    frames();
    now_ = 10 * kSecond;
  }

  Interface lan() {
    Interface out;
    out.id = 3;
    out.name = "lan";
    out.mac = mac(1);
    out.addresses = {Prefix::parse("10.0.1.1/24").value(), Prefix::parse("2001:db8:1::1/64").value()};
    out.owned = {ip("10.0.1.100"), ip("2001:db8:1::100")};
    return out;
  }
  void configure() { machine_.configure({lan()}, settings_, now_); }

  void run_until(base::Nanos end) {
    while (machine_.deadline() && *machine_.deadline() <= end) {
      now_ = std::max(now_, *machine_.deadline());
      machine_.on_deadline(now_);
    }
    now_ = std::max(now_, end);
  }

  std::vector<Frame> frames() {
    std::vector<Frame> out;
    while (auto frame = machine_.next_frame()) out.push_back(*frame);
    return out;
  }
  std::vector<Message> messages() {
    std::vector<Message> out;
    for (const auto& frame : frames()) {
      const auto message = decode(frame.bytes);
      EXPECT_TRUE(message.has_value());
      if (message) out.push_back(*message);
    }
    return out;
  }
  std::vector<Update> updates() {
    std::vector<Update> out;
    while (auto update = machine_.next_update()) out.push_back(*update);
    return out;
  }

  void arp(uint16_t operation, const char* sender, MacAddress sender_mac, const char* target) {
    uint8_t buffer[128];
    wire::ArpPacket packet{.link = {.dst = wire::kBroadcastMac, .src = sender_mac}};
    packet.message = {operation, sender_mac, ip(sender), {}, ip(target)};
    machine_.on_frame(3, {buffer, wire::build_arp(buffer, packet)}, now_);
  }
  void nd(wire::NdMessage message, MacAddress from) {
    uint8_t buffer[128];
    wire::NdPacket packet{.link = {.dst = mac(1), .src = from}, .message = message};
    machine_.on_frame(3, {buffer, wire::build_nd(buffer, packet)}, now_);
  }
  void advertise(const char* who, std::optional<MacAddress> link, bool solicited, bool overrides) {
    nd({.type = wire::kNdNeighbourAdvert,
        .src = ip(who),
        .dst = solicited ? ip("2001:db8:1::1") : all_nodes(),
        .target = ip(who),
        .link_address = link,
        .solicited = solicited,
        .overrides = overrides},
       link.value_or(mac(99)));
  }

  Settings settings_;
  Machine machine_;
  base::Nanos now_ = 0;
};

TEST_F(NeighbourTest, AnswersArpForOwnAndOwnedAddresses) {
  for (const char* target : {"10.0.1.1", "10.0.1.100"}) {
    arp(wire::kArpRequest, "10.0.1.7", mac(7), target);
    const auto out = frames();
    ASSERT_EQ(out.size(), 1u) << target;
    wire::Headers h;
    ASSERT_EQ(wire::parse(out[0].bytes, static_cast<uint32_t>(out[0].bytes.size()), wire::Ipv4Checksum::kVerify, h),
              wire::ParseError::kNone);
    wire::ArpMessage answer;
    ASSERT_EQ(wire::parse_arp(out[0].bytes, h, answer), wire::NeighbourError::kNone);
    EXPECT_EQ(answer, (wire::ArpMessage{wire::kArpReply, mac(1), ip(target), mac(7), ip("10.0.1.7")}));
    EXPECT_EQ(out[0].interface, 3);
  }
  arp(wire::kArpRequest, "10.0.1.7", mac(7), "10.0.1.55");
  EXPECT_TRUE(frames().empty());
}

TEST_F(NeighbourTest, AnswersSolicitations) {
  for (const char* target : {"2001:db8:1::1", "2001:db8:1::100"}) {
    nd({.type = wire::kNdNeighbourSolicit,
        .src = ip("2001:db8:1::7"),
        .dst = wire::solicited_node(ip(target)),
        .target = ip(target),
        .link_address = mac(7)},
       mac(7));
    const auto out = messages();
    ASSERT_EQ(out.size(), 1u);
    EXPECT_EQ(out[0].verb, Verb::kAnswer);
    EXPECT_EQ(out[0].subject, ip(target));
    EXPECT_EQ(out[0].mac, mac(1));
    EXPECT_EQ(out[0].destination, ip("2001:db8:1::7"));
    EXPECT_TRUE(out[0].solicited);
    EXPECT_TRUE(out[0].override);
  }
}

TEST_F(NeighbourTest, ProbeForADuplicateOfOursIsAnsweredToAll) {
  nd({.type = wire::kNdNeighbourSolicit,
      .src = {},
      .dst = wire::solicited_node(ip("2001:db8:1::1")),
      .target = ip("2001:db8:1::1")},
     mac(7));
  const auto out = messages();
  ASSERT_EQ(out.size(), 1u);
  EXPECT_EQ(out[0].destination, all_nodes());
  EXPECT_FALSE(out[0].solicited);
  EXPECT_EQ(machine_.size(), 0u);
}

TEST_F(NeighbourTest, ResolvesOverArp) {
  machine_.on_want(3, ip("10.0.1.7"), now_);
  machine_.on_want(3, ip("10.0.1.7"), now_);  // a second worker: no second question
  const auto out = messages();
  ASSERT_EQ(out.size(), 1u);
  EXPECT_EQ(out[0].verb, Verb::kQuestion);
  EXPECT_EQ(out[0].subject, ip("10.0.1.1"));
  EXPECT_EQ(out[0].target, ip("10.0.1.7"));
  arp(wire::kArpReply, "10.0.1.7", mac(7), "10.0.1.1");
  const auto told = updates();
  ASSERT_EQ(told.size(), 1u);
  EXPECT_TRUE(told[0].reachable);
  EXPECT_EQ(told[0].mac, mac(7));
  EXPECT_EQ(told[0].refresh, 30 * kSecond);
}

TEST_F(NeighbourTest, ResolvesOverNeighbourDiscovery) {
  machine_.on_want(3, ip("2001:db8:1::7"), now_);
  const auto out = messages();
  ASSERT_EQ(out.size(), 1u);
  EXPECT_EQ(out[0].destination, wire::solicited_node(ip("2001:db8:1::7")));
  EXPECT_EQ(out[0].subject, ip("2001:db8:1::1"));
  advertise("2001:db8:1::7", std::nullopt, true, true);  // RFC 4861 §7.2.5: without an address it resolves nothing
  EXPECT_TRUE(updates().empty());
  advertise("2001:db8:1::7", mac(7), true, true);
  const auto told = updates();
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].mac, mac(7));
}

TEST_F(NeighbourTest, GivesUpAfterRetriesAndHoldsLongerEachTime) {
  const auto start = now_;
  machine_.on_want(3, ip("10.0.1.7"), now_);
  run_until(start + 3 * kSecond);
  EXPECT_EQ(frames().size(), 3u);
  auto told = updates();
  ASSERT_EQ(told.size(), 1u);
  EXPECT_FALSE(told[0].reachable);
  EXPECT_EQ(told[0].refresh, kSecond);
  machine_.on_want(3, ip("10.0.1.7"), now_ + kSecond / 2);  // within the hold time: told again, not asked
  EXPECT_TRUE(frames().empty());
  EXPECT_EQ(updates().size(), 1u);
  now_ += kSecond;
  machine_.on_want(3, ip("10.0.1.7"), now_);
  EXPECT_EQ(frames().size(), 1u);
  run_until(now_ + 3 * kSecond);
  told = updates();
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].refresh, 2 * kSecond);
}

TEST_F(NeighbourTest, ProbesAgainWhenAWorkerAsksToRefresh) {
  machine_.on_want(3, ip("10.0.1.7"), now_);
  arp(wire::kArpReply, "10.0.1.7", mac(7), "10.0.1.1");
  frames(), updates();
  now_ += 10 * kSecond;
  machine_.on_want(3, ip("10.0.1.7"), now_);  // fresh: a worker that lacks it is told
  EXPECT_TRUE(frames().empty());
  auto told = updates();
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].refresh, 20 * kSecond);
  now_ += 20 * kSecond;
  machine_.on_want(3, ip("10.0.1.7"), now_);
  auto out = frames();
  ASSERT_EQ(out.size(), 1u);
  EXPECT_EQ(std::vector<uint8_t>(out[0].bytes.begin(), out[0].bytes.begin() + 6),
            std::vector<uint8_t>({0x02, 0, 0, 0, 0, 7}));  // unicast: RFC 1122 §2.3.2.1
  EXPECT_TRUE(updates().empty());                          // in use meanwhile
  arp(wire::kArpReply, "10.0.1.7", mac(8), "10.0.1.1");
  told = updates();
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].mac, mac(8));
  now_ += 31 * kSecond;
  machine_.on_want(3, ip("10.0.1.7"), now_);
  run_until(now_ + 3 * kSecond);
  told = updates();
  ASSERT_EQ(told.size(), 1u);
  EXPECT_FALSE(told[0].reachable);
}

TEST_F(NeighbourTest, UnusedEntriesAreForgotten) {
  machine_.on_want(3, ip("10.0.1.7"), now_);
  arp(wire::kArpReply, "10.0.1.7", mac(7), "10.0.1.1");
  EXPECT_EQ(machine_.size(), 1u);
  run_until(now_ + 121 * kSecond);
  EXPECT_EQ(machine_.size(), 0u);
  EXPECT_FALSE(machine_.deadline().has_value());
}

TEST_F(NeighbourTest, LearnsFromQuestionsToUsAndNothingElse) {
  arp(wire::kArpRequest, "10.0.1.7", mac(7), "10.0.1.1");
  auto told = updates();
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].refresh, kFirstProbe);
  arp(wire::kArpRequest, "10.0.1.7", mac(7), "10.0.1.1");
  EXPECT_TRUE(updates().empty());                           // nothing new
  arp(wire::kArpRequest, "10.0.1.8", mac(8), "10.0.1.9");   // not our business
  arp(wire::kArpRequest, "192.0.2.8", mac(8), "10.0.1.1");  // not of this subnet
  arp(wire::kArpReply, "10.0.1.9", mac(9), "10.0.1.1");     // never asked for
  advertise("2001:db8:1::9", mac(9), true, true);
  EXPECT_TRUE(updates().empty());
  EXPECT_EQ(machine_.size(), 1u);
}

TEST_F(NeighbourTest, GratuitousUpdatesMoveAKnownNeighbour) {
  machine_.on_want(3, ip("10.0.1.7"), now_);
  arp(wire::kArpReply, "10.0.1.7", mac(7), "10.0.1.1");
  updates();
  arp(wire::kArpRequest, "10.0.1.7", mac(17), "10.0.1.7");  // RFC 5227 announcement after a failover
  auto told = updates();
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].mac, mac(17));
  EXPECT_EQ(told[0].refresh, kFirstProbe);  // believed, and checked at its next use
}

TEST_F(NeighbourTest, AdvertisementWithoutOverrideOnlyMakesDoubt) {
  machine_.on_want(3, ip("2001:db8:1::7"), now_);
  advertise("2001:db8:1::7", mac(7), true, true);
  updates();
  advertise("2001:db8:1::7", mac(8), false, false);
  auto told = updates();
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].mac, mac(7));
  EXPECT_EQ(told[0].refresh, kFirstProbe);
  advertise("2001:db8:1::7", mac(8), false, true);
  told = updates();
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].mac, mac(8));
}

TEST_F(NeighbourTest, NewAddressesAreProbedAndAnnouncedTwice) {
  auto more = lan();
  more.owned.push_back(ip("10.0.1.101"));
  machine_.configure({more}, settings_, now_);
  run_until(now_ + 10 * kSecond);
  auto out = messages();
  ASSERT_EQ(out.size(), 3u);
  EXPECT_TRUE(out[0].subject.is_unspecified());
  EXPECT_EQ(out[0].target, ip("10.0.1.101"));
  for (int i : {1, 2}) {
    EXPECT_EQ(out[i].subject, ip("10.0.1.101"));
    EXPECT_EQ(out[i].target, ip("10.0.1.101"));
    EXPECT_EQ(out[i].mac, mac(1));
  }
  machine_.configure({more}, settings_, now_);
  run_until(now_ + 10 * kSecond);
  EXPECT_TRUE(frames().empty());
  machine_.on_link_up(3, now_);
  run_until(now_ + 10 * kSecond);
  EXPECT_EQ(frames().size(), 10u);  // five addresses, twice
}

TEST_F(NeighbourTest, DuplicateOfOurAddressIsReportedAndDefendedOnce) {
  for (int i = 0; i < 5; ++i) arp(wire::kArpRequest, "10.0.1.1", mac(66), "10.0.1.7");
  auto notice = machine_.next_notice();
  ASSERT_TRUE(notice.has_value());
  EXPECT_EQ(notice->address, ip("10.0.1.1"));
  EXPECT_EQ(notice->other, mac(66));
  EXPECT_FALSE(machine_.next_notice().has_value());
  EXPECT_EQ(frames().size(), 1u);
  EXPECT_EQ(machine_.size(), 0u);
  now_ += kDefendInterval;
  advertise("2001:db8:1::100", mac(66), false, true);
  arp(wire::kArpReply, "10.0.1.1", mac(66), "10.0.1.7");
  EXPECT_TRUE(machine_.next_notice().has_value());
  EXPECT_TRUE(machine_.next_notice().has_value());
}

TEST_F(NeighbourTest, FloodsAreBounded) {
  for (int i = 0; i < 20000; ++i) {
    machine_.on_want(3, IpAddress::v4(0x0a000000u + static_cast<uint32_t>(i) + 1000), now_);
  }
  EXPECT_LE(machine_.size(), kMaxUnresolved);
  EXPECT_LE(frames().size(), kQuestionsPerSecond);
  EXPECT_GT(machine_.counts().refused, 18000u);
  for (int i = 0; i < 20000; ++i) arp(wire::kArpRequest, "10.0.1.7", mac(7), "10.0.1.1");
  EXPECT_LE(frames().size(), kAnswersPerSecond);
}

TEST_F(NeighbourTest, AFullTableForgetsTheOldestResolved) {
  settings_.capacity = 4;
  configure();
  for (const char* who : {"10.0.1.11", "10.0.1.12", "10.0.1.13", "10.0.1.14"}) {
    machine_.on_want(3, ip(who), now_);
    arp(wire::kArpReply, who, mac(static_cast<uint8_t>(ip(who).bytes[15])), "10.0.1.1");
    now_ += kSecond;
  }
  machine_.on_want(3, ip("10.0.1.15"), now_);
  EXPECT_EQ(machine_.size(), 4u);
  updates(), frames();
  machine_.on_want(3, ip("10.0.1.11"), now_);
  EXPECT_EQ(frames().size(), 1u);  // the oldest is asked again
}

TEST_F(NeighbourTest, InterfacesThatGoTakeTheirNeighboursAlong) {
  machine_.on_want(3, ip("10.0.1.7"), now_);
  machine_.configure({}, settings_, now_);
  EXPECT_EQ(machine_.size(), 0u);
  EXPECT_FALSE(machine_.deadline().has_value());
  arp(wire::kArpReply, "10.0.1.7", mac(7), "10.0.1.1");
  EXPECT_TRUE(updates().empty());
}

TEST_F(NeighbourTest, OnlyNeighboursAreAskedFor) {
  for (const char* bad :
       {"0.0.0.0", "224.0.0.1", "255.255.255.255", "127.0.0.1", "10.0.1.1", "10.0.1.100", "ff02::1"}) {
    machine_.on_want(3, ip(bad), now_);
  }
  machine_.on_want(9, ip("10.0.1.7"), now_);
  EXPECT_EQ(machine_.size(), 0u);
  EXPECT_TRUE(frames().empty());
}

TEST_F(NeighbourTest, MangledFramesNeverHurt) {
  uint8_t buffer[128];
  wire::ArpPacket packet{.link = {.dst = wire::kBroadcastMac, .src = mac(7)}};
  packet.message = {wire::kArpRequest, mac(7), ip("10.0.1.7"), {}, ip("10.0.1.1")};
  const size_t arp_length = wire::build_arp(buffer, packet);
  uint8_t nd_buffer[128];
  wire::NdPacket nd_packet{.link = {.dst = mac(1), .src = mac(7)},
                           .message = {.type = wire::kNdNeighbourSolicit,
                                       .src = ip("2001:db8:1::7"),
                                       .dst = ip("2001:db8:1::1"),
                                       .target = ip("2001:db8:1::1"),
                                       .link_address = mac(7)}};
  const size_t nd_length = wire::build_nd(nd_buffer, nd_packet);
  std::mt19937 random(3);
  for (int i = 0; i < 50000; ++i) {
    const bool v4 = random() & 1;
    std::vector<uint8_t> frame(v4 ? buffer : nd_buffer, (v4 ? buffer : nd_buffer) + (v4 ? arp_length : nd_length));
    for (unsigned n = random() % 4; n > 0; --n) frame[random() % frame.size()] = static_cast<uint8_t>(random());
    if (random() % 4 == 0) frame.resize(random() % frame.size());
    machine_.on_frame(3, frame, now_ += 1000);
    while (machine_.next_frame()) {
    }
    while (machine_.next_update()) {
    }
    ASSERT_LE(machine_.size(), settings_.capacity);
  }
}

}  // namespace
}  // namespace penstock::neighbour
