// Agreement on keys with other gateways: the machine of control/mesh with hands. Follows the desired state and the
// files of the identity, serves PeerLink, and calls the PeerLink of others.
//
// Threads: one of its own for time and files; gRPC's for calls that come and answers that arrive; the machine is under
// one lock, which is held while the control thread makes associations. A gateway without an identity has the thread and
// nothing else. Memory: keys pass through gRPC's buffers, which nobody can wipe: with an identity the whole process is
// left out of core dumps.
// Hostile callers: connections are bounded, altogether and by address (peer_door.h, mesh/guests.h), and so is the time
// of a handshake; TLS refuses whoever no Peer names (peer_tls.h); messages, and calls at the same time, are bounded,
// and what is asked too often is refused by name. Failure: nothing throws; whatever is wrong shows in status().
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "control/loop/control_loop.h"
#include "control/mesh/machine.h"

namespace penstock::api {

constexpr int kMaxPeerMessageBytes = 1 << 20;  // 4096 identities of 200 bytes
constexpr int kMaxPeerStreams = 16;            // calls of one connection at the same time; a gateway makes one
constexpr int kMaxPeerThreads = 32;

class PeerLink {
 public:
  explicit PeerLink(loop::ControlLoop& loop);
  ~PeerLink();  // stop()
  PeerLink(const PeerLink&) = delete;

  // Ends all conversations; what was agreed stays in use.
  void stop();

  // Any thread.
  std::vector<mesh::LinkStatus> status() const;
  std::map<std::string, uint64_t> refused() const;  // connections, offers and beats of others, by reason
  size_t connections() const;                       // of others
  bool rekey(const model::Name& peer);              // false: there is no such peer, or it has no identity

 private:
  class Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace penstock::api
