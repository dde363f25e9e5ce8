#include "control/mesh/served.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace penstock::mesh {
namespace {

base::Prefix net(const char* text) { return *base::Prefix::parse(text); }

TEST(Served, NetworksRoutesAndServices) {
  model::State state;
  EXPECT_TRUE(served_by(state).empty());
  auto node = std::make_shared<model::Node>();
  model::Interface lan;
  lan.addresses = {net("10.1.0.1/24"), net("2001:db8:1::1/64")};
  model::Vlan vlan;
  vlan.addresses = {net("10.1.9.1/24")};
  lan.vlans = {vlan};
  node->interfaces = {lan};
  node->routes.push_back({.prefix = net("10.8.0.0/16")});
  node->routes.push_back({.prefix = net("0.0.0.0/0")});
  node->routes.push_back({.prefix = net("10.66.0.0/16"), .action = model::RouteAction::kBlackhole});
  state.node = node;
  auto service = std::make_shared<model::Service>();
  service->addresses = {*base::IpAddress::parse("203.0.113.10")};
  state.services[service->name] = service;
  const auto served = served_by(state);
  EXPECT_EQ(served.size(), 5u);
  const std::vector<base::Prefix> seen = {net("10.1.0.0/16"),    net("10.8.4.0/24"),   net("10.66.0.0/16"),
                                          net("203.0.113.0/24"), net("198.51.0.0/16"), net("2001:db8:1::/48"),
                                          net("2001:db8:2::/48")};
  EXPECT_EQ(unserved(seen, served),
            (std::vector<base::Prefix>{net("10.66.0.0/16"), net("198.51.0.0/16"), net("2001:db8:2::/48")}));
}

// Against comparing each with each: prefixes of few addresses, so that they meet.
TEST(Served, AgreesWithTheNaiveComparison) {
  std::mt19937 random(1);
  const auto some = [&] {
    std::vector<base::Prefix> all(random() % 20);
    for (base::Prefix& each : all) {
      const bool v4 = random() % 2;
      const uint32_t bits = random() & 0x0f0f0f0f;
      uint8_t v6[16] = {0x20, 1, static_cast<uint8_t>(bits), static_cast<uint8_t>(bits >> 8)};
      each.address = v4 ? base::IpAddress::v4(bits) : base::IpAddress::v6_from(v6);
      each.length = static_cast<uint8_t>(random() % (v4 ? 33 : 129));
      each = each.network();
    }
    std::sort(all.begin(), all.end());
    return all;
  };
  for (int i = 0; i < 20000; ++i) {
    const auto seen = some(), served = some();
    std::vector<base::Prefix> naive;
    for (const base::Prefix& each : seen)
      if (std::none_of(served.begin(), served.end(),
                       [&](const base::Prefix& own) { return own.contains(each) || each.contains(own); }))
        naive.push_back(each);
    ASSERT_EQ(unserved(seen, served), naive) << i;
  }
}

}  // namespace
}  // namespace penstock::mesh
