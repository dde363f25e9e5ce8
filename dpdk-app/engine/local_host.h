// Who terminates TCP connections on a worker, as the engine sees it: given the packets for them once per burst, asked
// for its own packets once per round. l7/host implements it; the engine knows nothing of what is said.
//
// A virtual interface on the packet path, because the engine may not know the rooms above it; its cost is per burst,
// never per packet (DECISIONS). All calls come from the worker's thread. Packets stay the engine's: what absorb() wants
// to keep it copies.
#pragma once

#include "engine/packet.h"

namespace penstock::engine {

class LocalHost {
 public:
  virtual ~LocalHost() = default;

  // The worker has a new generation; the old one may go when this returns.
  virtual void adopt(const flow::Generation& generation) = 0;
  // TCP packets to own addresses, keys filled. Those of connections that are open get `terminates`, and the state that
  // the filter lets answers pass with.
  virtual void recognise(Packet* const* packets, unsigned count) = 0;
  // An ICMP error about a packet of its own, which it quotes; `key` is that of the answer that will not come. False: it
  // is about no connection of this worker.
  virtual bool learn(const Packet& error, const flow::FlowKey& key, base::Nanos now) = 0;
  // Packets for connections and listeners: state changes only, nothing is said yet.
  virtual void absorb(Packet* const* packets, unsigned count, base::Nanos now) = 0;
  // Up to `room` packets that begin with an Ethernet header whose addresses are still open; 0: nothing more to say now.
  virtual unsigned act(base::Nanos now, rte_mbuf** out, unsigned room) = 0;
  // It has connections: packets may be for it though nothing listens.
  virtual bool busy() const = 0;
};

}  // namespace penstock::engine
