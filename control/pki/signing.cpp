#include "control/pki/signing.h"

#include <algorithm>

#include "control/pki/pem.h"

namespace penstock::pki {
namespace {

constexpr size_t kMaxCommonName = 64;  // RFC 5280, ub-common-name

struct Template {
  X509* issuer = nullptr;  // null: itself
  EVP_PKEY* key = nullptr;
  const X509_NAME* subject = nullptr;
  std::string uri;
  const char* constraints = "critical,CA:FALSE";
  const char* usage = "critical,digitalSignature";
  const char* extended = "serverAuth,clientAuth";
  Seconds not_before = 0, not_after = 0;
};
constexpr const char* kRootConstraints = "critical,CA:TRUE";
constexpr const char* kRootUsage = "critical,keyCertSign,cRLSign";

base::Error failure(const std::string& doing) { return base::Error{doing + " failed: " + openssl_reason()}; }

const EVP_MD* digest_for(EVP_PKEY* key) { return EVP_PKEY_get_bits(key) > 256 ? EVP_sha384() : EVP_sha256(); }

IntegerPtr random_serial() {
  const BignumPtr number(BN_new());
  if (!number || BN_rand(number.get(), kSerialBits, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) != 1) return nullptr;
  if (BN_is_zero(number.get())) return nullptr;
  return IntegerPtr(BN_to_ASN1_INTEGER(number.get(), nullptr));
}

bool add_text(NamePtr& name, const char* field, const std::string& text) {
  return X509_NAME_add_entry_by_txt(name.get(), field, MBSTRING_ASC,
                                    reinterpret_cast<const unsigned char*>(text.data()), static_cast<int>(text.size()),
                                    -1, 0) == 1;
}

bool add_extension(X509* x509, X509* issuer, int nid, const char* value) {
  if (value[0] == 0) return true;
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, x509, nullptr, nullptr, 0);
  const ExtensionPtr extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value));
  return extension && X509_add_ext(x509, extension.get(), -1) == 1;
}

// Built by hand: the text form of OpenSSL would read commas in it as further names.
bool add_uri(X509* x509, const std::string& uri) {
  const GeneralNamesPtr names(GENERAL_NAMES_new());
  GENERAL_NAME* name = GENERAL_NAME_new();
  if (!names || name == nullptr || sk_GENERAL_NAME_push(names.get(), name) == 0) {
    GENERAL_NAME_free(name);
    return false;
  }
  ASN1_IA5STRING* text = ASN1_IA5STRING_new();
  if (text == nullptr || ASN1_STRING_set(text, uri.data(), static_cast<int>(uri.size())) != 1) {
    ASN1_IA5STRING_free(text);
    return false;
  }
  GENERAL_NAME_set0_value(name, GEN_URI, text);
  return X509_add1_ext_i2d(x509, NID_subject_alt_name, names.get(), 0, 0) == 1;
}

base::Result<Certificate> sign(const Template& wanted, EVP_PKEY* signing_key) {
  X509Ptr x509(X509_new());
  const IntegerPtr serial = random_serial();
  const TimePtr from(ASN1_TIME_set(nullptr, wanted.not_before)), until(ASN1_TIME_set(nullptr, wanted.not_after));
  if (!x509 || !serial || !from || !until) return failure("making a certificate");
  X509* issuer = wanted.issuer == nullptr ? x509.get() : wanted.issuer;
  const X509_NAME* issuer_name = wanted.issuer == nullptr ? wanted.subject : X509_get_subject_name(wanted.issuer);
  // A subject key identifier must stand before the authority's, which for a root is the same and is read from it.
  const bool made =
      X509_set_version(x509.get(), X509_VERSION_3) == 1 && X509_set_serialNumber(x509.get(), serial.get()) == 1 &&
      X509_set1_notBefore(x509.get(), from.get()) == 1 && X509_set1_notAfter(x509.get(), until.get()) == 1 &&
      X509_set_subject_name(x509.get(), wanted.subject) == 1 && X509_set_issuer_name(x509.get(), issuer_name) == 1 &&
      X509_set_pubkey(x509.get(), wanted.key) == 1 &&
      add_extension(x509.get(), issuer, NID_basic_constraints, wanted.constraints) &&
      add_extension(x509.get(), issuer, NID_key_usage, wanted.usage) &&
      add_extension(x509.get(), issuer, NID_ext_key_usage, wanted.extended) &&
      add_extension(x509.get(), issuer, NID_subject_key_identifier, "hash") &&
      add_extension(x509.get(), issuer, NID_authority_key_identifier, "keyid:always") &&
      add_uri(x509.get(), wanted.uri) && X509_sign(x509.get(), signing_key, digest_for(signing_key)) > 0;
  if (!made) return failure("signing a certificate");
  return Certificate::from_x509(std::move(x509), "a certificate of our own");
}

