#include "control/pki/certificate.h"

#include <algorithm>
#include <ctime>

namespace penstock::pki {
namespace {

bool seconds_of(const ASN1_TIME* time, Seconds& out) {
  tm parts = {};
  if (time == nullptr || ASN1_TIME_to_tm(time, &parts) != 1) return false;
  out = timegm(&parts);
  return true;
}

std::string name_text(const X509_NAME* name) {
  const BioPtr out(BIO_new(BIO_s_mem()));
  if (!out || X509_NAME_print_ex(out.get(), name, 0, XN_FLAG_RFC2253) < 0) return "?";
  char* text = nullptr;
  const long length = BIO_get_mem_data(out.get(), &text);
  return length <= 0 ? std::string() : std::string(text, static_cast<size_t>(length));
}

// The one URI of the subject alternative names.
base::Result<std::string> uri_of(X509* x509) {
  int critical = 0;
  const GeneralNamesPtr names(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(x509, NID_subject_alt_name, &critical, nullptr)));
  if (!names && critical == -2) return base::Error{"has two subject alternative name extensions"};
  if (!names && critical >= 0) return base::Error{"has a damaged subject alternative name"};
  std::string uri;
  int uris = 0;
  for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type != GEN_URI) continue;
    const ASN1_IA5STRING* text = name->d.uniformResourceIdentifier;
    uri.assign(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
               static_cast<size_t>(ASN1_STRING_length(text)));
    ++uris;
  }
  if (uris == 0) return base::Error{"has no URI among its subject alternative names, want one SPIFFE ID"};
  if (uris > 1)
    return base::Error{"has " + std::to_string(uris) + " URIs among its subject alternative names, want one"};
  return uri;
}

// X509-SVID, 4.1, 4.3, 4.4.
const char* usage_fault(X509* x509) {
  const uint32_t flags = X509_get_extension_flags(x509), usage = X509_get_key_usage(x509);
  if ((flags & EXFLAG_CA) != 0) return "is the certificate of an authority (CA:TRUE), want a leaf";
  if ((flags & EXFLAG_KUSAGE) == 0) return "has no key usage, want digitalSignature";
  if ((usage & (KU_KEY_CERT_SIGN | KU_CRL_SIGN)) != 0)
    return "has key usage keyCertSign or cRLSign, which is no leaf's";
  if ((usage & KU_DIGITAL_SIGNATURE) == 0) return "lacks key usage digitalSignature";
  const int at = X509_get_ext_by_NID(x509, NID_key_usage, -1);
  if (X509_EXTENSION_get_critical(X509_get_ext(x509, at)) == 0) return "has a key usage that is not critical";
  constexpr uint32_t kBoth = XKU_SSL_SERVER | XKU_SSL_CLIENT;
  if ((flags & EXFLAG_XKUSAGE) != 0 && (X509_get_extended_key_usage(x509) & kBoth) != kBoth)
    return "has an extended key usage without both serverAuth and clientAuth";
  return nullptr;
}

}  // namespace

std::string time_text(Seconds time) {
  const time_t t = time;
  tm parts = {};
  char text[64];
  if (gmtime_r(&t, &parts) == nullptr || strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts) == 0) return "?";
  return text;
}

std::string hex_text(base::Bytes bytes) {
  static constexpr const char* kHex = "0123456789abcdef";
  std::string out;
  for (const uint8_t byte : bytes) out += {kHex[byte >> 4], kHex[byte & 15]};
  return out;
}

std::string normal_serial(std::string_view text) {
  if (text.starts_with("0x") || text.starts_with("0X")) text.remove_prefix(2);
  std::string out;
  for (const char c : text) {
    if (c == ':') continue;
    const char lower = c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c;
    if ((lower < '0' || lower > '9') && (lower < 'a' || lower > 'f')) return "";
    out += lower;
  }
  out.erase(0, std::min(out.find_first_not_of('0'), out.size()));
  if (out.size() % 2 != 0) out.insert(0, "0");  // whole bytes
  return out.size() > 2 * kMaxSerialBytes ? "" : out;
}

