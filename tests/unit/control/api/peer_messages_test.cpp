#include "control/api/peer_messages.h"

#include <gtest/gtest.h>

#include <functional>

#include "control/model/limits.h"

namespace penstock::api {
namespace {

mesh::Offer sample_offer() {
  mesh::Offer offer;
  offer.instance = 0x0123456789abcdef;
  offer.epoch = 7;
  offer.workers = 3;
  offer.cipher = model::PeerCipher::kChaCha20Poly1305;
  offer.encapsulation = model::Encapsulation::kUdp;
  offer.extended_sequence = false;
  offer.identities = true;
  offer.path_mtu = 1400;
  offer.lifetime_seconds = 90;
  offer.prefixes = {*base::Prefix::parse("10.2.0.0/16"), *base::Prefix::parse("2001:db8:2::/48")};
  offer.told = {{11, "spiffe://example.org/web"}};
  return offer;
}

v1::AgreeRequest request() {
  v1::AgreeRequest message;
  to_message(sample_offer(), message);
  return message;
}

std::string refusal(const v1::AgreeRequest& message) {
  const auto offer = to_offer(message);
  return offer ? "" : offer.error();
}

TEST(PeerMessages, AnOfferComesBackAsItWas) {
  const auto offer = to_offer(request());
  ASSERT_TRUE(offer.ok()) << offer.error();
  const mesh::Offer sent = sample_offer();
  EXPECT_EQ(offer->version, mesh::kVersion);
  EXPECT_EQ(offer->instance, sent.instance);
  EXPECT_EQ(offer->epoch, sent.epoch);
  EXPECT_EQ(offer->workers, sent.workers);
  EXPECT_EQ(offer->cipher, sent.cipher);
  EXPECT_EQ(offer->encapsulation, sent.encapsulation);
  EXPECT_EQ(offer->extended_sequence, sent.extended_sequence);
  EXPECT_EQ(offer->identities, sent.identities);
  EXPECT_EQ(offer->path_mtu, sent.path_mtu);
  EXPECT_EQ(offer->lifetime_seconds, sent.lifetime_seconds);
  EXPECT_EQ(offer->prefixes, sent.prefixes);
  EXPECT_EQ(offer->told, sent.told);
}

TEST(PeerMessages, AnOfferIsBounded) {
  auto message = request();
  message.set_cipher("NULL");
  EXPECT_EQ(refusal(message).find("cipher: "), 0u) << refusal(message);
  message = request();
  message.set_encapsulation("");
  EXPECT_EQ(refusal(message).find("encapsulation: "), 0u) << refusal(message);
  for (const uint32_t workers : {0u, mesh::kMaxWorkers + 1, UINT32_MAX}) {
    message = request();
    message.set_workers(workers);
    EXPECT_EQ(refusal(message).find("workers: "), 0u) << refusal(message);
  }
  message = request();
  message.set_path_mtu(model::kMaxMtu + 1);
  EXPECT_EQ(refusal(message).find("path_mtu: "), 0u) << refusal(message);
  message = request();
  message.add_prefixes("10.0.0.0/33");
  EXPECT_EQ(refusal(message).find("prefixes: "), 0u) << refusal(message);
  message = request();
  for (size_t i = 0; i <= model::kMaxPeerPrefixes; ++i) message.add_prefixes("10.0.0.0/8");
  EXPECT_EQ(refusal(message).find("prefixes: "), 0u) << refusal(message);
  for (const uint32_t number : {0u, 65536u}) {
    message = request();
    message.add_told()->set_number(number);
    EXPECT_EQ(refusal(message).find("told: "), 0u) << refusal(message);
  }
  message = request();
  for (size_t i = 0; i <= mesh::kMaxTold; ++i) message.add_told()->set_number(1);
  EXPECT_EQ(refusal(message).find("told: "), 0u) << refusal(message);
}

v1::AgreeResponse response() {
  mesh::Grant grant{.instance = 5, .epoch = 9, .path_mtu = 1300, .lifetime_seconds = 60};
  grant.prefixes = {*base::Prefix::parse("10.1.0.0/16")};
  grant.unserved = {*base::Prefix::parse("10.7.0.0/16")};
  grant.associations.push_back({0x1234, pki::Secret("sixteen bytes ok"), pki::Secret("and the other")});
  v1::AgreeResponse message;
  to_message(grant, message);
  return message;
}

TEST(PeerMessages, AGrantComesBackAsItWasAndItsMessageIsWiped) {
  auto message = response();
  const auto grant = to_grant(message);
  ASSERT_TRUE(grant.ok()) << grant.error();
  EXPECT_EQ(grant->instance, 5u);
  EXPECT_EQ(grant->epoch, 9u);
  EXPECT_EQ(grant->path_mtu, 1300u);
  EXPECT_EQ(grant->lifetime_seconds, 60u);
  EXPECT_EQ(grant->prefixes.size(), 1u);
  EXPECT_EQ(grant->unserved, std::vector{*base::Prefix::parse("10.7.0.0/16")});
  ASSERT_EQ(grant->associations.size(), 1u);
  EXPECT_EQ(grant->associations[0].spi, 0x1234u);
  EXPECT_EQ(grant->associations[0].key.view(), "sixteen bytes ok");
  EXPECT_EQ(grant->associations[0].integrity_key.view(), "and the other");
  EXPECT_EQ(message.associations(0).key(), std::string(16, '\0'));
  EXPECT_EQ(message.associations(0).integrity_key(), std::string(13, '\0'));
}

TEST(PeerMessages, AGrantIsBounded) {
  const auto refused = [](const std::function<void(v1::AgreeResponse&)>& change) {
    auto message = response();
    change(message);
    const auto grant = to_grant(message);
    return grant ? std::string() : grant.error();
  };
  EXPECT_NE(refused([](auto& m) { m.clear_associations(); }), "");
  EXPECT_EQ(refused([](auto& m) { m.add_unserved("everything"); }).find("unserved: "), 0u);
  EXPECT_NE(refused([](auto& m) {
              for (size_t i = 0; i < mesh::kMaxGranted; ++i) m.add_associations();
            }),
            "");
  EXPECT_NE(refused([](auto& m) { m.mutable_associations(0)->set_key(std::string(65, 'k')); }), "");
  EXPECT_NE(refused([](auto& m) { m.mutable_associations(0)->set_integrity_key(std::string(65, 'k')); }), "");
  EXPECT_NE(refused([](auto& m) { m.set_path_mtu(UINT32_MAX); }), "");
  EXPECT_NE(refused([](auto& m) { m.set_epoch(0); }), "");
  EXPECT_NE(refused([](auto& m) { m.add_prefixes("nowhere"); }), "");
}

}  // namespace
}  // namespace penstock::api
