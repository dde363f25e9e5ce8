// A way between two ports of one generator, without a device: what one sends arrives at the other, in order, through a
// test stage that harms packets exactly as told (perf/LAB.md, "stages"). The lab measures itself with it.
//
// The stage counts the packets of a trial from 1: the n-th, 2n-th, … is dropped, sent twice, changed in one bit behind
// the transport header, or held until `by` others overtook it (or for 10 ms when none come). Before the first trial the
// way is clear: gateways are found over it.
//
// Memory: room for kRoom packets, once; a full way takes no more. One thread.
#pragma once

#include <vector>

#include "packets/link.h"
#include "packets/spec.h"

namespace penstock::load {

class Way {
 public:
  static constexpr size_t kRoom = 1u << 16;

  Way(const StageSpec& stage, const Clock& clock, rte_mempool* pool);

  void restart() {
    seen_ = 0;
    clear_ = false;
  }
  bool take(rte_mbuf* packet, Cycles now);  // false: full, and nothing was done
  rte_mbuf* give(Cycles now);               // nullptr: none has arrived yet

 private:
  struct Travelling {
    rte_mbuf* packet;
    Cycles arrival;
  };

  void put(rte_mbuf* packet, Cycles arrival) { queue_[(first_ + used_++) % kRoom] = {packet, arrival}; }
  void release_held(Cycles now);
  void corrupt(rte_mbuf* packet) const;

  const StageSpec stage_;
  const Cycles delay_, longest_hold_;
  rte_mempool* const pool_;
  std::vector<Travelling> queue_;
  size_t first_ = 0, used_ = 0;
  bool clear_ = true;
  uint64_t seen_ = 0;  // packets of this trial
  rte_mbuf* held_ = nullptr;
  uint64_t overtaken_ = 0;
  Cycles held_since_ = 0;
};

class LoopLink : public Link {
 public:
  // `arriving`: the ways that end here.
  LoopLink(Way& leaving, std::vector<Way*> arriving) : leaving_(leaving), arriving_(std::move(arriving)) {}

  uint16_t send(rte_mbuf** packets, uint16_t count, Cycles now) override;
  uint16_t receive(rte_mbuf** packets, Cycles now) override;
  uint64_t missed() const override { return 0; }
  void restart() override { leaving_.restart(); }

 private:
  Way& leaving_;
  std::vector<Way*> arriving_;
};

}  // namespace penstock::load
