// What agreeing on keys asks of the rest of the gateway: to make associations, to use them, to let them go. The control
// loop does it (loop/tunnels.cpp); tests of the machine bring their own.
//
// Threads: any; every call returns when all workers go by it. Failure: one sentence; then nothing changed.
#pragma once

#include <optional>

#include "base/result.h"
#include "control/mesh/terms.h"
#include "control/model/service.h"

namespace penstock::mesh {

struct Use {
  model::Name peer;
  bool worn = false;  // one of its outbound associations has carried so much that it should be replaced
};

class Tunnels {
 public:
  virtual ~Tunnels() = default;

  // Makes a set of associations for packets from the peer, beside those that are there, and takes packets by them from
  // now on. `senders`: workers that the peer has. SPIs and keys are random; each SPI names the worker that it belongs
  // to.
  virtual base::Result<std::vector<Association>> make_inbound(const model::Name& peer, uint64_t epoch,
                                                              unsigned senders) = 0;
  // Packets to the peer go by these from now on, and by no older ones.
  virtual base::Result<void> use_outbound(const model::Name& peer, const Grant& grant) = 0;
  virtual void drop_inbound(const model::Name& peer, uint64_t epoch) = 0;
  virtual void drop_outbound(const model::Name& peer) = 0;
  virtual std::vector<Use> use() = 0;  // peers without an outbound association are absent
};

}  // namespace penstock::mesh
