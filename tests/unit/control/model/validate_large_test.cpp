// Documents as large as a client may send: what is compared, is compared in less than pairs. A quadratic check would
// not end before ctest's patience does.
#include <gtest/gtest.h>

#include <algorithm>

#include "unit/control/model/sample_state.h"

namespace penstock::model {
namespace {

FieldErrors faults_with(Object object) {
  FieldErrors errors;
  const State state = with_change(State{}, {{std::move(object)}, {}}, errors);
  const FieldErrors found = validate(state);
  errors.insert(errors.end(), found.begin(), found.end());
  return errors;
}

base::IpAddress numbered(const char* first, uint32_t n) {
  base::IpAddress address = base::IpAddress::parse(first).value();
  address.bytes[13] = static_cast<uint8_t>(n >> 16);
  address.bytes[14] = static_cast<uint8_t>(n >> 8);
  address.bytes[15] = static_cast<uint8_t>(n);
  return address;
}

TEST(ValidateLarge, FamiliesOfLongListsAreCompared) {
  AccessPolicy policy;
  policy.name.name = "p";
  AccessRule& rule = policy.rules.emplace_back();
  rule.name = "0";
  constexpr uint32_t kEach = 300'000;
  for (uint32_t i = 0; i < kEach; ++i) {
    rule.match.from.push_back({base::IpAddress::v4(i << 8), 24});
    rule.match.to.push_back({numbered("2001:db8::", i), 128});
  }
  const FieldErrors errors = faults_with(policy);
  EXPECT_TRUE(std::any_of(errors.begin(), errors.end(), [](const FieldError& each) {
    return each.reason.find("could never match") != std::string::npos;
  }));
}

TEST(ValidateLarge, LinkLocalPrefixesOfManyLinksAreApart) {
  Node node;
  node.name = "gw";
  Interface& interface = node.interfaces.emplace_back();
  interface.name = "wan";
  interface.device = "net_wan";
  for (uint32_t i = 0; i < 4000; ++i) {
    Vlan& vlan = interface.vlans.emplace_back();
    vlan.name = "v" + std::to_string(i);
    vlan.id = static_cast<uint16_t>(i + 1);
    for (uint32_t j = 0; j < 32; ++j) vlan.addresses.push_back({numbered("fe80::", 1 + j), 64});
  }
  for (const FieldError& each : faults_with(node))
    EXPECT_EQ(each.path.find("addresses"), std::string::npos) << each.to_string();
}

}  // namespace
}  // namespace penstock::model
