#include "unit/control/mesh/two_gateways.h"

namespace penstock::mesh {
namespace {

TEST_F(TwoGateways, AgreeAtOnceInBothDirections) {
  EXPECT_LT(until_both_carry(kSecond), 100 * kMs);
  run(kSecond);
  for (Gateway* each : {&a_, &b_}) {
    EXPECT_EQ(status(*each).state, LinkState::kUp) << status(*each).reason;
    EXPECT_EQ(status(*each).reason, "");
    EXPECT_EQ(each->tunnels->outbound.size(), 2u);
  }
  EXPECT_EQ(status(a_).accepted, b_.peer.prefixes);
}

TEST_F(TwoGateways, AreQuietWhenAllIsWell) {
  run(60 * kSecond);
  EXPECT_EQ(status(a_).agreed_outbound, 1u);
  EXPECT_EQ(status(b_).agreed_outbound, 1u);
  EXPECT_EQ(a_.tunnels->inbound.size(), 1u);
}

// Make before break: at no millisecond does either use what the other does not take.
TEST_F(TwoGateways, AThousandRekeysLoseNothing) {
  until_both_carry(kSecond);
  for (int i = 0; i < 1000; ++i) {
    a_.machine->rekey({.name = "other"}, now_);
    if (i % 3 == 0) b_.machine->rekey({.name = "other"}, now_);
    run(100 * kMs, [&] { ASSERT_TRUE(both_carry()) << "rekey " << i; });
  }
  EXPECT_GE(status(a_).agreed_outbound, 900u);
  EXPECT_LE(b_.tunnels->most_sets, kMaxInboundSets);
  run(10 * kSecond);
  EXPECT_EQ(b_.tunnels->inbound.size(), 1u);
}

// However fast they are asked for: what a sender used half a second ago is still taken.
TEST_F(TwoGateways, RekeysThatComeTooFastAreRefused) {
  until_both_carry(kSecond);
  std::deque<std::pair<base::Nanos, uint32_t>> used;
  for (int i = 0; i < 2000; ++i) {
    a_.machine->rekey({.name = "other"}, now_);
    run(3 * kMs, [&] {
      for (const uint32_t spi : a_.tunnels->outbound) used.emplace_back(now_, spi);
      while (used.front().first < now_ - kLeastGrace + 50 * kMs) used.pop_front();
      for (const auto& [when, spi] : used) ASSERT_TRUE(b_.tunnels->takes(spi));
    });
  }
  EXPECT_GT(b_.machine->refused(OfferRefusal::kTooMany), 0u);
  EXPECT_GT(status(a_).agreed_outbound, 50u);
}

TEST_F(TwoGateways, KeysAreChangedBeforeTheyEnd) {
  a_.peer.lifetime.seconds = b_.peer.lifetime.seconds = 10;
  configure(a_);
  configure(b_);
  until_both_carry(kSecond);
  run(100 * kSecond, [&] { ASSERT_TRUE(both_carry()) << now_ / kMs; });
  EXPECT_GE(status(a_).agreed_outbound, 10u);
  EXPECT_LE(status(a_).agreed_outbound, 14u);
}

TEST_F(TwoGateways, WornKeysAreChanged) {
  until_both_carry(kSecond);
  a_.tunnels->worn = true;
  run(2 * kSecond, [&] { ASSERT_TRUE(both_carry()); });
  EXPECT_EQ(status(a_).agreed_outbound, 2u);
  EXPECT_EQ(status(b_).agreed_outbound, 1u);
}

TEST_F(TwoGateways, KeysEndWhenNobodyAgreesAnew) {
  a_.peer.lifetime.seconds = 10;
  configure(a_);
  until_both_carry(kSecond);
  broken = true;
  run(8 * kSecond);
  EXPECT_FALSE(a_.tunnels->outbound.empty()) << "the conversation is broken, the fabric is not";
  EXPECT_EQ(status(a_).state, LinkState::kUp);
  EXPECT_NE(status(a_).reason, "");
  run(4 * kSecond);
  EXPECT_TRUE(a_.tunnels->outbound.empty());
  EXPECT_EQ(status(a_).state, LinkState::kUnreachable);
  run(10 * kSecond);
  EXPECT_TRUE(b_.tunnels->inbound.empty());
  broken = false;
  EXPECT_LT(until_both_carry(5 * kSecond), kSecond);
}

TEST_F(TwoGateways, ReturnWithinASecondAfterARestart) {
  for (int i = 0; i < 50; ++i) {
    until_both_carry(5 * kSecond);
    run(static_cast<base::Nanos>(random_() % 1000) * kMs);
    const int which = static_cast<int>(random_() % 3);  // one, the other, both
    if (which != 1) a_.up = false;
    if (which != 0) b_.up = false;
    run(static_cast<base::Nanos>(random_() % 3000) * kMs);
    if (which != 1) start(a_);
    if (which != 0) start(b_);
    EXPECT_LT(until_both_carry(5 * kSecond), kSecond) << "restart " << i << " of " << which;
  }
}

// Whatever is lost, what a sender uses is taken: a grant that did not arrive leaves the older set in use.
TEST_F(TwoGateways, LostMessagesLoseNoPackets) {
  loss = 0.3;
  until_both_carry(60 * kSecond);
  ASSERT_TRUE(both_carry());
  for (int i = 0; i < 200; ++i) {
    a_.machine->rekey({.name = "other"}, now_);
    b_.machine->rekey({.name = "other"}, now_);
    run(static_cast<base::Nanos>(random_() % 3000) * kMs, [&] { ASSERT_TRUE(both_carry()) << "rekey " << i; });
  }
  EXPECT_LE(a_.tunnels->most_sets, kMaxInboundSets);
}

TEST_F(TwoGateways, APeerThatLostItsAssociationsIsAskedAnew) {
  until_both_carry(kSecond);
  run(kSecond);
  a_.tunnels->outbound.clear();  // as when the tunnel was made anew
  EXPECT_LT(until_both_carry(5 * kSecond), 2 * kSecond);
}

TEST_F(TwoGateways, ARevokedPeerLosesItsTunnelAtOnce) {
  until_both_carry(kSecond);
  revoke(a_, {b_.serial});
  EXPECT_TRUE(a_.tunnels->outbound.empty());
  EXPECT_TRUE(a_.tunnels->inbound.empty());
  run(2 * kSecond);
  EXPECT_TRUE(a_.tunnels->inbound.empty()) << "nor does it get another";
  EXPECT_EQ(status(a_).state, LinkState::kRefused);
  EXPECT_NE(status(a_).reason.find("revoked"), std::string::npos) << status(a_).reason;
  EXPECT_GT(a_.machine->refused(OfferRefusal::kNotBelieved), 0u);
  certify(b_, kNow + kDay);  // a new certificate
  b_.machine->set_material(b_.material, "", now_, wall());
  EXPECT_LT(until_both_carry(10 * kSecond), 2 * kSecond);
}

TEST_F(TwoGateways, AnExpiredPeerLosesItsTunnelWithinASecond) {
  certify(b_, kNow + 20);
  b_.machine->set_material(b_.material, "", now_, wall());
  start(b_);
  until_both_carry(5 * kSecond);
  while (wall() < kNow + 20) run(kMs);
  EXPECT_TRUE(carries(a_));
  run(kSecond + 10 * kMs);
  EXPECT_TRUE(a_.tunnels->outbound.empty());
  EXPECT_TRUE(a_.tunnels->inbound.empty());
  EXPECT_EQ(status(a_).state, LinkState::kRefused);
  EXPECT_TRUE(b_.tunnels->outbound.empty()) << "nor does its owner use it";
  EXPECT_EQ(status(b_).state, LinkState::kNoIdentity);
}

TEST_F(TwoGateways, ARenewedCertificateIsShownAndBreaksNothing) {
  until_both_carry(kSecond);
  certify(b_, kNow + 2 * kDay);
  b_.machine->set_material(b_.material, "", now_, wall());
  run(2 * kSecond, [&] { ASSERT_TRUE(both_carry()); });
  EXPECT_EQ(status(b_).agreed_outbound, 2u);
}

// The old one ends, and is revoked, long after the new one was there.
TEST_F(TwoGateways, TheEndOfARenewedCertificateEndsNothing) {
  certify(b_, kNow + 60);
  start(b_);
  until_both_carry(5 * kSecond);
  run(20 * kSecond);
  const long old = b_.serial;
  certify(b_, kNow + kDay);
  b_.machine->set_material(b_.material, "", now_, wall());
  run(10 * kSecond);
  revoke(a_, {old});
  run(60 * kSecond, [&] { ASSERT_TRUE(both_carry()) << wall() - kNow; });
}

TEST_F(TwoGateways, AClockThatWasWrongIsForgiven) {
  certify(b_, kNow + 30);
  start(b_);
  until_both_carry(5 * kSecond);
  clock_error = 100;  // seconds ahead
  run(2 * kSecond);
  EXPECT_EQ(status(b_).state, LinkState::kNoIdentity);
  clock_error = 0;
  EXPECT_LT(until_both_carry(10 * kSecond), 2 * kSecond);
}

// A change of configuration may take associations away of which the machine does not hear otherwise.
TEST_F(TwoGateways, WhatIsNotThereIsNotSpokenOf) {
  until_both_carry(kSecond);
  run(kSecond);
  a_.tunnels->inbound.clear();
  a_.tunnels->outbound.clear();
  EXPECT_LT(until_both_carry(5 * kSecond), kSecond);
}

// Its sender does not send to nobody, and does not say that all is well.
TEST_F(TwoGateways, WhoeverIsNoLongerTakenIsNotUp) {
  until_both_carry(kSecond);
  run(kSecond);
  b_.machine->set_peers({}, now_);
  run(2 * kSecond);
  EXPECT_TRUE(a_.tunnels->outbound.empty());
  EXPECT_EQ(status(a_).state, LinkState::kRefused) << status(a_).reason;
}

// A call that its sender gave up is served after the next one.
TEST_F(TwoGateways, ALateCallDoesNotTakeTheSetInUse) {
  until_both_carry(kSecond);
  run(kSecond);
  ASSERT_TRUE(b_.machine->on_offer(a_.evidence, {.instance = 5}, now_, wall()).grant);
  run(2 * kSecond, [&] { ASSERT_TRUE(both_carry()); });
}

TEST_F(TwoGateways, ItsOwnIdentityIsNoPeer) {
  a_.peer.identity = "spiffe://example.org/gateway/a";
  configure(a_);
  run(kSecond);
  EXPECT_EQ(status(a_).state, LinkState::kRefused);
  EXPECT_EQ(status(a_).reason, "identity: is this gateway's own");
}

TEST_F(TwoGateways, IdentitiesAreToldWhereTheyAreCarried) {
  const std::vector<model::PeerIdentity> told = {{7, "spiffe://example.org/web"}};
  a_.machine->set_told(told, now_);
  until_both_carry(kSecond);
  run(kSecond);
  EXPECT_TRUE(b_.tunnels->learned.empty()) << "the tunnel does not carry them";
  a_.peer.identities = b_.peer.identities = true;
  configure(a_);
  configure(b_);
  until_both_carry(kSecond);
  EXPECT_EQ(b_.tunnels->learned, told);
  a_.machine->set_told({}, now_);
  run(kSecond, [&] { ASSERT_TRUE(both_carry()); });
  EXPECT_TRUE(b_.tunnels->learned.empty());
}

TEST_F(TwoGateways, DisagreementIsAStateOnBothSides) {
  b_.peer.cipher = model::PeerCipher::kAesGcm256;
  configure(b_);
  run(kSecond);
  EXPECT_TRUE(a_.tunnels->outbound.empty());
  EXPECT_TRUE(b_.tunnels->outbound.empty());
  for (Gateway* each : {&a_, &b_}) {
    EXPECT_EQ(status(*each).state, LinkState::kDisagreement);
    EXPECT_NE(status(*each).reason.find("AES-GCM-256"), std::string::npos) << status(*each).reason;
    EXPECT_EQ(status(*each).reason.find("cipher: "), 0u) << status(*each).reason;
  }
  a_.peer.cipher = model::PeerCipher::kAesGcm256;
  configure(a_);
  EXPECT_LT(until_both_carry(10 * kSecond), kSecond) << "the one that was put right asks at once, and is asked";
}

TEST_F(TwoGateways, ADisagreementThatComesLaterEndsTheTunnelOnBothSides) {
  until_both_carry(kSecond);
  run(kSecond);
  a_.peer.cipher = model::PeerCipher::kAesGcm256;
  configure(a_);
  run(2 * kSecond);
  for (Gateway* each : {&a_, &b_}) {
    EXPECT_EQ(status(*each).state, LinkState::kDisagreement) << each->name;
    EXPECT_TRUE(each->tunnels->outbound.empty()) << each->name;
  }
  a_.peer.cipher = model::PeerCipher::kAesGcm128;
  configure(a_);
  EXPECT_LT(until_both_carry(10 * kSecond), kSecond);
  run(kSecond);
  EXPECT_EQ(status(b_).state, LinkState::kUp) << status(b_).reason;
}

TEST_F(TwoGateways, OtherTermsEndWhatWasAgreed) {
  until_both_carry(kSecond);
  a_.peer.weight = 7;  // not a term
  configure(a_);
  EXPECT_TRUE(both_carry());
  a_.peer.path_mtu = 1400;
  configure(a_);
  EXPECT_TRUE(a_.tunnels->outbound.empty());
  EXPECT_LT(until_both_carry(5 * kSecond), kSecond);
}

TEST_F(TwoGateways, ARemovedPeerIsForgotten) {
  until_both_carry(kSecond);
  a_.machine->set_peers({}, now_);
  EXPECT_TRUE(a_.tunnels->outbound.empty());
  EXPECT_TRUE(a_.tunnels->inbound.empty());
  run(kSecond);
  EXPECT_GT(a_.machine->refused(OfferRefusal::kUnknownPeer), 0u);
}

TEST_F(TwoGateways, NobodyElseIsGrantedAnything) {
  until_both_carry(kSecond);
  const auto before = a_.tunnels->inbound;
  const auto stranger = pki::forge({.san = "URI:spiffe://example.org/gateway/c"}, &root_);
  const Evidence theirs{{stranger.certificate}, id("spiffe://example.org/gateway/c")};
  const Offer offer{.instance = 1};
  auto answer = a_.machine->on_offer(theirs, offer, now_, wall());
  ASSERT_TRUE(answer.refused);
  EXPECT_NE(answer.refused->reason.find("spiffe://example.org/gateway/c"), std::string::npos);
  // The right name under a root of somebody else.
  const auto foreign_root = pki::forge(pki::forged_root("elsewhere"));
  const auto forged = pki::forge({.san = "URI:spiffe://example.org/gateway/b"}, &foreign_root);
  answer = a_.machine->on_offer({{forged.certificate}, id("spiffe://example.org/gateway/b")}, offer, now_, wall());
  ASSERT_TRUE(answer.refused);
  EXPECT_EQ(answer.refused->failure, Failure::kRefused);
  // A good certificate under another name than it has.
  answer = a_.machine->on_offer({{stranger.certificate}, id("spiffe://example.org/gateway/b")}, offer, now_, wall());
  EXPECT_TRUE(answer.refused);
  EXPECT_EQ(a_.tunnels->inbound, before);
  EXPECT_FALSE(a_.machine->on_beat_of(theirs.id, 1, now_).has_set);
}

TEST_F(TwoGateways, AFloodOfOffersIsBoundedAndHarmsNobody) {
  until_both_carry(kSecond);
  unsigned granted = 0;
  for (int i = 0; i < 10'000; ++i)
    granted += a_.machine->on_offer(b_.evidence, {.instance = 99}, now_, wall()).grant.has_value();
  EXPECT_LE(granted, static_cast<unsigned>(kOfferBurst));
  EXPECT_GT(a_.machine->refused(OfferRefusal::kTooMany), 9'000u);
  EXPECT_LE(a_.tunnels->most_sets, kMaxInboundSets);
  run(2 * kSecond);
  EXPECT_TRUE(both_carry());
}

TEST_F(TwoGateways, WithoutRoomTheOlderSetStaysInUse) {
  until_both_carry(kSecond);
  b_.tunnels->full = true;
  a_.machine->rekey({.name = "other"}, now_);
  run(2 * kSecond, [&] { ASSERT_TRUE(both_carry()); });
  EXPECT_GT(b_.machine->refused(OfferRefusal::kNoRoom), 0u);
}

TEST_F(TwoGateways, WhatCannotBeUsedIsNotUsed) {
  a_.tunnels->refuses = true;
  run(kSecond);
  EXPECT_TRUE(a_.tunnels->outbound.empty());
  EXPECT_EQ(status(a_).state, LinkState::kDisagreement);
  EXPECT_NE(status(a_).reason.find("no possible length"), std::string::npos);
}

TEST(Terms, ThePrefixesMayNotBeBehindBoth) {
  model::Peer ours;
  ours.prefixes = {*base::Prefix::parse("10.1.0.0/16")};
  EXPECT_EQ(disagreement({.prefixes = {*base::Prefix::parse("10.2.0.0/16")}}, ours), "");
  EXPECT_NE(disagreement({.prefixes = {*base::Prefix::parse("10.1.0.0/16")}}, ours), "");
  EXPECT_NE(disagreement({.version = 2}, ours), "");
  EXPECT_NE(disagreement({.encapsulation = model::Encapsulation::kUdp}, ours), "");
  EXPECT_NE(disagreement({.extended_sequence = false}, ours), "");
  EXPECT_EQ(disagreement({.identities = true}, ours), "identities: the sender has true, the receiver false");
  ours.encryption = model::Encryption::kOff;
  EXPECT_NE(disagreement({}, ours), "");
}

}  // namespace
}  // namespace penstock::mesh
