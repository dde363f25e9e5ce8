// Commands on their way to the workers: kept until the worker is done with them, retried while its ring is full.
//
// Control thread only. Bounded: kMaxWaiting commands a worker; beyond, the oldest that was not handed over yet is lost
// (frames are repeated by their protocols, neighbours are asked for again). Commands that a worker still holds when the
// outbox goes are given up to it, not freed.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "control/loop/dataplane.h"
#include "flow/command.h"

namespace penstock::loop {

constexpr size_t kMaxWaiting = 16384;  // announcements of 10,000 addresses fit; about 100 bytes each

class Outbox {
 public:
  explicit Outbox(Dataplane& dataplane) : dataplane_(dataplane) {}
  ~Outbox();
  Outbox(const Outbox&) = delete;

  void set_workers(size_t count);
  size_t workers() const { return lanes_.size(); }
  void neighbour(const flow::NeighbourCommand& prototype);  // to every worker
  void probe(const flow::ProbeCommand& prototype);          // by the worker that has the first lane of every peer
  void inject(unsigned worker, flow::InterfaceId interface, flow::InjectAs as, std::vector<uint8_t> frame);

  // Frees what is done and hands over what waited.
  void pump();
  // At the end: forgets what waits and gives the workers until `deadline` to finish what they have.
  void finish(base::Nanos deadline);
  uint64_t lost() const { return lost_; }

 private:
  struct Item {  // exactly one is set; commands have no virtual destructor
    std::unique_ptr<flow::NeighbourCommand> neighbour;
    std::unique_ptr<flow::InjectCommand> inject;
    std::unique_ptr<flow::ProbeCommand> probe;
    flow::Command* get() const {
      if (neighbour) return neighbour.get();
      return inject ? static_cast<flow::Command*>(inject.get()) : probe.get();
    }
  };
  struct Lane {
    std::deque<Item> waiting, flying;
  };
  void post(Lane& lane, Item item);

  Dataplane& dataplane_;
  std::deque<Lane> lanes_;  // lanes do not move
  uint64_t lost_ = 0;
};

}  // namespace penstock::loop
