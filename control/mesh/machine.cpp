#include "control/mesh/machine.h"

#include <algorithm>

#include "control/mesh/served.h"

namespace penstock::mesh {

namespace {

constexpr base::Nanos kUseEvery = base::kNanosPerSecond / 10;
// A set is changed before it is used up; the rest is for packets that come while the new one is agreed.
constexpr double kSoonest = 0.8, kLatest = 0.9;

// What associations are made from: another of these, and they end.
bool same_terms(const model::Peer& a, const model::Peer& b) {
  return a.address == b.address && a.local == b.local && a.path_mtu == b.path_mtu && a.cipher == b.cipher &&
         a.encapsulation == b.encapsulation && a.extended_sequence == b.extended_sequence &&
         a.identities == b.identities && a.replay_window == b.replay_window && a.identity == b.identity &&
         a.link_address() == b.link_address();
}

}  // namespace

const char* to_string(LinkState state) {
  switch (state) {
    case LinkState::kIdle:
      return "Idle";
    case LinkState::kNoIdentity:
      return "NoIdentity";
    case LinkState::kAgreeing:
      return "Agreeing";
    case LinkState::kUnreachable:
      return "Unreachable";
    case LinkState::kRefused:
      return "Refused";
    case LinkState::kDisagreement:
      return "Disagreement";
    case LinkState::kUp:
      return "Up";
  }
  return "";
}

// ---- configuration and identity ----

void Machine::set_peers(const model::Objects<model::Peer>& peers, base::Nanos now) {
  use_at_ = 0;  // a change may have taken associations away
  for (auto at = links_.begin(); at != links_.end();) {
    const auto kept = peers.find(at->first);
    if (kept != peers.end() && !kept->second->identity.empty()) {
      ++at;
      continue;
    }
    lose(at->first, at->second);
    static_cast<void>(tunnels_.learn_identities(at->first, at->second.identity.text(), {}));
    at = links_.erase(at);
  }
  for (const auto& [name, peer] : peers) {
    if (peer->identity.empty()) continue;
    Link& link = links_[name];
    if (link.peer == peer) continue;
    if (link.peer != nullptr && !same_terms(*link.peer, *peer)) lose(name, link);
    auto identity = pki::SpiffeId::parse(peer->identity);
    if (identity) link.identity = std::move(*identity);  // else nobody has it: the model was validated
    link.peer = peer;
    ask_now(link, now);
  }
}

void Machine::set_material(std::shared_ptr<const pki::Material> material, std::string fault, base::Nanos now,
                           pki::Seconds wall) {
  const bool renewed = material_ != nullptr && material != nullptr &&
                       material_->svid.leaf().fingerprint() != material->svid.leaf().fingerprint();
  material_ = std::move(material);
  material_fault_ = std::move(fault);
  judge_own(now, wall);
  if (!own_fault_.empty()) return;
  for (auto& [name, link] : links_) {
    check_evidence(name, link, now, wall);
    if (!renewed || link.epoch == 0) continue;
    // So that the peer knows the new certificate before the old one ends, or is revoked.
    link.ask = true;
    link.next_at = now + vary(kRenewalSpread, 0, 1);
  }
}

// Whoever must not be believed keeps nothing; and whoever may again asks everybody.
void Machine::judge_own(base::Nanos now, pki::Seconds wall) {
  const std::string before = own_fault_;
  own_judged_ = now;
  own_ends_ = 0;
  if (material_ == nullptr) {
    own_fault_ = material_fault_;
  } else {
    const auto verdict = pki::verify(material_->trust, material_->svid.chain, {.now = wall});
    own_fault_ = verdict.believed() ? "" : "own certificate: " + verdict.reason;
    own_ends_ = end_of(material_->svid.chain, wall);
  }
  if (!own_fault_.empty())
    for (auto& [name, link] : links_) lose(name, link);
  if (own_fault_.empty() && !before.empty())
    for (auto& [name, link] : links_) ask_now(link, now);
}

pki::Verification Machine::judge(const Evidence& evidence, const pki::SpiffeId& identity, pki::Seconds wall) const {
  return pki::verify(material_->trust, evidence.chain, {.now = wall, .identity = identity});
}

// When the next of the certificates ends that the verdict may rest on.
pki::Seconds Machine::end_of(const std::vector<pki::Certificate>& chain, pki::Seconds wall) const {
  pki::Seconds end = 0;
  const auto look = [&](const pki::Certificate& each) {
    if (each.not_after() >= wall && (end == 0 || each.not_after() < end)) end = each.not_after();
  };
  std::for_each(chain.begin(), chain.end(), look);
  std::for_each(material_->trust.roots().begin(), material_->trust.roots().end(), look);
  return end;
}

void Machine::keep(Link& link, Evidence evidence, pki::Seconds wall) {
  link.evidence_ends = end_of(evidence.chain, wall);
  link.evidence = std::move(evidence);
}

void Machine::check_evidence(const model::Name& name, Link& link, base::Nanos now, pki::Seconds wall) {
  if (!link.evidence) return;
  const auto verdict = judge(*link.evidence, link.identity, wall);
  link.evidence_ends = end_of(link.evidence->chain, wall);
  if (verdict.believed()) return;
  lose(name, link);
  fail(link, LinkState::kRefused, "certificate of the peer: " + verdict.reason, now);
}

void Machine::set_told(std::vector<model::PeerIdentity> told, base::Nanos now) {
  if (told == told_) return;
  told_ = std::move(told);
  for (auto& [name, link] : links_)
    if (link.peer->identities) ask_now(link, now);
}

// ---- time ----

void Machine::on_time(base::Nanos now, pki::Seconds wall) {
  const bool turned_back = wall < std::exchange(last_wall_, wall);
  const bool again = !own_fault_.empty() && material_ != nullptr && now >= own_judged_ + base::kNanosPerSecond;
  if (turned_back || again || (own_ends_ != 0 && wall > own_ends_)) judge_own(now, wall);
  if (now >= use_at_ + kUseEvery) check_use(now);
  for (auto& [name, link] : links_) {
    if (link.evidence && (turned_back || (link.evidence_ends != 0 && wall > link.evidence_ends)))
      check_evidence(name, link, now, wall);
    if (link.epoch != 0 && now >= link.ends_at) {
      lose_outbound(name, link);
      ask_now(link, now);
    }
    if (link.epoch != 0 && now >= link.rekey_at) link.ask = true;
    drop_old_sets(name, link, now);
    if (link.call != 0 || now < link.next_at || !own_fault_.empty()) continue;
    if (link.identity == material_->svid.id) {
      fail(link, LinkState::kRefused, "identity: is this gateway's own", now);
    } else {
      begin_call(name, link);
    }
  }
}

// What is nearly used up is changed; and what is not there, whatever the reason, is asked for again, or not spoken of
// as if it were.
void Machine::check_use(base::Nanos now) {
  use_at_ = now;
  std::map<model::Name, Use> used;
  for (Use& each : tunnels_.use()) used[each.peer] = std::move(each);
  for (auto& [name, link] : links_) {
    const Use& use = used[name];
    std::erase_if(link.sets, [&](const Link::Set& set) {
      return std::find(use.inbound.begin(), use.inbound.end(), set.epoch) == use.inbound.end();
    });
    if (link.epoch == 0) continue;
    if (!use.outbound) link.epoch = 0;
    if (!use.outbound || use.worn) ask_now(link, now);
  }
}

bool Machine::rekey(const model::Name& peer, base::Nanos now) {
  const auto link = links_.find(peer);
  if (link == links_.end()) return false;
  ask_now(link->second, now);
  return true;
}

void Machine::ask_now(Link& link, base::Nanos now) {
  link.ask = true;
  link.next_at = now;
  link.pause = 0;
}

void Machine::lose_outbound(const model::Name& name, Link& link) {
  if (link.epoch != 0) tunnels_.drop_outbound(name);
  link.epoch = 0;
  link.ask = true;
}

void Machine::lose(const model::Name& name, Link& link) {
  lose_outbound(name, link);
  for (const Link::Set& set : link.sets) tunnels_.drop_inbound(name, set.epoch);
  link.sets.clear();
  link.evidence.reset();
  link.call = 0;  // its answer comes too late
}

base::Nanos Machine::vary(base::Nanos time, double least, double most) {
  seed_ = seed_ * 6364136223846793005u + 1442695040888963407u;  // Knuth's; only spreads peers over time
  const double part = static_cast<double>(seed_ >> 40) / static_cast<double>(1u << 24);
  return static_cast<base::Nanos>(static_cast<double>(time) * (least + (most - least) * part));
}

// ---- as the sender ----

void Machine::begin_call(const model::Name& name, Link& link) {
  Call call;
  call.kind = link.ask ? CallKind::kOffer : CallKind::kBeat;
  call.number = link.call = ++last_call_;
  call.peer = name;
  call.target = link.peer->link_address().to_string();
  call.identity = link.identity;
  if (link.ask) {
    const model::Peer& peer = *link.peer;
    call.offer = {.instance = instance_,
                  .epoch = link.epoch,
                  .workers = workers_,
                  .cipher = peer.cipher,
                  .encapsulation = peer.encapsulation,
                  .extended_sequence = peer.extended_sequence,
                  .identities = peer.identities,
                  .path_mtu = peer.path_mtu,
                  .lifetime_seconds = peer.lifetime.seconds,
                  .prefixes = peer.prefixes};
    if (peer.identities) call.offer.told = told_;
  } else {
    call.epoch = link.epoch;
  }
  calls_.push_back(std::move(call));
}

std::optional<Call> Machine::next_call() {
  if (calls_.empty()) return std::nullopt;
  Call call = std::move(calls_.front());
  calls_.pop_front();
  return call;
}

// Null: nobody waits for the answer any more.
Machine::Link* Machine::awaiting(const Call& call) {
  const auto found = links_.find(call.peer);
  if (found == links_.end() || found->second.call != call.number) return nullptr;
  found->second.call = 0;
  return &found->second;
}

void Machine::fail(Link& link, LinkState state, std::string reason, base::Nanos now) {
  link.fault = state;
  link.reason = std::move(reason);
  ++link.failures;
  link.pause = std::clamp(2 * link.pause, kFirstPause, kLongestPause);
  link.next_at = now + vary(state == LinkState::kDisagreement ? kDisagreementPause : link.pause, 0.8, 1.0);
}

void Machine::on_failure(const Call& call, Failure failure, std::string reason, base::Nanos now) {
  Link* link = awaiting(call);
  if (link == nullptr) return;
  switch (failure) {
    case Failure::kBusy:
    case Failure::kUnreachable:
      return fail(*link, LinkState::kUnreachable, std::move(reason), now);
    case Failure::kRefused:
      if (link->stale) lose_outbound(call.peer, *link);
      return fail(*link, LinkState::kRefused, std::move(reason), now);
    case Failure::kDisagreement:
      if (link->stale) lose_outbound(call.peer, *link);  // nor will it take others until somebody changes a Peer
      return fail(*link, LinkState::kDisagreement, std::move(reason), now);
  }
}

void Machine::on_grant(const Call& call, const Grant& grant, Evidence evidence, base::Nanos now, pki::Seconds wall) {
  Link* const link = awaiting(call);
  if (link == nullptr || material_ == nullptr) return;
  if (const auto verdict = judge(evidence, link->identity, wall); !verdict.believed())
    return fail(*link, LinkState::kRefused, "certificate of the peer: " + verdict.reason, now);
  if (auto used = tunnels_.use_outbound(call.peer, link->peer->identity, grant); !used)
    return fail(*link, LinkState::kDisagreement, "what the peer granted: " + used.error(), now);
  const uint32_t seconds = shorter(link->peer->lifetime.seconds, grant.lifetime_seconds);
  keep(*link, std::move(evidence), wall);
  link->epoch = grant.epoch;
  link->peer_instance = grant.instance;
  link->stale = false;
  link->granted_at = now;
  link->ends_at = now + static_cast<base::Nanos>(seconds) * base::kNanosPerSecond;
  link->rekey_at = now + vary(link->ends_at - now, kSoonest, kLatest);
  link->accepted = grant.prefixes;
  link->unserved = grant.unserved;
  link->ask = false;
  link->fault = LinkState::kUp;
  link->reason.clear();
  link->pause = 0;
  link->next_at = now + vary(kBeatEvery, 0.8, 1.0);
  ++link->agreed_outbound;
}

void Machine::on_beat(const Call& call, uint64_t instance, bool has_set, base::Nanos now) {
  Link* const link = awaiting(call);
  if (link == nullptr) return;
  link->fault = LinkState::kUp;
  link->reason.clear();
  link->pause = 0;
  link->next_at = now + vary(kBeatEvery, 0.8, 1.0);
  link->stale = !has_set || instance != link->peer_instance;
  if (!link->stale) return;
  // Packets wait for new keys where they may not leave in clear; elsewhere they had better be lost.
  if (link->peer->encryption == model::Encryption::kRequired) lose_outbound(call.peer, *link);
  ask_now(*link, now);
}

// ---- people ----

LinkState Machine::state_of(const Link& link) const {
  if (!own_fault_.empty()) return LinkState::kNoIdentity;
  if (!link.inbound_reason.empty() || link.fault == LinkState::kDisagreement) return LinkState::kDisagreement;
  if (link.epoch != 0 && !link.sets.empty() && !link.stale) return LinkState::kUp;
  if (link.fault == LinkState::kUp || link.fault == LinkState::kIdle) return LinkState::kAgreeing;
  return link.fault;
}

// What the peer takes from is what it sees here, and sends to.
std::vector<std::string> Machine::differences_of(const Link& link) const {
  std::vector<std::string> all;
  for (const base::Prefix& each : unserved(link.accepted, served_))
    all.push_back("the peer sees " + each.to_string() + " behind this gateway, where nothing leads to it");
  for (const base::Prefix& each : link.unserved)
    all.push_back("this gateway sees " + each.to_string() +
                  " behind the peer, which says that nothing there leads to it");
  return all;
}

std::vector<LinkStatus> Machine::status() const {
  std::vector<LinkStatus> all;
  for (const auto& [name, link] : links_) {
    LinkStatus out;
    out.peer = name;
    out.state = state_of(link);
    out.reason = !own_fault_.empty() ? own_fault_ : !link.reason.empty() ? link.reason : link.inbound_reason;
    if (out.state == LinkState::kAgreeing && out.reason.empty())
      out.reason = link.epoch == 0 ? "asked for keys" : "waiting for the peer to ask for keys";
    out.identity = link.identity.text();
    out.link = link.peer->link_address().to_string();
    out.outbound = link.epoch != 0;
    out.inbound = !link.sets.empty();
    out.agreed_outbound = link.agreed_outbound;
    out.agreed_inbound = link.agreed_inbound;
    out.failures = link.failures;
    out.outbound_since = link.granted_at;
    out.accepted = link.accepted;
    out.differences = differences_of(link);
    all.push_back(std::move(out));
  }
  return all;
}

}  // namespace penstock::mesh
