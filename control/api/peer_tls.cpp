#include "control/api/peer_tls.h"

#include <grpc/grpc_security_constants.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_certificate_verifier.h>
#include <grpcpp/security/tls_credentials_options.h>

#include <cstdlib>
#include <utility>

#include "base/time.h"

namespace penstock::api {

namespace {

namespace tls = grpc::experimental;

constexpr const char* kFrom = "certificate of the peer";

pki::Seconds wall_seconds() { return static_cast<pki::Seconds>(base::wall_now() / base::kNanosPerSecond); }

// The leaf comes by itself; what came with it may repeat it, or be missing.
base::Result<std::vector<pki::Certificate>> chain_of(std::string_view leaf, std::string_view rest) {
  auto chain = pki::parse_certificates(leaf, kFrom, 1);
  if (!chain) return chain;
  if (rest.empty()) return chain;
  auto more = pki::parse_certificates(rest, kFrom, pki::kMaxChain + 1);
  if (!more) return more;
  for (pki::Certificate& each : *more)
    if (each.fingerprint() != chain->front().fingerprint()) chain->push_back(std::move(each));
  return chain;
}

std::string_view view(grpc::string_ref text) { return {text.data(), text.size()}; }

class Verifier final : public tls::ExternalCertificateVerifier {
 public:
  explicit Verifier(std::shared_ptr<Judge> judge) : judge_(std::move(judge)) {}

  bool Verify(tls::TlsCustomVerificationCheckRequest* request, std::function<void(grpc::Status)>,
              grpc::Status* status) override {
    std::string refusal;
    const auto chain = chain_of(view(request->peer_cert()), view(request->peer_cert_full_chain()));
    if (chain) {
      refusal = judge_->judge(*chain);
    } else {
      refusal = chain.error();
    }
    *status = refusal.empty() ? grpc::Status::OK : grpc::Status(grpc::StatusCode::UNAUTHENTICATED, refusal);
    if (!refusal.empty()) judge_->note(std::move(refusal));
    return true;
  }
  void Cancel(tls::TlsCustomVerificationCheckRequest*) override {}  // it is never asynchronous

 private:
  const std::shared_ptr<Judge> judge_;
};

void set_common(tls::TlsCredentialsOptions& options, const std::shared_ptr<Judge>& judge) {
  const pki::Svid& svid = judge->material().svid;
  options.set_certificate_provider(std::make_shared<tls::StaticDataCertificateProvider>(
      std::vector<tls::IdentityKeyCertPair>{{std::string(svid.key.pem().view()), pki::to_pem(svid.chain)}}));
  options.watch_identity_key_cert_pairs();
  options.set_check_call_host(false);  // identities are not host names
  options.set_certificate_verifier(tls::ExternalCertificateVerifier::Create<Verifier>(judge));
}

}  // namespace

void require_tls13() { setenv("GRPC_SSL_CIPHER_SUITES", "PSK-AES128-GCM-SHA256", 1); }

void Acquaintances::set(std::set<std::string> identities) {
  const std::lock_guard lock(lock_);
  identities_ = std::move(identities);
}

bool Acquaintances::has(const pki::SpiffeId& identity) const {
  const std::lock_guard lock(lock_);
  return identities_.contains(identity.text());
}

std::string Judge::judge(const std::vector<pki::Certificate>& chain) const {
  const auto verdict = pki::verify(material_->trust, chain, {.now = wall_seconds()});
  if (!verdict.believed()) return verdict.reason;
  return acquaintances_->has(verdict.id) ? "" : "no Peer here has the identity " + pki::quoted(verdict.id.text());
}

void Judge::note(std::string refusal) {
  acquaintances_->count_refusal();
  const std::lock_guard lock(lock_);
  refusal_ = std::move(refusal);
}

std::string Judge::refusal() const {
  const std::lock_guard lock(lock_);
  return refusal_;
}

std::shared_ptr<grpc::ServerCredentials> server_credentials(std::shared_ptr<Judge> judge) {
  tls::TlsServerCredentialsOptions options(nullptr);
  set_common(options, judge);
  options.set_cert_request_type(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_BUT_DONT_VERIFY);  // Verifier does
  return tls::TlsServerCredentials(options);
}

std::shared_ptr<grpc::ChannelCredentials> channel_credentials(std::shared_ptr<Judge> judge) {
  tls::TlsChannelCredentialsOptions options;
  set_common(options, judge);
  options.set_verify_server_certs(false);  // Verifier does
  return tls::TlsCredentials(options);
}

std::optional<mesh::Evidence> evidence_of(const grpc::AuthContext& context) {
  const auto leaf = context.FindPropertyValues(GRPC_X509_PEM_CERT_PROPERTY_NAME);
  if (leaf.size() != 1) return std::nullopt;
  const auto rest = context.FindPropertyValues(GRPC_X509_PEM_CERT_CHAIN_PROPERTY_NAME);
  auto chain = chain_of(view(leaf[0]), rest.empty() ? std::string_view() : view(rest[0]));
  if (!chain) return std::nullopt;
  auto id = chain->front().identity();
  if (!id) return std::nullopt;
  return mesh::Evidence{std::move(*chain), std::move(*id)};
}

}  // namespace penstock::api
