// base/address.h: strict parsing, canonical printing (RFC 5952), prefixes.
#include "base/address.h"

#include <gtest/gtest.h>

namespace penstock::base {
namespace {

TEST(IpAddress, ParsesAndPrints) {
  for (const char* text : {"0.0.0.0", "192.0.2.1", "255.255.255.255", "::", "::1", "2001:db8::1", "fe80::1:2",
                           "2001:db8:0:1:1:1:1:1", "2001:0:0:1::1"}) {
    const auto address = IpAddress::parse(text);
    ASSERT_TRUE(address.ok()) << text;
    EXPECT_EQ(address->to_string(), text);
  }
  EXPECT_EQ(IpAddress::parse("2001:DB8:0:0:0:0:0:1")->to_string(), "2001:db8::1");
}

TEST(IpAddress, RefusesTheRest) {
  for (const char* text : {"", "1.2.3", "1.2.3.4.5", "256.0.0.1", "01.2.3.4", "1.2.3.4 ", "::1%eth0", "::ffff:1.2.3.4",
                           "1::2::3", "12345::", "localhost"})
    EXPECT_FALSE(IpAddress::parse(text).ok()) << text;
  EXPECT_FALSE(IpAddress::parse(std::string_view("1.2.3.4\0x", 9)).ok());
}

TEST(IpAddress, Kinds) {
  const auto at = [](const char* text) { return *IpAddress::parse(text); };
  EXPECT_TRUE(at("10.0.0.1").is_v4());
  EXPECT_TRUE(at("::1").is_v6());
  EXPECT_TRUE(at("::").is_unspecified() && at("0.0.0.0").is_unspecified());
  EXPECT_TRUE(at("127.9.9.9").is_loopback() && at("::1").is_loopback());
  EXPECT_FALSE(at("::2").is_loopback());
  EXPECT_TRUE(at("224.0.0.1").is_multicast() && at("239.255.0.1").is_multicast() && at("ff02::1").is_multicast());
  EXPECT_FALSE(at("240.0.0.1").is_multicast());
  EXPECT_TRUE(at("169.254.1.1").is_link_local() && at("febf::1").is_link_local());
  EXPECT_FALSE(at("fec0::1").is_link_local());
  EXPECT_TRUE(at("255.255.255.255").is_broadcast());
  EXPECT_EQ(IpAddress::v4(0x01020304).to_string(), "1.2.3.4");
  EXPECT_EQ(at("1.2.3.4").v4_host_order(), 0x01020304u);
}

TEST(Prefix, ParsesAndPrints) {
  for (const char* text : {"0.0.0.0/0", "192.0.2.0/24", "192.0.2.9/24", "::/0", "2001:db8::/32", "::1/128"}) {
    const auto prefix = Prefix::parse(text);
    ASSERT_TRUE(prefix.ok()) << text;
    EXPECT_EQ(prefix->to_string(), text);
  }
  EXPECT_EQ(Prefix::parse("10.0.0.1")->length, 32);
  EXPECT_EQ(Prefix::parse("fd00::1")->length, 128);
  for (const char* text : {"10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/8x", "/8", "10.0.0.0/8/8"})
    EXPECT_FALSE(Prefix::parse(text).ok()) << text;
}

TEST(Prefix, ContainsNetworkLast) {
  const auto prefix = [](const char* text) { return *Prefix::parse(text); };
  const auto at = [](const char* text) { return *IpAddress::parse(text); };
  EXPECT_TRUE(prefix("192.0.2.0/25").contains(at("192.0.2.127")));
  EXPECT_FALSE(prefix("192.0.2.0/25").contains(at("192.0.2.128")));
  EXPECT_TRUE(prefix("0.0.0.0/0").contains(at("8.8.8.8")));
  EXPECT_FALSE(prefix("0.0.0.0/0").contains(at("::1")));
  EXPECT_FALSE(prefix("::/0").contains(at("8.8.8.8")));  // another family, whatever its 16-byte form
  EXPECT_TRUE(prefix("2001:db8::/33").contains(at("2001:db8:7fff::")));
  EXPECT_FALSE(prefix("2001:db8::/33").contains(at("2001:db8:8000::")));
  EXPECT_TRUE(prefix("::/0").contains(at("2001:db8::1")));
  EXPECT_TRUE(prefix("2001:db8::1/64").contains(at("2001:db8::ffff")));
  EXPECT_FALSE(prefix("2001:db8::/64").contains(at("2001:db8:0:1::")));
  EXPECT_TRUE(prefix("2001:db8::1/128").contains(at("2001:db8::1")));
  EXPECT_FALSE(prefix("2001:db8::1/128").contains(at("2001:db8::2")));
  EXPECT_FALSE(prefix("::/65").contains(at("0.0.0.1")));
  EXPECT_TRUE(prefix("10.0.0.0/8").contains(prefix("10.1.0.0/16")));
  EXPECT_FALSE(prefix("10.1.0.0/16").contains(prefix("10.0.0.0/8")));
  EXPECT_EQ(prefix("192.0.2.77/25").network().to_string(), "192.0.2.0/25");
  EXPECT_TRUE(prefix("192.0.2.77/25").has_host_bits());
  EXPECT_FALSE(prefix("192.0.2.77/32").has_host_bits());
  EXPECT_EQ(prefix("192.0.2.77/25").last().to_string(), "192.0.2.127");
  EXPECT_EQ(prefix("192.0.2.77/32").last().to_string(), "192.0.2.77");
  EXPECT_EQ(prefix("2001:db8::/126").last().to_string(), "2001:db8::3");
}

TEST(MacAddress, ParsesAndPrints) {
  EXPECT_EQ(MacAddress::parse("02:00:5E:00:00:fF")->to_string(), "02:00:5e:00:00:ff");
  for (const char* text : {"", "02:00:00:00:00", "02-00-00-00-00-01", "02:00:00:00:00:0g", "02:00:00:00:00:01:"})
    EXPECT_FALSE(MacAddress::parse(text).ok()) << text;
  EXPECT_TRUE(MacAddress{}.is_zero());
  EXPECT_TRUE(MacAddress::parse("01:00:5e:00:00:01")->is_multicast());
}

}  // namespace
}  // namespace penstock::base
