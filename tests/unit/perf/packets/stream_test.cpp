// What of a stream is late, whose fault that is, and what may leave when: in time that is made up.
#include "packets/stream.h"

#include <gtest/gtest.h>

#include <vector>

namespace penstock::load {
namespace {

constexpr Cycles kStart = 1'000'000'000, kMicro = 1000, kEnd = kStart + 1'000'000 * kMicro;

nlohmann::json specification(const char* spacing) {
  return nlohmann::json::parse(
      R"({"ports": [{"name": "left", "device": "loop:left", "address": "198.51.100.2/24"}], "streams": [
      {"from": "left", "rate": {"pps": 100000}, "headers": {"ipv4": {"destination": "192.0.2.1"}}, "spacing": )" +
      std::string(spacing) + "}]}");
}

// A packet is due every 10 us.
class StreamTest : public testing::Test {
 protected:
  void start(const char* spacing) {
    spec = read_spec(specification(spacing));
    ASSERT_TRUE(spec.faults.empty());
    stream = std::make_unique<Stream>(spec.streams[0], 0, 1);
    stream->start(100'000, kStart, clock, 1);
  }
  // Writes the next packet, which the link takes at once.
  void send(Cycles now, Cycles blocked = 0) {
    uint8_t frame[kLargestFrame];
    const Cycles due = stream->due();
    stream->left(stream->write(frame, now, clock), due, now, blocked);
  }

  Spec spec;
  const Clock clock{1'000'000'000};  // a cycle is a nanosecond
  std::unique_ptr<Stream> stream;
};

TEST_F(StreamTest, ABurstIsNeitherSlowedDownNorLateForBeingLong) {
  start(R"({"burst": 1000})");
  Cycles now = kStart;
  for (int i = 0; i < 1000; ++i, now += kMicro) {
    ASSERT_TRUE(stream->ready(now, kEnd)) << i;
    send(now);
  }
  EXPECT_EQ(stream->sent, 1000u);
  EXPECT_EQ(stream->late, 0u);
  EXPECT_FALSE(stream->ready(now, kEnd));  // the next burst is due 10 ms after the first
  EXPECT_TRUE(stream->ready(kStart + 10'000 * kMicro, kEnd));
}

TEST_F(StreamTest, ABurstThatBeginsLateIsLateAsAWhole) {
  start(R"({"burst": 100})");
  for (int i = 0; i < 100; ++i) send(kStart + (200 + i) * kMicro);
  EXPECT_EQ(stream->late, 100u);
}

TEST_F(StreamTest, ABurstThatIsInterruptedIsLateFromThereOn) {
  start(R"({"burst": 100})");
  for (int i = 0; i < 50; ++i) send(kStart + i * kMicro);
  for (int i = 50; i < 100; ++i) send(kStart + (1000 + i) * kMicro);
  EXPECT_EQ(stream->late, 50u);
}

TEST_F(StreamTest, OverdueConstantPacketsAreSlowedDown) {
  start("\"constant\"");
  unsigned sent = 0;
  for (Cycles now = kStart + 10'000 * kMicro; now < kStart + 10'100 * kMicro; now += kMicro)
    for (; stream->ready(now, kEnd); ++sent) send(now);
  EXPECT_LE(sent, Stream::kCatchUp + 52);  // in 100 us, one in 2 us
  EXPECT_GE(sent, Stream::kCatchUp + 48);
  EXPECT_EQ(stream->late, sent);
}

TEST_F(StreamTest, WhatIsLateForWantOfRoomIsRefusedAndWhatIsLateOtherwiseIsNot) {
  start("\"constant\"");
  send(kStart);
  for (int i = 1; i <= 10; ++i) send(kStart + 10'000 * kMicro, 9'990 * kMicro);  // the link was full for as long
  EXPECT_EQ(stream->late, 10u);
  EXPECT_EQ(stream->refused, 10u);
  start("\"constant\"");
  send(kStart);
  for (int i = 1; i <= 10; ++i) send(kStart + 10'000 * kMicro, 50 * kMicro);
  EXPECT_EQ(stream->late, 10u);
  EXPECT_EQ(stream->refused, 0u);
}

TEST_F(StreamTest, ALinkThatWasFullEarlierExcusesNothing) {
  start("\"constant\"");
  send(kStart + 50 * kMicro, 5'000 * kMicro);  // on time
  send(kStart + 4'000 * kMicro, 5'000 * kMicro);
  EXPECT_EQ(stream->late, 1u);
  EXPECT_EQ(stream->refused, 0u);
}

}  // namespace
}  // namespace penstock::load
