#include "control/mesh/terms.h"

#include <algorithm>

#include "control/model/names.h"

namespace penstock::mesh {

namespace {

std::string between(const char* field, const std::string& theirs, const std::string& ours) {
  return std::string(field) + ": the sender has " + theirs + ", the receiver " + ours;
}

}  // namespace

std::string disagreement(const Offer& offer, const model::Peer& ours) {
  if (offer.version != kVersion)
    return between("version of the conversation", std::to_string(offer.version), std::to_string(kVersion));
  if (ours.encryption == model::Encryption::kOff) return "encryption: the receiver has Off";
  if (offer.cipher != ours.cipher)
    return between("cipher", model::to_string(offer.cipher), model::to_string(ours.cipher));
  if (offer.encapsulation != ours.encapsulation)
    return between("encapsulation", model::to_string(offer.encapsulation), model::to_string(ours.encapsulation));
  if (offer.extended_sequence != ours.extended_sequence)
    return between("extendedSequenceNumbers", offer.extended_sequence ? "true" : "false",
                   ours.extended_sequence ? "true" : "false");
  if (offer.identities != ours.identities)
    return between("identities", offer.identities ? "true" : "false", ours.identities ? "true" : "false");
  for (const base::Prefix& theirs : offer.prefixes)
    if (std::any_of(ours.prefixes.begin(), ours.prefixes.end(),
                    [&](const base::Prefix& each) { return each.network() == theirs.network(); }))
      return "prefixes: either side says that " + theirs.to_string() + " is behind the other";
  return "";
}

}  // namespace penstock::mesh