RevokedPtr revoked_entry(const Revoked& revoked) {
  RevokedPtr entry(X509_REVOKED_new());
  BIGNUM* raw = nullptr;
  if (!entry || BN_hex2bn(&raw, revoked.serial.c_str()) == 0) return nullptr;
  const BignumPtr number(raw);
  const IntegerPtr serial(BN_to_ASN1_INTEGER(number.get(), nullptr));
  const TimePtr time(ASN1_TIME_set(nullptr, revoked.time));
  if (!serial || !time || X509_REVOKED_set_serialNumber(entry.get(), serial.get()) != 1 ||
      X509_REVOKED_set_revocationDate(entry.get(), time.get()) != 1)
    return nullptr;
  return entry;
}

bool add_list_extensions(X509_CRL* crl, X509* issuer, uint64_t number) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, nullptr, nullptr, crl, 0);
  const ExtensionPtr authority(X509V3_EXT_conf_nid(nullptr, &context, NID_authority_key_identifier, "keyid:always"));
  const IntegerPtr value(ASN1_INTEGER_new());
  return authority && value && X509_CRL_add_ext(crl, authority.get(), -1) == 1 &&
         ASN1_INTEGER_set_uint64(value.get(), number) == 1 &&
         X509_CRL_add1_ext_i2d(crl, NID_crl_number, value.get(), 0, 0) == 1;
}

}  // namespace

base::Result<Signer> make_root(const std::string& trust_domain, KeyKind kind, Seconds now, Seconds lifetime) {
  const QuietErrors quiet;
  if (auto valid = check_trust_domain(trust_domain); !valid) return base::Error{valid.error()};
  auto key = PrivateKey::generate(kind);
  if (!key) return base::Error{key.error()};
  // Roots of one trust domain need different names, or a list or path of one would be taken for the other's.
  const BignumPtr unique(BN_new());
  if (!unique || BN_rand(unique.get(), 64, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) != 1) return failure("making a root");
  char* hex = BN_bn2hex(unique.get());
  const std::string tail = std::string(" ") + (hex == nullptr ? "" : hex);
  OPENSSL_free(hex);
  NamePtr subject(X509_NAME_new());
  if (!subject || !add_text(subject, "O", "Penstock") ||
      !add_text(subject, "CN", trust_domain.substr(0, kMaxCommonName - tail.size()) + tail))
    return failure("making a root");
  auto certificate = sign({.key = key->native(),
                           .subject = subject.get(),
                           .uri = std::string(kSpiffePrefix) + trust_domain,
                           .constraints = kRootConstraints,
                           .usage = kRootUsage,
                           .extended = "",
                           .not_before = now - kBackdate,
                           .not_after = now + lifetime},
                          key->native());
  if (!certificate) return base::Error{certificate.error()};
  return Signer{std::move(certificate).value(), std::move(key).value()};
}

