#include "engine/neighbours.h"

#include <cstring>

#include "engine/packet.h"
#include "engine/transmit.h"

namespace penstock::engine {

namespace {
constexpr unsigned kSweepStep = 16;  // entries looked at per call
}

Neighbours::Neighbours(unsigned worker, uint32_t capacity, const flow::HashSecret& secret,
                       base::SpscRing<flow::Event>& events, flow::WorkerCounters& counters, Transmit& transmit)
    : worker_(worker), secret_(secret), events_(events), counters_(counters), transmit_(transmit), map_(capacity) {}

uint64_t Neighbours::hash_of(const NeighbourKey& key) const {
  return flow::hash_of(key.address, key.interface, secret_);
}

void Neighbours::ask(const NeighbourKey& key, Neighbour& neighbour, base::Millis now) {
  neighbour.asked = true;
  neighbour.asked_at = now;
  flow::Event* event = events_.reserve();
  if (event == nullptr) return;  // asked again after kAskAgain
  event->kind = flow::EventKind::kWantNeighbour;
  event->worker = static_cast<uint8_t>(worker_);
  event->interface = static_cast<flow::InterfaceId>(key.interface);
  event->address = key.address;
  event->length = 0;
  events_.commit();
}

// The entry of the key, made when absent. Null: full.
Neighbour* Neighbours::look_up(const NeighbourKey& key) {
  const uint64_t hash = hash_of(key);
  Neighbour* neighbour = map_.find(key, hash);
  if (neighbour == nullptr) neighbour = map_.insert(key, hash);
  if (neighbour == nullptr) return nullptr;
  neighbour->reachable |= assume_resolved_;
  recent_[recent_slot(key)] = {key, neighbour};
  counters_.neighbours.set(map_.size());
  return neighbour;
}

Neighbour* Neighbours::find(flow::InterfaceId interface, base::IpAddress address, base::Millis now) {
  const NeighbourKey key{address, interface};
  const Recent& recent = recent_[recent_slot(key)];
  Neighbour* neighbour = recent.neighbour != nullptr && recent.key == key ? recent.neighbour : look_up(key);
  if (neighbour == nullptr) return nullptr;
  neighbour->last_used = now;
  const bool due = !neighbour->reachable || static_cast<int32_t>(now - neighbour->refresh_at) >= 0;
  if (due && (!neighbour->asked || base::since(neighbour->asked_at, now) >= kAskAgain)) ask(key, *neighbour, now);
  return neighbour;
}

bool Neighbours::wait(Neighbour& neighbour, rte_mbuf* frame, flow::InterfaceId interface, uint16_t port,
                      unsigned most) {
  if (neighbour.waiting >= most) return false;
  neighbour.port = port;
  neighbour.interface = interface;
  carry_of(frame).next_waiting = nullptr;
  if (neighbour.first == nullptr) {
    neighbour.first = frame;
  } else {
    carry_of(neighbour.last).next_waiting = frame;
  }
  neighbour.last = frame;
  ++neighbour.waiting;
  ++held_;
  return true;
}

// Sends what waited, or drops it under `reason` (kNone: send).
void Neighbours::release(Neighbour& neighbour, flow::DropReason reason) {
  for (rte_mbuf* frame = neighbour.first; frame != nullptr;) {
    rte_mbuf* next = carry_of(frame).next_waiting;
    --held_;
    if (reason == flow::DropReason::kNone) {
      std::memcpy(rte_pktmbuf_mtod(frame, uint8_t*), neighbour.mac.bytes.data(), 6);
      count_sent(counters_.interfaces[neighbour.interface].tx, frame);
      transmit_.send(neighbour.port, frame);
    } else {
      counters_.drops[static_cast<size_t>(reason)].add(1);
      rte_pktmbuf_free(frame);
    }
    frame = next;
  }
  neighbour.first = neighbour.last = nullptr;
  neighbour.waiting = 0;
}

void Neighbours::learn_address(const flow::NeighbourCommand& command, base::Millis now) {
  Neighbour* neighbour = look_up({command.address, command.interface});
  if (neighbour == nullptr) return;  // full: whoever needs it will ask again
  if (!neighbour->reachable) neighbour->last_used = now;
  neighbour->mac = command.mac;
  neighbour->reachable = true;
  neighbour->asked = false;
  neighbour->refresh_at = now + command.refresh_ms;
  release(*neighbour, flow::DropReason::kNone);
}

rte_mbuf* Neighbours::forget(const flow::NeighbourCommand& command) {
  const NeighbourKey key{command.address, command.interface};
  const uint64_t hash = hash_of(key);
  Neighbour* neighbour = map_.find(key, hash);
  if (neighbour == nullptr) return nullptr;
  rte_mbuf* waiting = neighbour->first;
  held_ -= neighbour->waiting;
  recent_[recent_slot(key)] = {};
  map_.erase(key, hash);
  counters_.neighbours.set(map_.size());
  return waiting;
}

rte_mbuf* Neighbours::next_waiting(rte_mbuf* frame) { return carry_of(frame).next_waiting; }

void Neighbours::sweep(base::Millis now) {
  map_.sweep(kSweepStep, [&](const NeighbourKey& key, Neighbour& neighbour) {
    if (base::since(neighbour.last_used, now) < (neighbour.reachable ? kForgetUnused : kGiveUp)) return true;
    recent_[recent_slot(key)] = {};
    release(neighbour, flow::DropReason::neighbour_failed);
    return false;
  });
  counters_.neighbours.set(map_.size());
}

void Neighbours::drop_waiting(flow::DropReason reason) {
  if (held_ == 0) return;
  map_.sweep(map_.capacity(), [&](const NeighbourKey&, Neighbour& neighbour) {
    release(neighbour, reason);
    return true;
  });
}

void Neighbours::drop_all(flow::DropReason reason) {
  map_.sweep(map_.capacity(), [&](const NeighbourKey&, Neighbour& neighbour) {
    release(neighbour, reason);
    return false;
  });
  recent_.fill({});
}

}  // namespace penstock::engine
