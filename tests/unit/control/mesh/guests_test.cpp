#include "control/mesh/guests.h"

#include <gtest/gtest.h>

namespace penstock::mesh {
namespace {

base::IpAddress stranger(uint32_t n) { return base::IpAddress::v4(0x0a000000 + n); }
base::IpAddress peer(uint32_t n) { return base::IpAddress::v4(0xc6336400 + n); }

TEST(Guests, OneAddressHasAFew) {
  Guests guests;
  for (size_t i = 0; i < kMostOfStranger; ++i) EXPECT_FALSE(guests.admit(stranger(1)));
  EXPECT_EQ(guests.admit(stranger(1)), GuestRefusal::kTooManyOfAddress);
  EXPECT_FALSE(guests.admit(stranger(2)));
  guests.leave(stranger(1));
  EXPECT_FALSE(guests.admit(stranger(1)));
  EXPECT_EQ(guests.refused(GuestRefusal::kTooManyOfAddress), 1u);
  EXPECT_EQ(guests.size(), kMostOfStranger + 1);
  guests.leave(stranger(77));  // who never came
  EXPECT_EQ(guests.size(), kMostOfStranger + 1);
}

TEST(Guests, StrangersKeepNoPeerOut) {
  Guests guests;
  std::set<base::IpAddress> named;
  for (uint32_t n = 0; n < 4096; ++n) named.insert(peer(n));
  guests.set_named(named);
  for (uint32_t n = 0; n < 10'000; ++n) guests.admit(stranger(n));
  EXPECT_EQ(guests.size(), kMostStrangers);
  EXPECT_EQ(guests.refused(GuestRefusal::kTooManyStrangers), 10'000 - kMostStrangers);
  for (uint32_t n = 0; n < 3900; ++n) {
    EXPECT_FALSE(guests.admit(peer(n)));
    EXPECT_FALSE(guests.admit(peer(n)));
  }
}

TEST(Guests, AllTogetherAreBounded) {
  Guests guests;
  std::set<base::IpAddress> named;
  for (uint32_t n = 0; n < 1000; ++n) named.insert(peer(n));
  guests.set_named(named);
  for (uint32_t n = 0; n < 1000; ++n)
    for (size_t i = 0; i < kMostOfNamed; ++i) guests.admit(peer(n));
  EXPECT_EQ(guests.size(), kMostGuests);
  EXPECT_GT(guests.refused(GuestRefusal::kTooMany), 0u);
}

}  // namespace
}  // namespace penstock::mesh
