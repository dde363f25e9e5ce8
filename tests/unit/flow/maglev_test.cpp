// The properties of the paper's §5.3 and of the contract: balance, disruption, determinism, weights.
#include "flow/maglev.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <string>

namespace penstock::flow {
namespace {

std::vector<MaglevEndpoint> endpoints_of(size_t count, uint32_t first = 0x0a000001, uint16_t port = 8080) {
  std::vector<MaglevEndpoint> endpoints;
  for (size_t i = 0; i < count; ++i)
    endpoints.push_back({base::IpAddress::v4(first + static_cast<uint32_t>(i)), port, 100});
  return endpoints;
}

std::vector<uint32_t> places_of(const std::vector<uint16_t>& table, size_t endpoints) {
  std::vector<uint32_t> places(endpoints);
  for (const uint16_t e : table) ++places.at(e);
  return places;
}

// The choice at each place as an identity, so that tables over different lists compare.
std::vector<std::pair<base::IpAddress, uint16_t>> choices(const std::vector<MaglevEndpoint>& endpoints, uint32_t size) {
  std::vector<std::pair<base::IpAddress, uint16_t>> out;
  for (const uint16_t e : build_maglev(endpoints, size))
    out.emplace_back(endpoints.at(e).address, endpoints.at(e).port);
  return out;
}

TEST(Maglev, SizesArePrimesThatStayWhenEndpointsComeAndGo) {
  EXPECT_EQ(next_prime(0), 2u);
  EXPECT_EQ(next_prime(90), 97u);
  EXPECT_EQ(next_prime(65536), 65537u);
  EXPECT_EQ(maglev_size(0), 211u);
  EXPECT_EQ(maglev_size(1), 211u);
  EXPECT_EQ(maglev_size(10), 1201u);
  EXPECT_EQ(maglev_size(9), 1201u);
  EXPECT_EQ(maglev_size(8), 809u);
  EXPECT_EQ(maglev_size(16), 1601u);
  EXPECT_EQ(maglev_size(17), 2411u);
  EXPECT_EQ(maglev_size(25), 3203u);
  EXPECT_EQ(maglev_size(16, 3203), 3203u) << "one endpoint fewer is no reason for another table";
  EXPECT_EQ(maglev_size(4, 3203), 3203u);
  EXPECT_EQ(maglev_size(3, 3203), 307u) << "far too many places";
  EXPECT_LE(maglev_size(4096), 655'373u);
  for (size_t n = 1; n <= 4096; n += 37) EXPECT_GE(maglev_size(n), 100 * n);
}

TEST(Maglev, EveryPlaceIsFilledAndSharesAreEven) {
  for (const size_t n : {1, 2, 3, 10, 64, 100, 1000}) {
    const uint32_t size = maglev_size(n);
    const auto table = build_maglev(endpoints_of(n), size);
    ASSERT_EQ(table.size(), size);
    const auto places = places_of(table, n);
    const auto [least, most] = std::minmax_element(places.begin(), places.end());
    EXPECT_LE(*most - *least, 1u) << n << " endpoints: equal turns give equal shares to one place";
  }
}

TEST(Maglev, RemovingOneOfNMovesFewOthers) {
  for (const size_t n : {2, 3, 5, 10, 16, 50, 100, 500}) {
    const uint32_t size = maglev_size(n);
    const auto all = endpoints_of(n);
    const auto before = choices(all, size);
    double worst = 0, sum = 0;
    size_t removals = 0;
    for (size_t removed = 0; removed < n; removed += std::max<size_t>(1, n / 25), ++removals) {
      auto fewer = all;
      fewer.erase(fewer.begin() + static_cast<ptrdiff_t>(removed));
      const auto after = choices(fewer, size);
      size_t moved = 0;
      for (uint32_t i = 0; i < size; ++i) moved += before[i] != after[i];
      worst = std::max(worst, static_cast<double>(moved) / size);
      sum += static_cast<double>(moved) / size;
    }
    std::printf("maglev: removing 1 of %zu in %u places moves %.2f %% on average, %.2f %% at worst (1/N = %.2f %%)\n",
                n, size, 100 * sum / static_cast<double>(removals), 100 * worst, 100.0 / static_cast<double>(n));
    EXPECT_LE(worst, 1.0 / static_cast<double>(n) + 0.05) << n;
  }
}

TEST(Maglev, AddingOneMovesFewOthers) {
  const uint32_t size = maglev_size(11);
  ASSERT_EQ(size, maglev_size(10));
  auto endpoints = endpoints_of(10);
  const auto before = choices(endpoints, size);
  endpoints.push_back({base::IpAddress::v4(0x0a000101), 8080, 100});
  const auto after = choices(endpoints, size);
  size_t moved = 0;
  for (uint32_t i = 0; i < size; ++i) moved += before[i] != after[i];
  EXPECT_LE(static_cast<double>(moved) / size, 1.0 / 11 + 0.05);
}

TEST(Maglev, OrderOfEndpointsDoesNotMatter) {
  auto endpoints = endpoints_of(20);
  for (size_t i = 0; i < endpoints.size(); ++i) endpoints[i].weight = static_cast<uint16_t>(1 + 37 * i % 300);
  const auto before = choices(endpoints, 3203);
  std::mt19937 random(3);
  for (int i = 0; i < 10; ++i) {
    std::shuffle(endpoints.begin(), endpoints.end(), random);
    EXPECT_EQ(choices(endpoints, 3203), before);
  }
}

TEST(Maglev, ChoicesAreTheSameOnEveryGatewayAndAfterEveryRelease) {
  std::vector<MaglevEndpoint> endpoints = endpoints_of(3);
  endpoints.push_back({*base::IpAddress::parse("2001:db8::1"), 443, 50});
  uint64_t digest = 0;
  for (const uint16_t e : build_maglev(endpoints, 211)) digest = digest * 1099511628211u + e;
  EXPECT_EQ(digest, 665924302852996135u)
      << "the permutations changed: gateways of two releases would choose differently";
}

TEST(Maglev, PortsTellEndpointsApart) {
  std::vector<MaglevEndpoint> endpoints;
  for (uint16_t port = 1; port <= 5; ++port) endpoints.push_back({base::IpAddress::v4(0x0a000001), port, 100});
  const auto places = places_of(build_maglev(endpoints, 1009), 5);
  for (const uint32_t p : places) EXPECT_NEAR(p, 1009 / 5.0, 1);
}

TEST(Maglev, SharesFollowWeights) {
  std::mt19937 random(5);
  for (int i = 0; i < 50; ++i) {
    auto endpoints = endpoints_of(2 + random() % 30);
    uint32_t total = 0;
    for (auto& e : endpoints) total += e.weight = static_cast<uint16_t>(1 + random() % 1000);
    const uint32_t size = maglev_size(endpoints.size());
    const auto places = places_of(build_maglev(endpoints, size), endpoints.size());
    for (size_t k = 0; k < endpoints.size(); ++k) {
      const double fair = static_cast<double>(size) * endpoints[k].weight / total;
      EXPECT_NEAR(places[k], fair, 2 + 0.02 * fair);
      EXPECT_GE(places[k], 1u);
    }
  }
}

TEST(Maglev, ChangingOneWeightMovesFewOthers) {
  auto endpoints = endpoints_of(10);
  const auto before = choices(endpoints, 1201);
  endpoints[4].weight = 50;
  const auto after = choices(endpoints, 1201);
  size_t moved = 0;
  for (size_t i = 0; i < before.size(); ++i) moved += before[i] != after[i];
  EXPECT_LE(static_cast<double>(moved) / 1201, 0.05 + 0.05);
}

TEST(Maglev, WeightZeroHasNoPlace) {
  auto endpoints = endpoints_of(4);
  endpoints[2].weight = 0;
  EXPECT_EQ(places_of(build_maglev(endpoints, 401), 4)[2], 0u);
  for (auto& e : endpoints) e.weight = 0;
  EXPECT_TRUE(build_maglev(endpoints, 401).empty());
  EXPECT_TRUE(build_maglev({}, 401).empty());
}

TEST(Maglev, FewerPlacesThanEndpointsIsStillATable) {
  const auto table = build_maglev(endpoints_of(50), 13);
  ASSERT_EQ(table.size(), 13u);
  for (const uint16_t e : table) EXPECT_LT(e, 50u);
  EXPECT_EQ(build_maglev(endpoints_of(3), 2).size(), 2u);
}

TEST(Maglev, SameEndpointTwiceCountsTwice) {
  auto endpoints = endpoints_of(2);
  endpoints.push_back(endpoints[0]);
  const auto places = places_of(build_maglev(endpoints, 1009), 3);
  EXPECT_NEAR(places[0] + places[2], 1009 * 2 / 3.0, 2);
}

}  // namespace
}  // namespace penstock::flow
