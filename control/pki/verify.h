// Whether a peer may be believed: its chain of certificates against the roots of a trust domain, at a given time.
//
// Path validation is OpenSSL's (RFC 5280, strict, 112 bits of strength, name constraints included); around it stand the
// rules of X509-SVID, the trust domain, the expected identity, and revocation lists. The time is an argument: no clock.
//
// Revocation: every certificate of the path below the root is looked up in the lists of its issuer. A list past its
// nextUpdate still revokes whom it lists and is named in `stale_list`; whether it makes a peer unbelievable is the
// caller's choice, and so is what to think of an authority without a list.
//
// A TrustBundle is immutable and may be shared by threads. Failure: a Refusal and a sentence.
#pragma once

#include <optional>

#include "control/pki/crl.h"

namespace penstock::pki {

enum class Refusal : uint8_t {
  kNone,              // believed
  kMalformed,         // no chain, one that is too long, or one that cannot be read
  kNotSvid,           // the leaf breaks a rule of X509-SVID
  kUnknownAuthority,  // no path to a root of the bundle
  kBadSignature,      // a signature of the path is not its issuer's
  kNotYetValid,       // a certificate of the path begins later
  kExpired,           // a certificate of the path has ended
  kNotAuthority,      // a certificate signed that may not, or over too long a path
  kNameConstraints,   // an authority may not speak for this name
  kWeak,              // key or digest below 112 bits
  kRevoked,           // a certificate of the path is on its issuer's list
  kNoList,            // an authority of the path has no list, and the caller wants one
  kStaleList,         // its list is past nextUpdate, and the caller wants it fresh
  kWrongTrustDomain,  // a good SVID of somebody else's trust domain
  kWrongIdentity,     // a good SVID of another workload than the one expected
  kInternal,          // out of memory
};
const char* to_string(Refusal refusal);  // "expired": for counters and logs

class TrustBundle {
 public:
  // At least one root; each must be an authority. `name` begins the message of a refusal.
  static base::Result<TrustBundle> make(std::string trust_domain, std::vector<Certificate> roots,
                                        std::vector<Crl> lists, const std::string& name);

  const std::string& trust_domain() const { return trust_domain_; }
  const std::vector<Certificate>& roots() const { return roots_; }
  const std::vector<Crl>& lists() const { return lists_; }
  X509_STORE* native() const { return store_.get(); }

 private:
  TrustBundle() = default;
  std::string trust_domain_;
  std::vector<Certificate> roots_;
  std::vector<Crl> lists_;
  std::shared_ptr<X509_STORE> store_;
};

struct Expectation {
  Seconds now = 0;
  std::optional<SpiffeId> identity;  // this peer and no other; absent: anybody of the trust domain
  bool refuse_stale_list = false;
  bool require_list = false;
};

struct Verification {
  Refusal refusal = Refusal::kNone;
  std::string reason;      // a sentence; empty when believed
  SpiffeId id;             // only when believed
  std::string stale_list;  // a sentence about a list past its nextUpdate; empty: none
  bool believed() const { return refusal == Refusal::kNone; }
};

// `chain`: the leaf first, then what the peer sent with it in any order; a root among them is not believed for that.
Verification verify(const TrustBundle& bundle, const std::vector<Certificate>& chain, const Expectation& expected);

// What a TLS peer sent, inside of a callback that SSL_CTX_set_cert_verify_callback has set. Bounded by kMaxChain.
base::Result<std::vector<Certificate>> peer_chain(X509_STORE_CTX* context);

}  // namespace penstock::pki
