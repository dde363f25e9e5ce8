#include "l7/tcp/listener.h"

namespace penstock::tcp {

uint32_t Listeners::add(const ListenSpec& spec) {
  if (spec.first_port == 0 || spec.first_port > spec.last_port) return kNone;
  uint32_t free = all_.size() < kMax ? static_cast<uint32_t>(all_.size()) : kNone;
  for (uint32_t i = 0; i < all_.size(); ++i) {
    const Listener& l = all_[i];
    if (!l.live) {
      if (l.half_open == 0 && l.ready.empty()) free = std::min(free, i);
    } else if (l.spec.address == spec.address && l.spec.first_port <= spec.last_port &&
               spec.first_port <= l.spec.last_port) {
      return kNone;
    }
  }
  if (free == kNone) return kNone;
  if (free == all_.size()) all_.emplace_back();
  all_[free] = Listener{};
  all_[free].spec = spec;
  return free;
}

uint32_t Listeners::find(const base::IpAddress& address, uint16_t port) const {
  uint32_t wildcard = kNone;
  for (uint32_t i = 0; i < all_.size(); ++i) {
    const Listener& l = all_[i];
    if (!l.live || port < l.spec.first_port || port > l.spec.last_port) continue;
    if (l.spec.address == address) return i;
    if (l.spec.address.is_unspecified()) wildcard = i;
  }
  return wildcard;
}

bool Listeners::wants_cookie(uint32_t id, uint64_t source_hash) const {
  const Listener& l = all_[id];
  return l.spec.always_cookies || l.half_open >= l.spec.half_open ||
         by_source_[source_hash % kSourceSlots] >= l.spec.half_open_per_source;
}

void Listeners::on_half_open(uint32_t id, uint64_t source_hash, bool begins) {
  all_[id].half_open += begins ? 1 : -1U;
  by_source_[source_hash % kSourceSlots] += begins ? 1 : -1U;
}

}  // namespace penstock::tcp
