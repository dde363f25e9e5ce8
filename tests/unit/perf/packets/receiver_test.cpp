// Frames of a stream, as they are written, through the receiver: alone, harmed, astray and late.
#include "packets/receiver.h"

#include <gtest/gtest.h>

#include "packets/stream.h"

namespace penstock::load {
namespace {

constexpr uint8_t kEpoch = 9;

nlohmann::json two_streams() {
  return nlohmann::json::parse(R"({"ports": [{"name": "left", "device": "loop:right", "address": "198.51.100.2/24"},
      {"name": "right", "device": "loop:left", "address": "2001:db8::2/64"}], "streams": [
      {"name": "a", "from": "left", "to": "right", "rate": {"pps": 1000}, "size": {"min": 64, "max": 200},
       "headers": {"ipv4": {"destination": "192.0.2.1"}}},
      {"name": "b", "from": "right", "rate": {"pps": 1000}, "size": 100, "payload": "random",
       "headers": {"vlan": {"id": 4}, "ipv6": {"destination": "2001:db8::1"}, "esp": {"spi": 7}}}]})");
}

class ReceiverTest : public testing::Test {
 protected:
  ReceiverTest() : spec(read_spec(two_streams())), receiver(spec.streams) {
    EXPECT_TRUE(spec.faults.empty());
    receiver.restart(kEpoch);
    for (unsigned i = 0; i < 2; ++i) {
      streams.push_back(std::make_unique<Stream>(spec.streams[i], i, spec.seed));
      streams[i]->start(1000, 0, clock, kEpoch);
    }
  }

  std::vector<uint8_t> next(unsigned stream, Cycles now = 0) {
    std::vector<uint8_t> frame(kLargestFrame);
    frame.resize(streams[stream]->write(frame.data(), now, clock));
    return frame;
  }
  Receiver::Kind give(const std::vector<uint8_t>& frame, unsigned port, uint64_t nanos = 0) {
    wire::Headers headers;
    const Form form = read_frame(frame, headers);
    EXPECT_NE(form, Form::kUnreadable);
    return receiver.add(frame, headers, form, port, nanos);
  }

  const Spec spec;
  const Clock clock{2'000'000'000};
  Receiver receiver;
  std::vector<std::unique_ptr<Stream>> streams;
};

TEST_F(ReceiverTest, CountsPerStreamWithTheTimeOnTheWay) {
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(give(next(0, 2000), 1, 1000 + 250), Receiver::Kind::kOurs);  // 2000 cycles of 2 GHz: 1000 ns
    EXPECT_EQ(give(next(1, 2000), 0, 1000 + 4), Receiver::Kind::kOurs);
  }
  for (const unsigned i : {0u, 1u}) EXPECT_EQ(receiver.streams()[i].tracker.received, 100u);
  EXPECT_EQ(receiver.streams()[0].latency.percentile(1), 250u);
  EXPECT_EQ(receiver.streams()[1].latency.percentile(0), 4u);
  EXPECT_EQ(receiver.received(), 200u);
}

TEST_F(ReceiverTest, LatencyIsRightWhenTheClockOfFortyBitsGoesRound) {
  give(next(0, 2 * ((1ull << 40) - 5)), 1, 10);
  EXPECT_EQ(receiver.streams()[0].latency.percentile(1), 15u);
}

TEST_F(ReceiverTest, AWrongPortIsAstrayAndAnyPortIsNot) {
  give(next(0), 0);
  EXPECT_EQ(receiver.streams()[0].strayed, 1u);
  EXPECT_EQ(receiver.streams()[0].tracker.received, 0u);
  give(next(1), 1);
  EXPECT_EQ(receiver.streams()[1].tracker.received, 1u);
}

TEST_F(ReceiverTest, EveryByteBehindTheTransportHeaderIsWatched) {
  const auto frame = next(0);
  for (size_t at = 42; at < frame.size(); ++at) {
    auto harmed = frame;
    harmed[at] ^= 0x10;
    EXPECT_EQ(give(harmed, 1), Receiver::Kind::kOurs);
  }
  EXPECT_EQ(receiver.streams()[0].corrupted, frame.size() - 42);
  EXPECT_EQ(receiver.received(), 0u);
}

TEST_F(ReceiverTest, AnEarlierTrialsPacketsAreStaleAlsoWhenTheyAreHarmed) {
  auto frame = next(0);
  receiver.restart(kEpoch + 1);
  EXPECT_EQ(give(frame, 1), Receiver::Kind::kStale);
  frame[frame.size() - 10] ^= 1;
  EXPECT_EQ(give(frame, 1), Receiver::Kind::kStale);
  EXPECT_EQ(receiver.streams()[0].corrupted, 0u);
  EXPECT_EQ(receiver.received(), 0u);
}

TEST_F(ReceiverTest, WrongChecksumsOfAPacketOfOursAreCorruption) {
  const auto frame = next(0);
  for (const size_t at : {22u, 24u, 25u, 26u, 36u, 40u, 41u}) {  // TTL, IPv4's checksum, source, port, UDP's checksum
    auto harmed = frame;
    harmed[at] ^= 0x10;
    EXPECT_EQ(give(harmed, 1), Receiver::Kind::kOurs) << at;
  }
  EXPECT_EQ(receiver.streams()[0].corrupted, 7u);
  EXPECT_EQ(receiver.received(), 0u);
  auto without = frame;  // RFC 768: zeros say that there is no checksum
  without[40] = without[41] = 0;
  give(without, 1);
  EXPECT_EQ(receiver.received(), 1u);
}

TEST_F(ReceiverTest, StrangersAreForeign) {
  auto frame = next(0);
  std::fill(frame.begin() + 42, frame.end(), 0);
  EXPECT_EQ(give(frame, 1), Receiver::Kind::kForeign);
  frame[24] ^= 1;
  EXPECT_EQ(give(frame, 1), Receiver::Kind::kForeign);
}

TEST_F(ReceiverTest, MissingAreTheHolesBelowTheHighest) {
  next(0);
  next(0);
  give(next(0), 1);
  EXPECT_EQ(receiver.missing(), 2u);
}

}  // namespace
}  // namespace penstock::load
