#include "flow/nat_pool.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <random>
#include <set>
#include <vector>

namespace penstock::flow {
namespace {

using base::IpAddress;

constexpr uint8_t kTcp = 6, kUdp = 17, kIcmp = 1;
const HashSecret kSecret{};
const IpAddress kOutside = IpAddress::v4(0xcb007101), kRemote = IpAddress::v4(0xc6336401);

IpAddress inside(uint32_t n) { return IpAddress::v4(0x0a000000 + n); }

MappingKey key_of(uint32_t host, uint16_t port, uint8_t protocol = kUdp, uint32_t egress = 0) {
  return {inside(host), port, protocol, 0, egress};
}

// ---- full NAT -----------------------------------------------------------------------------------------------------

TEST(ReplyPort, LandsOnItsWorkerAndIsFree) {
  for (const unsigned workers : {1u, 2u, 3u, 16u})
    for (unsigned worker = 0; worker < workers; worker += 3) {
      FlowTable flows(20'000, kSecret);
      std::mt19937 random(worker);
      FlowKey reply{IpAddress::v4(0x0a010203), kOutside, 8080, 0, kTcp};
      std::set<uint16_t> used;
      for (int i = 0; i < 2000; ++i) {
        const uint16_t port = find_reply_port(flows, reply, {}, static_cast<uint32_t>(random()), worker, workers);
        ASSERT_GE(port, 1024);
        ASSERT_TRUE(used.insert(port).second);
        FlowKey taken = reply;
        taken.dst_port = port;
        ASSERT_EQ(owner_of(owner_hash(taken), workers), worker);
        const FlowKey client{inside(static_cast<uint32_t>(i)), IpAddress::v4(0xc0000201), 40000, 80, kTcp};
        ASSERT_EQ(flows.open(client, taken, FlowStateId::kTcpSynSent, false, 0, [](Flow&, uint32_t) {}).status,
                  OpenStatus::kOk);
      }
      // Another backend, or another port of it, has all ports again.
      reply.src_port = 8081;
      EXPECT_NE(find_reply_port(flows, reply, {}, 1, worker, workers), 0);
    }
}

// A narrow range is used to its last port; then the answer is 0.
TEST(ReplyPort, ExhaustsItsRange) {
  constexpr PortRange kRange{20000, 20255};
  for (const uint8_t protocol : {kTcp, kIcmp}) {
    FlowTable flows(1000, kSecret);
    unsigned found = 0;
    for (uint32_t i = 0; i < 300; ++i) {
      FlowKey reply{IpAddress::v4(0x0a010203), kOutside, 8080, 0, protocol};
      const uint16_t port = find_reply_port(flows, reply, kRange, i * 77, 0, 2);
      if (port == 0) continue;
      ASSERT_TRUE(kRange.holds(port));
      ++found;
      reply.dst_port = port;
      if (protocol == kIcmp) reply.src_port = port;
      const FlowKey client{inside(i), IpAddress::v4(0xc0000201), 40000, 80, protocol};
      flows.open(client, reply, FlowStateId::kUdpStream, false, 0, [](Flow&, uint32_t) {});
    }
    unsigned possible = 0;
    FlowKey reply{IpAddress::v4(0x0a010203), kOutside, 8080, 0, protocol};
    for (unsigned port = kRange.first; port <= kRange.last; ++port) {
      reply.dst_port = static_cast<uint16_t>(port);
      possible += protocol == kIcmp ? port_owner(reply.dst_port, 2) == 0 : owner_of(owner_hash(reply), 2) == 0;
    }
    EXPECT_EQ(found, possible);
    EXPECT_GT(possible, 0u);
  }
}

TEST(ReplyPort, RangesThatHoldNothing) {
  const FlowTable flows(10, kSecret);
  const FlowKey reply{IpAddress::v4(0x0a010203), kOutside, 8080, 0, kTcp};
  EXPECT_EQ(find_reply_port(flows, reply, {5000, 4000}, 1, 0, 1), 0);
  EXPECT_EQ(find_reply_port(flows, reply, {0, 0}, 1, 0, 1), 0);
  EXPECT_EQ(find_reply_port(flows, reply, {5000, 5000}, 9, 0, 1), 5000);
  EXPECT_EQ(find_reply_port(flows, reply, {65535, 65535}, 9, 0, 1), 65535);
  FlowKey gre = reply;
  gre.protocol = 47;
  EXPECT_EQ(find_reply_port(flows, gre, {}, 1, 0, 1), 0);
}

// ---- mappings -----------------------------------------------------------------------------------------------------

const std::vector<IpAddress> kPool{kOutside};

Mapping* open(MappingTable& table, const MappingKey& key, base::Millis now = 0, uint32_t most = 0,
              std::span<const IpAddress> pool = kPool, PortRange range = {}) {
  return table.open(key, pool, range, kRemote, 443, most, now).mapping;
}

TEST(Mapping, IsFoundFromBothSidesAndKeepsTheInsidePort) {
  MappingTable table(100, 0, 1, kSecret);
  const MappingKey key = key_of(1, 5000);
  EXPECT_EQ(table.find_inside(key), nullptr);
  Mapping* mapping = open(table, key);
  ASSERT_NE(mapping, nullptr);
  EXPECT_EQ(mapping->outside, kOutside);
  EXPECT_EQ(mapping->port, 5000);
  EXPECT_EQ(table.find_inside(key), mapping);
  EXPECT_EQ(table.find_outside(kOutside, 5000, kUdp), mapping);
  EXPECT_EQ(table.find_outside(kOutside, 5000, kTcp), nullptr);
  EXPECT_EQ(table.find_outside(kOutside, 5001, kUdp), nullptr);
  // Another host with the same port gets another; another protocol has ports of its own.
  EXPECT_NE(open(table, key_of(2, 5000))->port, 5000);
  EXPECT_EQ(open(table, key_of(2, 5000, kTcp))->port, 5000);
  EXPECT_EQ(open(table, key_of(2, 5000, kIcmp))->port, 5000);
  EXPECT_EQ(table.count_of(inside(2), 0), 3u);
  EXPECT_EQ(table.count_of_egress(0), 4u);
  // A port below the range is not kept.
  EXPECT_GE(open(table, key_of(3, 123))->port, 1024);
}

TEST(Mapping, WorkersNeverShareAPort) {
  constexpr unsigned kWorkers = 3;
  std::vector<std::unique_ptr<MappingTable>> tables;
  for (unsigned w = 0; w < kWorkers; ++w)
    tables.push_back(std::make_unique<MappingTable>(70'000, w, kWorkers, kSecret));
  std::set<uint16_t> used;
  std::vector<unsigned> count(kWorkers);
  for (unsigned i = 0; i < 70'000; ++i) {
    const unsigned w = i % kWorkers;
    const Mapping* mapping = open(*tables[w], key_of(i, static_cast<uint16_t>(1024 + i % 60'000)));
    if (mapping == nullptr) continue;
    ++count[w];
    ASSERT_EQ(port_owner(mapping->port, kWorkers), w);
    ASSERT_TRUE(used.insert(mapping->port).second);
  }
  EXPECT_EQ(used.size(), 65536u - 1024) << "every port of the range was used once";
  for (unsigned w = 0; w < kWorkers; ++w)
    EXPECT_EQ(tables[w]->open(key_of(1u << 20, 1), kPool, {}, kRemote, 443, 0, 0).status, MappingStatus::kExhausted);
}

TEST(Mapping, PrefersPortsThatBringTheFirstAnswerHere) {
  constexpr unsigned kWorkers = 4;
  MappingTable table(10'000, 1, kWorkers, kSecret);
  int landed = 0;
  for (uint32_t i = 0; i < 1000; ++i) {
    const Mapping* mapping = open(table, key_of(i, 80, kTcp));  // 80 is outside of the range
    const FlowKey answer{kRemote, kOutside, 443, mapping->port, kTcp};
    landed += owner_of(owner_hash(answer), kWorkers) == 1;
  }
  EXPECT_EQ(landed, 1000);
}

TEST(Mapping, ASourceKeepsItsAddressAndUsesOthersWhenThatIsFull) {
  std::vector<IpAddress> pool;
  for (uint32_t i = 0; i < 8; ++i) pool.push_back(IpAddress::v4(0xcb007100 + i));
  MappingTable table(10'000, 0, 1, kSecret);
  constexpr PortRange kSmall{2000, 2099};
  std::set<IpAddress> of_one;
  for (uint16_t port = 1; port <= 100; ++port) of_one.insert(open(table, key_of(1, port), 0, 0, pool, kSmall)->outside);
  EXPECT_EQ(of_one.size(), 1u) << "RFC 4787 REQ-2";
  EXPECT_NE(open(table, key_of(1, 101), 0, 0, pool, kSmall), nullptr);
  std::map<IpAddress, int> spread;
  MappingTable fresh(10'000, 0, 1, kSecret);
  for (uint32_t host = 0; host < 400; ++host) ++spread[open(fresh, key_of(host, 1), 0, 0, pool, {})->outside];
  EXPECT_EQ(spread.size(), 8u);
  for (const auto& [address, hosts] : spread) EXPECT_NEAR(hosts, 50, 30);
}

TEST(Mapping, RefusesByName) {
  MappingTable table(10, 0, 1, kSecret);
  const auto status = [&](const MappingKey& key, std::span<const IpAddress> pool, PortRange range, uint32_t most) {
    return table.open(key, pool, range, kRemote, 443, most, 0).status;
  };
  EXPECT_EQ(status(key_of(1, 1), {}, {}, 0), MappingStatus::kNoAddress);
  EXPECT_EQ(status(key_of(1, 1, 47), kPool, {}, 0), MappingStatus::kUnsupported);
  EXPECT_EQ(status(key_of(1, 1), kPool, {9, 8}, 0), MappingStatus::kExhausted);
  EXPECT_EQ(status(key_of(1, 1), kPool, {0, 0}, 0), MappingStatus::kExhausted);
  for (uint16_t i = 1; i <= 3; ++i) EXPECT_EQ(status(key_of(1, i), kPool, {}, 3), MappingStatus::kOk);
  EXPECT_EQ(status(key_of(1, 4), kPool, {}, 3), MappingStatus::kSourceLimit);
  EXPECT_EQ(status(key_of(1, 4, kUdp, 1), kPool, {}, 3), MappingStatus::kOk) << "another egress counts apart";
  for (uint16_t i = 0; i < 6; ++i) EXPECT_EQ(status(key_of(2, i), kPool, {}, 0), MappingStatus::kOk);
  EXPECT_EQ(status(key_of(3, 1), kPool, {}, 0), MappingStatus::kTableFull);
}

TEST(Mapping, LivesWhileHeldAndLingersAfterwards) {
  MappingTable table(100, 0, 1, kSecret);
  Mapping* udp = open(table, key_of(1, 5000), 1000);
  MappingTable::hold(*udp, 1000);
  MappingTable::hold(*udp, 2000);
  table.sweep(100, 10'000'000);
  EXPECT_EQ(table.size(), 1u);
  MappingTable::release(*udp, 10'000'000);
  table.sweep(100, 20'000'000);
  EXPECT_EQ(table.size(), 1u) << "one flow still holds it";
  MappingTable::release(*udp, 20'000'000);
  table.sweep(100, 20'000'000 + kUdpMappingLinger - 1);
  EXPECT_EQ(table.size(), 1u) << "RFC 4787 REQ-5";
  table.sweep(100, 20'000'000 + kUdpMappingLinger);
  EXPECT_EQ(table.size(), 0u);
  EXPECT_EQ(table.count_of(inside(1), 0), 0u);
  EXPECT_EQ(table.find_outside(kOutside, 5000, kUdp), nullptr);
  Mapping* tcp = open(table, key_of(1, 5000, kTcp), 0);
  EXPECT_EQ(tcp->port, 5000);
  MappingTable::hold(*tcp, 0);
  MappingTable::release(*tcp, 5);
  table.sweep(100, 5);
  EXPECT_EQ(table.size(), 0u);
}

TEST(Mapping, RetiredOnesMakeWayForTheNewPool) {
  MappingTable table(100, 0, 1, kSecret);
  const MappingKey key = key_of(1, 5000);
  Mapping* old = open(table, key);
  MappingTable::hold(*old, 0);
  table.retire(*old);
  EXPECT_EQ(table.find_inside(key), nullptr);
  EXPECT_EQ(table.find_outside(kOutside, 5000, kUdp), old) << "its flows go on until they are closed";
  const std::vector<IpAddress> pool{IpAddress::v4(0xcb007142)};
  Mapping* fresh = open(table, key, 0, 0, pool);
  EXPECT_EQ(table.find_inside(key), fresh);
  MappingTable::hold(*fresh, 0);
  MappingTable::release(*old, 0);
  table.sweep(100, 0);
  EXPECT_EQ(table.size(), 1u);
  EXPECT_EQ(table.find_inside(key), fresh);
}

// Opens and ends at random; the table agrees with a model and loses no port.
TEST(Mapping, LosesNoPort) {
  std::mt19937 random(31);
  MappingTable table(2000, 1, 2, kSecret);
  std::vector<IpAddress> pool{kOutside, IpAddress::v4(0xcb007102), IpAddress::v4(0xcb007103)};
  constexpr PortRange kRange{3000, 3511};
  std::map<std::pair<uint32_t, uint16_t>, std::pair<IpAddress, uint16_t>> model;
  for (int step = 0; step < 50'000; ++step) {
    const auto host = static_cast<uint32_t>(random() % 50);
    const auto port = static_cast<uint16_t>(random() % 100);
    const MappingKey key = key_of(host, port, kTcp);
    Mapping* known = table.find_inside(key);
    ASSERT_EQ(known != nullptr, model.contains({host, port}));
    if (known == nullptr) {
      const MappingResult made = table.open(key, pool, kRange, kRemote, 443, 0, 0);
      if (made.status == MappingStatus::kExhausted) {
        ASSERT_EQ(table.size(), 3u * 256);
        continue;
      }
      ASSERT_EQ(made.status, MappingStatus::kOk);
      MappingTable::hold(*made.mapping, 0);
      model[{host, port}] = {made.mapping->outside, made.mapping->port};
    } else {
      ASSERT_EQ(table.find_outside(known->outside, known->port, kTcp), known);
      ASSERT_EQ(std::pair(known->outside, known->port), (model[{host, port}]));
      if (random() % 2) continue;
      MappingTable::release(*known, 0);
      table.sweep(2000, 0);
      model.erase({host, port});
    }
    ASSERT_EQ(table.size(), model.size());
  }
  for (const auto& [key, outside] : model)
    MappingTable::release(*table.find_inside(key_of(key.first, key.second, kTcp)), 0);
  table.sweep(2000, 0);
  EXPECT_EQ(table.size(), 0u);
  EXPECT_EQ(table.count_of_egress(0), 0u);
}

TEST(Mapping, ManyAddressesComeAndGo) {
  MappingTable table(5000, 0, 1, kSecret);
  for (uint32_t i = 0; i < 5000; ++i) {
    const std::vector<IpAddress> pool{IpAddress::v4(0xcb000000 + i)};
    Mapping* mapping = open(table, key_of(1, 9, kTcp), 0, 0, pool);
    ASSERT_NE(mapping, nullptr) << i;
    table.sweep(10, 0);
  }
  uint32_t made = 0;
  for (uint32_t i = 0; i < 2000; ++i) {
    const std::vector<IpAddress> pool{IpAddress::v4(0xcb000000 + i)};
    made += open(table, key_of(i, 9, kTcp), 0, 0, pool) != nullptr;
  }
  EXPECT_EQ(made, kMaxNatAddresses);
}

}  // namespace
}  // namespace penstock::flow
