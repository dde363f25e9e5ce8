// An X.509 certificate, a private key, and the two together as an X.509-SVID: what a gateway shows to its peers.
//
// A Certificate is read once, checked for form, and never changes; copies share it. Serial and fingerprint are
// lower-case hex without separators. Times are whole seconds since 1970, UTC; nothing here reads a clock. Any thread.
// Failure: a sentence that begins with the file's name, or with the name that the caller gave.
// What it does not do: trust (verify.h), sign (signing.h).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "control/pki/files.h"
#include "control/pki/openssl.h"
#include "control/pki/spiffe_id.h"

namespace penstock::pki {

using Seconds = int64_t;  // since 1970, UTC

constexpr size_t kMaxChain = 8;         // a leaf, and what leads to a root: real hierarchies have two or three levels
constexpr size_t kMaxBundle = 64;       // roots of one trust domain; a rotation has two
constexpr int kMinRsaBits = 2048;       // 112 bits of strength, as OpenSSL's level 2
constexpr int kMaxRsaBits = 8192;       // a peer must not choose how long we compute
constexpr size_t kMaxSerialBytes = 20;  // RFC 5280, 4.1.2.2

std::string time_text(Seconds time);  // "2024-01-02T03:04:05Z"
std::string hex_text(base::Bytes bytes);
// The hex of a serial as people write it ("0A:1b..", "0xa1b") in our form; empty: no serial.
std::string normal_serial(std::string_view text);
std::string serial_text(const ASN1_INTEGER* serial);  // empty: zero, negative or too long

class Certificate {
 public:
  // `name` begins the message of a refusal.
  static base::Result<Certificate> from_x509(X509Ptr x509, const std::string& name);
  static base::Result<Certificate> from_der(base::Bytes der, const std::string& name);

  X509* native() const { return x509_.get(); }  // lives as long as any copy
  const std::string& serial() const { return facts_->serial; }
  const std::string& fingerprint() const { return facts_->fingerprint; }  // SHA-256 of the DER
  const std::string& subject() const { return facts_->subject; }          // RFC 2253
  const std::string& issuer() const { return facts_->issuer; }
  Seconds not_before() const { return facts_->not_before; }
  Seconds not_after() const { return facts_->not_after; }
  bool is_authority() const;  // may sign certificates
  std::string pem() const;

  // The identity it may be used under, by the rules for leaves of X509-SVID (sections 2, 3.1, 4.1, 4.3, 4.4), or why
  // it is no SVID.
  base::Result<SpiffeId> identity() const;

 private:
  struct Facts {
    std::string serial, fingerprint, subject, issuer;
    Seconds not_before = 0, not_after = 0;
  };
  Certificate(std::shared_ptr<X509> x509, std::shared_ptr<const Facts> facts)
      : x509_(std::move(x509)), facts_(std::move(facts)) {}

  std::shared_ptr<X509> x509_;
  std::shared_ptr<const Facts> facts_;
};

enum class KeyKind : uint8_t { kP256, kP384 };  // that we make
const char* to_string(KeyKind kind);

class PrivateKey {
 public:
  static base::Result<PrivateKey> generate(KeyKind kind);
  static base::Result<PrivateKey> from_pem(std::string_view pem, const std::string& name);

  EVP_PKEY* native() const { return key_.get(); }
  bool matches(const Certificate& certificate) const;
  Secret pem() const;  // PKCS #8, without a passphrase

 private:
  explicit PrivateKey(KeyPtr key) : key_(key.release(), EVP_PKEY_free) {}
  std::shared_ptr<EVP_PKEY> key_;
};

// Keys that peers and sites bring: EC on P-256, P-384 or P-521, Ed25519, RSA of 2048 to 8192 bits.
base::Result<void> check_key(EVP_PKEY* key, const std::string& name);

// All certificates of a PEM text, in its order, at most `most`. Anything else in it is refused: a key above all.
base::Result<std::vector<Certificate>> parse_certificates(std::string_view pem, const std::string& name,
                                                          size_t most = kMaxBundle);
base::Result<std::vector<Certificate>> load_certificates(const std::string& path, size_t most = kMaxBundle);
// Refuses a file that group or others may read.
base::Result<PrivateKey> load_key(const std::string& path);
std::string to_pem(const std::vector<Certificate>& certificates);

struct Svid {
  std::vector<Certificate> chain;  // the leaf first
  PrivateKey key;
  SpiffeId id;
  const Certificate& leaf() const { return chain.front(); }
};
// The leaf must be an SVID and the key its own. The names begin messages.
base::Result<Svid> make_svid(std::vector<Certificate> chain, PrivateKey key, const std::string& chain_name,
                             const std::string& key_name);
base::Result<Svid> load_svid(const std::string& chain_path, const std::string& key_path);

}  // namespace penstock::pki
