// Gateways whose tunnels run on a look-aside device: its completions are a source of packets of the worker; what fails
// is left without a packet in clear, and every packet is accounted for.
#include <map>

#include "unit/engine/mesh_world.h"

namespace penstock::engine::test {
namespace {

using flow::DropReason;

// A device of its own for every gateway.
std::vector<std::string> fake(const char* arguments) {
  static int made = 0;
  return {std::string(crypto::kFakeLookaside) + "_engine" + std::to_string(made++) + "," + arguments};
}

std::string path_of(const Associations& associations) {
  std::string paths;
  for (const AssociationFacts& each : associations.list())
    if (paths.find(each.path) == std::string::npos) paths += (paths.empty() ? "" : " ") + std::string(each.path);
  return paths;
}

uint64_t lost(Gateway& g) {
  return g.world.drops(DropReason::esp_device_failed) + g.world.drops(DropReason::esp_crypto_failed);
}

bool in_clear(const Out& sent) { return sent.headers.protocol != wire::kProtocolEsp; }

std::vector<uint8_t> packet_of(uint16_t port, uint8_t number) {
  return udp(to_gateway(1), "10.1.0.5", port, "10.2.0.5", 53, 100u + number);
}

TEST(EngineLookaside, FlowsOfAllWorkersArriveInTheirOrder) {
  Gateway a(0, 2, 2, 2, crypto::CryptoUse::kAny, fake("polls=3")),
      b(1, 2, 2, 2, crypto::CryptoUse::kAny, fake("polls=1"));
  EXPECT_EQ(path_of(a.associations), "look-aside");
  std::map<uint16_t, size_t> longest;  // by flow: its packets grow
  const auto carry = [&] {
    for (const Out& sent : a.world.take()) {
      EXPECT_FALSE(in_clear(sent));
      b.world.arrive(0, on_the_wire(sent));
    }
    for (const Out& received : b.world.take()) {
      size_t& last = longest[received.headers.src_port];
      EXPECT_GT(received.frame.size(), last);
      last = received.frame.size();
    }
  };
  for (uint8_t number = 0; number < 20; ++number)
    for (uint16_t port = 1000; port < 1016; ++port) {
      a.world.arrive(1, packet_of(port, number));
      carry();
    }
  for (int i = 0; i < 20; ++i) {
    a.world.round();
    b.world.round();
    carry();
  }
  ASSERT_EQ(longest.size(), 16u);
  for (const auto& [port, last] : longest) EXPECT_EQ(last, packet_of(port, 19).size()) << port;
  a.world.expect_balance();
  b.world.expect_balance();
}

TEST(EngineLookaside, AFailureLosesWhatWasInFlightAndNothingElse) {
  for (const char* how : {"polls=2,fail=errors,after=40", "polls=2,fail=refusal,after=40"}) {
    Gateway a(0, 1, 2, 2, crypto::CryptoUse::kAny, fake(how)), b(1, 1, 2, 2);
    uint64_t arrived = 0, full = 0;
    for (uint16_t i = 0; i < 100; ++i) {
      a.arrive(1, packet_of(static_cast<uint16_t>(1000 + i % 8), 0));
      for (const Out& sent : a.world.take()) {
        ASSERT_FALSE(in_clear(sent));
        b.arrive(0, on_the_wire(sent));
      }
      arrived += b.world.take().size();
    }
    full = a.world.drops(DropReason::esp_device_full);
    EXPECT_EQ(arrived + lost(a) + full, 100u) << how;
    EXPECT_LE(lost(a) + full, 4u) << how;
    EXPECT_EQ(path_of(a.associations), "cpu");
    for (const AssociationFacts& each : a.associations.list())
      EXPECT_NE(each.why_not_better.find("; look-aside: penstock_fake_lookaside_engine"), std::string::npos);
    const auto devices = a.associations.devices();
    ASSERT_EQ(devices.size(), 3u);
    EXPECT_NE(devices[0].failure.find(" failed: "), std::string::npos);
    EXPECT_EQ(devices[1].failure + devices[2].failure, "");
    a.world.expect_balance();
    b.world.expect_balance();
  }
}

TEST(EngineLookaside, WhatIsDecryptedGoesOnToo) {
  Gateway a(0, 2, 2, 2), b(1, 2, 2, 2, crypto::CryptoUse::kAny, fake("polls=1,fail=errors,after=20"));
  uint64_t arrived = 0;
  for (uint16_t i = 0; i < 200; ++i) {
    a.arrive(1, packet_of(static_cast<uint16_t>(1000 + i % 16), 0));
    for (const Out& sent : a.world.take()) b.arrive(0, on_the_wire(sent));
    arrived += b.world.take().size();
  }
  EXPECT_GT(arrived, 190u);
  EXPECT_EQ(arrived + lost(b), 200u);
  EXPECT_EQ(path_of(b.associations), "cpu");
  b.world.expect_balance();
}

TEST(EngineLookaside, AssociationsThatGoLeaveNoPacketBehind) {
  Gateway a(0, 1, 1, 1, crypto::CryptoUse::kAny, fake("polls=6"));
  a.world.arrive(1, packet_of(1000, 0));
  EXPECT_TRUE(a.world.take().empty());
  a.associations.remove(0);
  a.associations.commit();
  for (int i = 0; i < 10; ++i) a.world.round();
  EXPECT_EQ(a.world.take().size(), 1u) << "it was encrypted while there was a key";
  a.world.expect_balance();
  a.associations.commit();
  EXPECT_FALSE(a.associations.set_devices({})) << "nothing is in use any more";
}

TEST(EngineLookaside, TheListIsFixedWhileThereAreAssociations) {
  const auto devices = fake("");
  Gateway a(0, 1, 1, 1, crypto::CryptoUse::kAny, devices);
  EXPECT_FALSE(a.associations.set_devices(devices));
  const auto fault = a.associations.set_devices({});
  ASSERT_TRUE(fault);
  EXPECT_NE(fault->reason.find("cannot change while peers have associations"), std::string::npos);
  EXPECT_EQ(a.associations.wanted_devices(), devices);
  a.associations.remove(0);
  a.associations.commit();
  const auto wrong = a.associations.set_devices({fake("polls=1")[0], "crypto_none_of_these"});
  ASSERT_TRUE(wrong);
  EXPECT_EQ(wrong->index, 1u);
  EXPECT_NE(wrong->reason.find("crypto_none_of_these: cannot be opened"), std::string::npos) << wrong->reason;
  EXPECT_EQ(a.associations.wanted_devices(), devices) << "nothing has changed";
  EXPECT_FALSE(a.associations.devices().empty());
  const auto staged = a.associations.stage_outbound(0, [&] {
    std::vector<crypto::SaSpec> specs;
    specs.push_back(a.spec(kSpi[1]));
    return specs;
  }());
  ASSERT_TRUE(staged.ok()) << staged.error();
  a.associations.commit();
  EXPECT_EQ(path_of(a.associations), "look-aside");
}

// A software device has eight queue pairs unless it is asked for more.
TEST(EngineCryptoDevices, AreThereForManyWorkers) {
  Gateway a(0, 12, 12, 12, crypto::CryptoUse::kAny, fake(""));
  EXPECT_EQ(path_of(a.associations), "look-aside");
}

}  // namespace
}  // namespace penstock::engine::test
