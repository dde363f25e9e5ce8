// One worker's table of next hops: (interface, address) -> MAC, with a bounded queue of packets for each that is not
// resolved yet. The control thread resolves (ARP, neighbour discovery) and tells the workers; a worker only asks.
//
// States: absent → kWaiting (asked) → kReachable → (refresh due, in use: asks again, keeps sending) → kReachable or
// absent. Full table: neighbour_table_full; full queue: neighbour_queue_full; no answer: neighbour_failed for all that
// waited.
#pragma once

#include <rte_mbuf.h>

#include <array>
#include <cstdint>

#include "base/address.h"
#include "base/spsc_ring.h"
#include "base/time.h"
#include "flow/bounded_map.h"
#include "flow/command.h"
#include "flow/counters.h"
#include "flow/generation.h"

namespace penstock::engine {

class Transmit;

struct NeighbourKey {
  base::IpAddress address;
  uint64_t interface = flow::kNoInterface;
  bool operator==(const NeighbourKey&) const = default;
};

struct Neighbour {
  base::MacAddress mac;
  bool reachable = false;
  bool asked = false;    // an answer is on its way
  uint16_t waiting = 0;  // packets in the queue
  uint16_t port = 0;     // where they will go
  flow::InterfaceId interface = flow::kNoInterface;
  base::Millis asked_at = 0, refresh_at = 0, last_used = 0;
  rte_mbuf* first = nullptr;  // linked through Carry::next_waiting
  rte_mbuf* last = nullptr;
};

constexpr base::Millis kAskAgain = 1000;  // an unanswered question is repeated to the control thread
constexpr base::Millis kGiveUp = 10'000;  // nobody asked for it any more, and the control thread never answered: its
                                          // packets must not bind buffers for ever
constexpr base::Millis kForgetUnused = 600'000;  // 10 minutes, as Linux gc_stale_time × 10

class Neighbours {
 public:
  Neighbours(unsigned worker, uint32_t capacity, const flow::HashSecret& secret, base::SpscRing<flow::Event>& events,
             flow::WorkerCounters& counters, Transmit& transmit);

  // The entry, asking for it when it is absent or due for refresh. Null: the table is full.
  // (The address by value: in registers, where a reference would be to words just stored.)
  Neighbour* find(flow::InterfaceId interface, base::IpAddress address, base::Millis now);

  // Keeps a frame that lacks only its destination MAC. False: the queue is full (the caller drops it).
  bool wait(Neighbour& neighbour, rte_mbuf* frame, flow::InterfaceId interface, uint16_t port, unsigned most);

  // What the control thread learned. Packets that waited are sent, or on failure given to unreachable(rte_mbuf*,
  // InterfaceId it came in by), which answers and frees them.
  template <typename Unreachable>
  void learn(const flow::NeighbourCommand& command, base::Millis now, Unreachable&& unreachable) {
    if (command.state == flow::NeighbourState::kReachable) return learn_address(command, now);
    for (rte_mbuf* frame = forget(command); frame != nullptr;) {
      rte_mbuf* next = next_waiting(frame);
      counters_.drops[static_cast<size_t>(flow::DropReason::neighbour_failed)].add(1);
      unreachable(frame);
      frame = next;
    }
  }

  // Ageing: visits a few entries. Once a round or less.
  void sweep(base::Millis now);

  void drop_all(flow::DropReason reason);              // shutdown
  void drop_waiting(flow::DropReason reason);          // what may not leave any more
  void assume_resolved() { assume_resolved_ = true; }  // Explain: every next hop answers, with an empty MAC
  uint64_t held() const { return held_; }
  size_t size() const { return map_.size(); }

 private:
  // Recently used entries by the last byte of the address: most packets go to few next hops.
  static constexpr size_t kRecent = 128;
  struct Recent {
    NeighbourKey key;
    Neighbour* neighbour = nullptr;
  };
  static size_t recent_slot(const NeighbourKey& key) { return (key.address.bytes[15] ^ key.interface) % kRecent; }

  Neighbour* look_up(const NeighbourKey& key);
  void learn_address(const flow::NeighbourCommand& command, base::Millis now);
  rte_mbuf* forget(const flow::NeighbourCommand& command);  // the packets that waited
  static rte_mbuf* next_waiting(rte_mbuf* frame);
  uint64_t hash_of(const NeighbourKey& key) const;
  void ask(const NeighbourKey& key, Neighbour& neighbour, base::Millis now);
  void release(Neighbour& neighbour, flow::DropReason reason);

  const unsigned worker_;
  const flow::HashSecret secret_;
  base::SpscRing<flow::Event>& events_;
  flow::WorkerCounters& counters_;
  Transmit& transmit_;
  flow::BoundedMap<NeighbourKey, Neighbour> map_;
  std::array<Recent, kRecent> recent_;
  uint64_t held_ = 0;
  bool assume_resolved_ = false;
};

}  // namespace penstock::engine
