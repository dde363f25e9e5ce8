// A port while it is used: its link, its address resolution, and the packets that wait to be sent.
//
// A packet belongs to the port once it is pushed; it is sent when the link took it, and only then counted
// (Stream::left). What the link refuses stays in front and is offered again; for how long it was full is kept, so that
// what was late is blamed on the right one. One thread; no allocation but packets from the pool.
#pragma once

#include <rte_mbuf.h>

#include <memory>

#include "generator/neighbours.h"
#include "packets/link.h"
#include "packets/receiver.h"
#include "packets/spec.h"
#include "packets/stream.h"

namespace penstock::load {

class Port {
 public:
  struct Counts {
    uint64_t received = 0;  // everything
    uint64_t foreign = 0;   // neither ours nor address resolution
    uint64_t stale = 0;     // ours, of an earlier trial
    uint64_t answered = 0;  // ARP and neighbour solicitations
  };

  Port(const PortSpec& spec, unsigned index, std::unique_ptr<Link> link, const base::MacAddress& own, rte_mempool* pool)
      : spec_(spec), index_(index), link_(std::move(link)), pool_(pool), neighbours_(spec, own) {}

  const PortSpec& spec() const { return spec_; }
  Link& link() { return *link_; }
  const Neighbours& neighbours() const { return neighbours_; }
  const Counts& counts() const { return counts_; }
  uint64_t missed() const;  // of the trial: dropped on arrival, for want of room

  void restart();
  void ask_for_gateway(Cycles now);

  bool has_room() const { return waiting_ < Link::kBurst; }
  unsigned waiting() const { return waiting_; }
  // The stream's next packet, behind those that wait; false: no memory for it.
  bool push(Stream& stream, Cycles now, const Clock& clock);
  bool flush(Cycles now, const Clock& clock);  // true: some were sent
  void abandon();                              // what waits is never sent

  // One burst; how many packets came.
  unsigned receive(Receiver& receiver, const Clock& clock);

 private:
  void judge(rte_mbuf* packet, Receiver& receiver, Cycles now, uint64_t nanos);
  void say(base::Bytes frame, Cycles now);

  const PortSpec& spec_;
  const unsigned index_;
  const std::unique_ptr<Link> link_;
  rte_mempool* const pool_;
  Neighbours neighbours_;
  Counts counts_;
  uint64_t missed_before_ = 0;

  rte_mbuf* packets_[Link::kBurst];
  Stream* owners_[Link::kBurst];
  uint16_t lengths_[Link::kBurst];
  Cycles dues_[Link::kBurst];
  uint16_t waiting_ = 0;
  bool full_ = false;                 // the link did not take all when it was last offered some,
  Cycles offered_ = 0, blocked_ = 0;  // which was then; for how long it was full in this trial
};

}  // namespace penstock::load
