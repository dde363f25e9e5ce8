// Tunnels of the mesh on the control thread: peers by name become slots of the live generation.
#include "control/loop/core.h"

namespace penstock::loop {

namespace {

constexpr const char* kNoPeer = "there is no such Peer";

}  // namespace

void ControlLoop::Core::keys_changed() {
  const std::lock_guard lock(keys_mutex_);
  ++keys_made_;
}

void ControlLoop::Core::publish_keys(base::Nanos now) {
  if (now >= keys_committed_at_ + kKeyBatch) commit_keys();
}

void ControlLoop::Core::commit_keys() {
  uint64_t made = 0;
  {
    const std::lock_guard lock(keys_mutex_);
    made = keys_made_;
    if (made == keys_committed_) return;
  }
  dataplane_.commit_peers();
  keys_committed_at_ = base::monotonic_now();
  {
    const std::lock_guard lock(shared_mutex_);
    ++shared_.control.key_commits;
  }
  {
    const std::lock_guard lock(keys_mutex_);
    keys_committed_ = made;
  }
  keys_done_.notify_all();
}

void ControlLoop::Core::settle() {
  std::unique_lock lock(keys_mutex_);
  const uint64_t made = keys_made_;
  keys_done_.wait(lock, [&] { return keys_committed_ >= made || keys_over_; });
}

std::optional<uint16_t> ControlLoop::Core::slot_of(const model::Name& peer) const {
  const auto live = publisher_.live();
  if (live == nullptr) return std::nullopt;
  const std::string name = peer.to_string();
  for (const flow::Peer& each : live->peers->by_slot)
    if (each.slot != flow::kNoPeer && each.name == name) return each.slot;
  return std::nullopt;
}

base::Result<mesh::Made> ControlLoop::Core::make_inbound(const model::Name& peer, const std::string& identity,
                                                         uint64_t epoch, unsigned senders) {
  using Result = base::Result<mesh::Made>;
  const auto make = [&]() -> Result {
    const auto slot = slot_of(peer);
    if (!slot) return base::Error{kNoPeer};
    auto made = dataplane_.make_inbound(*slot, identity, epoch, senders);
    if (made) keys_changed();
    return made;
  };
  return urgently<Result>(make, [](const std::string& why) { return Result(base::Error{why}); });
}

base::Result<void> ControlLoop::Core::use_outbound(const model::Name& peer, const std::string& identity,
                                                   const mesh::Grant& grant) {
  using Result = base::Result<void>;
  const auto use = [&]() -> Result {
    const auto slot = slot_of(peer);
    if (!slot) return base::Error{kNoPeer};
    auto used = dataplane_.use_outbound(*slot, identity, grant);
    if (used) keys_changed();
    return used;
  };
  return urgently<Result>(use, [](const std::string& why) { return Result(base::Error{why}); });
}

base::Result<void> ControlLoop::Core::learn_identities(const model::Name& peer, const std::string& identity,
                                                       const std::vector<model::PeerIdentity>& told) {
  using Result = base::Result<void>;
  const auto learn = [&]() -> Result {
    const auto object = state_->peers.find(peer);
    const bool known = object != state_->peers.end() && object->second->identity == identity;
    if (!known && !told.empty()) return base::Error{kNoPeer};
    if (auto taken = compiler_.set_peer_identities(peer, told); !taken || !known) return taken;
    ApplyResult result;
    if (!republish(result)) return base::Error{result.errors.empty() ? result.failure : result.errors[0].to_string()};
    wait_adopted(result);  // before the first packet that has one of the numbers
    return {};
  };
  return urgently<Result>(learn, [](const std::string& why) { return Result(base::Error{why}); });
}

void ControlLoop::Core::drop_inbound(const model::Name& peer, uint64_t epoch) {
  const auto drop = [&] {
    if (const auto slot = slot_of(peer)) dataplane_.drop_inbound(*slot, epoch);
    keys_changed();
    return true;
  };
  urgently<bool>(drop, [](const std::string&) { return false; });  // the loop has ended, and the tunnel with it
}

void ControlLoop::Core::drop_outbound(const model::Name& peer) {
  const auto drop = [&] {
    if (const auto slot = slot_of(peer)) dataplane_.drop_outbound(*slot);
    keys_changed();
    return true;
  };
  urgently<bool>(drop, [](const std::string&) { return false; });
}

std::vector<mesh::Use> ControlLoop::Core::use() {
  settle();  // what was just made is there
  std::vector<mesh::Use> all;
  const auto generation = shared().generation;
  if (generation == nullptr) return all;
  const auto& peers = generation->peers->by_slot;
  for (Dataplane::AssociationUse& each : dataplane_.association_use()) {
    if (each.peer >= peers.size() || peers[each.peer].slot == flow::kNoPeer) continue;
    const std::string& name = peers[each.peer].name;
    const auto slash = name.find('/');
    all.push_back({{name.substr(0, slash), name.substr(slash + 1)}, each.outbound, each.worn, std::move(each.inbound)});
  }
  return all;
}

void ControlLoop::Core::set_own_identity(const std::string& identity) {
  const std::lock_guard lock(shared_mutex_);
  shared_.own_identity = identity;
}

void ControlLoop::Core::refuse_own_identity(const model::State& next, model::FieldErrors& errors) const {
  const std::string own = shared().own_identity;
  if (own.empty()) return;
  for (const auto& [name, peer] : next.peers)
    if (peer->identity == own)
      errors.push_back({"Peer/" + name.to_string(), "spec.identity", own + " is this gateway's own"});
}

void ControlLoop::set_own_identity(const std::string& identity) { core_->set_own_identity(identity); }
mesh::Tunnels& ControlLoop::tunnels() { return *core_; }

}  // namespace penstock::loop
