// What the addresses and ports of Gateways are called, through changes.
#include "control/compile/l7_doors.h"

#include <gtest/gtest.h>

#include <bit>
#include <map>
#include <random>

#include "tests/unit/control/model/sample_gateway.h"

namespace penstock::compile {
namespace {

using model::ip;

// Gateways "a", "b", ... of one port, the first the oldest; which of the addresses 10.0.0.1, 10.0.0.2, ... each has is
// a bit mask.
class Doors {
 public:
  // The doors after the change, by name.
  std::map<std::string, std::vector<base::IpAddress>> operator()(const std::vector<unsigned>& masks) {
    model::GatewayView view;
    for (size_t g = 0; g < masks.size(); ++g) {
      model::ListenerView& each = view.listeners.emplace_back();
      each.gateway = &gateways_[g];
      each.listener = &gateways_[g].listeners[0];
      for (unsigned bit = 0; bit < 4; ++bit)
        if (masks[g] & 1U << bit) each.addresses.push_back(ip("10.0.0." + std::to_string(bit + 1)));
    }
    route::L7Config next;
    std::map<std::string, std::vector<base::IpAddress>> named;
    for (const Door& door : doors_of(view, first_ ? nullptr : &before_)) {
      EXPECT_TRUE(named.emplace(door.name, door.addresses).second) << door.name << " twice";
      config::Listener& old = next.listeners.emplace_back();
      old.name = door.name;
      old.protocol = door.protocol;
      old.port = door.port;
      old.addresses = door.addresses;
    }
    before_ = std::move(next);
    first_ = false;
    return named;
  }

 private:
  static model::Gateway gateway(char name) {
    model::Gateway out = model::sample_gateway(std::string(1, name));
    out.listeners[0].hostname = std::string(1, name) + ".example";
    return out;
  }

  model::Gateway gateways_[3] = {gateway('a'), gateway('b'), gateway('c')};
  route::L7Config before_;
  bool first_ = true;
};

TEST(L7Doors, ANameWithAnAddressIsGivenUpWithTheAddress) {
  Doors doors;
  doors({0b111, 0b110});
  doors({0b111, 0b100});
  const auto named = doors({0b111, 0b100, 0b010});  // a door with 10.0.0.2 wants the name that one had before
  EXPECT_EQ(named.size(), 3U);
  EXPECT_EQ(named.at("Gateway/default/a/http@10.0.0.2"), (std::vector{ip("10.0.0.2")}));
}

TEST(L7Doors, NoTwoHaveOneNameWhateverCameBefore) {
  for (unsigned seed = 0; seed < 300; ++seed) {
    std::mt19937 random(seed);
    Doors doors;
    for (int step = 0; step < 20; ++step) {
      std::vector<unsigned> masks(1 + random() % 3);
      for (unsigned& mask : masks) mask = random() % 16;
      size_t addresses = 0;
      for (const auto& [name, all] : doors(masks)) addresses += all.size();
      unsigned any = 0;
      for (const unsigned mask : masks) any |= mask;
      ASSERT_EQ(addresses, static_cast<size_t>(std::popcount(any))) << "seed " << seed;
    }
  }
}

}  // namespace
}  // namespace penstock::compile
