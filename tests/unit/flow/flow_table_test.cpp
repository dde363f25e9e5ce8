#include "flow/flow_table.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <tuple>
#include <vector>

namespace penstock::flow {
namespace {

using base::IpAddress;
using enum FlowStateId;

constexpr auto kIgnore = [](Flow&, uint32_t) {};

FlowKey key_of(uint32_t n, uint8_t protocol = 17) {
  return {IpAddress::v4(0x0a000000 + (n >> 8)), IpAddress::v4(0xc0000201), static_cast<uint16_t>(1024 + (n & 0xff)), 80,
          protocol};
}

FlowMatch look(FlowTable& table, const FlowKey& key, base::Millis now = 0) {
  return table.find(key, table.hash(key), now);
}

Flow* open(FlowTable& table, const FlowKey& original, const FlowKey& reply, FlowStateId state = kUdp,
           base::Millis now = 0) {
  return table.open(original, reply, state, false, now, kIgnore).flow;
}

TEST(FlowTable, FindsBothDirections) {
  FlowTable table(100, {});
  const FlowKey original = key_of(1);
  // Destination NAT: answers come from the endpoint.
  const FlowKey reply{IpAddress::v4(0x0a010101), original.src, 8080, original.src_port, 17};
  const OpenResult opened = table.open(original, reply, kUdp, false, 5, kIgnore);
  ASSERT_EQ(opened.status, OpenStatus::kOk);
  EXPECT_EQ(opened.flow, table.at(opened.index));
  for (const auto& [key, direction] : {std::pair{original, 0}, std::pair{reply, 1}}) {
    const FlowMatch match = look(table, key);
    EXPECT_EQ(match.kind, MatchKind::kFlow);
    EXPECT_EQ(match.flow, opened.flow);
    EXPECT_EQ(match.index, opened.index);
    EXPECT_EQ(match.direction, direction);
  }
  EXPECT_EQ(look(table, original.reversed()).kind, MatchKind::kNone) << "translated";
  EXPECT_TRUE(table.knows(reply));
  table.close(*opened.flow);
  EXPECT_FALSE(table.knows(reply));
  EXPECT_EQ(table.size(), 0u);
}

TEST(FlowTable, OneWayFlowsHaveNoReply) {
  FlowTable table(100, {});
  const FlowKey original = key_of(1);
  ASSERT_EQ(table.open(original, original.reversed(), kTcpSynReceived, true, 0, kIgnore).status, OpenStatus::kOk);
  EXPECT_TRUE(table.knows(original));
  EXPECT_FALSE(table.knows(original.reversed()));
  table.close(*look(table, original).flow);
  EXPECT_FALSE(table.knows(original));
}

TEST(FlowTable, KeysBelongToOneFlow) {
  FlowTable table(100, {});
  const FlowKey a = key_of(1), b = key_of(2);
  ASSERT_NE(open(table, a, a.reversed()), nullptr);
  EXPECT_EQ(table.open(a, b, kUdp, false, 0, kIgnore).status, OpenStatus::kOriginalTaken);
  EXPECT_EQ(table.open(b, a.reversed(), kUdp, false, 0, kIgnore).status, OpenStatus::kReplyTaken);
  EXPECT_EQ(table.open(b, b, kUdp, false, 0, kIgnore).status, OpenStatus::kReplyTaken) << "would answer itself";
  EXPECT_TRUE(table.steer(b, 3, 0));
  EXPECT_EQ(table.open(b, b.reversed(), kUdp, false, 0, kIgnore).status, OpenStatus::kOriginalTaken);
  EXPECT_EQ(table.size(), 1u);
}

TEST(FlowTable, SteerEntriesNameTheOwner) {
  FlowTable table(100, {});
  const FlowKey key = key_of(7);
  EXPECT_TRUE(table.steer(key, 3, 100));
  EXPECT_TRUE(table.steer(key, 5, 100)) << "moved";
  const FlowMatch match = look(table, key, 200);
  EXPECT_EQ(match.kind, MatchKind::kSteer);
  EXPECT_EQ(match.owner, 5);
  EXPECT_EQ(match.flow, nullptr);
  EXPECT_EQ(table.steers(), 1u);
  EXPECT_TRUE(table.unsteer(key));
  EXPECT_FALSE(table.unsteer(key));
  EXPECT_EQ(look(table, key).kind, MatchKind::kNone);
  ASSERT_NE(open(table, key, key.reversed()), nullptr);
  EXPECT_FALSE(table.steer(key, 1, 0)) << "a flow here has the key";
  EXPECT_FALSE(table.unsteer(key));
  EXPECT_EQ(table.size(), 1u);
}

TEST(FlowTable, SteerEntriesAreBoundedAndForgottenAtLast) {
  FlowTable table(100, {});
  uint32_t made = 0;
  for (uint32_t n = 0; n < 300; ++n) made += table.steer(key_of(n), 1, 0);
  EXPECT_EQ(made, 200u);
  EXPECT_EQ(table.stats().steers_refused, 100u);
  constexpr base::Millis kDay = 24 * 3600 * 1000;
  look(table, key_of(5), 4 * kDay);
  table.sweep(1000, 5 * kDay, StateTimeouts(), [](Flow&, uint32_t) { return true; });
  EXPECT_EQ(table.steers(), 1u) << "the one that was used a day ago";
}

TEST(FlowTable, AgesByStateAndAsksFirst) {
  FlowTable table(1000, {});
  const StateTimeouts timeouts;
  for (uint32_t n = 0; n < 100; ++n) open(table, key_of(n), key_of(n).reversed(), n % 2 ? kUdp : kUdpStream, 1000);
  int asked = 0;
  const auto refuse = [&](Flow&, uint32_t) { return ++asked, false; };
  table.sweep(100, 30'999, timeouts, refuse);
  EXPECT_EQ(asked, 0);
  table.sweep(100, 31'000, timeouts, refuse);
  EXPECT_EQ(asked, 50);
  EXPECT_EQ(table.size(), 100u);
  for (int i = 0; i < 10; ++i)  // a tenth each
    table.sweep(10, 31'000, timeouts, [&](Flow& flow, uint32_t) { return flow.state == kUdp; });
  EXPECT_EQ(table.size(), 50u);
  EXPECT_EQ(table.stats().expired, 50u);
  EXPECT_EQ(table.stats().by_state[static_cast<size_t>(kUdp)], 0u);
  EXPECT_EQ(table.stats().by_state[static_cast<size_t>(kUdpStream)], 50u);
}

TEST(FlowTable, CountsAndFollows) {
  FlowTable table(10, {});
  Flow& udp = *open(table, key_of(1), key_of(1).reversed());
  udp.count(0, 100, 10);
  table.follow(udp, 0, nullptr);
  EXPECT_EQ(udp.state, kUdp);
  EXPECT_FALSE(udp.is(kReplied));
  udp.count(1, 60, 20);
  table.follow(udp, 1, nullptr);
  EXPECT_EQ(udp.state, kUdpStream);
  EXPECT_TRUE(udp.is(kReplied));
  EXPECT_EQ(udp.way[1].bytes, 60u);
  EXPECT_EQ(udp.last_seen, 20u);

  Flow& tcp = *open(table, key_of(2, 6), key_of(2, 6).reversed(), kTcpSynSent);
  const TcpSegment syn{kTcpSyn, 100}, syn_ack{kTcpSyn | kTcpAck, 500, 101}, ack{kTcpAck, 101, 501};
  ASSERT_EQ(open_tcp(syn, PickUp::kSynOnly, Sides::kBoth, tcp.tcp_seen, tcp.window), kTcpSynSent);
  EXPECT_EQ(table.follow(tcp, 1, &syn_ack), FollowResult::kAccept);
  EXPECT_EQ(table.follow(tcp, 0, &ack), FollowResult::kAccept);
  EXPECT_EQ(tcp.state, kTcpEstablished);
  EXPECT_EQ(table.stats().by_state[static_cast<size_t>(kTcpEstablished)], 1u);
  EXPECT_EQ(table.stats().by_state[static_cast<size_t>(kTcpSynSent)], 0u);
}

TEST(FlowTable, ClockOfSecondsOutlivesTheWrapOfMilliseconds) {
  FlowTable table(10, {});
  const auto nothing = [](Flow&, uint32_t) { return false; };
  uint64_t now = 0;
  for (int hour = 0; hour < 60 * 24; ++hour) {  // 60 days; milliseconds wrap after 49.7
    now += 3600'000;
    table.sweep(0, static_cast<base::Millis>(now), StateTimeouts(), nothing);
  }
  EXPECT_EQ(table.seconds(), 60u * 24 * 3600);
}

// ---- pressure -----------------------------------------------------------------------------------------------------

TEST(FlowTable, FloodEvictsEmbryonicFlowsAndNeverEstablishedOnes) {
  constexpr uint32_t kCapacity = 4096, kEstablished = 2000;
  FlowTable table(kCapacity, {});
  for (uint32_t n = 0; n < kEstablished; ++n)
    ASSERT_NE(open(table, key_of(n, 6), key_of(n, 6).reversed(), kTcpEstablished), nullptr);
  uint32_t evicted = 0;
  const auto on_evict = [&](Flow& flow, uint32_t index) {
    ++evicted;
    EXPECT_TRUE(is_embryonic(flow.state));
    EXPECT_EQ(table.at(index), &flow);
  };
  for (uint32_t n = 0; n < 100'000; ++n) {
    const FlowKey key = key_of(100'000 + n, 6);
    ASSERT_EQ(table.open(key, key.reversed(), kTcpSynSent, false, 0, on_evict).status, OpenStatus::kOk);
    ASSERT_LE(table.size(), kCapacity - kCapacity / 16);
  }
  EXPECT_EQ(evicted, table.stats().evicted);
  EXPECT_GT(evicted, 90'000u);
  for (uint32_t n = 0; n < kEstablished; ++n) ASSERT_TRUE(table.knows(key_of(n, 6)));
}

// The hand passes everybody before it comes back: a client has as much time for its handshake as the flood needs to
// turn over the embryonic part of the table.
TEST(FlowTable, HandshakesSurviveAFloodForACycle) {
  constexpr uint32_t kCapacity = 8192;
  FlowTable table(kCapacity, {});
  uint32_t next = 0;
  const auto flood = [&](uint32_t count) {
    for (uint32_t i = 0; i < count; ++i) {
      const FlowKey key = key_of(1'000'000 + next++, 6);
      ASSERT_EQ(table.open(key, key.reversed(), kTcpSynSent, false, 0, kIgnore).status, OpenStatus::kOk);
    }
  };
  flood(2 * kCapacity);
  for (uint32_t n = 0; n < 100; ++n) {
    ASSERT_NE(open(table, key_of(n, 6), key_of(n, 6).reversed(), kTcpSynSent), nullptr);
    flood(kCapacity / 2);
    const FlowMatch match = look(table, key_of(n, 6));
    ASSERT_EQ(match.kind, MatchKind::kFlow) << "evicted within half a cycle";
    table.set_state(*match.flow, kTcpEstablished);
  }
  flood(5 * kCapacity);
  for (uint32_t n = 0; n < 100; ++n) ASSERT_TRUE(table.knows(key_of(n, 6)));
}

TEST(FlowTable, FullOfEstablishedFlowsRefusesNewOnes) {
  FlowTable table(1000, {});
  for (uint32_t n = 0; n < 1000; ++n) ASSERT_NE(open(table, key_of(n), key_of(n).reversed(), kUdpStream), nullptr);
  EXPECT_EQ(table.open(key_of(2000), key_of(2000).reversed(), kUdp, false, 0, kIgnore).status, OpenStatus::kRefused);
  EXPECT_EQ(table.stats().refused, 1u);
  table.set_state(*table.at(500), kUdp);
  EXPECT_EQ(table.open(key_of(2000), key_of(2000).reversed(), kUdp, false, 0, kIgnore).status, OpenStatus::kOk);
  EXPECT_EQ(table.stats().evicted, 1u);
  EXPECT_FALSE(table.knows(key_of(500)));
}

TEST(FlowTable, ATinyTableWorks) {
  for (const uint32_t capacity : {0u, 1u, 2u, 5u}) {
    FlowTable table(capacity, {});
    ASSERT_NE(open(table, key_of(1), key_of(1).reversed(), kUdpStream), nullptr);
    open(table, key_of(2), key_of(2).reversed());
    table.sweep(100, 1'000'000, StateTimeouts(), [](Flow&, uint32_t) { return true; });
    EXPECT_EQ(table.size(), 0u);
  }
}

// ---- against a model ----------------------------------------------------------------------------------------------

struct KeyOrder {
  bool operator()(const FlowKey& a, const FlowKey& b) const {
    return std::tie(a.src, a.dst, a.src_port, a.dst_port) < std::tie(b.src, b.dst, b.src_port, b.dst_port);
  }
};

struct Entry {
  FlowKey original;
  int direction;  // 2: steer
  uint8_t owner = 0;
};

TEST(FlowTable, BehavesLikeAMapOfKeys) {
  std::mt19937 random(21);
  FlowTable table(2000, {{random(), random()}});
  std::map<FlowKey, Entry, KeyOrder> model;
  for (int step = 0; step < 100'000; ++step) {
    const FlowKey key = key_of(random() % 3000);
    FlowKey reply = key.reversed();
    if (random() % 2) reply.src = IpAddress::v4(0x0b000000 + random() % 50);
    const FlowMatch match = look(table, key);
    const auto known = model.find(key);
    ASSERT_EQ(match.kind == MatchKind::kNone, known == model.end());
    switch (random() % 5) {
      case 0:
      case 1: {
        const bool one_way = random() % 8 == 0;
        const OpenStatus status = table.open(key, reply, kUdpStream, one_way, 0, kIgnore).status;
        if (status == OpenStatus::kOk) {
          ASSERT_TRUE(model.insert({key, {key, 0}}).second);
          if (!one_way) {
            ASSERT_TRUE(model.insert({reply, {key, 1}}).second);
          }
        } else {
          ASSERT_TRUE(model.contains(key) || model.contains(reply) || table.size() == table.capacity());
        }
        break;
      }
      case 2:
        if (match.kind == MatchKind::kFlow) {
          ASSERT_EQ(known->second.direction, match.direction);
          const Flow copy = *match.flow;
          ASSERT_EQ(copy.original, known->second.original);
          table.close(*match.flow);
          model.erase(copy.original);
          if (!copy.is(kOneWay)) model.erase(copy.reply);
        }
        break;
      case 3: {
        const auto owner = static_cast<uint8_t>(random());
        const bool flow_has_it = known != model.end() && known->second.direction != 2;
        ASSERT_EQ(table.steer(key, owner, 0), !flow_has_it);
        if (!flow_has_it) model[key] = {key, 2, owner};
        break;
      }
      case 4:
        ASSERT_EQ(table.unsteer(key), known != model.end() && known->second.direction == 2);
        if (known != model.end() && known->second.direction == 2) model.erase(known);
        break;
    }
  }
  // One batch after the other over all keys agrees as well.
  std::vector<FlowKey> keys;
  for (uint32_t n = 0; n < 3000; ++n) keys.push_back(key_of(n)), keys.push_back(key_of(n).reversed());
  for (size_t from = 0; from < keys.size(); from += FlowTable::kMaxBatch) {
    const auto count = static_cast<unsigned>(std::min<size_t>(FlowTable::kMaxBatch, keys.size() - from));
    const FlowKey* pointers[FlowTable::kMaxBatch];
    uint64_t hashes[FlowTable::kMaxBatch];
    FlowMatch matches[FlowTable::kMaxBatch];
    for (unsigned i = 0; i < count; ++i) {
      pointers[i] = &keys[from + i];
      hashes[i] = table.hash(keys[from + i]);
    }
    table.find(pointers, hashes, count, matches, 0);
    for (unsigned i = 0; i < count; ++i) {
      const auto known = model.find(*pointers[i]);
      ASSERT_EQ(matches[i].kind == MatchKind::kNone, known == model.end());
      if (known == model.end()) continue;
      if (matches[i].kind == MatchKind::kSteer) {
        ASSERT_EQ(matches[i].owner, known->second.owner);
      } else {
        ASSERT_EQ(matches[i].direction, known->second.direction);
      }
    }
  }
}

// The figure of the issue: at least a million flows of one worker in under 400 MB, steer entries included.
TEST(FlowTable, AMillionFlowsFitInFourHundredMegabytes) {
  constexpr uint32_t kMillion = 1u << 20;
  FlowTable table(kMillion, {});
  EXPECT_LT(table.resident_bytes(), 8u << 20) << "an empty table costs nothing";
  uint32_t opened = 0, steered = 0;
  for (uint32_t n = 0; n < kMillion; ++n) opened += open(table, key_of(n), key_of(n).reversed(), kUdpStream) != nullptr;
  const size_t flows_only = table.resident_bytes();
  for (uint32_t n = 0; n < 2 * kMillion; ++n) steered += table.steer(key_of(2 * kMillion + n), 1, 0);
  EXPECT_GE(opened, kMillion - 1);
  EXPECT_GE(steered, 2 * kMillion - 8);
  EXPECT_LT(table.bytes(), 400'000'000u);
  EXPECT_LE(table.resident_bytes(), table.bytes());
  std::printf("flow table: %u flows take %.1f MB (%.0f bytes each), with %u steer entries %.1f MB, reserved %.1f MB\n",
              opened, static_cast<double>(flows_only) / 1e6, static_cast<double>(flows_only) / opened, steered,
              static_cast<double>(table.resident_bytes()) / 1e6, static_cast<double>(table.bytes()) / 1e6);
}

}  // namespace
}  // namespace penstock::flow
