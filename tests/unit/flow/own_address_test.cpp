#include "flow/own_address.h"

#include <gtest/gtest.h>

namespace penstock::flow {
namespace {

base::IpAddress at(const char* text) { return *base::IpAddress::parse(text); }

Interface interface_of(std::initializer_list<const char*> addresses) {
  Interface interface;
  for (const char* each : addresses) interface.addresses.push_back(*base::Prefix::parse(each));
  return interface;
}

base::IpAddress source(const Interface& interface, const char* via, const char* destination) {
  NextHop hop;
  if (*via != 0) hop.via = at(via);
  return address_on(interface, hop, at(destination));
}

TEST(OwnAddress, LiesInTheSubnetOfTheNextHop) {
  const Interface interface = interface_of({"10.0.0.1/24", "10.0.1.1/24", "fe80::1/64", "2001:db8::1/64"});
  EXPECT_EQ(source(interface, "", "10.0.1.9"), at("10.0.1.1"));
  EXPECT_EQ(source(interface, "10.0.1.254", "10.0.0.9"), at("10.0.1.1"));
  EXPECT_EQ(source(interface, "", "192.0.2.1"), at("10.0.0.1")) << "the first";
  EXPECT_EQ(source(interface, "", "2001:db8:1::1"), at("2001:db8::1")) << "not the link-local one";
  EXPECT_EQ(source(interface, "", "fe80::9"), at("fe80::1"));
  EXPECT_EQ(source(interface, "fe80::2", "2001:db8:1::1"), at("2001:db8::1")) << "a router's address is of the link";
  EXPECT_EQ(source(interface, "fe80::2", "10.0.1.9"), at("10.0.1.1")) << "a router of the other family says nothing";
}

TEST(OwnAddress, IsUnspecifiedWithoutOneOfTheFamily) {
  EXPECT_TRUE(source(interface_of({"10.0.0.1/24"}), "", "2001:db8::1").is_unspecified());
  EXPECT_EQ(source(interface_of({"fe80::1/64"}), "", "2001:db8::1"), at("fe80::1")) << "better than none";
}

}  // namespace
}  // namespace penstock::flow
