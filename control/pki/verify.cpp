#include "control/pki/verify.h"

#include <set>

namespace penstock::pki {
namespace {

constexpr int kStrength = 2;  // OpenSSL's security level: 112 bits

struct StackFree {
  void operator()(STACK_OF(X509) * stack) const { sk_X509_free(stack); }  // not the certificates
};
using StackPtr = std::unique_ptr<STACK_OF(X509), StackFree>;

Verification refuse(Refusal refusal, std::string reason) {
  return Verification{.refusal = refusal, .reason = std::move(reason)};
}

Refusal refusal_of(int error) {
  switch (error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return Refusal::kExpired;
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return Refusal::kNotYetValid;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_CERT_UNTRUSTED:
    case X509_V_ERR_SUBJECT_ISSUER_MISMATCH:
    case X509_V_ERR_AKID_SKID_MISMATCH:
    case X509_V_ERR_AKID_ISSUER_SERIAL_MISMATCH:
      return Refusal::kUnknownAuthority;
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
    case X509_V_ERR_UNABLE_TO_DECRYPT_CERT_SIGNATURE:
    case X509_V_ERR_SIGNATURE_ALGORITHM_MISMATCH:
    case X509_V_ERR_SIGNATURE_ALGORITHM_INCONSISTENCY:
    case X509_V_ERR_UNSUPPORTED_SIGNATURE_ALGORITHM:
      return Refusal::kBadSignature;
    case X509_V_ERR_INVALID_CA:
    case X509_V_ERR_INVALID_NON_CA:
    case X509_V_ERR_PATH_LENGTH_EXCEEDED:
    case X509_V_ERR_KEYUSAGE_NO_CERTSIGN:
    case X509_V_ERR_CA_CERT_MISSING_KEY_USAGE:
    case X509_V_ERR_CA_BCONS_NOT_CRITICAL:
      return Refusal::kNotAuthority;
    case X509_V_ERR_PERMITTED_VIOLATION:
    case X509_V_ERR_EXCLUDED_VIOLATION:
    case X509_V_ERR_SUBTREE_MINMAX:
    case X509_V_ERR_UNSUPPORTED_CONSTRAINT_TYPE:
    case X509_V_ERR_UNSUPPORTED_CONSTRAINT_SYNTAX:
    case X509_V_ERR_UNSUPPORTED_NAME_SYNTAX:
      return Refusal::kNameConstraints;
    case X509_V_ERR_EE_KEY_TOO_SMALL:
    case X509_V_ERR_CA_KEY_TOO_SMALL:
    case X509_V_ERR_CA_MD_TOO_WEAK:
      return Refusal::kWeak;
    case X509_V_ERR_OUT_OF_MEM:
    case X509_V_ERR_UNSPECIFIED:
    case X509_V_ERR_INVALID_CALL:
      return Refusal::kInternal;
    default:  // what else RFC 5280 can be broken by
      return Refusal::kMalformed;
  }
}

// The certificate that `error` is about, as a part of a sentence.
std::string subject_of(const Certificate& certificate) {
  const auto id = certificate.identity();
  return id ? id->text() : certificate.subject();
}

std::string sentence(int error, X509* about, const Seconds now) {
  std::string reason = X509_verify_cert_error_string(error);
  if (about == nullptr) return reason;
  X509_up_ref(about);
  const auto certificate = Certificate::from_x509(X509Ptr(about), "certificate");
  if (!certificate) return certificate.error();
  const std::string subject = subject_of(*certificate);
  switch (refusal_of(error)) {
    case Refusal::kExpired:
      return "the certificate of " + subject + " expired at " + time_text(certificate->not_after()) + ", it is " +
             time_text(now);
    case Refusal::kNotYetValid:
      return "the certificate of " + subject + " begins at " + time_text(certificate->not_before()) + ", it is " +
             time_text(now);
    case Refusal::kUnknownAuthority:
      return "the certificate of " + subject + " is from " + certificate->issuer() +
             ", who is nobody the trust bundle knows";
    default:
      return "the certificate of " + subject + ": " + reason;
  }
}

// The path from the leaf to a root, or a refusal.
Verification find_path(const TrustBundle& bundle, const std::vector<Certificate>& chain, Seconds now,
                       std::vector<Certificate>& path) {
  const StoreContextPtr context(X509_STORE_CTX_new());
  const StackPtr others(sk_X509_new_null());
  if (!context || !others) return refuse(Refusal::kInternal, "out of memory");
  for (size_t i = 1; i < chain.size(); ++i)
    if (sk_X509_push(others.get(), chain[i].native()) == 0) return refuse(Refusal::kInternal, "out of memory");
  if (X509_STORE_CTX_init(context.get(), bundle.native(), chain[0].native(), others.get()) != 1)
    return refuse(Refusal::kInternal, "out of memory");
  X509_VERIFY_PARAM* rules = X509_STORE_CTX_get0_param(context.get());
  X509_VERIFY_PARAM_set_flags(rules, X509_V_FLAG_X509_STRICT | X509_V_FLAG_TRUSTED_FIRST);
  X509_VERIFY_PARAM_set_depth(rules, static_cast<int>(kMaxChain));
  X509_VERIFY_PARAM_set_auth_level(rules, kStrength);
  X509_VERIFY_PARAM_set_time(rules, now);
  if (X509_verify_cert(context.get()) != 1) {
    const int error = X509_STORE_CTX_get_error(context.get());
    return refuse(refusal_of(error), sentence(error, X509_STORE_CTX_get_current_cert(context.get()), now));
  }
  const STACK_OF(X509)* found = X509_STORE_CTX_get0_chain(context.get());
  for (int i = 0; i < sk_X509_num(found); ++i) {
    X509* each = sk_X509_value(found, i);
    X509_up_ref(each);
    auto certificate = Certificate::from_x509(X509Ptr(each), "certificate");
    if (!certificate) return refuse(Refusal::kMalformed, certificate.error());
    path.push_back(std::move(certificate).value());
  }
  return {};
}

Verification check_lists(const TrustBundle& bundle, const std::vector<Certificate>& path, const Expectation& expected) {
  Verification result;
  for (size_t i = 0; i + 1 < path.size(); ++i) {
    const Certificate &certificate = path[i], &issuer = path[i + 1];
    bool have = false, have_fresh = false;
    std::string stale;
    for (const Crl& list : bundle.lists()) {
      if (!list.is_from(issuer)) continue;
      have = true;
      if (list.lists(certificate))
        return refuse(Refusal::kRevoked, "the certificate of " + subject_of(certificate) + " with serial " +
                                             certificate.serial() + " is revoked by " + issuer.subject());
      if (list.is_stale(expected.now)) {
        stale =
            "the revocation list of " + issuer.subject() + " was to be replaced by " + time_text(list.next_update());
      } else {
        have_fresh = true;
      }
    }
    if (!have && expected.require_list)
      return refuse(Refusal::kNoList, "there is no revocation list of " + issuer.subject());
    if (!have || have_fresh) continue;
    if (expected.refuse_stale_list) return refuse(Refusal::kStaleList, stale);
    if (result.stale_list.empty()) result.stale_list = stale;
  }
  return result;
}

}  // namespace

const char* to_string(Refusal refusal) {
  switch (refusal) {
    case Refusal::kNone:
      return "none";
    case Refusal::kMalformed:
      return "malformed";
    case Refusal::kNotSvid:
      return "not-svid";
    case Refusal::kUnknownAuthority:
      return "unknown-authority";
    case Refusal::kBadSignature:
      return "bad-signature";
    case Refusal::kNotYetValid:
      return "not-yet-valid";
    case Refusal::kExpired:
      return "expired";
    case Refusal::kNotAuthority:
      return "not-authority";
    case Refusal::kNameConstraints:
      return "name-constraints";
    case Refusal::kWeak:
      return "weak";
    case Refusal::kRevoked:
      return "revoked";
    case Refusal::kNoList:
      return "no-list";
    case Refusal::kStaleList:
      return "stale-list";
    case Refusal::kWrongTrustDomain:
      return "wrong-trust-domain";
    case Refusal::kWrongIdentity:
      return "wrong-identity";
    case Refusal::kInternal:
      return "internal";
  }
  return "?";
}

base::Result<TrustBundle> TrustBundle::make(std::string trust_domain, std::vector<Certificate> roots,
                                            std::vector<Crl> lists, const std::string& name) {
  const QuietErrors quiet;
  if (auto valid = check_trust_domain(trust_domain); !valid) return base::Error{name + ": " + valid.error()};
  if (roots.empty()) return base::Error{name + ": holds no root: nobody could be believed"};
  if (roots.size() > kMaxBundle || lists.size() > kMaxLists)
    return base::Error{name + ": more than " + std::to_string(kMaxBundle) + " roots or revocation lists"};
  TrustBundle bundle;
  bundle.store_ = {X509_STORE_new(), X509_STORE_free};
  if (!bundle.store_) return base::Error{name + ": out of memory"};
  std::set<std::string> seen;
  for (Certificate& root : roots) {
    if (!root.is_authority())
      return base::Error{name + ": " + root.subject() + " is not an authority (CA:TRUE with keyCertSign)"};
    if (!seen.insert(root.fingerprint()).second) continue;
    if (X509_STORE_add_cert(bundle.store_.get(), root.native()) != 1) return base::Error{name + ": out of memory"};
    bundle.roots_.push_back(std::move(root));
  }
  bundle.trust_domain_ = std::move(trust_domain);
  bundle.lists_ = std::move(lists);
  return bundle;
}

Verification verify(const TrustBundle& bundle, const std::vector<Certificate>& chain, const Expectation& expected) {
  const QuietErrors quiet;
  if (chain.empty()) return refuse(Refusal::kMalformed, "the peer showed no certificate");
  if (chain.size() > kMaxChain)
    return refuse(Refusal::kMalformed, "the peer showed " + std::to_string(chain.size()) + " certificates, at most " +
                                           std::to_string(kMaxChain));
  auto id = chain[0].identity();
  if (!id) return refuse(Refusal::kNotSvid, "the certificate of " + chain[0].subject() + " " + id.error());
  std::vector<Certificate> path;
  if (auto found = find_path(bundle, chain, expected.now, path); !found.believed()) return found;
  Verification result = check_lists(bundle, path, expected);
  if (!result.believed()) return result;
  if (id->trust_domain() != bundle.trust_domain())
    return refuse(Refusal::kWrongTrustDomain, id->text() + " is not of trust domain " + bundle.trust_domain());
  if (expected.identity && *id != *expected.identity)
    return refuse(Refusal::kWrongIdentity, id->text() + " is not " + expected.identity->text());
  result.id = std::move(id).value();
  return result;
}

base::Result<std::vector<Certificate>> peer_chain(X509_STORE_CTX* context) {
  const QuietErrors quiet;
  X509* leaf = X509_STORE_CTX_get0_cert(context);
  if (leaf == nullptr) return base::Error{"the peer showed no certificate"};
  const STACK_OF(X509)* others = X509_STORE_CTX_get0_untrusted(context);
  std::vector<Certificate> chain;
  const auto add = [&chain](X509* x509) -> base::Result<void> {
    if (chain.size() == kMaxChain)
      return base::Error{"the peer showed more than " + std::to_string(kMaxChain) + " certificates"};
    X509_up_ref(x509);
    auto certificate =
        Certificate::from_x509(X509Ptr(x509), "the peer's certificate " + std::to_string(chain.size() + 1));
    if (!certificate) return base::Error{certificate.error()};
    chain.push_back(std::move(certificate).value());
    return {};
  };
  if (auto added = add(leaf); !added) return base::Error{added.error()};
  for (int i = 0; i < sk_X509_num(others); ++i) {
    X509* each = sk_X509_value(others, i);
    if (X509_cmp(each, leaf) == 0) continue;  // TLS has the leaf among them too
    if (auto added = add(each); !added) return base::Error{added.error()};
  }
  return chain;
}

}  // namespace penstock::pki
