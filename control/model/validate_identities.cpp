// Rules of Workload, and of identities in Peer and AccessPolicy.
#include <tuple>

#include "control/model/validation.h"
#include "control/pki/spiffe_id.h"

namespace penstock::model {

namespace {

// What two Workloads may not both say: then a packet would have two identities.
using Claim = std::tuple<std::string_view, std::optional<base::MacAddress>, std::optional<base::Prefix>>;
using Claims = std::map<Claim, const Workload*>;

struct Numbers {
  std::map<uint16_t, const Workload*> by_number;
  std::map<std::string_view, const Workload*> by_identity;  // of those with a number
};

void validate_identity(const std::string& identity, const std::string& at, ObjectFaults& faults) {
  if (const auto parsed = pki::SpiffeId::parse(identity); !parsed) faults.add(at, parsed.error());
}

void claim(const Workload& workload, const std::optional<base::Prefix>& prefix, const std::string& at, Claims& claims,
           ObjectFaults& faults) {
  const auto [other, fresh] = claims.try_emplace({workload.interface, workload.mac, prefix}, &workload);
  if (fresh) return;
  if (other->second == &workload) return faults.add(at, "is given twice");
  faults.add(at, text(prefix ? prefix->to_string() : "what has no other identity", " on interface \"",
                      workload.interface, "\"", workload.mac ? " from " + workload.mac->to_string() : "",
                      " is already Workload/", other->second->name.to_string(), "'s"));
}

void validate_number(const Workload& workload, Numbers& numbers, ObjectFaults& faults) {
  if (workload.number == 0) return;
  want_range(faults, "spec.number", workload.number, 1, kFirstChosenNumber - 1);
  const auto [same_number, fresh] = numbers.by_number.try_emplace(workload.number, &workload);
  if (!fresh && same_number->second->identity != workload.identity)
    faults.add("spec.number", text(workload.number, " is already that of ", same_number->second->identity,
                                   " (Workload/", same_number->second->name.to_string(), ")"));
  const auto [same_identity, first] = numbers.by_identity.try_emplace(workload.identity, &workload);
  if (!first && same_identity->second->number != workload.number)
    faults.add("spec.number", text("Workload/", same_identity->second->name.to_string(), " says that ",
                                   workload.identity, " has number ", same_identity->second->number));
}

void validate_selector(const std::string& selector, const std::string& at, ObjectFaults& faults) {
  std::string_view whole = selector;
  if (whole.ends_with(kAnyBelow)) whole.remove_suffix(kAnyBelow.size());
  if (const auto parsed = pki::SpiffeId::parse(whole); !parsed)
    faults.add(at, text(parsed.error(), " (want a SPIFFE ID, or one with /* at its end for all below it)"));
}

}  // namespace

void validate_workloads(const Surroundings& around, Faults& all) {
  Claims claims;
  Numbers numbers;
  for (const auto& [name, workload] : around.state.workloads) {
    ObjectFaults faults(all, Kind::kWorkload, name);
    validate_name(faults, name);
    validate_labels(workload->labels, "metadata.labels", faults);
    validate_identity(workload->identity, "spec.identity", faults);
    validate_number(*workload, numbers, faults);
    if (!around.interfaces.contains(workload->interface))
      faults.add("spec.interface", text("there is no interface \"", workload->interface, "\""));
    if (workload->mac && (workload->mac->is_multicast() || workload->mac->is_zero()))
      faults.add("spec.mac", text(workload->mac->to_string(), " is no station's address"));
    if (workload->addresses.size() > kMaxWorkloadAddresses) {
      faults.add("spec.addresses", text("too many (at most ", kMaxWorkloadAddresses, ")"));
      continue;
    }
    for (size_t i = 0; i < workload->addresses.size(); ++i) {
      const std::string at = text("spec.addresses[", i, "]");
      const base::Prefix& prefix = workload->addresses[i];
      if (prefix.has_host_bits())
        faults.add(at, text(prefix.to_string(), " has host bits set (want ", prefix.network().to_string(), ")"));
      claim(*workload, prefix, at, claims, faults);
    }
    if (workload->addresses.empty()) claim(*workload, std::nullopt, "spec", claims, faults);
  }
}

void validate_peer_identities(const Peer& peer, ObjectFaults& faults) {
  if (!peer.identities) {
    if (!peer.static_identities.empty()) faults.add("spec.staticIdentities", "has no use without identities: true");
    return;
  }
  if (peer.encryption == Encryption::kOff)
    faults.add("spec.identities", "has no use with encryption Off: they travel inside ESP");
  if (peer.static_identities.size() > kMaxPeerIdentities) {
    faults.add("spec.staticIdentities", text("too many (at most ", kMaxPeerIdentities, ")"));
    return;
  }
  std::set<uint16_t> numbers;
  for (size_t i = 0; i < peer.static_identities.size(); ++i) {
    const PeerIdentity& each = peer.static_identities[i];
    const std::string at = text("spec.staticIdentities[", i, "]");
    want_range(faults, at + ".number", each.number, 1, UINT16_MAX);
    if (!numbers.insert(each.number).second) faults.add(at + ".number", text(each.number, " is given twice"));
    validate_identity(each.identity, at + ".identity", faults);
  }
}

void validate_rule_identities(const AccessRule& rule, const std::string& at, ObjectFaults& faults) {
  const auto check = [&](const std::vector<std::string>& list, const std::string& path) {
    if (list.size() > kMaxRuleIdentities) return faults.add(path, text("too many (at most ", kMaxRuleIdentities, ")"));
    for (size_t i = 0; i < list.size(); ++i) validate_selector(list[i], text(path, "[", i, "]"), faults);
  };
  check(rule.from_identities, at + ".fromIdentities");
  check(rule.to_identities, at + ".toIdentities");
}

void validate_selector_count(const State& state, Faults& faults) {
  std::set<std::string_view> selectors;
  for (const auto& [name, policy] : state.access_policies) {
    for (const AccessRule& rule : policy->rules) {
      selectors.insert(rule.from_identities.begin(), rule.from_identities.end());
      selectors.insert(rule.to_identities.begin(), rule.to_identities.end());
    }
  }
  if (selectors.size() > kMaxIdentitySelectors)
    faults.add({"bundle", "",
                text(selectors.size(), " different identities in access rules are too many (at most ",
                     kMaxIdentitySelectors, ")")});
}

}  // namespace penstock::model
