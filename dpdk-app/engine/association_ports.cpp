// Associations and the ports that do inline crypto: who gets a key, and when a key may go.
#include <algorithm>
#include <chrono>
#include <thread>

#include "engine/associations.h"
#include "flow/shard.h"

namespace penstock::engine {

bool Associations::place_keys() {
  if (!keyring_.in_use()) return false;
  const std::lock_guard lock(lock_);
  const auto strip = [this](const auto& sa) { keyring_.strip(*sa); };
  for (const Retired& each : retired_) {
    if (each.outbound != nullptr) std::for_each(each.outbound->begin(), each.outbound->end(), strip);
    if (each.inbound != nullptr) std::for_each(each.inbound->begin(), each.inbound->end(), strip);
  }
  const bool all = keyring_.take_changed();
  const auto place = [&](uint16_t slot, size_t worker, crypto::Sa& sa) {
    if (all || !InlineKeyring::is_placed(sa)) keyring_.place(slot, static_cast<unsigned>(worker), sa);
  };
  for (const auto& [slot, peer] : live_) {
    for (size_t k = 0; peer.outbound != nullptr && k < peer.outbound->size(); ++k)
      place(slot, k % workers_, *(*peer.outbound)[k]);
    for (const auto& [epoch, set] : peer.inbound)
      for (const auto& sa : *set) place(slot, flow::owner_of(sa->spi(), workers_), *sa);
  }
  return keyring_.taken();
}

void Associations::add_port(std::shared_ptr<crypto::InlinePort> port) {
  {
    const std::lock_guard lock(lock_);
    keyring_.add(std::move(port));
  }
  if (place_keys()) hand_over();
}

void Associations::remove_port(uint16_t port) {
  std::shared_ptr<crypto::InlinePort> gone;
  {
    const std::lock_guard lock(lock_);
    gone = keyring_.remove(port);
  }
  if (gone == nullptr) return;
  if (place_keys()) hand_over();
  std::this_thread::sleep_for(std::chrono::nanoseconds(kDrain));
  const std::lock_guard lock(lock_);
  keyring_.drain(base::monotonic_now());
}

void Associations::set_ways(InlineKeyring::Ways ways) {
  const std::lock_guard lock(lock_);
  keyring_.set_ways(std::move(ways));
}

void Associations::tidy() {
  {
    const std::lock_guard lock(lock_);
    keyring_.drain(base::monotonic_now());
    keyring_.note_failures();
  }
  if (place_keys()) hand_over();
}

}  // namespace penstock::engine
