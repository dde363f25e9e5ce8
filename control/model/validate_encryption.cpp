// What a Node says of clear text: Node spec.mesh.encrypt, `encrypt` of its interfaces, and what contradicts them.
#include <map>

#include "control/model/validation.h"

namespace penstock::model {

namespace {

// Where a mirror's copies leave in clear nothing may.
bool refuses_clear(const Node& node, const std::string& interface) {
  for (const Interface& each : node.interfaces) {
    if (each.name == interface) return each.encrypt == Encryption::kRequired;
    for (const Vlan& vlan : each.vlans)
      if (vlan.name == interface) return vlan.encrypt == Encryption::kRequired;
  }
  return false;
}

const char* name_of(Encryption mode) { return mode == Encryption::kRequired ? "Required" : "Preferred"; }

}  // namespace

void validate_encrypt_rules(const Node& node, ObjectFaults& faults) {
  if (node.encrypt.size() > kMaxEncryptRules) {
    faults.add("spec.mesh.encrypt", text("too many (at most ", kMaxEncryptRules, ")"));
    return;
  }
  std::map<base::Prefix, size_t> seen;
  for (size_t i = 0; i < node.encrypt.size(); ++i) {
    const base::Prefix& prefix = node.encrypt[i].prefix;
    const std::string at = text("spec.mesh.encrypt[", i, "].prefix");
    if (prefix.has_host_bits()) {
      faults.add(at, text(prefix.to_string(), " has host bits set (want ", prefix.network().to_string(), ")"));
    } else if (prefix.length != 0 && (prefix.address.is_multicast() || prefix.address.is_loopback())) {
      faults.add(at, text(prefix.to_string(), " is not routed: multicast or loopback"));
    } else if (const auto [there, fresh] = seen.try_emplace(prefix, i); !fresh) {
      faults.add(at, text(prefix.to_string(), " is also the prefix of spec.mesh.encrypt[", there->second, "]"));
    }
  }
}

// The rule that holds all of a prefix decides about it; shorter ones do not count.
void validate_peer_encryption(const Peer& peer, const State& state, ObjectFaults& faults) {
  if (!state.node || peer.encryption != Encryption::kOff) return;
  const std::vector<EncryptRule>& rules = state.node->encrypt;
  for (size_t i = 0; i < peer.prefixes.size() && i < kMaxPeerPrefixes; ++i) {
    const EncryptRule* longest = nullptr;
    for (const EncryptRule& rule : rules)
      if (rule.prefix.contains(peer.prefixes[i].network()) && (!longest || rule.prefix.length > longest->prefix.length))
        longest = &rule;
    if (longest && longest->mode != Encryption::kOff)
      faults.add(text("spec.prefixes[", i, "]"),
                 text("encryption is Off, but Node spec.mesh.encrypt[", longest - rules.data(), "] says ",
                      name_of(longest->mode), " of ", longest->prefix.to_string(), " (want an entry with mode Off for ",
                      peer.prefixes[i].to_string(), ", or another encryption)"));
    // What is Required within is refused packet by packet; what is Preferred would go unheard.
    for (const EncryptRule& rule : rules)
      if (rule.mode == Encryption::kPreferred && peer.prefixes[i].contains(rule.prefix) && &rule != longest)
        faults.add(text("spec.prefixes[", i, "]"),
                   text("encryption is Off, but Node spec.mesh.encrypt[", &rule - rules.data(), "] says Preferred of ",
                        rule.prefix.to_string(), " within it (want another encryption)"));
  }
}

void validate_mirror_encryption(const Mirror& mirror, const State& state, ObjectFaults& faults) {
  if (state.node && !mirror.interface.empty() && refuses_clear(*state.node, mirror.interface))
    faults.add("spec.to.interface",
               text("copies leave in clear, but interface \"", mirror.interface, "\" has encrypt Required"));
}

}  // namespace penstock::model
