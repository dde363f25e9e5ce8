// Rules of Peer. Peers are looked at together: what one says can be wrong only beside another.
#include <algorithm>

#include "control/model/validation.h"

namespace penstock::model {

namespace {

constexpr uint32_t kReplayStep = 64;
constexpr int32_t kMaxPriority = 1'000'000;

std::string path_of(size_t address) {  // in Peer::addresses()
  return address == 0 ? "spec.address" : text("spec.addresses[", address - 1, "]");
}

void validate_address(const Peer& peer, const Surroundings& around, ObjectFaults& faults) {
  const auto is_own = [&](const base::IpAddress& address) {
    return std::any_of(around.connected.begin(), around.connected.end(),
                       [&](const Connected& c) { return c.prefix.address == address; });
  };
  const std::vector<base::IpAddress> all = peer.addresses();
  if (all.size() > kMaxPeerAddresses) {
    faults.add("spec.addresses", text("too many (at most ", kMaxPeerAddresses, " with spec.address)"));
    return;
  }
  for (size_t i = 0; i < all.size(); ++i) {
    if (const char* why = why_no_host(all[i])) faults.add(path_of(i), text(all[i].to_string(), " ", why));
    if (is_own(all[i])) faults.add(path_of(i), text(all[i].to_string(), " is this gateway's own"));
    if (std::find(all.begin(), all.begin() + static_cast<ptrdiff_t>(i), all[i]) !=
        all.begin() + static_cast<ptrdiff_t>(i))
      faults.add(path_of(i), text(all[i].to_string(), " is there already"));
  }
  if (!peer.local) return;
  if (peer.local->is_v4() != peer.address.is_v4())
    faults.add("spec.localAddress",
               text("is ", family(peer.local->is_v4()), ", but the peer's is ", family(peer.address.is_v4())));
  if (!is_own(*peer.local))
    faults.add("spec.localAddress", text(peer.local->to_string(), " is not an address of this gateway"));
}

void validate_numbers(const Peer& peer, ObjectFaults& faults) {
  if (peer.path_mtu != 0)
    want_range(faults, "spec.pathMtu", peer.path_mtu, peer.address.is_v4() ? kMinMtu4 : kMinMtu6, kMaxMtu, "bytes");
  want_range(faults, "spec.weight", peer.weight, 1, kMaxHopWeight);
  if (peer.priority < -kMaxPriority || peer.priority > kMaxPriority)
    faults.add("spec.priority",
               text(peer.priority, " is out of range (want ", -kMaxPriority, " to ", kMaxPriority, ")"));
  if (peer.replay_window == 0) {
    if (peer.extended_sequence)
      faults.add("spec.replayWindow", "0 needs extendedSequenceNumbers false: the window knows their higher half");
    return;
  }
  if (peer.replay_window % kReplayStep != 0)
    faults.add("spec.replayWindow", text(peer.replay_window, " is no multiple of ", kReplayStep));
  want_range(faults, "spec.replayWindow", peer.replay_window, kMinReplayWindow, kMaxReplayWindow, "packets");
}

void validate_liveness(const Peer& peer, ObjectFaults& faults) {
  if (!peer.more.empty() && !liveness_of(peer))
    faults.add("spec.liveness", "is missing: without it nobody knows when to take another of spec.addresses");
  if (!peer.liveness) return;
  if (peer.encryption == Encryption::kOff) faults.add("spec.liveness", "has no use with encryption Off");
  want_range(faults, "spec.liveness.interval", peer.liveness->interval_milliseconds, kMinLivenessInterval,
             kMaxLivenessInterval, "ms");
  want_range(faults, "spec.liveness.misses", peer.liveness->misses, 1, kMaxLivenessMisses);
}

void validate_lifetime(const Lifetime& lifetime, ObjectFaults& faults) {
  want_range(faults, "spec.lifetime.time", lifetime.seconds, kMinLifetimeSeconds, kMaxLifetimeSeconds, "seconds");
  if (lifetime.packets != 0)
    want_range(faults, "spec.lifetime.packets", lifetime.packets, kMinLifetimePackets, UINT64_MAX);
  if (lifetime.bytes != 0) want_range(faults, "spec.lifetime.bytes", lifetime.bytes, kMinLifetimeBytes, UINT64_MAX);
}

// Keys come from a file, or are agreed with whoever has the identity.
void validate_keys(const Peer& peer, const State& state, ObjectFaults& faults) {
  const bool agrees = !peer.identity.empty();
  if (!agrees && peer.link) faults.add("spec.link", "has no use without identity");
  if (!agrees && peer.lifetime != Lifetime{}) faults.add("spec.lifetime", "has no use without identity");
  if (peer.encryption == Encryption::kOff) {
    if (!peer.key_file.empty()) faults.add("spec.staticKeys", "has no use with encryption Off");
    if (agrees) faults.add("spec.identity", "has no use with encryption Off");
    return;
  }
  if (!agrees) {
    if (peer.key_file.empty()) {
      faults.add("spec.identity", "is missing: the peer's SPIFFE ID, or staticKeys in its place");
    } else {
      want_path(faults, "spec.staticKeys.file", peer.key_file);
    }
    return;
  }
  if (!peer.key_file.empty()) faults.add("spec.staticKeys", "either this or identity");
  if (!state.node || !state.node->mesh)
    faults.add("spec.identity", "needs the Node's own identity: Node spec.mesh is missing");
  if (peer.replay_window == 0) faults.add("spec.replayWindow", "0 is for static keys: agreed ones survive no restart");
  const LinkAddress link = peer.link_address();
  if (const char* why = peer.link && !link.address.is_loopback() ? why_no_host(link.address) : nullptr)
    faults.add("spec.link", text(link.address.to_string(), " ", why));
  if (link.port == 0) faults.add("spec.link", "port 0 is none (want 1 to 65535)");
  validate_lifetime(peer.lifetime, faults);
}

using Sharers = std::map<base::Prefix, const Peer*>;  // the first of those that name a prefix

// A tunnel whose own packets lead into a tunnel never comes to an end.
void validate_reach(const Peer& peer, const std::set<base::IpAddress>& addresses, const Surroundings& around,
                    Sharers& sharers, ObjectFaults& faults) {
  if (peer.prefixes.empty()) faults.add("spec.prefixes", "at least one prefix is needed");
  if (peer.prefixes.size() > kMaxPeerPrefixes) {
    faults.add("spec.prefixes", text("too many (at most ", kMaxPeerPrefixes, ")"));
    return;
  }
  validate_prefixes(peer.prefixes, "spec.prefixes", faults);
  for (size_t i = 0; i < peer.prefixes.size(); ++i) {
    const base::Prefix& prefix = peer.prefixes[i];
    const std::string at = text("spec.prefixes[", i, "]");
    if (const auto inside = addresses.lower_bound(prefix.network().address);
        inside != addresses.end() && prefix.contains(*inside))
      faults.add(at, text(prefix.to_string(), " holds ", inside->to_string(), ", the address of a peer"));
    // What comes from there in clear is refused, or it is not.
    if (const Peer* first = sharers.try_emplace(prefix.network(), &peer).first->second;
        (first->encryption == Encryption::kRequired) != (peer.encryption == Encryption::kRequired))
      faults.add(at, text(prefix.to_string(), " is also behind Peer/", first->name.to_string(),
                          ": encryption is Required of both or of none"));
    for (const Connected& own : around.connected)
      if (own.prefix.network() == prefix.network())
        faults.add(at, text(prefix.to_string(), " is on the link of interface \"", own.interface, "\""));
  }
}

}  // namespace

void validate_peers(const Surroundings& around, Faults& all) {
  std::set<base::IpAddress> addresses;
  std::map<base::IpAddress, const Peer*> users;
  std::map<std::string, const Peer*> identities;
  Sharers sharers;
  for (const auto& [name, peer] : around.state.peers)
    for (const base::IpAddress& address : peer->addresses()) addresses.insert(address);
  for (const auto& [name, peer] : around.state.peers) {
    ObjectFaults faults(all, Kind::kPeer, name);
    validate_name(faults, name);
    validate_address(*peer, around, faults);
    validate_reach(*peer, addresses, around, sharers, faults);
    validate_numbers(*peer, faults);
    validate_keys(*peer, around.state, faults);
    validate_liveness(*peer, faults);
    validate_peer_encryption(*peer, around.state, faults);
    validate_peer_identities(*peer, faults);
    const std::vector<base::IpAddress> own = peer->addresses();
    for (size_t i = 0; i < own.size(); ++i)
      if (const auto [user, fresh] = users.try_emplace(own[i], peer.get()); !fresh && user->second != peer.get())
        faults.add(path_of(i),
                   text(own[i].to_string(), " is already the address of Peer/", user->second->name.to_string()));
    if (peer->identity.empty()) continue;
    const auto [owner, alone] = identities.try_emplace(peer->identity, peer.get());
    if (!alone) faults.add("spec.identity", text("is already that of Peer/", owner->second->name.to_string()));
  }
}

}  // namespace penstock::model
