#include "packets/ring.h"

#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_pause.h>
#include <sched.h>

#include <string>

namespace penstock::load {

namespace {

rte_ring* make_ring(const char* way, unsigned port) {
  return rte_ring_create(("forwarder-" + std::string(way) + std::to_string(port)).c_str(), Forwarder::kRoom,
                         SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ | RING_F_EXACT_SZ);
}

}  // namespace

std::unique_ptr<Forwarder> Forwarder::start(const Spec& spec, std::optional<Fault>& fault) {
  if (!spec.forwarder_core) return nullptr;
  cpu_set_t core;
  CPU_ZERO(&core);
  CPU_SET(*spec.forwarder_core, &core);
  std::unique_ptr<Forwarder> made(new Forwarder(spec));
  for (unsigned i = 0; i < spec.ports.size(); ++i) {
    if (!spec.ports[i].ring_to) continue;
    Side& side = made->sides_[i];
    side.to = *spec.ports[i].ring_to;
    side.in = make_ring("in", i);
    side.out = make_ring("out", i);
    if (side.in != nullptr && side.out != nullptr) continue;
    fault = {"memoryMegabytes", "no memory for the forwarder's rings: " + std::string(rte_strerror(rte_errno))};
    return nullptr;
  }
  made->thread_ = std::jthread([&forwarder = *made](const std::stop_token& ended) { forwarder.run(ended); });
  if (pthread_setaffinity_np(made->thread_.native_handle(), sizeof core, &core) == 0) return made;
  fault = {"forwarderCore", std::to_string(*spec.forwarder_core) + " is no core that this process may use"};
  return nullptr;
}

// Packets still on their way go back to the pool with the process's memory.
Forwarder::~Forwarder() {
  if (thread_.joinable()) {
    thread_.request_stop();
    thread_.join();
  }
  for (Side& side : sides_) {
    rte_ring_free(side.in);
    rte_ring_free(side.out);
  }
}

std::unique_ptr<Link> Forwarder::link(unsigned port) {
  Side& side = sides_[port];
  return std::make_unique<RingLink>(side.in, side.out, side.missed);
}

void Forwarder::run(const std::stop_token& ended) {
  void* packets[Link::kBurst];
  while (!ended.stop_requested()) {
    bool idle = true;
    for (Side& from : sides_) {
      if (from.in == nullptr) continue;
      const unsigned count = rte_ring_sc_dequeue_burst(from.in, packets, Link::kBurst, nullptr);
      if (count == 0) continue;
      idle = false;
      Side& to = sides_[from.to];
      const unsigned taken = rte_ring_sp_enqueue_burst(to.out, packets, count, nullptr);
      if (taken == count) continue;
      to.missed.store(to.missed.load(std::memory_order_relaxed) + count - taken, std::memory_order_relaxed);
      rte_pktmbuf_free_bulk(reinterpret_cast<rte_mbuf**>(packets + taken), count - taken);
    }
    if (idle) rte_pause();
  }
}

uint16_t RingLink::send(rte_mbuf** packets, uint16_t count, Cycles) {
  return static_cast<uint16_t>(rte_ring_sp_enqueue_burst(leaving_, reinterpret_cast<void**>(packets), count, nullptr));
}

uint16_t RingLink::receive(rte_mbuf** packets, Cycles) {
  return static_cast<uint16_t>(
      rte_ring_sc_dequeue_burst(arriving_, reinterpret_cast<void**>(packets), kBurst, nullptr));
}

}  // namespace penstock::load
