// TLS of PeerLink: gRPC's, with the judgement of control/pki in place of its own. Who shows no certificate, or one that
// control/pki does not believe, is refused within the handshake.
//
// So is whoever is believed but whom no Peer names: a trust domain has more members than a mesh.
//
// gRPC 1.51 has no way to ask for TLS 1.3 alone, so the list of older ciphers is one that nobody can use (a pre-shared
// key that there is not): require_tls13(). It holds for every TLS of the process.
//
// Threads: the verifier runs on gRPC's. Failure: a sentence in the status of the handshake, and in Judge::refusal().
#pragma once

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include "control/mesh/machine.h"
#include "control/pki/watch.h"

namespace penstock::api {

// Before the first use of gRPC, and before there are threads.
void require_tls13();

// Identities that may be at the other end. Any thread.
class Acquaintances {
 public:
  void set(std::set<std::string> identities);
  bool has(const pki::SpiffeId& identity) const;
  void count_refusal() const { refused_.fetch_add(1, std::memory_order_relaxed); }
  uint64_t refused() const { return refused_.load(std::memory_order_relaxed); }  // handshakes

 private:
  mutable std::atomic<uint64_t> refused_{0};
  mutable std::mutex lock_;
  std::set<std::string> identities_;
};

// By what the other side of a handshake is judged; shared by those who make it and those who read its refusals.
class Judge {
 public:
  Judge(std::shared_ptr<const pki::Material> material, std::shared_ptr<const Acquaintances> acquaintances)
      : material_(std::move(material)), acquaintances_(std::move(acquaintances)) {}

  const pki::Material& material() const { return *material_; }
  std::string judge(const std::vector<pki::Certificate>& chain) const;  // why not; empty: it may be there
  void note(std::string refusal);
  std::string refusal() const;  // the last one; empty: there was none

 private:
  const std::shared_ptr<const pki::Material> material_;
  const std::shared_ptr<const Acquaintances> acquaintances_;
  mutable std::mutex lock_;
  std::string refusal_;
};

std::shared_ptr<grpc::ServerCredentials> server_credentials(std::shared_ptr<Judge> judge);
std::shared_ptr<grpc::ChannelCredentials> channel_credentials(std::shared_ptr<Judge> judge);

// Who is at the other end of a call; nothing: nobody with an SVID.
std::optional<mesh::Evidence> evidence_of(const grpc::AuthContext& context);

}  // namespace penstock::api
