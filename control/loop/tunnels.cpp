// Tunnels of the mesh on the control thread: peers by name become slots of the live generation.
#include "control/loop/core.h"

namespace penstock::loop {

namespace {

constexpr const char* kNoPeer = "there is no such Peer";

}  // namespace

std::optional<uint16_t> ControlLoop::Core::slot_of(const model::Name& peer) const {
  const auto live = publisher_.live();
  if (live == nullptr) return std::nullopt;
  const std::string name = peer.to_string();
  for (const flow::Peer& each : live->peers->by_slot)
    if (each.slot != flow::kNoPeer && each.name == name) return each.slot;
  return std::nullopt;
}

base::Result<std::vector<mesh::Association>> ControlLoop::Core::make_inbound(const model::Name& peer, uint64_t epoch,
                                                                             unsigned senders) {
  using Made = base::Result<std::vector<mesh::Association>>;
  const auto make = [&]() -> Made {
    const auto slot = slot_of(peer);
    return slot ? dataplane_.make_inbound(*slot, epoch, senders) : Made(base::Error{kNoPeer});
  };
  return call<Made>(0, make, [](const std::string& why) { return Made(base::Error{why}); });
}

base::Result<void> ControlLoop::Core::use_outbound(const model::Name& peer, const mesh::Grant& grant) {
  using Used = base::Result<void>;
  const auto use = [&]() -> Used {
    const auto slot = slot_of(peer);
    return slot ? dataplane_.use_outbound(*slot, grant) : Used(base::Error{kNoPeer});
  };
  return call<Used>(0, use, [](const std::string& why) { return Used(base::Error{why}); });
}

void ControlLoop::Core::drop_inbound(const model::Name& peer, uint64_t epoch) {
  const auto drop = [&] {
    if (const auto slot = slot_of(peer)) dataplane_.drop_inbound(*slot, epoch);
    return true;
  };
  call<bool>(0, drop, [](const std::string&) { return false; });
}

void ControlLoop::Core::drop_outbound(const model::Name& peer) {
  const auto drop = [&] {
    if (const auto slot = slot_of(peer)) dataplane_.drop_outbound(*slot);
    return true;
  };
  call<bool>(0, drop, [](const std::string&) { return false; });
}

std::vector<mesh::Use> ControlLoop::Core::use() {
  std::vector<mesh::Use> all;
  const auto generation = shared().generation;
  if (generation == nullptr) return all;
  const auto& peers = generation->peers->by_slot;
  for (const Dataplane::OutboundUse& each : dataplane_.outbound_use()) {
    if (each.peer >= peers.size() || peers[each.peer].slot == flow::kNoPeer) continue;
    const std::string& name = peers[each.peer].name;
    const auto slash = name.find('/');
    all.push_back({{name.substr(0, slash), name.substr(slash + 1)}, each.worn});
  }
  return all;
}

mesh::Tunnels& ControlLoop::tunnels() { return *core_; }

}  // namespace penstock::loop
