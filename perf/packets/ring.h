// Ports of a device under test in this process: a thread on a core of its own that hands packets from port to port as
// they are, over rings. What a hand-over between two cores costs is all there is; nothing is copied.
//
// A lane is the way from one port to another. Its packets go into `in`, the forwarder moves them to `out` of the port
// where they arrive; what finds no room there is missed by that port, as on any device. Lanes and their rings live as
// long as the forwarder, which ends with its destruction; links refer to it. Packets are freed by whoever holds them.
#pragma once

#include <rte_ring.h>

#include <atomic>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "packets/link.h"
#include "packets/spec.h"

namespace penstock::load {

class Forwarder {
 public:
  static constexpr unsigned kRoom = 1024;  // of a ring, as many as a port has descriptors

  // Of a specification's ring ports, on its forwarder's core; nothing: it has none. A fault is a field's.
  static std::unique_ptr<Forwarder> start(const Spec& spec, std::optional<Fault>& fault);
  ~Forwarder();
  Forwarder(const Forwarder&) = delete;
  Forwarder& operator=(const Forwarder&) = delete;

  std::unique_ptr<Link> link(unsigned port);  // of a ring port

 private:
  // One of the forwarder's ports; `missed` is written by its thread alone.
  struct Side {
    rte_ring *in = nullptr, *out = nullptr;  // from the generator, and to it; nullptr: no ring port
    unsigned to = 0;
    std::atomic<uint64_t> missed = 0;
  };

  explicit Forwarder(const Spec& spec) : sides_(spec.ports.size()) {}
  void run(const std::stop_token& ended);

  std::vector<Side> sides_;  // by port
  std::jthread thread_;
};

class RingLink : public Link {
 public:
  RingLink(rte_ring* leaving, rte_ring* arriving, const std::atomic<uint64_t>& missed)
      : leaving_(leaving), arriving_(arriving), missed_(missed) {}

  uint16_t send(rte_mbuf** packets, uint16_t count, Cycles now) override;
  uint16_t receive(rte_mbuf** packets, Cycles now) override;
  uint64_t missed() const override { return missed_.load(std::memory_order_relaxed); }

 private:
  rte_ring *const leaving_, *const arriving_;
  const std::atomic<uint64_t>& missed_;
};

}  // namespace penstock::load
