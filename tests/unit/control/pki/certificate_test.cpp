#include "control/pki/certificate.h"

#include <openssl/rsa.h>

#include "unit/control/pki/forge.h"

namespace penstock::pki {
namespace {

std::string fault_of(const std::string& pem) {
  const auto parsed = parse_certificates(pem, "chain.pem");
  return parsed ? "" : parsed.error();
}

TEST(Certificate, SaysWhatItHolds) {
  const Identity a = forge({.serial = 0xabcde});
  const auto read = parse_certificates(a.certificate.pem(), "chain.pem").value();
  ASSERT_EQ(read.size(), 1u);
  EXPECT_EQ(read[0].serial(), "0abcde");
  EXPECT_EQ(read[0].subject(), "CN=forged");
  EXPECT_EQ(read[0].issuer(), "CN=forged");
  EXPECT_EQ(read[0].not_before(), kNow - kHour);
  EXPECT_EQ(read[0].not_after(), kNow + kDay);
  EXPECT_EQ(read[0].fingerprint(), a.certificate.fingerprint());
  EXPECT_EQ(read[0].fingerprint().size(), 64u);
  EXPECT_EQ(read[0].identity().value().text(), "spiffe://example.org/gateway/a");
  EXPECT_FALSE(read[0].is_authority());
  EXPECT_TRUE(forge(forged_root()).certificate.is_authority());
}

TEST(Certificate, TimesAndSerialsAsText) {
  EXPECT_EQ(time_text(0), "1970-01-01T00:00:00Z");
  EXPECT_EQ(time_text(kNow), "2027-01-15T08:00:00Z");
  EXPECT_EQ(normal_serial("0x00AB:cd"), "abcd");
  EXPECT_EQ(normal_serial("abc"), "0abc");
  EXPECT_EQ(normal_serial("00"), "");
  EXPECT_EQ(normal_serial("no"), "");
  EXPECT_EQ(normal_serial(""), "");
  EXPECT_EQ(normal_serial(std::string(42, 'f')), "");
}

TEST(Certificate, RulesOfTheLeaf) {
  const auto fault = [](Forgery forgery) {
    const auto id = forge(forgery).certificate.identity();
    return id ? "" : id.error();
  };
  EXPECT_EQ(fault({}), "");
  EXPECT_EQ(fault({.san = "URI:spiffe://example.org/a,DNS:example.org,IP:192.0.2.1"}), "");
  EXPECT_EQ(fault({.extended = ""}), "");
  EXPECT_TRUE(says(fault({.san = ""}), "no URI"));
  EXPECT_TRUE(says(fault({.san = "DNS:example.org"}), "no URI"));
  EXPECT_TRUE(says(fault({.san = "URI:spiffe://example.org/a,URI:spiffe://example.org/b"}), "2 URIs"));
  EXPECT_TRUE(says(fault({.san = "URI:spiffe://example.org/a,URI:https://example.org/"}), "2 URIs"));
  EXPECT_TRUE(says(fault({.san = "URI:https://example.org/a"}), "want spiffe://"));
  EXPECT_TRUE(says(fault({.san = "URI:spiffe://example.org"}), "want a path"));
  EXPECT_TRUE(says(fault({.constraints = "critical,CA:TRUE", .usage = "critical,keyCertSign"}), "CA:TRUE"));
  EXPECT_TRUE(says(fault({.constraints = "critical,CA:TRUE"}), "CA:TRUE"));
  EXPECT_TRUE(says(fault({.usage = ""}), "no key usage"));
  EXPECT_TRUE(says(fault({.usage = "critical,keyEncipherment"}), "digitalSignature"));
  EXPECT_TRUE(says(fault({.usage = "critical,digitalSignature,keyCertSign"}), "keyCertSign or cRLSign"));
  EXPECT_TRUE(says(fault({.usage = "critical,digitalSignature,cRLSign"}), "keyCertSign or cRLSign"));
  EXPECT_TRUE(says(fault({.usage = "digitalSignature"}), "not critical"));
  EXPECT_TRUE(says(fault({.extended = "serverAuth"}), "serverAuth and clientAuth"));
}

TEST(Certificate, UriWithNulByteIsNoName) {
  auto key = PrivateKey::generate(KeyKind::kP256).value();
  X509Ptr x509 = forge_x509({.san = ""}, key.native(), nullptr);
  const GeneralNamesPtr names(GENERAL_NAMES_new());
  GENERAL_NAME* name = GENERAL_NAME_new();
  ASN1_IA5STRING* text = ASN1_IA5STRING_new();
  ASN1_STRING_set(text, "spiffe://example.org/a\0.evil", 28);
  GENERAL_NAME_set0_value(name, GEN_URI, text);
  sk_GENERAL_NAME_push(names.get(), name);
  X509_add1_ext_i2d(x509.get(), NID_subject_alt_name, names.get(), 0, 0);
  X509_sign(x509.get(), key.native(), EVP_sha256());
  const auto certificate = Certificate::from_x509(std::move(x509), "c").value();
  EXPECT_TRUE(says(certificate.identity().error(), "\\x00"));
}

TEST(Certificate, TwoSanExtensionsAreDamage) {
  auto key = PrivateKey::generate(KeyKind::kP256).value();
  X509Ptr x509 = forge_x509({}, key.native(), nullptr);
  extend(x509.get(), x509.get(), NID_subject_alt_name, "URI:spiffe://example.org/b");
  X509_sign(x509.get(), key.native(), EVP_sha256());
  const auto certificate = Certificate::from_x509(std::move(x509), "c");
  if (certificate) {
    EXPECT_TRUE(says(certificate->identity().error(), "two subject alternative"));
  } else {
    EXPECT_TRUE(says(certificate.error(), "damaged"));
  }
}

TEST(Certificate, WeakAndStrangeKeysAreRefused) {
  const KeyPtr rsa(EVP_RSA_gen(1024)), edwards(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED448")),
      curve(EVP_EC_gen("secp256k1")), good(EVP_RSA_gen(2048));
  EXPECT_TRUE(says(check_key(rsa.get(), "k").error(), "1024 bits"));
  EXPECT_TRUE(says(check_key(edwards.get(), "k").error(), "want EC, Ed25519 or RSA"));
  EXPECT_TRUE(says(check_key(curve.get(), "k").error(), "another curve"));
  EXPECT_TRUE(check_key(good.get(), "k").ok());
}

TEST(Certificate, SerialOfZeroIsRefused) {
  auto key = PrivateKey::generate(KeyKind::kP256).value();
  for (const long serial : {0L, -5L}) {
    const auto read = Certificate::from_x509(forge_x509({.serial = serial}, key.native(), nullptr), "c");
    ASSERT_FALSE(read.ok());
    EXPECT_TRUE(says(read.error(), "serial"));
  }
}

TEST(Pem, TextBetweenBlocksIsAllowedDamageIsNot) {
  const std::string pem = forge({}).certificate.pem();
  EXPECT_EQ(fault_of("# our root\nsubject=CN=x\n" + pem + "\n\nand another\n" + pem), "");
  std::string windows = pem;
  for (size_t at = 0; (at = windows.find('\n', at)) != std::string::npos; at += 2) windows.insert(at, "\r");
  EXPECT_EQ(fault_of(windows), "");

  EXPECT_TRUE(says(fault_of(""), "holds no PEM block"));
  EXPECT_TRUE(says(fault_of("hello\n"), "holds no PEM block"));
  EXPECT_TRUE(says(fault_of(pem.substr(0, pem.size() / 2)), "cut short"));
  EXPECT_TRUE(says(fault_of(pem.substr(0, pem.size() / 2) + "\n" + pem), "BEGIN inside of BEGIN"));
  EXPECT_TRUE(says(fault_of(pem.substr(pem.find('\n') + 1)), "without BEGIN"));
  // What OpenSSL's reader would skip as a comment: a block whose first line lost a dash.
  EXPECT_TRUE(says(fault_of(pem.substr(1) + pem), "no boundary"));
  EXPECT_TRUE(says(fault_of("\xef\xbb\xbf" + pem), "no boundary"));
  std::string star = pem;
  star[star.find('\n') + 10] = '*';
  EXPECT_TRUE(says(fault_of(star), "not base64"));
  std::string end = pem;
  end.replace(end.rfind("CERTIFICATE"), 11, "PUBLIC KEY");
  EXPECT_TRUE(says(fault_of(end), "ends BEGIN"));
  EXPECT_TRUE(says(fault_of(pem + std::string("\0\x01", 2) + pem), "control character"));
  EXPECT_TRUE(says(fault_of("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"), "not base64"));
  EXPECT_TRUE(says(fault_of("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), "damaged"));
  EXPECT_TRUE(says(fault_of("-----BEGIN CERTIFICATE-----\nAA=A\n-----END CERTIFICATE-----\n"), "not base64"));
  EXPECT_TRUE(
      says(fault_of(pem + "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n"), "want only CERTIFICATE"));
}

TEST(Pem, EveryMessageNamesFileAndLine) {
  const std::string pem = forge({}).certificate.pem();
  EXPECT_TRUE(says(fault_of("comment\n" + pem + "-----BEGIN X-----\nAAAA\n-----END X-----\n"), "chain.pem: line "));
  EXPECT_TRUE(says(fault_of("\n\n-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), "line 3: "));
}

TEST(Pem, NumberOfBlocksIsBounded) {
  const std::string pem = forge({}).certificate.pem();
  std::string many;
  for (size_t i = 0; i < kMaxBundle; ++i) many += pem;
  EXPECT_EQ(fault_of(many), "");
  EXPECT_TRUE(says(fault_of(many + pem), "more than 64"));
  EXPECT_TRUE(says(parse_certificates(many, "c", kMaxChain).error(), "more than 8"));
}

TEST(Pem, EveryCutAndEveryFlippedByteIsSurvived) {
  const std::string pem = forge({}).certificate.pem();
  for (size_t i = 0; i + 1 < pem.size(); ++i) EXPECT_FALSE(parse_certificates(pem.substr(0, i), "c").ok());
  for (size_t i = 0; i < pem.size(); ++i) {
    std::string flipped = pem;
    flipped[i] = static_cast<char>(flipped[i] ^ 4);
    const auto ignored = parse_certificates(flipped, "c");
  }
  EXPECT_EQ(ERR_peek_error(), 0u);
}

class SvidFiles : public DirectoryTest {
 protected:
  std::string fault() {
    const auto svid = load_svid(path("svid.crt"), path("svid.key"));
    return svid ? "" : svid.error();
  }
  const Identity a_ = forge({});
  const std::string pem_ = a_.certificate.pem(), key_ = std::string(a_.key.pem().view());
};

TEST_F(SvidFiles, LoadTogether) {
  write("svid.crt", pem_);
  write("svid.key", key_, 0600);
  const auto svid = load_svid(path("svid.crt"), path("svid.key"));
  ASSERT_TRUE(svid.ok()) << svid.error();
  EXPECT_EQ(svid->id.text(), "spiffe://example.org/gateway/a");
  EXPECT_EQ(svid->leaf().fingerprint(), a_.certificate.fingerprint());
  write("svid.key", key_, 0400);
  EXPECT_EQ(fault(), "");
}

TEST_F(SvidFiles, KeyOfAnotherCertificate) {
  write("svid.crt", pem_);
  write("svid.key", std::string(forge({}).key.pem().view()), 0600);
  EXPECT_TRUE(says(fault(), "svid.key: is not the key of the first certificate"));
}

TEST_F(SvidFiles, KeyThatOthersMayRead) {
  write("svid.crt", pem_);
  for (const unsigned mode : {0644u, 0640u, 0604u, 0620u, 0666u}) {
    write("svid.key", key_, mode);
    EXPECT_TRUE(says(fault(), "chmod 600")) << mode;
  }
}

TEST_F(SvidFiles, FilesThatAreNone) {
  write("svid.crt", pem_);
  EXPECT_TRUE(says(fault(), "svid.key: cannot be opened: No such file"));
  mkdir(path("svid.key").c_str(), 0700);
  EXPECT_TRUE(says(fault(), "svid.key: is a directory"));
  rmdir(path("svid.key").c_str());
  ASSERT_EQ(mkfifo(path("svid.key").c_str(), 0600), 0);
  EXPECT_TRUE(says(fault(), "no regular file"));  // and does not wait for a writer
  std::filesystem::remove(path("svid.crt"));
  mkdir(path("svid.crt").c_str(), 0700);
  EXPECT_TRUE(says(fault(), "svid.crt: is a directory"));
}

TEST_F(SvidFiles, GiantFile) {
  write("svid.crt", pem_);
  std::filesystem::resize_file(path("svid.crt"), 1ull << 40);  // sparse
  EXPECT_TRUE(says(fault(), "svid.crt: has 1099511627776 bytes, at most 1048576"));
}

TEST_F(SvidFiles, KeysThatCannotBeUsed) {
  write("svid.crt", pem_);
  write("svid.key", pem_, 0600);
  EXPECT_TRUE(says(fault(), "a CERTIFICATE, want one PRIVATE KEY"));
  write("svid.key", key_ + key_, 0600);
  EXPECT_TRUE(says(fault(), "a second private key"));
  write("svid.key", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n", 0600);
  EXPECT_TRUE(says(fault(), "encrypted"));
  write("svid.key",
        "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: x\n\nAAAA\n-----END EC PRIVATE KEY-----\n",
        0600);
  EXPECT_TRUE(says(fault(), "encrypted"));
  write("svid.key", key_.substr(0, key_.size() - 40), 0600);
  EXPECT_TRUE(says(fault(), "svid.key: "));
  write("svid.key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", 0600);
  EXPECT_TRUE(says(fault(), "the private key is damaged"));
}

TEST_F(SvidFiles, PrivateKeyAmongCertificates) {
  write("svid.crt", pem_ + key_);
  write("svid.key", key_, 0600);
  EXPECT_TRUE(says(fault(), "a private key among certificates"));
}

TEST_F(SvidFiles, WritingIsWholeAndPrivateFromTheStart) {
  const mode_t old = umask(0);
  EXPECT_TRUE(write_file(path("k"), "one", 0600).ok());
  EXPECT_EQ(mode_of("k"), 0600u);
  umask(0777);
  EXPECT_TRUE(write_file(path("p"), "two", 0644).ok());
  umask(old);
  EXPECT_EQ(mode_of("p"), 0644u);
  EXPECT_TRUE(write_file(path("k"), "three", 0600).ok());
  EXPECT_EQ(read("k"), "three");
  mkdir(path("d").c_str(), 0700);
  EXPECT_TRUE(says(write_file(path("d"), "x", 0600).error(), "no regular file"));
  EXPECT_TRUE(says(write_file(path("none/x"), "x", 0600).error(), "cannot be written"));
  size_t entries = 0;
  for (const auto& entry : std::filesystem::directory_iterator(directory_)) entries += entry.exists() ? 1 : 0;
  EXPECT_EQ(entries, 3u);  // no temporary file stays
}

TEST_F(SvidFiles, LockIsExclusive) {
  auto first = FileLock::take(path("lock"));
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(mode_of("lock"), 0600u);
  EXPECT_TRUE(says(FileLock::take(path("lock")).error(), "is held"));
  { const FileLock gone = std::move(*first); }
  EXPECT_TRUE(FileLock::take(path("lock")).ok());
  symlink("lock", path("link").c_str());
  EXPECT_FALSE(FileLock::take(path("link")).ok());
}

}  // namespace
}  // namespace penstock::pki
