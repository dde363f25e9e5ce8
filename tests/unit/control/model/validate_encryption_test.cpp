// Where nothing may travel in clear: prefixes of a Node, its interfaces, and what contradicts them.
#include <gtest/gtest.h>

#include "control/model/limits.h"
#include "tests/unit/control/model/sample_state.h"

namespace penstock::model {
namespace {

State with_rules(std::vector<EncryptRule> rules) {
  State state = sample_state();
  Node node = sample_node();
  node.encrypt = std::move(rules);
  state.node = std::make_shared<const Node>(node);
  return state;
}

Peer in_clear(std::vector<base::Prefix> prefixes) {
  Peer peer;
  peer.name = named("rack2");
  peer.address = ip("203.0.113.2");
  peer.prefixes = std::move(prefixes);
  peer.encryption = Encryption::kOff;
  return peer;
}

const std::string at = "Node/default/gw spec.mesh.encrypt";

TEST(ValidateEncryption, Prefixes) {
  EXPECT_EQ(faults_of(with_rules({{net("0.0.0.0/0")}, {net("::/0")}, {net("10.0.0.0/24"), Encryption::kOff}})), "");
  EXPECT_EQ(faults_of(with_rules({{net("10.2.0.1/16")}})),
            at + "[0].prefix: 10.2.0.1/16 has host bits set (want 10.2.0.0/16)");
  EXPECT_EQ(faults_of(with_rules({{net("10.2.0.0/16")}, {net("::/0")}, {net("10.2.0.0/16"), Encryption::kOff}})),
            at + "[2].prefix: 10.2.0.0/16 is also the prefix of spec.mesh.encrypt[0]");
  EXPECT_EQ(faults_of(with_rules({{net("224.0.0.0/4")}})),
            at + "[0].prefix: 224.0.0.0/4 is not routed: multicast or loopback");
  EXPECT_EQ(faults_of(with_rules(std::vector<EncryptRule>(kMaxEncryptRules + 1))), at + ": too many (at most 1024)");
}

TEST(ValidateEncryption, APeerWithoutEncryptionContradictsThem) {
  const auto faults = [](std::vector<EncryptRule> rules) {
    State state = with_rules(std::move(rules));
    put(state.peers, in_clear({net("10.2.0.0/16"), net("2001:db8:2::/48")}));
    return faults_of(state);
  };
  EXPECT_EQ(faults({}), "");
  EXPECT_EQ(faults({{net("10.0.0.0/8")}}),
            "Peer/default/rack2 spec.prefixes[0]: encryption is Off, but Node spec.mesh.encrypt[0] says Required of "
            "10.0.0.0/8 (want an entry with mode Off for 10.2.0.0/16, or another encryption)");
  EXPECT_NE(faults({{net("10.0.0.0/8"), Encryption::kPreferred}}).find("says Preferred of 10.0.0.0/8"),
            std::string::npos);
  EXPECT_NE(faults({{net("::/0")}}).find("Peer/default/rack2 spec.prefixes[1]: "), std::string::npos);
  EXPECT_EQ(faults({{net("10.0.0.0/8")}, {net("10.2.0.0/15"), Encryption::kOff}}), "");
  // Of a part of the peer's prefix another Peer may take care.
  EXPECT_EQ(faults({{net("10.2.3.0/24")}}), "");
}

TEST(ValidateEncryption, AnotherEncryptionDoesNot) {
  State state = with_rules({{net("10.0.0.0/8")}});
  Peer peer = in_clear({net("10.2.0.0/16")});
  for (const auto encryption : {Encryption::kRequired, Encryption::kPreferred}) {
    peer.encryption = encryption;
    peer.key_file = "/keys";
    put(state.peers, peer);
    EXPECT_EQ(faults_of(state), "");
  }
}

TEST(ValidateEncryption, AMirrorOutOfALinkThatSendsNothingInClear) {
  State state = sample_state();
  Node node = sample_node();
  node.interfaces[1].encrypt = Encryption::kRequired;
  state.node = std::make_shared<const Node>(node);
  const std::string where = "Mirror/default/tap spec.to.interface: copies leave in clear, but interface \"";
  EXPECT_EQ(faults_of(state), where + "lan\" has encrypt Required");
  Mirror mirror = sample_mirror();
  mirror.interface = "lan.100";
  put(state.mirrors, mirror);
  EXPECT_EQ(faults_of(state), "");
  node.interfaces[1].vlans[0].encrypt = Encryption::kRequired;
  state.node = std::make_shared<const Node>(node);
  EXPECT_EQ(faults_of(state), where + "lan.100\" has encrypt Required");
}

}  // namespace
}  // namespace penstock::model
