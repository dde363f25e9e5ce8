// How workers reach each other: for every ordered pair a ring of packets and a ring of notices. Lock-free, one producer
// and one consumer each, so no shared writes beyond the rings' own indexes.
#pragma once

#include <rte_mbuf.h>

#include <memory>
#include <vector>

#include "base/spsc_ring.h"
#include "flow/key.h"

namespace penstock::engine {

constexpr size_t kHandOffRing = 1024;  // packets per pair; what does not fit is dropped as hand_off_full
constexpr size_t kNoticeRing = 4096;   // notices per pair; when full the flow is not opened (flow_admission)

// "Packets with this key belong to worker `owner`" (a steer entry), or no longer.
struct SteerNotice {
  flow::FlowKey key;
  uint8_t owner = 0;
  bool remove = false;
};

// A packet for another worker, and why it goes there.
enum class Errand : uint8_t {
  kProcess,  // its flow or its association lives there
  kSend,     // a finished frame for a device whose queue it has: mbuf->port
  kEncrypt,  // all is decided but the tunnel: Carry::to_peer
};
struct Handed {
  rte_mbuf* mbuf = nullptr;
  Errand errand = Errand::kProcess;
};

class Mesh {
 public:
  explicit Mesh(unsigned workers) : workers_(workers) {
    if (workers == 1) return;
    for (unsigned i = 0; i < workers * workers; ++i) {
      packets_.push_back(std::make_unique<base::SpscRing<Handed>>(kHandOffRing));
      notices_.push_back(std::make_unique<base::SpscRing<SteerNotice>>(kNoticeRing));
    }
  }

  unsigned workers() const { return workers_; }
  base::SpscRing<Handed>& packets(unsigned from, unsigned to) { return *packets_[from * workers_ + to]; }
  base::SpscRing<SteerNotice>& notices(unsigned from, unsigned to) { return *notices_[from * workers_ + to]; }

 private:
  const unsigned workers_;
  std::vector<std::unique_ptr<base::SpscRing<Handed>>> packets_;
  std::vector<std::unique_ptr<base::SpscRing<SteerNotice>>> notices_;
};

}  // namespace penstock::engine
