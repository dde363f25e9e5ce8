// The software hash against DPDK's software model of what NICs compute.
#include "flow/shard.h"

#include <gtest/gtest.h>
#include <rte_thash.h>

#include <array>
#include <random>
#include <set>
#include <vector>

namespace penstock::flow {
namespace {

using base::IpAddress;

// rte_softrss over big-endian tuple bytes, with the key as the NIC is given it.
uint32_t nic_hash(const std::vector<uint8_t>& tuple) {
  std::vector<uint32_t> words(tuple.size() / 4);
  for (size_t i = 0; i < words.size(); ++i) words[i] = base::load_be32(&tuple[i * 4]);
  static constexpr auto kKey = rss_key();
  return rte_softrss(words.data(), static_cast<uint32_t>(words.size()), kKey.data());
}

std::vector<uint8_t> tuple_of(const FlowKey& key, bool ports) {
  std::vector<uint8_t> tuple;
  const auto add = [&](const IpAddress& a) {
    tuple.insert(tuple.end(), a.is_v4() ? a.bytes.begin() + 12 : a.bytes.begin(), a.bytes.end());
  };
  add(key.src);
  add(key.dst);
  if (ports)
    for (const uint16_t port : {key.src_port, key.dst_port}) {
      tuple.push_back(static_cast<uint8_t>(port >> 8));
      tuple.push_back(static_cast<uint8_t>(port));
    }
  return tuple;
}

IpAddress random_address(std::mt19937& random, bool v4) {
  if (v4) return IpAddress::v4(static_cast<uint32_t>(random()));
  IpAddress a;
  for (uint8_t& byte : a.bytes) byte = static_cast<uint8_t>(random());
  a.bytes[0] = 0x20;
  return a;
}

FlowKey random_key(std::mt19937& random, uint8_t protocol) {
  const bool v4 = random() % 2;
  FlowKey key;
  key.src = random_address(random, v4);
  key.dst = random_address(random, v4);
  key.src_port = static_cast<uint16_t>(random());
  key.dst_port = static_cast<uint16_t>(random());
  key.protocol = protocol;
  return key;
}

TEST(Shard, EqualsTheHashOfNics) {
  std::mt19937 random(1);
  for (int i = 0; i < 20000; ++i) {
    const FlowKey tcp = random_key(random, i % 2 ? 6 : 17);
    ASSERT_EQ(owner_hash(tcp), nic_hash(tuple_of(tcp, true)));
    const FlowKey icmp = random_key(random, i % 2 ? 1 : 58);
    ASSERT_EQ(owner_hash(icmp), nic_hash(tuple_of(icmp, false)));
  }
}

TEST(Shard, IsTheSameInBothDirections) {
  std::mt19937 random(2);
  for (int i = 0; i < 1000; ++i) {
    const FlowKey key = random_key(random, 6);
    ASSERT_EQ(owner_hash(key), owner_hash(key.reversed()));
  }
}

// Ethernet and IPv4 or IPv6 with the key's addresses; returns headers that point into it.
wire::Headers frame_of(const FlowKey& key, std::vector<uint8_t>& frame) {
  wire::Headers headers;
  headers.l2_length = 14;
  headers.family = key.src.is_v4() ? 4 : 6;
  headers.protocol = key.protocol;
  headers.src_port = key.src_port;
  headers.dst_port = key.dst_port;
  frame.assign(14 + 40, 0xee);
  const std::vector<uint8_t> tuple = tuple_of(key, false);
  std::copy(tuple.begin(), tuple.end(), frame.begin() + 14 + (headers.family == 4 ? 12 : 8));
  return headers;
}

TEST(Shard, OfAFrameEqualsThatOfItsKey) {
  std::mt19937 random(3);
  std::vector<uint8_t> frame;
  for (int i = 0; i < 1000; ++i) {
    const std::array<uint8_t, 5> protocols{6, 17, 1, 58, 47};
    const FlowKey key = random_key(random, protocols[random() % protocols.size()]);
    const wire::Headers headers = frame_of(key, frame);
    ASSERT_EQ(owner_hash(frame.data(), headers), owner_hash(key));
  }
}

TEST(Shard, FragmentsAreHashedByAddressesAlone) {
  std::mt19937 random(4);
  std::vector<uint8_t> frame;
  const FlowKey key = random_key(random, 17);
  wire::Headers headers = frame_of(key, frame);
  headers.flags |= wire::kIsFragment;
  EXPECT_EQ(owner_hash(frame.data(), headers), nic_hash(tuple_of(key, false)));
}

TEST(Shard, InverseUndoesTheHash) {
  for (unsigned v = 0; v < 65536; ++v) ASSERT_EQ(inverse_toeplitz16(toeplitz16(static_cast<uint16_t>(v))), v);
}

TEST(Shard, WorkersGetEqualSharesOfTheTable) {
  for (unsigned workers = 1; workers <= kRetaSize; ++workers) {
    std::vector<unsigned> count(workers);
    for (unsigned i = 0; i < kRetaSize; ++i) {
      ASSERT_EQ(owner_of(i + 7 * kRetaSize, workers), i % workers);
      ++count[owner_of(i, workers)];
    }
    for (const unsigned c : count) ASSERT_LE(c - kRetaSize / workers, 1u);
  }
}

class Landing : public testing::TestWithParam<unsigned> {};

// Every port that lands is offered exactly once in a cycle, and no other.
TEST_P(Landing, OffersExactlyThePortsThatLand) {
  const unsigned workers = GetParam();
  std::mt19937 random(workers);
  for (unsigned worker = 0; worker<workers; worker += workers> 8 ? 7 : 1) {
    FlowKey reply = random_key(random, 6);
    reply.dst_port = 0;
    LandingPorts ports(owner_hash(reply), worker, workers, static_cast<uint32_t>(random()));
    std::set<uint16_t> offered;
    for (unsigned i = 0; i < ports.count(); ++i) {
      reply.dst_port = ports.next();
      ASSERT_EQ(owner_of(owner_hash(reply), workers), worker);
      offered.insert(reply.dst_port);
    }
    EXPECT_EQ(offered.size(), ports.count());
    unsigned landing = 0;
    for (unsigned port = 0; port < 65536; ++port) {
      reply.dst_port = static_cast<uint16_t>(port);
      landing += owner_of(owner_hash(reply), workers) == worker;
    }
    EXPECT_EQ(landing, ports.count());
  }
}
INSTANTIATE_TEST_SUITE_P(Workers, Landing, testing::Values(1, 2, 3, 5, 8, 24, 64));

TEST(LandingPorts, NeighbouringSeedsDoNotGiveNeighbouringPorts) {
  LandingPorts ports(0x12345678, 0, 2, 77);
  int close = 0;
  uint16_t before = ports.next();
  for (int i = 0; i < 1000; ++i) {
    const uint16_t port = ports.next();
    close += std::abs(port - before) <= 2;
    before = port;
  }
  EXPECT_LT(close, 20);
}

}  // namespace
}  // namespace penstock::flow