std::string serial_text(const ASN1_INTEGER* serial) {
  if (serial == nullptr || ASN1_STRING_type(serial) == V_ASN1_NEG_INTEGER) return "";
  const auto length = static_cast<size_t>(std::max(0, ASN1_STRING_length(serial)));
  if (length > kMaxSerialBytes) return "";
  return normal_serial(hex_text({ASN1_STRING_get0_data(serial), length}));
}

base::Result<Certificate> Certificate::from_x509(X509Ptr x509, const std::string& name) {
  const QuietErrors quiet;
  const auto fault = [&name](const std::string& reason) { return base::Error{name + ": " + reason}; };
  if (!x509) return fault("no certificate");
  auto facts = std::make_shared<Facts>();
  facts->subject = name_text(X509_get_subject_name(x509.get()));
  facts->issuer = name_text(X509_get_issuer_name(x509.get()));
  facts->serial = serial_text(X509_get0_serialNumber(x509.get()));
  if (facts->serial.empty())
    return fault("the serial number is not a positive number of at most " + std::to_string(kMaxSerialBytes) + " bytes");
  if (!seconds_of(X509_get0_notBefore(x509.get()), facts->not_before) ||
      !seconds_of(X509_get0_notAfter(x509.get()), facts->not_after))
    return fault("the validity of the certificate cannot be read");
  if (facts->not_after < facts->not_before) return fault("the certificate ends before it begins");
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned length = 0;
  if (X509_digest(x509.get(), EVP_sha256(), digest, &length) != 1) return fault("out of memory");
  facts->fingerprint = hex_text({digest, length});
  // Reads every extension once, which also fills what later readers share.
  if ((X509_get_extension_flags(x509.get()) & EXFLAG_INVALID) != 0)
    return fault("an extension of the certificate is damaged");
  EVP_PKEY* key = X509_get0_pubkey(x509.get());
  if (key == nullptr) return fault("the public key of the certificate cannot be read (" + openssl_reason() + ")");
  if (auto valid = check_key(key, name); !valid) return base::Error{valid.error()};
  return Certificate(std::shared_ptr<X509>(x509.release(), X509_free), std::move(facts));
}

base::Result<Certificate> Certificate::from_der(base::Bytes der, const std::string& name) {
  const QuietErrors quiet;
  const unsigned char* at = der.data();
  X509Ptr x509(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
  if (!x509) return base::Error{name + ": the certificate is damaged (" + openssl_reason() + ")"};
  if (at != der.data() + der.size()) return base::Error{name + ": bytes follow the certificate in its block"};
  return from_x509(std::move(x509), name);
}

bool Certificate::is_authority() const {
  const uint32_t flags = X509_get_extension_flags(native());
  return (flags & EXFLAG_CA) != 0 && (flags & EXFLAG_KUSAGE) != 0 &&
         (X509_get_key_usage(native()) & KU_KEY_CERT_SIGN) != 0;
}

std::string Certificate::pem() const {
  const QuietErrors quiet;
  const BioPtr out(BIO_new(BIO_s_mem()));
  if (!out || PEM_write_bio_X509(out.get(), native()) != 1) return "";
  char* text = nullptr;
  const long length = BIO_get_mem_data(out.get(), &text);
  return {text, static_cast<size_t>(length)};
}

base::Result<SpiffeId> Certificate::identity() const {
  const QuietErrors quiet;
  if (const char* fault = usage_fault(native())) return base::Error{fault};
  const auto uri = uri_of(native());
  if (!uri) return base::Error{uri.error()};
  auto id = SpiffeId::parse(*uri);
  if (id && id->path().empty()) return base::Error{"SPIFFE ID " + quoted(*uri) + ": names a trust domain, want a path"};
  return id;
}

}  // namespace penstock::pki
