#include <gtest/gtest.h>

#include <functional>

#include "control/model/limits.h"
#include "tests/unit/control/model/sample_state.h"

namespace penstock::model {
namespace {

Peer sample_peer(std::string name = "rack2", std::string_view address = "203.0.113.2",
                 std::vector<base::Prefix> prefixes = {net("10.2.0.0/16"), net("2001:db8:2::/48")}) {
  Peer peer;
  peer.name = named(std::move(name));
  peer.address = ip(address);
  peer.prefixes = std::move(prefixes);
  peer.key_file = "/etc/penstock/rack2.keys";
  return peer;
}

std::string with_peer(const std::function<void(Peer&)>& change) {
  State state = sample_state();
  Peer peer = sample_peer();
  change(peer);
  put(state.peers, peer);
  return faults_of(state);
}

const std::string at = "Peer/default/rack2 spec.";

TEST(ValidatePeer, TheSampleIsGood) {
  EXPECT_EQ(with_peer([](Peer&) {}), "");
}

TEST(ValidatePeer, Addresses) {
  EXPECT_EQ(with_peer([](Peer& p) { p.address = ip("203.0.113.1"); }),
            at + "address: 203.0.113.1 is this gateway's own");
  EXPECT_NE(with_peer([](Peer& p) { p.address = ip("224.0.0.1"); }), "");
  EXPECT_NE(with_peer([](Peer& p) { p.address = {}; }), "");
  EXPECT_EQ(with_peer([](Peer& p) { p.local = ip("203.0.113.1"); }), "");
  EXPECT_EQ(with_peer([](Peer& p) { p.local = ip("203.0.113.77"); }),
            at + "localAddress: 203.0.113.77 is not an address of this gateway");
  EXPECT_EQ(with_peer([](Peer& p) { p.local = ip("2001:db8:1::1"); }),
            at + "localAddress: is IPv6, but the peer's is IPv4");
}

TEST(ValidatePeer, Prefixes) {
  EXPECT_EQ(with_peer([](Peer& p) { p.prefixes.clear(); }), at + "prefixes: at least one prefix is needed");
  EXPECT_EQ(with_peer([](Peer& p) { p.prefixes = {net("203.0.0.0/16")}; }),
            at + "prefixes[0]: 203.0.0.0/16 holds 203.0.113.2, the address of a peer");
  EXPECT_EQ(with_peer([](Peer& p) { p.prefixes = {net("0.0.0.0/0")}; }),
            at + "prefixes[0]: 0.0.0.0/0 holds 203.0.113.2, the address of a peer");
  EXPECT_EQ(with_peer([](Peer& p) { p.prefixes.push_back(net("10.0.0.0/24")); }),
            at + "prefixes[2]: 10.0.0.0/24 is on the link of interface \"lan\"");
  EXPECT_NE(with_peer([](Peer& p) { p.prefixes.push_back(net("10.2.0.1/16")); }).find("has host bits set"),
            std::string::npos);
  EXPECT_EQ(with_peer([](Peer& p) { p.prefixes.resize(kMaxPeerPrefixes + 1); }),
            at + "prefixes: too many (at most 64)");
}

TEST(ValidatePeer, APrefixIsEncryptedOrItIsNot) {
  State state = sample_state();
  Peer first = sample_peer(), second = sample_peer("rack3", "203.0.113.3");
  put(state.peers, first);
  second.priority = 1;
  put(state.peers, second);
  EXPECT_EQ(faults_of(state), "");
  second.prefixes = {net("10.2.0.0/16")};
  second.encryption = Encryption::kPreferred;
  put(state.peers, second);
  EXPECT_EQ(
      faults_of(state),
      "Peer/default/rack3 spec.prefixes[0]: 10.2.0.0/16 is also behind Peer/default/rack2: encryption is Required "
      "of both or of none");
  second.prefixes = {net("10.2.3.0/24")};
  put(state.peers, second);
  EXPECT_EQ(faults_of(state), "");
}

TEST(ValidatePeer, Numbers) {
  EXPECT_EQ(with_peer([](Peer& p) { p.path_mtu = 100; }), at + "pathMtu: 100 is out of range (want 576 to 9000 bytes)");
  EXPECT_EQ(with_peer([](Peer& p) { p.weight = 0; }), at + "weight: 0 is out of range (want 1 to 256)");
  EXPECT_EQ(with_peer([](Peer& p) { p.replay_window = 100; }), at + "replayWindow: 100 is no multiple of 64");
  EXPECT_EQ(with_peer([](Peer& p) { p.replay_window = 8192; }),
            at + "replayWindow: 8192 is out of range (want 64 to 4096 packets)");
  EXPECT_EQ(with_peer([](Peer& p) { p.replay_window = 0; }),
            at + "replayWindow: 0 needs extendedSequenceNumbers false: the window knows their higher half");
  EXPECT_EQ(with_peer([](Peer& p) { p.replay_window = 0, p.extended_sequence = false; }), "");
  EXPECT_EQ(with_peer([](Peer& p) { p.priority = 2'000'000; }),
            at + "priority: 2000000 is out of range (want -1000000 to 1000000)");
}

std::string with_agreeing_peer(const std::function<void(Peer&)>& change, bool node_has_identity = true) {
  State state = sample_state();
  if (node_has_identity) {
    Node node = *state.node;
    node.mesh = MeshIdentity{.certificate = "/c.pem", .key = "/k.pem", .bundle = "/b.pem"};
    state.node = std::make_shared<const Node>(node);
  }
  Peer peer = sample_peer();
  peer.key_file.clear();
  peer.identity = "spiffe://example.org/b";
  change(peer);
  put(state.peers, peer);
  return faults_of(state);
}

TEST(ValidatePeer, KeysThatAreAgreed) {
  EXPECT_EQ(with_agreeing_peer([](Peer&) {}), "");
  EXPECT_EQ(with_agreeing_peer([](Peer&) {}, false),
            at + "identity: needs the Node's own identity: Node spec.mesh is missing");
  EXPECT_EQ(with_agreeing_peer([](Peer& p) { p.key_file = "/k"; }), at + "staticKeys: either this or identity");
  EXPECT_EQ(with_agreeing_peer([](Peer& p) { p.encryption = Encryption::kOff; }),
            at + "identity: has no use with encryption Off");
  EXPECT_EQ(with_agreeing_peer([](Peer& p) { p.lifetime.seconds = 1; }),
            at + "lifetime.time: 1 is out of range (want 5 to 2592000 seconds)");
  EXPECT_NE(with_agreeing_peer([](Peer& p) { p.lifetime.packets = 5; }), "");
  EXPECT_NE(with_agreeing_peer([](Peer& p) { p.lifetime.bytes = 5; }), "");
  EXPECT_NE(with_agreeing_peer([](Peer& p) { p.link = LinkAddress{ip("224.0.0.1")}; }), "");
  EXPECT_EQ(with_agreeing_peer([](Peer& p) { p.link = LinkAddress{ip("127.0.0.1"), 1}; }), "");
  EXPECT_EQ(with_peer([](Peer& p) { p.lifetime.seconds = 60; }), at + "lifetime: has no use without identity");
  EXPECT_EQ(with_peer([](Peer& p) { p.link = LinkAddress{ip("192.0.2.9")}; }),
            at + "link: has no use without identity");
}

TEST(ValidatePeer, Keys) {
  EXPECT_EQ(with_peer([](Peer& p) { p.key_file.clear(); }),
            at + "identity: is missing: the peer's SPIFFE ID, or staticKeys in its place");
  const std::string path = at + "staticKeys.file: want an absolute path of at most 4096 characters";
  EXPECT_EQ(with_peer([](Peer& p) { p.key_file = "keys"; }), path);
  EXPECT_EQ(with_peer([](Peer& p) { p.key_file = "/keys\n"; }), path);
  EXPECT_EQ(with_peer([](Peer& p) { p.key_file = "/" + std::string(kMaxPath, 'k'); }), path);
  EXPECT_EQ(with_peer([](Peer& p) { p.encryption = Encryption::kOff; }),
            at + "staticKeys: has no use with encryption Off");
}

TEST(ValidatePeer, FurtherAddressesAndLiveness) {
  const auto more = [](std::initializer_list<std::string_view> addresses) {
    return with_peer([&](Peer& p) {
      p.liveness.emplace();
      for (const auto each : addresses) p.more.push_back(ip(each));
    });
  };
  EXPECT_EQ(more({}), "");
  EXPECT_EQ(more({"203.0.113.3", "2001:db8:1::7"}), "");
  EXPECT_EQ(more({"203.0.113.3", "203.0.113.2"}), at + "addresses[1]: 203.0.113.2 is there already");
  EXPECT_EQ(more({"203.0.113.1"}), at + "addresses[0]: 203.0.113.1 is this gateway's own");
  EXPECT_EQ(more({"10.2.0.4"}), at + "prefixes[0]: 10.2.0.0/16 holds 10.2.0.4, the address of a peer");
  EXPECT_NE(more({"224.0.0.1"}), "");
  EXPECT_EQ(more({"203.0.113.11", "203.0.113.12", "203.0.113.13", "203.0.113.14", "203.0.113.15", "203.0.113.16",
                  "203.0.113.17", "203.0.113.18"}),
            at + "addresses: too many (at most 8 with spec.address)");
  EXPECT_EQ(with_peer([](Peer& p) { p.more = {ip("203.0.113.3")}; }),
            at + "liveness: is missing: without it nobody knows when to take another of spec.addresses");
  EXPECT_EQ(with_peer([](Peer& p) { p.liveness = {.interval_milliseconds = 9, .misses = 0}; }),
            at + "liveness.interval: 9 is out of range (want 10 to 10000 ms)\n" + at +
                "liveness.misses: 0 is out of range (want 1 to 100)");
  EXPECT_EQ(with_peer([](Peer& p) {
              p.encryption = Encryption::kOff;
              p.key_file.clear();
              p.liveness.emplace();
            }),
            at + "liveness: has no use with encryption Off");
  State state = sample_state();
  put(state.peers, sample_peer());
  Peer other = sample_peer("rack3", "203.0.113.3", {net("10.3.0.0/16")});
  other.more = {ip("203.0.113.2")};
  other.liveness.emplace();
  put(state.peers, other);
  EXPECT_EQ(faults_of(state),
            "Peer/default/rack3 spec.addresses[0]: 203.0.113.2 is already the address of Peer/default/rack2");
}

TEST(ValidatePeer, SeveralTogether) {
  State state = sample_state();
  put(state.peers, sample_peer());
  put(state.peers, sample_peer("rack3", "203.0.113.3"));  // one prefix behind two is fine
  EXPECT_EQ(faults_of(state), "");
  put(state.peers, sample_peer("rack4", "203.0.113.2", {net("10.4.0.0/16")}));
  EXPECT_EQ(faults_of(state),
            "Peer/default/rack4 spec.address: 203.0.113.2 is already the address of Peer/default/rack2");
  put(state.peers, sample_peer("rack4", "10.2.0.4", {net("10.4.0.0/16")}));
  EXPECT_EQ(faults_of(state),
            "Peer/default/rack2 spec.prefixes[0]: 10.2.0.0/16 holds 10.2.0.4, the address of a peer\n"
            "Peer/default/rack3 spec.prefixes[0]: 10.2.0.0/16 holds 10.2.0.4, the address of a peer");
}

TEST(ValidatePeer, AnotherNodeIsAskedAgain) {
  State state = sample_state();
  put(state.peers, sample_peer());
  const State before = state;
  Node node = *state.node;
  node.interfaces[0].addresses = {net("203.0.113.2/24"), net("2001:db8:1::1/64")};
  state.node = std::make_shared<const Node>(node);
  EXPECT_EQ(lines(validate(state, &before)), at + "address: 203.0.113.2 is this gateway's own");
}

}  // namespace
}  // namespace penstock::model
