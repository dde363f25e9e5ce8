// Longest-prefix match against a naive search over random tables; ECMP; what a bad route does.
#include "flow/route_table.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "flow/shard.h"

// rte_vect.h, which declares it, is not made for C++.
extern "C" int rte_vect_set_max_simd_bitwidth(uint16_t bitwidth);

namespace penstock::flow {
namespace {

base::Prefix prefix(const char* text) { return *base::Prefix::parse(text); }
base::IpAddress address(const char* text) { return *base::IpAddress::parse(text); }

RouteSpec via(const char* to, const char* hop, uint16_t interface = 1) {
  return {prefix(to), RouteKind::kGateway, {{interface, address(hop)}}, {}};
}

const RouteTable& must(const base::Result<std::shared_ptr<const RouteTable>>& table) {
  EXPECT_TRUE(table.ok()) << (table.ok() ? "" : table.error());
  return **table;
}

TEST(RouteTable, EmptyTableHasNoRoute) {
  const auto table = RouteTable::build({});
  EXPECT_EQ(must(table).find(address("192.0.2.1")), 0u);
  EXPECT_EQ(must(table).find(address("2001:db8::1")), 0u);
  EXPECT_EQ(must(table).at(0).kind, RouteKind::kNone);
  EXPECT_EQ(must(table).size(), 0u);
}

TEST(RouteTable, LongestPrefixWinsWhateverTheOrder) {
  std::vector<RouteSpec> specs = {
      via("192.0.2.128/25", "10.0.0.3"),
      via("0.0.0.0/0", "10.0.0.1"),
      via("192.0.2.0/24", "10.0.0.2"),
      {prefix("192.0.2.129/32"), RouteKind::kLocal, {{7, {}}}, {}},
      {prefix("198.51.100.0/24"), RouteKind::kBlackhole, {}, {}},
      via("2001:db8::/32", "fe80::1"),
      via("::/0", "fe80::2"),
      {prefix("2001:db8::1/128"), RouteKind::kLocal, {{8, {}}}, {}},
  };
  for (int order = 0; order < 2; ++order) {
    const auto built = RouteTable::build(specs);
    const RouteTable& table = must(built);
    const auto hop = [&](const char* to) {
      const RouteResult& r = table.at(table.find(address(to)));
      return table.next_hop(table.next_hop_of(r, 0)).via.to_string();
    };
    EXPECT_EQ(hop("8.8.8.8"), "10.0.0.1");
    EXPECT_EQ(hop("192.0.2.1"), "10.0.0.2");
    EXPECT_EQ(hop("192.0.2.128"), "10.0.0.3");
    EXPECT_EQ(hop("2001:db9::1"), "fe80::2");
    EXPECT_EQ(hop("2001:db8::2"), "fe80::1");
    EXPECT_EQ(table.at(table.find(address("192.0.2.129"))).kind, RouteKind::kLocal);
    EXPECT_EQ(table.at(table.find(address("192.0.2.129"))).interface, 7);
    EXPECT_EQ(table.at(table.find(address("198.51.100.9"))).kind, RouteKind::kBlackhole);
    EXPECT_EQ(table.at(table.find(address("198.51.100.9"))).hops, 0);
    EXPECT_EQ(table.at(table.find(address("2001:db8::1"))).interface, 8);
    EXPECT_EQ(table.size(), 8u);
    std::reverse(specs.begin(), specs.end());
  }
}

TEST(RouteTable, OfEqualPrefixesTheLastWinsAndHostBitsAreIgnored) {
  const auto built = RouteTable::build(std::vector<RouteSpec>{
      via("192.0.2.7/24", "10.0.0.1"), via("192.0.2.0/24", "10.0.0.2"), via("10.0.0.0/8", "10.0.0.1")});
  const RouteTable& table = must(built);
  const RouteResult& r = table.at(table.find(address("192.0.2.200")));
  EXPECT_EQ(table.next_hop(r.first).via.to_string(), "10.0.0.2");
  EXPECT_EQ(table.size(), 2u);
}

// Against a table built anew from the same routes.
TEST(RouteTable, ExchangeLeadsGroupsElsewhere) {
  std::mt19937 random(3);
  const auto hops = [&random](RouteSpec& spec) {
    spec.next_hops.clear();
    spec.weights.clear();
    const auto first = static_cast<uint16_t>(random() % 8);
    for (uint16_t n = 0; n <= random() % 3; ++n) {
      spec.next_hops.push_back({.peer = static_cast<uint16_t>(first + n)});
      spec.weights.push_back(static_cast<uint16_t>(1 + random() % 5));
    }
  };
  for (int round = 0; round < 20; ++round) {
    std::map<uint32_t, RouteSpec> groups;
    std::vector<RouteSpec> specs;
    for (unsigned i = 0; i < 60; ++i) {
      RouteSpec spec = via("0.0.0.0/0", "10.0.0.1");
      if (const uint32_t group = random() % 8; group != 0) {
        RouteSpec& same = groups[group];
        same.kind = RouteKind::kGateway;
        if (same.next_hops.empty()) hops(same);
        spec.next_hops = same.next_hops;
        spec.weights = same.weights;
        spec.group = group;
      }
      spec.demand = static_cast<uint16_t>(random() % 3);
      spec.prefix = base::Prefix{base::IpAddress::v4(random() & 0x0f0f0000), static_cast<uint8_t>(4 + random() % 13)};
      specs.push_back(spec);
    }
    auto table = RouteTable::build(specs);
    ASSERT_TRUE(table.ok());
    for (int turn = 0; turn < 3; ++turn) {
      std::vector<RouteSpec> changed;
      for (auto& [group, same] : groups) {
        if (random() % 2) continue;
        hops(same);
        same.group = group;
        for (RouteSpec& spec : specs)
          if (spec.group == group) spec.next_hops = same.next_hops, spec.weights = same.weights;
        if (std::any_of(specs.begin(), specs.end(), [&](const auto& s) { return s.group == group; }))
          changed.push_back(same);
      }
      auto next = (*table)->exchange(changed);
      ASSERT_TRUE(next.ok()) << next.error();
      const auto anew = RouteTable::build(specs);
      for (int i = 0; i < 500; ++i) {
        const auto to = base::IpAddress::v4(random() & 0x0f0fffff);
        ASSERT_EQ((*next)->find(to), (*table)->find(to)) << "indexes stay";
        const RouteResult& a = (*next)->at((*next)->find(to));
        const RouteResult& b = must(anew).at(must(anew).find(to));
        ASSERT_EQ(std::tie(a.kind, a.hops, a.demand), std::tie(b.kind, b.hops, b.demand));
        for (uint32_t slot = 0; slot < (a.hops == 0 ? 0 : kEcmpSlots); ++slot)
          ASSERT_EQ((*next)->next_hop((*next)->next_hop_in(a, slot)),
                    must(anew).next_hop(must(anew).next_hop_in(b, slot)));
      }
      table = std::move(next);
    }
  }
  RouteSpec stranger = via("10.0.0.0/8", "10.0.0.1");
  stranger.group = 9;
  EXPECT_EQ(must(RouteTable::build({})).exchange({&stranger, 1}).error(), "route 10.0.0.0/8: no such group of routes");
}

TEST(RouteTable, EqualResultsAreShared) {
  std::vector<RouteSpec> specs;
  for (uint32_t i = 0; i < 1000; ++i)
    specs.push_back({{base::IpAddress::v4(0x0a000000 + (i << 8)), 24},
                     RouteKind::kGateway,
                     {{1, address(i % 2 ? "192.0.2.1" : "192.0.2.2")}, {2, address("192.0.2.3")}},
                     {}});
  const auto built = RouteTable::build(specs);
  const RouteTable& table = must(built);
  EXPECT_EQ(table.next_hops().size(), 3u);
  EXPECT_EQ(table.find(address("10.0.0.1")), table.find(address("10.0.2.1")));
  EXPECT_NE(table.find(address("10.0.0.1")), table.find(address("10.0.1.1")));
}

TEST(RouteTable, EcmpFollowsWeightsAndEveryHopHasASlot) {
  const uint16_t weights[] = {1, 2, 1, 256, 0};
  RouteSpec spec{prefix("0.0.0.0/0"), RouteKind::kGateway, {}, {}};
  for (uint16_t i = 0; i < 5; ++i) {
    spec.next_hops.push_back({i, base::IpAddress::v4(0x0a000001u + i)});
    spec.weights.push_back(weights[i]);
  }
  const auto built = RouteTable::build({&spec, 1});
  const RouteTable& table = must(built);
  const RouteResult& r = table.at(table.find(address("8.8.8.8")));
  EXPECT_EQ(r.hops, 4);
  // Over all hashes, and over those of one worker of two alike.
  std::map<uint16_t, unsigned> count, of_one;
  for (uint32_t word = 0; word < 65536; ++word) {
    const uint32_t hash = owner_hash_of_word(static_cast<uint16_t>(word));
    const uint16_t hop = table.next_hop(table.next_hop_of(r, hash)).interface;
    ++count[hop];
    if (owner_of(hash, 2) == 0) ++of_one[hop];
  }
  EXPECT_EQ(count, (std::map<uint16_t, unsigned>{{0, 1024}, {1, 1024}, {2, 1024}, {3, 62464}}));
  EXPECT_EQ(of_one, (std::map<uint16_t, unsigned>{{0, 512}, {1, 512}, {2, 512}, {3, 31232}}));
}

TEST(RouteTable, EqualWeightsShareEvenly) {
  for (uint16_t n = 2; n <= 64; ++n) {
    RouteSpec spec{prefix("::/0"), RouteKind::kGateway, {}, {}};
    for (uint16_t i = 0; i < n; ++i) spec.next_hops.push_back({i, address("fe80::1")});
    const auto built = RouteTable::build({&spec, 1});
    const RouteTable& table = must(built);
    const RouteResult& r = table.at(table.find(address("2001:db8::1")));
    std::vector<unsigned> count(n);
    for (uint32_t slot = 0; slot < kEcmpSlots; ++slot) ++count.at(table.next_hop(table.next_hop_in(r, slot)).interface);
    const auto [least, most] = std::minmax_element(count.begin(), count.end());
    EXPECT_LE(*most - *least, 1u);
    EXPECT_GE(*least, 1u);
  }
}

TEST(RouteTable, ImpossibleRoutesAreErrors) {
  RouteSpec none{prefix("192.0.2.0/24"), RouteKind::kGateway, {}, {}};
  auto table = RouteTable::build({&none, 1});
  ASSERT_FALSE(table.ok());
  EXPECT_NE(table.error().find("192.0.2.0/24"), std::string::npos);
  RouteSpec weightless = via("192.0.2.0/24", "10.0.0.1");
  weightless.weights = {0};
  EXPECT_FALSE(RouteTable::build({&weightless, 1}).ok());
  weightless.weights = {1, 2};
  EXPECT_FALSE(RouteTable::build({&weightless, 1}).ok());
  RouteSpec many = via("192.0.2.0/24", "10.0.0.1");
  many.next_hops.resize(65);
  EXPECT_FALSE(RouteTable::build({&many, 1}).ok());
}

// ---- oracle ---------------------------------------------------------------------------------------------------------

struct Oracle {
  std::map<std::pair<uint8_t, base::IpAddress>, uint16_t> routes;  // by length and network

