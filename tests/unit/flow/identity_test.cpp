// Whose a source address is, against a naive reading of the claims; and the bounded table of pairs.
#include "flow/identity.h"

#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <set>
#include <tuple>

#include "flow/identity_pairs.h"

namespace penstock::flow {
namespace {

base::Prefix prefix(const char* text) { return *base::Prefix::parse(text); }
base::IpAddress address(const char* text) { return *base::IpAddress::parse(text); }
base::MacAddress mac(uint8_t last) { return {{2, 0, 0, 0, 0, last}}; }

struct Table {
  explicit Table(std::vector<WorkloadClaim> claims) : sources(claims) {}
  // "7", "nobody", "forged"
  std::string find(uint16_t interface, const char* source, uint8_t from = 1) const {
    const auto found = sources.find(interface, address(source), mac(from).bytes.data());
    return found.forged ? "forged" : found.identity == kNobody ? "nobody" : std::to_string(found.identity);
  }
  SourceTable sources;
};

TEST(SourceTable, WithoutClaimsNobodyIsKnown) {
  const Table table({});
  EXPECT_TRUE(table.sources.empty());
  EXPECT_EQ(table.find(0, "10.0.0.1"), "nobody");
  EXPECT_EQ(table.sources.at(address("10.0.0.1")), kNobody);
  EXPECT_EQ(SourceTable().at(address("2001:db8::1")), kNobody);
}

TEST(SourceTable, TheLongestPrefixCountsAndOnlyFromItsInterface) {
  const Table table({{1, {}, {prefix("10.0.0.0/8")}, 1},
                     {1, {}, {prefix("10.1.0.0/16"), prefix("2001:db8::/32")}, 2},
                     {2, {}, {prefix("10.1.1.1/32")}, 3}});
  EXPECT_EQ(table.find(1, "10.9.9.9"), "1");
  EXPECT_EQ(table.find(1, "10.1.9.9"), "2");
  EXPECT_EQ(table.find(1, "2001:db8::9"), "2");
  EXPECT_EQ(table.find(2, "10.1.1.1"), "3");
  EXPECT_EQ(table.find(1, "10.1.1.1"), "forged") << "a wider claim of the interface does not help";
  EXPECT_EQ(table.find(2, "10.9.9.9"), "forged");
  EXPECT_EQ(table.find(1, "192.0.2.1"), "nobody");
  EXPECT_EQ(table.sources.at(address("10.1.1.1")), 3);
  EXPECT_EQ(table.sources.at(address("10.1.1.2")), 2);
}

TEST(SourceTable, AMacIsMoreSpecificThanNone) {
  const Table table({{1, {}, {prefix("10.0.0.1/32")}, 1},
                     {1, mac(7), {prefix("10.0.0.1/32")}, 2},
                     {1, mac(8), {prefix("10.0.0.2/32")}, 3},
                     {3, mac(9), {}, 4},
                     {3, {}, {}, 5},
                     {4, mac(9), {}, 6}});
  EXPECT_EQ(table.find(1, "10.0.0.1", 7), "2");
  EXPECT_EQ(table.find(1, "10.0.0.1", 8), "1");
  EXPECT_EQ(table.find(1, "10.0.0.2", 8), "3");
  EXPECT_EQ(table.find(1, "10.0.0.2", 7), "forged");
  EXPECT_EQ(table.find(3, "198.51.100.1", 9), "4");
  EXPECT_EQ(table.find(3, "198.51.100.1", 1), "5");
  EXPECT_EQ(table.find(4, "198.51.100.1", 1), "nobody") << "it claims no address";
  EXPECT_EQ(table.find(3, "10.0.0.2", 9), "forged");
  EXPECT_EQ(table.sources.at(address("10.0.0.1")), kNobody) << "two identities share it";
  EXPECT_EQ(table.sources.at(address("10.0.0.2")), 3);
  EXPECT_EQ(table.sources.at(address("198.51.100.1")), kNobody);
}

TEST(SourceTable, PrefixesOfLengthZeroAreOfOneFamily) {
  const Table table({{1, {}, {prefix("0.0.0.0/0")}, 1}, {2, {}, {prefix("::/0")}, 2}});
  EXPECT_EQ(table.find(1, "203.0.113.1"), "1");
  EXPECT_EQ(table.find(2, "2001:db8::1"), "2");
  EXPECT_EQ(table.find(2, "203.0.113.1"), "forged");
}

// The claims one by one, as the kind's documentation has it.
SourceTable::Found naive(const std::vector<WorkloadClaim>& claims, uint16_t interface, const base::IpAddress& source,
                         const base::MacAddress& from) {
  int best = -1;
  for (const auto& claim : claims)
    for (const auto& each : claim.addresses)
      if (each.is_v4() == source.is_v4() && each.contains(source)) best = std::max<int>(best, each.length);
  for (const bool exact : {true, false}) {
    for (const auto& claim : claims) {
      if (claim.interface != interface || claim.mac.has_value() != exact || (exact && *claim.mac != from)) continue;
      if (best < 0 && claim.addresses.empty()) return {claim.identity, false};
      for (const auto& each : claim.addresses)
        if (each.is_v4() == source.is_v4() && each.contains(source) && each.length == best)
          return {claim.identity, false};
    }
  }
  return {kNobody, best >= 0};
}

TEST(SourceTable, AgreesWithTheOracle) {
  std::mt19937 random(11);
  const auto below = [&random](unsigned n) { return static_cast<unsigned>(random() % n); };
  const auto any_address = [&] {
    if (below(2) == 0) return base::IpAddress::v4(0x0a000000 | below(2) << 16 | below(4) << 8 | below(8));
    base::IpAddress out = address("2001:db8::");
    out.bytes[7] = static_cast<uint8_t>(below(3));
    out.bytes[15] = static_cast<uint8_t>(below(8));
    return out;
  };
  for (int round = 0; round < 200; ++round) {
    std::vector<WorkloadClaim> claims(1 + below(20));
    std::set<std::tuple<uint16_t, std::optional<base::MacAddress>, std::optional<base::Prefix>>> taken;
    for (size_t i = 0; i < claims.size(); ++i) {
      claims[i].interface = static_cast<uint16_t>(below(3));
      if (below(2) == 0) claims[i].mac = mac(static_cast<uint8_t>(below(3)));
      claims[i].identity = static_cast<Identity>(1 + i);
      for (unsigned n = below(4); n != 0; --n) {
        const base::IpAddress a = any_address();
        const unsigned four[] = {0, 8, 15, 24, 31, 32}, six[] = {0, 32, 64, 66, 127, 128};
        const base::Prefix p =
            base::Prefix{a, static_cast<uint8_t>(a.is_v4() ? four[below(6)] : six[below(6)])}.network();
        if (taken.insert({claims[i].interface, claims[i].mac, p}).second) claims[i].addresses.push_back(p);
      }
      if (claims[i].addresses.empty() && !taken.insert({claims[i].interface, claims[i].mac, std::nullopt}).second)
        claims[i].addresses.push_back(prefix("192.0.2.0/24")), claims[i].interface = static_cast<uint16_t>(100 + i);
    }
    const SourceTable table(claims);
    for (int packet = 0; packet < 200; ++packet) {
      const auto interface = static_cast<uint16_t>(below(4));
      const base::IpAddress source = any_address();
      const base::MacAddress from = mac(static_cast<uint8_t>(below(4)));
      const auto expected = naive(claims, interface, source, from),
                 found = table.find(interface, source, from.bytes.data());
      ASSERT_EQ(found.identity, expected.identity) << round << " " << source.to_string() << " on " << interface;
      ASSERT_EQ(found.forged, expected.forged) << round << " " << source.to_string() << " on " << interface;
    }
  }
}

TEST(IdentityTable, NumbersOfAPeerMeanWhatItTold) {
  IdentityTable table;
  table.names = {"", "", "", "spiffe://a/x"};
  table.from_peer = {{}, {0, 0, 3}};
  Identity ours = 77;
  EXPECT_TRUE(table.translate(1, 2, ours));
  EXPECT_EQ(ours, 3);
  EXPECT_TRUE(table.translate(1, 0, ours)) << "the peer knows of none either";
  EXPECT_EQ(ours, kNobody);
  for (const uint32_t never : {1u, 3u, 65536u, 0xffffffffu}) EXPECT_FALSE(table.translate(1, never, ours)) << never;
  EXPECT_FALSE(table.translate(0, 2, ours));
  EXPECT_FALSE(table.translate(9, 2, ours));
  EXPECT_EQ(table.name_of(3), "spiffe://a/x");
  EXPECT_EQ(table.name_of(0), "unknown");
  EXPECT_EQ(table.name_of(60000), "unknown");
}

TEST(IdentityPairs, AreCountedApartUntilTheTableIsFull) {
  const auto pairs = std::make_unique<IdentityPairs>();
  pairs->of(0, 0).denied.add(1);
  pairs->of(1, 2).allowed.add(3);
  pairs->of(2, 1).allowed.add(5);
  EXPECT_EQ(pairs->of(1, 2).allowed.read(), 3u);
  EXPECT_EQ(pairs->of(2, 1).allowed.read(), 5u);
  EXPECT_EQ(pairs->of(0, 0).denied.read(), 1u);
  EXPECT_EQ(pairs->of(1, 2).from(), 1);
  EXPECT_EQ(pairs->of(1, 2).to(), 2);
  for (unsigned from = 1; from <= 200; ++from)
    for (unsigned to = 1; to <= 200; ++to)
      pairs->of(static_cast<Identity>(from), static_cast<Identity>(to)).allowed.add(1);
  uint64_t sum = pairs->others().allowed.read(), used = 0;
  EXPECT_GT(sum, 0u);
  for (const IdentityPair& each : *pairs) {
    sum += each.allowed.read();
    used += each.key.read() != 0;
  }
  EXPECT_EQ(sum, 40000u + 8) << "none is lost";
  EXPECT_GT(used, kMaxIdentityPairs * 9 / 10);
  EXPECT_EQ(pairs->of(1, 2).allowed.read(), 4u);
}

}  // namespace
}  // namespace penstock::flow
