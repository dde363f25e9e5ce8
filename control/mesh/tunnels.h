// What agreeing on keys asks of the rest of the gateway: to make associations, to use them, to let them go. The control
// loop does it (loop/tunnels.cpp); tests of the machine bring their own.
//
// Threads: any. What is made or dropped is what workers go by a moment later, with what others made and dropped
// meanwhile: settle() waits for it. Failure: one sentence; then nothing changed.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "control/mesh/terms.h"
#include "control/model/service.h"

namespace penstock::mesh {

struct Made {
  std::vector<Association> associations;
  uint32_t path_mtu = 0;  // bytes of the underlay, as this gateway knows it
};

struct Use {  // what there is of a peer
  model::Name peer;
  bool outbound = false;
  bool worn = false;              // one of its outbound associations has carried so much that it should be replaced
  std::vector<uint64_t> inbound;  // epochs
};

class Tunnels {
 public:
  virtual ~Tunnels() = default;

  // Makes a set of associations for packets from the peer, beside those that are there, and takes packets by them.
  // `senders`: workers that the peer has. SPIs and keys are random; each SPI names the worker that it belongs to.
  // `identity`: of the Peer object that the caller knows; another one by now is a failure.
  virtual base::Result<Made> make_inbound(const model::Name& peer, const std::string& identity, uint64_t epoch,
                                          unsigned senders) = 0;
  // Packets to the peer go by these, and by no older ones.
  virtual base::Result<void> use_outbound(const model::Name& peer, const std::string& identity, const Grant& grant) = 0;
  // What the numbers in the peer's packets mean from now on, beside its static identities.
  virtual base::Result<void> learn_identities(const model::Name& peer, const std::string& identity,
                                              const std::vector<model::PeerIdentity>& told) = 0;
  // Agreed ones only: those of static keys stay.
  virtual void drop_inbound(const model::Name& peer, uint64_t epoch) = 0;
  virtual void drop_outbound(const model::Name& peer) = 0;
  // Returns when workers go by all that was made and dropped before.
  virtual void settle() = 0;
  virtual std::vector<Use> use() = 0;
};

}  // namespace penstock::mesh