  void add(const base::Prefix& p, uint16_t interface) { routes[{p.length, p.network().address}] = interface; }
  int find(const base::IpAddress& a) const {
    for (int length = a.is_v4() ? 32 : 128; length >= 0; --length) {
      const auto at = routes.find({length, base::Prefix{a, static_cast<uint8_t>(length)}.network().address});
      if (at != routes.end() && at->first.second.is_v4() == a.is_v4()) return at->second;
    }
    return -1;
  }
};

// Addresses and lengths that crowd together, so that prefixes nest deeply.
base::Prefix random_prefix(std::mt19937_64& random, bool v4) {
  base::IpAddress a;
  const auto bits = [&](unsigned byte) {
    a.bytes[byte] = static_cast<uint8_t>(random() % 3 ? random() % 4 * 85 : random());
  };
  if (v4) {
    for (unsigned i = 12; i < 16; ++i) bits(i);
    a.bytes[10] = a.bytes[11] = 0xff;
    return {a, static_cast<uint8_t>(random() % 33)};
  }
  for (unsigned i = 0; i < 16; ++i) bits(i);
  a.bytes[0] = 0x20;
  const uint8_t usual[] = {0, 3, 16, 29, 32, 40, 44, 48, 56, 64, 127, 128};
  return {a, random() % 2 ? usual[random() % std::size(usual)] : static_cast<uint8_t>(random() % 129)};
}

class RouteLookup : public testing::TestWithParam<uint16_t> {
 protected:
  void SetUp() override { rte_vect_set_max_simd_bitwidth(GetParam()); }
  void TearDown() override { rte_vect_set_max_simd_bitwidth(256); }
};
// Scalar and, where the CPU has it, AVX-512.
INSTANTIATE_TEST_SUITE_P(Width, RouteLookup, testing::Values(256, 512));

TEST_P(RouteLookup, FindsWhatANaiveSearchFinds) {
  for (const bool v4 : {true, false}) {
    for (unsigned seed = 1; seed <= 8; ++seed) {
      SCOPED_TRACE(std::string(v4 ? "IPv4" : "IPv6") + " seed " + std::to_string(seed));
      std::mt19937_64 random(seed);
      Oracle oracle;
      std::vector<RouteSpec> specs;
      const size_t count = seed == 8 ? 20'000 : 1u << (seed + 2);
      for (size_t i = 0; i < count; ++i) {
        const base::Prefix p = random_prefix(random, v4);
        // Many next hops or few: equal ones in nested prefixes take other paths through the library.
        const auto interface = static_cast<uint16_t>(random() % (seed % 2 ? 3 : 50'000));
        specs.push_back({p, RouteKind::kGateway, {{interface, p.address}}, {}});
        specs.back().next_hops[0].via = address("fe80::1");
        oracle.add(p, interface);
      }
      const auto built = RouteTable::build(specs);
      const RouteTable& table = must(built);
      EXPECT_EQ(table.size(), oracle.routes.size());
      for (int i = 0; i < 8'000; ++i) {
        base::IpAddress a = i % 2 ? specs[random() % specs.size()].prefix.last() : random_prefix(random, v4).address;
        if (i % 4 == 3) a = specs[random() % specs.size()].prefix.network().address;
        const RouteResult& r = table.at(table.find(a));
        const int want = oracle.find(a);
        ASSERT_EQ(r.kind == RouteKind::kNone ? -1 : static_cast<int>(r.interface), want) << a.to_string();
      }
    }
  }
}

TEST_P(RouteLookup, BurstsOfAnyLengthAgreeWithSingleLookups) {
  std::mt19937_64 random(3);
  std::vector<RouteSpec> specs;
  for (int i = 0; i < 3000; ++i) {
    const base::Prefix p = random_prefix(random, i % 2);
    specs.push_back({p, RouteKind::kConnected, {{static_cast<uint16_t>(i), {}}}, {}});
  }
  const auto built = RouteTable::build(specs);
  const RouteTable& table = must(built);
  for (unsigned count = 0; count <= 200; ++count) {
    std::vector<uint32_t> four(count), results(count + 1, 0xdead);
    auto six = std::make_unique<uint8_t[][16]>(count + 1);
    for (unsigned i = 0; i < count; ++i) {
      four[i] = random_prefix(random, true).address.v4_host_order();
      std::memcpy(six[i], random_prefix(random, false).address.bytes.data(), 16);
    }
    table.find_v4(four.data(), results.data(), count);
    for (unsigned i = 0; i < count; ++i) ASSERT_EQ(results[i], table.find(base::IpAddress::v4(four[i])));
    ASSERT_EQ(results[count], 0xdeadu);
    table.find_v6(six.get(), results.data(), count);
    for (unsigned i = 0; i < count; ++i) ASSERT_EQ(results[i], table.find(base::IpAddress::v6_from(six[i])));
    ASSERT_EQ(results[count], 0xdeadu);
  }
}

}  // namespace
}  // namespace penstock::flow
