// The listening socket of PeerLink. gRPC bounds calls, memory and the time of a handshake, but not connections: so they
// are accepted here, counted by address (mesh/guests.h), and only then given to gRPC.
//
// Threads: one of its own, which only accepts and notices ends. Owns: the listening socket, and of each connection a
// second descriptor by which its end is seen; the connection is gRPC's. Failure: open() says why. A connection that is
// refused is closed at once; when there are no descriptors left, others wait in the kernel.
#pragma once

#include <grpcpp/server_builder.h>

#include <map>
#include <memory>
#include <thread>

#include "base/result.h"
#include "control/mesh/guests.h"
#include "control/model/peer.h"

namespace penstock::api {

class PeerDoor {
 public:
  using Inside = std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor>;

  static base::Result<std::unique_ptr<PeerDoor>> open(const model::LinkAddress& at,
                                                      std::shared_ptr<mesh::Guests> guests);
  ~PeerDoor();
  PeerDoor(const PeerDoor&) = delete;

  // Connections go to `inside` from now on; before the server that it belongs to ends, the door must.
  void start(Inside inside);

 private:
  PeerDoor(int listener, int events, int wake, std::shared_ptr<mesh::Guests> guests)
      : listener_(listener), events_(events), wake_(wake), guests_(std::move(guests)) {}
  void run();
  void accept_all();
  void end(int descriptor);

  const int listener_, events_, wake_;
  const std::shared_ptr<mesh::Guests> guests_;
  Inside inside_;
  std::map<int, base::IpAddress> here_;  // by our descriptor
  std::thread thread_;
};

}  // namespace penstock::api