base::Result<Certificate> cross_sign(const Signer& old, const Signer& fresh, const std::string& trust_domain,
                                     Seconds now) {
  const QuietErrors quiet;
  return sign({.issuer = old.certificate.native(),
               .key = fresh.key.native(),
               .subject = X509_get_subject_name(fresh.certificate.native()),
               .uri = std::string(kSpiffePrefix) + trust_domain,
               .constraints = kRootConstraints,
               .usage = kRootUsage,
               .extended = "",
               .not_before = now - kBackdate,
               .not_after = std::min(old.certificate.not_after(), fresh.certificate.not_after())},
              old.key.native());
}

base::Result<Certificate> sign_svid(const Signer& signer, EVP_PKEY* subject_key, const SpiffeId& id, Seconds now,
                                    Seconds lifetime) {
  const QuietErrors quiet;
  NamePtr subject(X509_NAME_new());
  if (!subject || !add_text(subject, "O", "Penstock")) return failure("making a certificate");
  return sign({.issuer = signer.certificate.native(),
               .key = subject_key,
               .subject = subject.get(),
               .uri = id.text(),
               .not_before = now - kBackdate,
               .not_after = now + lifetime},
              signer.key.native());
}

base::Result<Crl> sign_list(const Signer& signer, std::span<const Revoked> revoked, uint64_t number, Seconds now,
                            Seconds lifetime) {
  const QuietErrors quiet;
  CrlPtr crl(X509_CRL_new());
  const TimePtr from(ASN1_TIME_set(nullptr, now)), until(ASN1_TIME_set(nullptr, now + lifetime));
  X509* issuer = signer.certificate.native();
  if (!crl || !from || !until || X509_CRL_set_version(crl.get(), X509_CRL_VERSION_2) != 1 ||
      X509_CRL_set_issuer_name(crl.get(), X509_get_subject_name(issuer)) != 1 ||
      X509_CRL_set1_lastUpdate(crl.get(), from.get()) != 1 || X509_CRL_set1_nextUpdate(crl.get(), until.get()) != 1 ||
      !add_list_extensions(crl.get(), issuer, number))
    return failure("making a revocation list");
  for (const Revoked& each : revoked) {
    RevokedPtr entry = revoked_entry(each);
    if (!entry || X509_CRL_add0_revoked(crl.get(), entry.get()) != 1) return failure("making a revocation list");
    static_cast<void>(entry.release());
  }
  X509_CRL_sort(crl.get());
  if (X509_CRL_sign(crl.get(), signer.key.native(), digest_for(signer.key.native())) <= 0)
    return failure("signing a revocation list");
  return Crl::from_crl(std::move(crl), "a list of our own");
}

base::Result<KeyPtr> request_key(std::string_view pem, const std::string& name) {
  const QuietErrors quiet;
  const auto blocks = read_pem(pem, name, 1);
  if (!blocks) return base::Error{blocks.error()};
  const PemBlock& block = blocks->front();
  if (block.label != "CERTIFICATE REQUEST" && block.label != "NEW CERTIFICATE REQUEST")
    return base::Error{name + ": a " + block.label + ", want a CERTIFICATE REQUEST"};
  const auto* at = reinterpret_cast<const unsigned char*>(block.bytes.view().data());
  const unsigned char* end = at + block.bytes.view().size();
  const RequestPtr request(d2i_X509_REQ(nullptr, &at, end - at));
  if (!request || at != end) return base::Error{name + ": the request is damaged (" + openssl_reason() + ")"};
  KeyPtr key(X509_REQ_get_pubkey(request.get()));
  if (!key) return base::Error{name + ": the key of the request cannot be read (" + openssl_reason() + ")"};
  if (auto valid = check_key(key.get(), name); !valid) return base::Error{valid.error()};
  if (X509_REQ_verify(request.get(), key.get()) != 1)
    return base::Error{name + ": the request is not signed by its own key"};
  return key;
}

}  // namespace penstock::pki
