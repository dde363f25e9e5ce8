// Other gateways: which of them are asked whether they are alive, and what becomes of what they answer. A change takes
// the road from `compile` on (control_loop.h).
#include <algorithm>

#include "control/loop/core.h"
#include "control/loop/log.h"

namespace penstock::loop {
namespace {

model::Name name_of(const std::string& peer) {  // "namespace/name"
  const size_t slash = peer.find('/');
  return {peer.substr(0, slash), peer.substr(slash + 1)};
}

const flow::Peer* tunnel_of(const flow::Generation* generation, uint16_t slot) {
  if (generation == nullptr || slot >= generation->peers->by_slot.size()) return nullptr;
  const flow::Peer& peer = generation->peers->by_slot[slot];
  return peer.slot == slot ? &peer : nullptr;
}

}  // namespace

// The machine has what the live generation has, and the view only what the machine has.
void ControlLoop::Core::refresh_peers() {
  const base::Nanos now = base::monotonic_now();
  const auto live = publisher_.live();
  std::set<uint16_t> wanted;
  std::set<model::Name> names;
  std::set<uint16_t> slots;
  for (const flow::Peer& tunnel : live->peers->by_slot) {
    if (tunnel.slot == flow::kNoPeer) continue;
    const model::Name name = name_of(tunnel.name);
    names.insert(name);
    slots.insert(tunnel.slot);
    const auto peer = state_->peers.find(name);
    const auto asked = peer == state_->peers.end() ? std::nullopt : model::liveness_of(*peer->second);
    if (!asked) continue;
    const liveness::Settings settings{asked->interval_milliseconds * liveness::kMillisecond, asked->misses};
    std::vector<uint16_t> ceilings;
    for (const flow::PeerPath& path : tunnel.paths)
      ceilings.push_back(asked->search_path_mtu ? path.configured_mtu : uint16_t{0});
    liveness_.set(tunnel.slot, settings, peer->second->addresses(), now, ceilings);
    wanted.insert(tunnel.slot);
  }
  for (const uint16_t slot : liveness_.peers())
    if (!wanted.contains(slot)) liveness_.remove(slot);
  for (const uint16_t slot : slots) note_peer(slot);
  path_mtus_.keep(slots);
  peers_dirty_ |= std::erase_if(peer_view_, [&](const auto& entry) { return !names.contains(entry.first); }) != 0;
}

// What the compiler is to know of it.
void ControlLoop::Core::note_peer(uint16_t slot) {
  const auto live = publisher_.live();
  const flow::Peer* tunnel = tunnel_of(live.get(), slot);
  if (tunnel == nullptr) return;
  compile::PeerState next;
  next.up = liveness_.is_up(slot);
  const auto paths = liveness_.paths(slot);
  if (!paths.empty()) next.active = paths[liveness_.active(slot)].address;
  next.path_mtus = path_mtus_.of(slot);
  for (const liveness::PathStatus& path : paths)
    if (path.mtu != 0) {
      uint16_t& mtu = next.path_mtus.try_emplace(path.address, path.mtu).first->second;
      mtu = std::min(mtu, path.mtu);
    }
  const model::Name name = name_of(tunnel->name);
  const auto known = peer_view_.find(name);
  if (next == (known == peer_view_.end() ? compile::PeerState{} : known->second)) return;
  peer_view_[name] = std::move(next);
  peers_dirty_ = true;
}

void ControlLoop::Core::on_probe_answer(const flow::Event& event, base::Nanos now) {
  liveness_.on_answer(event.peer, event.path, event.sequence, event.round_trip, now);
}

void ControlLoop::Core::run_liveness(base::Nanos now) {
  liveness_.on_deadline(now);
  while (const auto slot = path_mtus_.next_aged(now)) note_peer(*slot);
  while (const auto probe = liveness_.next_probe()) {
    flow::ProbeCommand command;
    command.peer = probe->peer;
    command.path = probe->path;
    command.sequence = probe->sequence;
    command.size = probe->size;
    outbox_.probe(command);
  }
  const auto live = publisher_.live();
  while (const auto change = liveness_.next_change()) {
    const flow::Peer* tunnel = tunnel_of(live.get(), change->peer);
    const auto paths = liveness_.paths(change->peer);
    if (tunnel == nullptr || change->path >= paths.size()) continue;
    const std::string address = paths[change->path].address.to_string();
    switch (change->kind) {
      case liveness::Change::Kind::kPath:
        log::info(change->up ? "path to peer is up" : "path to peer is down",
                  {{"peer", tunnel->name}, {"address", address}});
        break;
      case liveness::Change::Kind::kActive:
        log::warn("peer is reached by another address", {{"peer", tunnel->name}, {"address", address}});
        break;
      case liveness::Change::Kind::kMtu:
        log::info(change->up ? "the path to a peer carries more" : "the path to a peer carries less",
                  {{"peer", tunnel->name},
                   {"address", address},
                   {"path_mtu", std::to_string(paths[change->path].mtu)},
                   {"found_by", "probes"}});
        break;
      case liveness::Change::Kind::kPeer:
        log::warn(change->up ? "peer is up" : "peer is down", {{"peer", tunnel->name}});
        break;
    }
    note_peer(change->peer);
  }
}

// A message about the size of an outer packet. What it must show is in liveness/path_mtu.h.
bool ControlLoop::Core::take_too_big(base::Bytes frame, base::Nanos now) {
  const auto live = publisher_.live();
  const auto told = liveness::parse_too_big(frame);
  if (!told || live == nullptr) return false;
  if (now >= too_big_since_ + base::kNanosPerSecond) {
    too_big_since_ = now;
    too_big_ = 0;
  }
  const auto refuse = [this] {
    const std::lock_guard lock(shared_mutex_);
    ++shared_.control.path_mtu_refused;
    return true;
  };
  if (++too_big_ > kTooBigPerSecond) return refuse();
  for (const flow::Peer& tunnel : live->peers->by_slot) {
    const auto path = std::find_if(tunnel.paths.begin(), tunnel.paths.end(), [&](const flow::PeerPath& each) {
      return each.remote == told->remote && each.local == told->local;
    });
    if (tunnel.slot == flow::kNoPeer || path == tunnel.paths.end()) continue;
    const auto all = dataplane_.associations();
    const bool ours = std::any_of(all.begin(), all.end(), [&](const AssociationInfo& each) {
      return each.outbound && each.peer == tunnel.slot && each.spi == told->spi;
    });
    if (!ours) return refuse();
    if (path_mtus_.learn(tunnel.slot, told->remote, told->mtu, path->path_mtu, now)) {
      log::info("the path to a peer carries less", {{"peer", tunnel.name},
                                                    {"address", told->remote.to_string()},
                                                    {"path_mtu", std::to_string(told->mtu)},
                                                    {"found_by", "router"}});
      liveness_.on_too_big(tunnel.slot, told->remote, told->mtu, now);
      note_peer(tunnel.slot);
    }
    return true;
  }
  return refuse();
}

void ControlLoop::Core::publish_peers(base::Nanos now) {
  if (!peers_dirty_ || now < peers_published_ + kPeerBatch) return;
  peers_dirty_ = false;
  peers_published_ = now;
  ApplyResult result;
  if (!republish(result)) {
    log::error("cannot compile the new state of peers",
               {{"reason", result.errors.empty() ? result.failure : result.errors[0].to_string()}});
  }
}

}  // namespace penstock::loop
