#include <gtest/gtest.h>

#include <functional>

#include "control/model/limits.h"
#include "tests/unit/control/model/sample_state.h"

namespace penstock::model {
namespace {

Workload workload(std::string name, std::string identity = "spiffe://example.org/web",
                  std::vector<base::Prefix> addresses = {net("10.0.0.11/32")}) {
  Workload out;
  out.name = named(std::move(name));
  out.identity = std::move(identity);
  out.interface = "lan";
  out.addresses = std::move(addresses);
  return out;
}

std::string with_workload(const std::function<void(Workload&)>& change) {
  State state = sample_state();
  Workload one = workload("web");
  change(one);
  put(state.workloads, one);
  return faults_of(state);
}

std::string with_two(const std::function<void(Workload&)>& change) {
  State state = sample_state();
  put(state.workloads, workload("a"));
  Workload other = workload("b", "spiffe://example.org/other");
  change(other);
  put(state.workloads, other);
  return faults_of(state);
}

std::string with_rule(const std::function<void(AccessRule&)>& change) {
  State state = sample_state();
  AccessPolicy policy;
  policy.name = named("p");
  policy.rules.resize(1);
  policy.rules[0].name = "r";
  change(policy.rules[0]);
  put(state.access_policies, policy);
  return faults_of(state);
}

bool names(const std::string& faults, const std::string& text) { return faults.find(text) != std::string::npos; }

TEST(ValidateWorkload, Fields) {
  EXPECT_EQ(with_workload([](Workload&) {}), "");
  EXPECT_EQ(with_workload([](Workload& w) { w.addresses.clear(); }), "");
  EXPECT_EQ(with_workload([](Workload& w) { w.interface = "lan.100"; }), "") << "a VLAN";
  for (const char* wrong : {"", "web", "https://example.org/web", "spiffe://Example.org/web",
                            "spiffe://example.org/a//b", "spiffe://example.org/*"})
    EXPECT_TRUE(names(with_workload([&](Workload& w) { w.identity = wrong; }), "Workload/default/web spec.identity: "))
        << wrong;
  EXPECT_EQ(with_workload([](Workload& w) { w.interface = "nowhere"; }),
            "Workload/default/web spec.interface: there is no interface \"nowhere\"");
  EXPECT_TRUE(names(with_workload([](Workload& w) { w.mac = base::MacAddress{{1, 0, 0, 0, 0, 1}}; }), "spec.mac"));
  EXPECT_TRUE(names(with_workload([](Workload& w) { w.mac = base::MacAddress{}; }), "spec.mac"));
  EXPECT_TRUE(names(with_workload([](Workload& w) { w.addresses = {net("10.0.0.11/24")}; }), "spec.addresses[0]"));
  EXPECT_TRUE(names(with_workload([](Workload& w) { w.addresses.push_back(w.addresses[0]); }),
                    "spec.addresses[1]: is given twice"));
  EXPECT_TRUE(names(with_workload([](Workload& w) { w.addresses.resize(kMaxWorkloadAddresses + 1); }), "too many"));
  EXPECT_TRUE(names(with_workload([](Workload& w) { w.number = kFirstChosenNumber; }), "spec.number"));
}

TEST(ValidateWorkload, TwoMayNotClaimTheSame) {
  EXPECT_EQ(with_two([](Workload&) {}),
            "Workload/default/b spec.addresses[0]: 10.0.0.11/32 on interface \"lan\" is already Workload/default/a's");
  EXPECT_EQ(with_two([](Workload& w) { w.mac = base::MacAddress{{2, 0, 0, 0, 0, 1}}; }), "");
  EXPECT_EQ(with_two([](Workload& w) { w.interface = "wan"; }), "");
  EXPECT_EQ(with_two([](Workload& w) { w.addresses = {net("10.0.0.0/24")}; }), "") << "the longest counts";
  EXPECT_EQ(with_two([](Workload& w) { w.addresses.clear(); }), "");
}

TEST(ValidateWorkload, ANumberIsOfOneIdentityAndAnIdentityHasOne) {
  const auto numbered = [](uint16_t a, uint16_t b, bool same) {
    State state = sample_state();
    Workload one = workload("a"),
             two = workload("b", same ? one.identity : "spiffe://example.org/b", {net("10.0.0.12/32")});
    one.number = a;
    two.number = b;
    put(state.workloads, one);
    put(state.workloads, two);
    return faults_of(state);
  };
  EXPECT_EQ(numbered(1, 2, false), "");
  EXPECT_EQ(numbered(1, 1, true), "");
  EXPECT_EQ(numbered(1, 0, true), "");
  EXPECT_TRUE(names(numbered(1, 1, false), "Workload/default/b spec.number: 1 is already that of"));
  EXPECT_TRUE(names(numbered(1, 2, true), "Workload/default/b spec.number: Workload/default/a says"));
}

TEST(ValidatePeer, Identities) {
  const auto with_peer = [](const std::function<void(Peer&)>& change) {
    State state = sample_state();
    Peer peer;
    peer.name = named("b");
    peer.address = ip("203.0.113.2");
    peer.prefixes = {net("10.2.0.0/16")};
    peer.key_file = "/keys";
    peer.identities = true;
    peer.static_identities = {{1, "spiffe://example.org/x"}, {65535, "spiffe://example.org/y"}};
    change(peer);
    put(state.peers, peer);
    return faults_of(state);
  };
  EXPECT_EQ(with_peer([](Peer&) {}), "");
  EXPECT_TRUE(names(with_peer([](Peer& p) { p.identities = false; }), "spec.staticIdentities: "));
  EXPECT_TRUE(names(with_peer([](Peer& p) { p.static_identities[1].number = 1; }), "spec.staticIdentities[1].number"));
  EXPECT_TRUE(names(with_peer([](Peer& p) { p.static_identities[0].number = 0; }), "spec.staticIdentities[0].number"));
  EXPECT_TRUE(names(with_peer([](Peer& p) { p.static_identities[0].identity = "x"; }), "staticIdentities[0].identity"));
  EXPECT_TRUE(names(with_peer([](Peer& p) { p.static_identities.resize(kMaxPeerIdentities + 1); }), "too many"));
  EXPECT_TRUE(names(with_peer([](Peer& p) {
                      p.encryption = Encryption::kOff;
                      p.key_file.clear();
                    }),
                    "spec.identities: has no use with encryption Off"));
}

TEST(ValidateRule, Identities) {
  EXPECT_EQ(with_rule([](AccessRule& r) {
              r.from_identities = {"spiffe://example.org/a", "spiffe://example.org/*", "spiffe://example.org/a/b/*"};
            }),
            "");
  for (const char* wrong : {"", "*", "/*", "a/*", "spiffe://example.org/a*", "spiffe://example.org/*/b", "spiffe:///*"})
    EXPECT_TRUE(names(with_rule([&](AccessRule& r) { r.to_identities = {wrong}; }),
                      "AccessPolicy/default/p spec.rules[0].toIdentities[0]: "))
        << wrong;
  EXPECT_TRUE(names(with_rule([](AccessRule& r) { r.from_identities.resize(kMaxRuleIdentities + 1); }),
                    "spec.rules[0].fromIdentities: too many"));
}

TEST(ValidateRule, SoManyDifferentIdentities) {
  State state = sample_state();
  AccessPolicy policy;
  policy.name = named("p");
  policy.rules.resize(kMaxIdentitySelectors / kMaxRuleIdentities + 1);
  size_t n = 0;
  for (AccessRule& rule : policy.rules) {
    rule.name = std::to_string(n);
    for (size_t i = 0; i < kMaxRuleIdentities; ++i)
      rule.from_identities.push_back("spiffe://example.org/" + std::to_string(n++));
  }
  put(state.access_policies, policy);
  EXPECT_TRUE(names(faults_of(state), "different identities in access rules are too many"));
}

}  // namespace
}  // namespace penstock::model
