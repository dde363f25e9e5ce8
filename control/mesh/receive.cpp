// The machine as the receiver: offers of those who want to send to us.
#include <algorithm>

#include "control/mesh/machine.h"
#include "control/mesh/served.h"

namespace penstock::mesh {

namespace {
constexpr const char* kTooOften = "too many calls: try again in a moment";
}

const char* to_string(OfferRefusal refusal) {
  switch (refusal) {
    case OfferRefusal::kNoIdentity:
      return "no_identity";
    case OfferRefusal::kUnknownPeer:
      return "unknown_peer";
    case OfferRefusal::kNotBelieved:
      return "not_believed";
    case OfferRefusal::kTooMany:
      return "too_many";
    case OfferRefusal::kDisagreement:
      return "disagreement";
    case OfferRefusal::kNoRoom:
      return "no_room";
  }
  return "";
}

Machine::Answer Machine::refuse(Link* link, OfferRefusal refusal, Failure failure, std::string reason) {
  ++refused_[static_cast<size_t>(refusal)];
  if (link != nullptr && failure == Failure::kDisagreement) link->inbound_reason = reason;
  return {std::nullopt, Refused{failure, std::move(reason)}};
}

// Peer objects have identities of their own (control/model/validate_peers.cpp).
Machine::Links::value_type* Machine::of(const pki::SpiffeId& id) {
  for (auto& entry : links_)
    if (entry.second.identity == id) return &entry;
  return nullptr;
}

bool Machine::admit(Link& link, base::Nanos now) {
  const double passed = static_cast<double>(now - std::exchange(link.tokens_at, now)) / base::kNanosPerSecond;
  link.tokens = std::min(kOfferBurst, link.tokens + passed * kOffersPerSecond);
  if (link.tokens < 1) return false;
  link.tokens -= 1;
  return true;
}

Machine::Answer Machine::on_offer(const Evidence& evidence, const Offer& offer, base::Nanos now, pki::Seconds wall) {
  if (!own_fault_.empty())
    return refuse(nullptr, OfferRefusal::kNoIdentity, Failure::kRefused, "the receiver has no identity that holds");
  auto* const entry = of(evidence.id);
  if (entry == nullptr)
    return refuse(nullptr, OfferRefusal::kUnknownPeer, Failure::kRefused,
                  "no Peer of the receiver has the identity " + pki::quoted(evidence.id.text()));
  auto& [name, link] = *entry;
  if (!admit(link, now)) return refuse(&link, OfferRefusal::kTooMany, Failure::kBusy, kTooOften);
  if (const auto verdict = judge(evidence, link.identity, wall); !verdict.believed())
    return refuse(&link, OfferRefusal::kNotBelieved, Failure::kRefused, "certificate of the sender: " + verdict.reason);
  if (std::string why = disagreement(offer, *link.peer); !why.empty())
    return refuse(&link, OfferRefusal::kDisagreement, Failure::kDisagreement, std::move(why));
  if (offer.told != link.learned) {
    if (auto learned = tunnels_.learn_identities(name, link.peer->identity, offer.told); !learned)
      return refuse(&link, OfferRefusal::kDisagreement, Failure::kDisagreement, "identities: " + learned.error());
    link.learned = offer.told;
  }
  name_set(link, offer.epoch, now);
  if (!make_room(name, link, now)) return refuse(&link, OfferRefusal::kTooMany, Failure::kBusy, kTooOften);
  const uint64_t epoch = ++last_epoch_;
  auto made = tunnels_.make_inbound(name, link.peer->identity, epoch, offer.workers);
  if (!made) return refuse(&link, OfferRefusal::kNoRoom, Failure::kBusy, made.error());
  Grant grant{.instance = instance_,
              .epoch = epoch,
              .path_mtu = made->path_mtu,
              .lifetime_seconds = shorter(link.peer->lifetime.seconds, offer.lifetime_seconds),
              .prefixes = link.peer->prefixes,
              .unserved = unserved(offer.prefixes, served_),
              .associations = std::move(made->associations)};
  link.sets.push_back({.epoch = epoch,
                       .named_at = now,
                       .ends_at = now + static_cast<base::Nanos>(grant.lifetime_seconds) * base::kNanosPerSecond});
  keep(link, evidence, wall);
  ++link.agreed_inbound;
  link.inbound_reason.clear();
  // It is there, and may have begun anew.
  if (link.epoch == 0 || link.fault != LinkState::kUp || offer.instance != link.peer_instance) ask_now(link, now);
  return {std::move(grant), std::nullopt};
}

Machine::BeatAnswer Machine::on_beat_of(const pki::SpiffeId& sender, uint64_t epoch, base::Nanos now) {
  BeatAnswer answer{.instance = instance_};
  auto* const entry = own_fault_.empty() ? of(sender) : nullptr;
  if (entry == nullptr) return answer;
  if (!admit(entry->second, now)) {
    answer.refused = refuse(&entry->second, OfferRefusal::kTooMany, Failure::kBusy, kTooOften).refused;
  } else {
    answer.has_set = name_set(entry->second, epoch, now);
  }
  return answer;
}

bool Machine::name_set(Link& link, uint64_t epoch, base::Nanos now) {
  link.in_use = epoch;
  const auto set =
      std::find_if(link.sets.begin(), link.sets.end(), [&](const auto& each) { return each.epoch == epoch; });
  if (set == link.sets.end()) return false;
  set->named_at = now;
  return true;
}

// For one more: the oldest goes that its sender does not use, and with which nothing can be under way any more. False:
// there is none.
bool Machine::make_room(const model::Name& name, Link& link, base::Nanos now) {
  if (link.sets.size() < kMaxInboundSets) return true;
  const auto goes = std::find_if(link.sets.begin(), link.sets.end(), [&](const Link::Set& set) {
    return set.epoch != link.in_use && now >= set.named_at + kLeastGrace;
  });
  if (goes == link.sets.end()) return false;
  tunnels_.drop_inbound(name, goes->epoch);
  link.sets.erase(goes);
  return true;
}

// The newest stays, and the one that was named last: their sender may not reach us while the fabric carries.
void Machine::drop_old_sets(const model::Name& name, Link& link, base::Nanos now) {
  const uint64_t newest = link.sets.empty() ? 0 : link.sets.back().epoch;
  std::erase_if(link.sets, [&](const Link::Set& set) {
    const bool unused = set.epoch != newest && set.epoch != link.in_use && now >= set.named_at + kOldInboundGrace;
    if (!unused && now < set.ends_at + kOldInboundGrace) return false;
    tunnels_.drop_inbound(name, set.epoch);
    return true;
  });
}

}  // namespace penstock::mesh
