#include "control/mesh/served.h"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace penstock::mesh
