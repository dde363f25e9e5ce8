// TLS of PeerLink: gRPC's, with the judgement of control/pki in place of its own. Who shows no certificate, or one that
// control/pki does not believe, is refused within the handshake.
//
// gRPC 1.51 has no way to ask for TLS 1.3 alone, so the list of older ciphers is one that nobody can use (a pre-shared
// key that there is not): require_tls13(). It holds for every TLS of the process.
//
// Threads: the verifier runs on gRPC's. Failure: a sentence in the status of the handshake, and in Judge::refusal().
#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "control/mesh/machine.h"
#include "control/pki/watch.h"

namespace penstock::api {

// Before the first use of gRPC, and before there are threads.
void require_tls13();

// By what the other side of a handshake is judged; shared by those who make it and those who read its refusals.
class Judge {
 public:
  // `identity`: nobody but this one; empty: anybody of the trust domain.
  Judge(std::shared_ptr<const pki::Material> material, pki::SpiffeId identity)
      : material_(std::move(material)), identity_(std::move(identity)) {}

  const pki::Material& material() const { return *material_; }
  pki::Verification judge(const std::vector<pki::Certificate>& chain) const;
  void note(std::string refusal);
  std::string take_refusal();  // the last one; empty: none since it was taken

 private:
  const std::shared_ptr<const pki::Material> material_;
  const pki::SpiffeId identity_;
  std::mutex lock_;
  std::string refusal_;
};

std::shared_ptr<grpc::ServerCredentials> server_credentials(std::shared_ptr<Judge> judge);
std::shared_ptr<grpc::ChannelCredentials> channel_credentials(std::shared_ptr<Judge> judge);

// Who is at the other end of a call; nothing: nobody with an SVID.
std::optional<mesh::Evidence> evidence_of(const grpc::AuthContext& context);

}  // namespace penstock::api
