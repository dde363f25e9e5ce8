// Certificates as no authority of ours would make them, and a directory that goes with the test.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "control/pki/crl.h"
#include "control/pki/files.h"

namespace penstock::pki {

constexpr Seconds kNow = 1'800'000'000;  // 2027-01-15
constexpr Seconds kHour = 3600, kDay = 24 * kHour;

struct Identity {
  Certificate certificate;
  PrivateKey key;
};

struct Forgery {
  std::string subject = "forged";
  std::string san = "URI:spiffe://example.org/gateway/a";  // as openssl.cnf writes it; empty: none
  std::string constraints = "critical,CA:FALSE";
  std::string usage = "critical,digitalSignature";
  std::string extended = "serverAuth,clientAuth";
  std::string name_constraints;
  Seconds not_before = kNow - kHour, not_after = kNow + kDay;
  long serial = 7;
  bool same_key_identifier = true;  // names the key of its issuer
};

inline Forgery forged_root(const std::string& subject = "root") {
  return {.subject = subject,
          .san = "URI:spiffe://example.org",
          .constraints = "critical,CA:TRUE",
          .usage = "critical,keyCertSign,cRLSign",
          .extended = "",
          .not_before = kNow - 10 * kDay,
          .not_after = kNow + 100 * kDay,
          .serial = 1};
}

inline void extend(X509* x509, X509* issuer, int nid, const std::string& value) {
  if (value.empty()) return;
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, x509, nullptr, nullptr, 0);
  const ExtensionPtr extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
  ASSERT_TRUE(extension) << value;
  X509_add_ext(x509, extension.get(), -1);
}

inline void set_common_name(X509_NAME* name, const std::string& text) {
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(text.c_str()), -1, -1,
                             0);
}

// Signed by `issuer`, or by itself.
inline X509Ptr forge_x509(const Forgery& forgery, EVP_PKEY* key, const Identity* issuer) {
  X509Ptr x509(X509_new());
  X509* signer = issuer ? issuer->certificate.native() : x509.get();
  X509_set_version(x509.get(), 2);
  ASN1_INTEGER_set(X509_get_serialNumber(x509.get()), forgery.serial);
  ASN1_TIME_set(X509_getm_notBefore(x509.get()), forgery.not_before);
  ASN1_TIME_set(X509_getm_notAfter(x509.get()), forgery.not_after);
  set_common_name(X509_get_subject_name(x509.get()), forgery.subject);
  X509_set_issuer_name(x509.get(), X509_get_subject_name(signer));
  X509_set_pubkey(x509.get(), key);
  extend(x509.get(), signer, NID_basic_constraints, forgery.constraints);
  extend(x509.get(), signer, NID_key_usage, forgery.usage);
  extend(x509.get(), signer, NID_ext_key_usage, forgery.extended);
  extend(x509.get(), signer, NID_subject_key_identifier, "hash");
  if (forgery.same_key_identifier) extend(x509.get(), signer, NID_authority_key_identifier, "keyid");
  extend(x509.get(), signer, NID_subject_alt_name, forgery.san);
  extend(x509.get(), signer, NID_name_constraints, forgery.name_constraints);
  X509_sign(x509.get(), issuer ? issuer->key.native() : key, EVP_sha256());
  ERR_clear_error();
  return x509;
}

inline Identity forge(const Forgery& forgery, const Identity* issuer = nullptr) {
  auto key = PrivateKey::generate(KeyKind::kP256).value();
  auto certificate = Certificate::from_x509(forge_x509(forgery, key.native(), issuer), "forged");
  EXPECT_TRUE(certificate.ok()) << certificate.error();
  return {std::move(certificate).value(), std::move(key)};
}

inline Crl forge_list(const Identity& issuer, const std::vector<long>& serials, Seconds made, Seconds next,
                      bool sign_with_other_key = false) {
  CrlPtr crl(X509_CRL_new());
  X509_CRL_set_version(crl.get(), 1);
  X509_CRL_set_issuer_name(crl.get(), X509_get_subject_name(issuer.certificate.native()));
  const TimePtr from(ASN1_TIME_set(nullptr, made)), until(ASN1_TIME_set(nullptr, next));
  X509_CRL_set1_lastUpdate(crl.get(), from.get());
  X509_CRL_set1_nextUpdate(crl.get(), until.get());
  for (const long each : serials) {
    RevokedPtr revoked(X509_REVOKED_new());
    const IntegerPtr serial(ASN1_INTEGER_new());
    ASN1_INTEGER_set(serial.get(), each);
    X509_REVOKED_set_serialNumber(revoked.get(), serial.get());
    X509_REVOKED_set_revocationDate(revoked.get(), from.get());
    X509_CRL_add0_revoked(crl.get(), revoked.release());
  }
  X509_CRL_sort(crl.get());
  const auto other = PrivateKey::generate(KeyKind::kP256).value();
  X509_CRL_sign(crl.get(), sign_with_other_key ? other.native() : issuer.key.native(), EVP_sha256());
  return Crl::from_crl(std::move(crl), "list").value();
}

class DirectoryTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "penstock-pki-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
  }
  void TearDown() override {
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }

  std::string path(const std::string& name) const { return directory_ + "/" + name; }
  std::string write(const std::string& name, const std::string& text, unsigned mode = 0644) const {
    std::ofstream(path(name), std::ios::binary | std::ios::trunc) << text;
    chmod(path(name).c_str(), mode);
    return path(name);
  }
  std::string read(const std::string& name) const {
    std::ifstream file(path(name), std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  }
  unsigned mode_of(const std::string& name) const {
    struct stat s = {};
    EXPECT_EQ(stat(path(name).c_str(), &s), 0) << name;
    return s.st_mode & 07777;
  }

  std::string directory_;
};

inline testing::AssertionResult says(const std::string& message, const std::string& part) {
  if (message.find(part) != std::string::npos) return testing::AssertionSuccess();
  return testing::AssertionFailure() << "\"" << message << "\" does not say \"" << part << "\"";
}

}  // namespace penstock::pki
