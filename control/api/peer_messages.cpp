#include "control/api/peer_messages.h"

#include <cstring>

#include "control/api/translate_kinds.h"
#include "control/model/limits.h"

namespace penstock::api {

namespace {

constexpr int kMaxPrefixes = static_cast<int>(model::kMaxPeerPrefixes);
constexpr int kMaxKey = 64;  // engine/crypto/key.h, kMaxKeyLength

template <typename List>
base::Result<std::vector<base::Prefix>> prefixes_of(const List& texts) {
  if (texts.size() > kMaxPrefixes) return base::Error{"prefixes: more than " + std::to_string(kMaxPrefixes)};
  std::vector<base::Prefix> out;
  for (const std::string& text : texts) {
    auto prefix = base::Prefix::parse(text);
    if (!prefix) return base::Error{"prefixes: " + prefix.error()};
    out.push_back(*prefix);
  }
  return out;
}

pki::Secret take(std::string& bytes) {
  pki::Secret secret{std::string(bytes)};
  explicit_bzero(bytes.data(), bytes.size());
  return secret;
}

}  // namespace

base::Result<mesh::Offer> to_offer(const v1::AgreeRequest& message) {
  mesh::Offer offer;
  auto cipher = cipher_named(message.cipher());
  if (!cipher) return base::Error{cipher.error()};
  auto encapsulation = encapsulation_named(message.encapsulation());
  if (!encapsulation) return base::Error{encapsulation.error()};
  auto prefixes = prefixes_of(message.prefixes());
  if (!prefixes) return base::Error{prefixes.error()};
  if (message.workers() == 0 || message.workers() > mesh::kMaxWorkers)
    return base::Error{"workers: want 1 to " + std::to_string(mesh::kMaxWorkers)};
  if (message.path_mtu() > model::kMaxMtu)
    return base::Error{"path_mtu: want at most " + std::to_string(model::kMaxMtu)};
  if (message.told_size() > static_cast<int>(mesh::kMaxTold))
    return base::Error{"told: more than " + std::to_string(mesh::kMaxTold)};
  for (const v1::ToldIdentity& each : message.told()) {
    if (each.number() == 0 || each.number() > UINT16_MAX) return base::Error{"told: a number is not 1 to 65535"};
    offer.told.push_back({static_cast<uint16_t>(each.number()), each.identity()});
  }
  offer.version = message.version();
  offer.instance = message.instance();
  offer.epoch = message.epoch();
  offer.workers = message.workers();
  offer.cipher = *cipher;
  offer.encapsulation = *encapsulation;
  offer.extended_sequence = message.extended_sequence_numbers();
  offer.identities = message.identities();
  offer.path_mtu = message.path_mtu();
  offer.lifetime_seconds = message.lifetime_seconds();
  offer.prefixes = std::move(*prefixes);
  return offer;
}

void to_message(const mesh::Offer& offer, v1::AgreeRequest& message) {
  message.set_version(offer.version);
  message.set_instance(offer.instance);
  message.set_epoch(offer.epoch);
  message.set_workers(offer.workers);
  message.set_cipher(model::to_string(offer.cipher));
  message.set_encapsulation(model::to_string(offer.encapsulation));
  message.set_extended_sequence_numbers(offer.extended_sequence);
  message.set_identities(offer.identities);
  message.set_path_mtu(offer.path_mtu);
  message.set_lifetime_seconds(offer.lifetime_seconds);
  for (const base::Prefix& each : offer.prefixes) message.add_prefixes(each.to_string());
  for (const model::PeerIdentity& each : offer.told) {
    v1::ToldIdentity& out = *message.add_told();
    out.set_number(each.number);
    out.set_identity(each.identity);
  }
}

base::Result<mesh::Grant> to_grant(v1::AgreeResponse& message) {
  mesh::Grant grant;
  bool fits = message.associations_size() >= 1 && message.associations_size() <= static_cast<int>(mesh::kMaxGranted);
  for (v1::AgreedAssociation& each : *message.mutable_associations()) {
    fits = fits && each.key().size() <= kMaxKey && each.integrity_key().size() <= kMaxKey;
    grant.associations.push_back({each.spi(), take(*each.mutable_key()), take(*each.mutable_integrity_key())});
  }
  if (!fits)
    return base::Error{"associations: want 1 to " + std::to_string(mesh::kMaxGranted) + " with keys of at most " +
                       std::to_string(kMaxKey) + " bytes"};
  auto prefixes = prefixes_of(message.prefixes());
  if (!prefixes) return base::Error{prefixes.error()};
  if (message.path_mtu() > model::kMaxMtu)
    return base::Error{"path_mtu: want at most " + std::to_string(model::kMaxMtu)};
  if (message.epoch() == 0) return base::Error{"epoch: is missing"};
  grant.instance = message.instance();
  grant.epoch = message.epoch();
  grant.path_mtu = message.path_mtu();
  grant.lifetime_seconds = message.lifetime_seconds();
  grant.prefixes = std::move(*prefixes);
  auto unserved = prefixes_of(message.unserved());
  if (!unserved) return base::Error{"unserved: " + unserved.error()};
  grant.unserved = std::move(*unserved);
  return grant;
}

void to_message(const mesh::Grant& grant, v1::AgreeResponse& message) {
  message.set_instance(grant.instance);
  message.set_epoch(grant.epoch);
  message.set_path_mtu(grant.path_mtu);
  message.set_lifetime_seconds(grant.lifetime_seconds);
  for (const base::Prefix& each : grant.prefixes) message.add_prefixes(each.to_string());
  for (const base::Prefix& each : grant.unserved) message.add_unserved(each.to_string());
  for (const mesh::Association& each : grant.associations) {
    v1::AgreedAssociation& out = *message.add_associations();
    out.set_spi(each.spi);
    out.set_key(std::string(each.key.view()));
    out.set_integrity_key(std::string(each.integrity_key.view()));
  }
}

}  // namespace penstock::api
