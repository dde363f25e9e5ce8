// Packets that wait for keys: nothing leaves in clear while two gateways agree, and what asked for the tunnel first is
// not lost for it. Bounded in all, for each peer, and in time.
//
// One worker's. Owns what it holds. Order: packets of a peer leave as they came. Failure: wait() says no, and the
// packet is still the caller's.
#pragma once

#include <rte_mbuf.h>

#include <algorithm>
#include <array>
#include <cstdint>

#include "base/time.h"

namespace penstock::engine {

constexpr unsigned kKeyQueue = 256;          // packets of all peers; a round's own packets: they leave in one
constexpr unsigned kKeyQueuePerPeer = 64;    // a peer that never answers leaves room for three others
constexpr base::Millis kKeyPatience = 2000;  // twice what agreeing may take

class KeyQueue {
 public:
  bool empty() const { return count_ == 0; }
  unsigned held() const { return count_; }

  bool wait(rte_mbuf* packet, uint16_t peer, base::Millis now) {
    const auto of_peer = std::count_if(waiting_.begin(), waiting_.begin() + count_,
                                       [&](const Waiting& each) { return each.peer == peer; });
    if (count_ == kKeyQueue || of_peer >= kKeyQueuePerPeer) return false;
    waiting_[count_++] = {packet, now, peer};
    return true;
  }

  // Gives `go` the packets whose peer has keys, and `give_up` those that waited too long.
  template <typename HasKeys, typename Go, typename GiveUp>
  void release(base::Millis now, const HasKeys& has_keys, const Go& go, const GiveUp& give_up) {
    unsigned kept = 0;
    for (unsigned i = 0; i < count_; ++i) {
      const Waiting each = waiting_[i];
      if (has_keys(each.peer)) {
        go(each.packet);
      } else if (now - each.since >= kKeyPatience) {
        give_up(each.packet);
      } else {
        waiting_[kept++] = each;
      }
    }
    count_ = kept;
  }

 private:
  struct Waiting {
    rte_mbuf* packet;
    base::Millis since;
    uint16_t peer;
  };
  std::array<Waiting, kKeyQueue> waiting_;
  unsigned count_ = 0;
};

}  // namespace penstock::engine
