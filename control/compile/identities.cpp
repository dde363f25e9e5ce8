// Workloads, peers' lists and access rules → numbers and classes of identities, and whose each source address is.
#include "control/compile/identities.h"

#include <algorithm>
#include <map>
#include <set>

#include "control/compile/parts.h"
#include "control/model/diff.h"
#include "control/pki/spiffe_id.h"

namespace penstock::compile {

namespace {

// [first, end) in the order of bytes: a text and its successor, or all that begin with "…/" ('0' follows '/').
std::pair<std::string, std::string> interval_of(const std::string& selector) {
  if (!selector.ends_with(model::kAnyBelow)) return {selector, selector + '\0'};
  std::string begin = selector.substr(0, selector.size() - 1), end = begin;
  end.back() = '/' + 1;
  return {std::move(begin), std::move(end)};
}

}  // namespace

IdentityClasses::IdentityClasses(const model::Objects<model::AccessPolicy>& policies) {
  std::set<std::string> bounds;
  const auto add = [&bounds](const std::vector<std::string>& selectors) {
    for (const std::string& each : selectors) {
      auto [first, end] = interval_of(each);
      bounds.insert(std::move(first));
      bounds.insert(std::move(end));
    }
  };
  for (const auto& [name, policy] : policies) {
    for (const model::AccessRule& rule : policy->rules) {
      add(rule.from_identities);
      add(rule.to_identities);
    }
  }
  bounds_.assign(bounds.begin(), bounds.end());
}

uint16_t IdentityClasses::class_of(std::string_view identity) const {
  const auto after = std::upper_bound(bounds_.begin(), bounds_.end(), identity);
  return static_cast<uint16_t>(after - bounds_.begin() + 1);
}

std::vector<ClassRange> IdentityClasses::ranges_of(const std::vector<std::string>& selectors) const {
  if (selectors.empty()) return {{}};
  std::vector<ClassRange> ranges;
  for (const std::string& each : selectors) {
    const auto [first, end] = interval_of(each);
    const auto last = std::lower_bound(bounds_.begin(), bounds_.end(), end) - bounds_.begin() + 1;
    ranges.push_back({class_of(first), static_cast<uint16_t>(last)});
  }
  std::sort(ranges.begin(), ranges.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<ClassRange> joined{ranges.front()};
  for (const ClassRange& each : ranges) {
    if (each.first > joined.back().last + 1) {
      joined.push_back(each);
    } else {
      joined.back().last = std::max(joined.back().last, each.last);
    }
  }
  return joined;
}

bool speaks_identities(const model::Peer& peer) {
  return peer.identities && peer.encryption != model::Encryption::kOff;
}

bool IdentityPart::has_changed(const Round& round, const InterfacePart& interfaces, const PeerIdentities& told) const {
  bool changed = !table || !interface_ids.same_as(interfaces.ids) || told != learned;
  const auto note = [&changed](const auto&, const auto&) { changed = true; };
  model::for_each_change(workloads, round.state.workloads, note);
  model::for_each_change(peers, round.state.peers, note);
  model::for_each_change(policies, round.state.access_policies, note);
  return changed;
}

// What the peer's numbers mean: what it told itself counts for more than what was written down.
std::map<uint16_t, std::string> IdentityPart::list_of(const model::Peer& peer) const {
  std::map<uint16_t, std::string> list;
  if (!speaks_identities(peer)) return list;
  if (const auto told = learned.find(peer.name); told != learned.end())
    for (const model::PeerIdentity& each : *told->second) list.try_emplace(each.number, each.identity);
  for (const model::PeerIdentity& each : peer.static_identities) list.try_emplace(each.number, each.identity);
  return list;
}

bool IdentityPart::assign_numbers(const Round& round) {
  std::map<std::string, flow::Identity> fixed;
  std::set<std::string> chosen;
  for (const auto& [name, workload] : workloads)
    if (workload->number != 0) fixed[workload->identity] = workload->number;
  const auto choose = [&](const std::string& identity) {
    if (!fixed.contains(identity)) chosen.insert(identity);
  };
  for (const auto& [name, workload] : workloads) choose(workload->identity);
  for (const auto& [name, peer] : peers)
    for (const auto& [number, identity] : list_of(*peer)) choose(identity);
  if (!numbers.assign({chosen.begin(), chosen.end()}, round.last, round.retired)) return false;
  numbered = std::move(fixed);
  for (const std::string& each : chosen)
    numbered[each] = static_cast<flow::Identity>(model::kFirstChosenNumber + numbers.at(each));
  return true;
}

void IdentityPart::update(const Round& round, const InterfacePart& interfaces, const PeerPart& peer_part,
                          const PeerIdentities& told) {
  if (!has_changed(round, interfaces, told)) return;
  workloads = round.state.workloads;
  peers = round.state.peers;
  policies = round.state.access_policies;
  interface_ids = interfaces.ids;
  learned = told;
  classes = IdentityClasses(policies);
  if (!assign_numbers(round)) {
    round.errors.push_back({"bundle", "",
                            "no room for so many identities that the gateway numbers (at most " +
                                std::to_string(kMaxChosenIdentities) +
                                "), or not until every worker has left the "
                                "generations of those removed"});
    return;
  }
  auto next = std::make_shared<flow::IdentityTable>();
  flow::Identity highest = 0;
  for (const auto& [identity, number] : numbered) highest = std::max(highest, number);
  next->names.resize(highest + 1u);
  next->classes.resize(highest + 1u);
  for (const auto& [identity, number] : numbered) {
    next->names[number] = identity;
    next->classes[number] = classes.class_of(identity);
  }
  std::vector<flow::WorkloadClaim> claims;
  for (const auto& [name, workload] : workloads)
    claims.push_back(
        {interfaces.id(workload->interface), workload->mac, workload->addresses, numbered.at(workload->identity)});
  next->sources = flow::SourceTable(claims);
  next->from_peer.resize(peer_part.slots.bound());
  for (const auto& [name, peer] : peers) {
    const auto list = list_of(*peer);
    if (list.empty()) continue;
    auto& meaning = next->from_peer[peer_part.slots.at(name.to_string())];
    meaning.resize(list.rbegin()->first + 1u);
    for (const auto& [number, identity] : list) meaning[number] = numbered.at(identity);
  }
  table = std::move(next);
}

base::Result<void> Compiler::set_peer_identities(const model::Name& peer, std::vector<model::PeerIdentity> list) {
  if (list.size() > model::kMaxPeerIdentities)
    return base::Error{std::to_string(list.size()) + " identities: at most " +
                       std::to_string(model::kMaxPeerIdentities)};
  std::set<uint16_t> seen;
  for (const model::PeerIdentity& each : list) {
    if (each.number == 0 || !seen.insert(each.number).second)
      return base::Error{"identity number " + std::to_string(each.number) +
                         (each.number == 0 ? " is nobody's" : " is given twice")};
    if (const auto parsed = pki::SpiffeId::parse(each.identity); !parsed) return base::Error{parsed.error()};
  }
  if (list.empty()) {
    learned_.erase(peer);
  } else {
    learned_[peer] = std::make_shared<const std::vector<model::PeerIdentity>>(std::move(list));
  }
  return {};
}

}  // namespace penstock::compile
