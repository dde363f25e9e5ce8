#include "control/pki/authority.h"

#include <sys/wait.h>

#include <set>

#include "control/pki/verify.h"
#include "unit/control/pki/forge.h"

namespace penstock::pki {
namespace {

class AuthorityTest : public DirectoryTest {
 protected:
  void SetUp() override {
    DirectoryTest::SetUp();
    ca_ = path("ca");
  }
  Authority make(Seconds now = kNow, RootOptions options = {}) {
    auto authority = Authority::init(ca_, "example.org", options, now);
    EXPECT_TRUE(authority.ok()) << authority.error();
    return std::move(authority).value();
  }
  Authority open() {
    auto authority = Authority::open(ca_);
    EXPECT_TRUE(authority.ok()) << authority.error();
    return std::move(authority).value();
  }
  std::string open_fault() {
    const auto authority = Authority::open(ca_);
    return authority ? "" : authority.error();
  }
  static SpiffeId id(const std::string& name) {
    return SpiffeId::parse("spiffe://example.org/gateway/" + name).value();
  }
  static TrustBundle trust(const Authority& authority, Seconds now) {
    return TrustBundle::make("example.org", authority.bundle(now), authority.lists().value(), "bundle").value();
  }
  static Verification check(const TrustBundle& bundle, const Issued& issued, Seconds now) {
    return verify(bundle, issued.chain, {.now = now, .refuse_stale_list = true, .require_list = true});
  }
  std::set<std::string> files() const {
    std::set<std::string> out;
    for (const auto& entry : std::filesystem::directory_iterator(ca_)) out.insert(entry.path().filename());
    return out;
  }

  std::string ca_;
};

TEST_F(AuthorityTest, MakesARoot) {
  const mode_t old = umask(0);
  auto authority = make();
  umask(old);
  EXPECT_EQ(files(),
            (std::set<std::string>{"bundle.crt", "ca.crt", "ca.key", "chain.crt", "crl.pem", "index", "lock"}));
  EXPECT_EQ(mode_of("ca"), 0700u);
  EXPECT_EQ(mode_of("ca/ca.key"), 0600u);
  EXPECT_EQ(mode_of("ca/ca.crt"), 0644u);
  EXPECT_EQ(authority.trust_domain(), "example.org");
  const Certificate& root = authority.root();
  EXPECT_TRUE(root.is_authority());
  EXPECT_EQ(root.subject(), root.issuer());
  EXPECT_TRUE(says(root.subject(), "CN=example.org "));
  EXPECT_EQ(root.not_before(), kNow - kBackdate);
  EXPECT_EQ(root.not_after(), kNow + kDefaultRootLifetime);
  EXPECT_EQ(load_certificates(path("ca/bundle.crt")).value().front().fingerprint(), root.fingerprint());
  const auto lists = authority.lists().value();
  ASSERT_EQ(lists.size(), 1u);
  EXPECT_EQ(lists[0].number(), "01");
  EXPECT_EQ(lists[0].next_update(), kNow + kListLifetime);
  EXPECT_TRUE(lists[0].is_from(root));
}

TEST_F(AuthorityTest, NeverOverwritesAnother) {
  std::string before;
  {
    make();
    before = read("ca/ca.key");
  }
  const auto again = Authority::init(ca_, "example.com", {}, kNow);
  ASSERT_FALSE(again.ok());
  EXPECT_TRUE(says(again.error(), "/ca/ca.key: is there already: nothing was changed"));
  EXPECT_EQ(read("ca/ca.key"), before);
  std::filesystem::remove(path("ca/ca.key"));
  EXPECT_TRUE(says(Authority::init(ca_, "example.com", {}, kNow).error(), "ca.crt: is there already"));
  std::filesystem::remove(path("ca/ca.crt"));
  EXPECT_TRUE(says(Authority::init(ca_, "example.com", {}, kNow).error(), "index: is there already"));
}

TEST_F(AuthorityTest, BadRequestsMakeNothing) {
  EXPECT_TRUE(says(Authority::init(ca_, "Example.org", {}, kNow).error(), "capital"));
  EXPECT_TRUE(says(Authority::init(ca_, "example.org", {.lifetime = 60}, kNow).error(), "want 1 to 7320 days"));
  EXPECT_FALSE(std::filesystem::exists(ca_));
  EXPECT_TRUE(says(Authority::init(path("no/such"), "example.org", {}, kNow).error(), "cannot be made"));
  write("file", "x");
  EXPECT_TRUE(says(Authority::init(path("file"), "example.org", {}, kNow).error(), "is no directory"));
  mkdir(ca_.c_str(), 0755);
  chmod(ca_.c_str(), 0755);
  EXPECT_TRUE(says(Authority::init(ca_, "example.org", {}, kNow).error(), "chmod 700"));
}

TEST_F(AuthorityTest, IssuesWhatPeersBelieve) {
  for (const KeyKind kind : {KeyKind::kP256, KeyKind::kP384}) {
    ca_ = path(std::string("ca") + to_string(kind));
    auto authority = make(kNow, {.kind = kind});
    const auto a = authority.issue(id("a"), kDefaultSvidLifetime, kNow, kind).value();
    EXPECT_EQ(a.svid().not_before(), kNow - 60);
    EXPECT_EQ(a.svid().not_after(), kNow + kDay);
    EXPECT_TRUE(a.key->matches(a.svid()));
    EXPECT_EQ(a.chain.size(), 1u);
    const auto result = check(trust(authority, kNow), a, kNow);
    EXPECT_TRUE(result.believed()) << result.reason;
    EXPECT_EQ(result.id, id("a"));
    EXPECT_TRUE(check(trust(authority, kNow), a, kNow - 60).believed());  // the peer's clock is a minute late
    EXPECT_EQ(check(trust(authority, kNow), a, kNow + kDay + 1).refusal, Refusal::kExpired);
  }
}

TEST_F(AuthorityTest, SerialsAreLongAndDiffer) {
  auto authority = make();
  std::set<std::string> serials;
  for (int i = 0; i < 50; ++i) serials.insert(authority.issue(id("a"), kDay, kNow).value().svid().serial());
  EXPECT_EQ(serials.size(), 50u);
  size_t longest = 0;
  for (const std::string& serial : serials) longest = std::max(longest, serial.size());
  EXPECT_EQ(longest, 32u);
}

TEST_F(AuthorityTest, RefusesWhatItMayNotSign) {
  auto authority = make(kNow, {.lifetime = 10 * kDay});
  const auto fault = [&authority](const char* text, Seconds lifetime, Seconds now) {
    const auto issued = authority.issue(SpiffeId::parse(text).value(), lifetime, now);
    return issued ? "" : issued.error();
  };
  EXPECT_TRUE(says(fault("spiffe://example.com/a", kDay, kNow), "not of trust domain example.org"));
  EXPECT_TRUE(says(fault("spiffe://example.org", kDay, kNow), "want a path"));
  EXPECT_TRUE(says(fault("spiffe://example.org/a", 299, kNow), "want 300 to"));
  EXPECT_TRUE(says(fault("spiffe://example.org/a", 91 * kDay, kNow), "want 300 to"));
  EXPECT_TRUE(says(fault("spiffe://example.org/a", kDay, kNow + 9 * kDay + 1), "penstock ca rotate"));
  EXPECT_TRUE(says(fault("spiffe://example.org/a", kDay, kNow - kDay), "is the clock right"));
  EXPECT_TRUE(says(authority.issue(SpiffeId(), kDay, kNow).error(), "trust domain"));
  EXPECT_TRUE(authority.entries().empty());
}

TEST_F(AuthorityTest, LongestNamesAreIssued) {
  const std::string domain(255, 'd');
  auto authority = Authority::init(ca_, domain, {}, kNow).value();
  const std::string start = "spiffe://" + domain + "/";
  const auto longest = SpiffeId::parse(start + std::string(kMaxSpiffeIdBytes - start.size(), 'p')).value();
  const auto issued = authority.issue(longest, kDay, kNow).value();
  const auto bundle = TrustBundle::make(domain, authority.bundle(kNow), {}, "b").value();
  const auto result = verify(bundle, issued.chain, {.now = kNow});
  EXPECT_TRUE(result.believed()) << result.reason;
  EXPECT_EQ(result.id, longest);
}

std::string request_pem(EVP_PKEY* key, EVP_PKEY* signer) {
  const RequestPtr request(X509_REQ_new());
  X509_REQ_set_pubkey(request.get(), key);
  X509_REQ_sign(request.get(), signer, EVP_sha256());
  const BioPtr out(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509_REQ(out.get(), request.get());
  char* text = nullptr;
  const long length = BIO_get_mem_data(out.get(), &text);
  return {text, static_cast<size_t>(length)};
}

TEST_F(AuthorityTest, SignsRequests) {
  auto authority = make();
  const auto key = PrivateKey::generate(KeyKind::kP384).value(), other = PrivateKey::generate(KeyKind::kP384).value();
  const std::string request = request_pem(key.native(), key.native());
  const auto issued = authority.issue_for(request, "a.csr", id("a"), kDay, kNow).value();
  EXPECT_FALSE(issued.key.has_value());
  EXPECT_TRUE(key.matches(issued.svid()));
  EXPECT_TRUE(check(trust(authority, kNow), issued, kNow).believed());
  const auto fault = [&](const std::string& text) {
    const auto result = authority.issue_for(text, "a.csr", id("a"), kDay, kNow);
    return result ? "" : result.error();
  };
  EXPECT_TRUE(
      says(fault(request_pem(key.native(), other.native())), "a.csr: the request is not signed by its own key"));
  const KeyPtr weak(EVP_RSA_gen(1024));
  EXPECT_TRUE(says(fault(request_pem(weak.get(), weak.get())), "1024 bits"));
  EXPECT_TRUE(says(fault(issued.svid().pem()), "want a CERTIFICATE REQUEST"));
  EXPECT_TRUE(says(fault(request.substr(0, 200)), "cut short"));
  EXPECT_TRUE(says(fault("-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n"), "damaged"));
}

TEST_F(AuthorityTest, Renews) {
  auto authority = make();
  const auto first = authority.issue(id("a"), 2 * kDay, kNow).value();
  const auto second = authority.renew(id("a"), 0, kNow + kDay).value();
  EXPECT_NE(second.svid().serial(), first.svid().serial());
  EXPECT_FALSE(first.key->matches(second.svid()));
  EXPECT_EQ(second.svid().not_after(), kNow + 3 * kDay);  // as long as the one before
  EXPECT_EQ(authority.renew(id("a"), kDay, kNow).value().svid().not_after(), kNow + kDay);
  EXPECT_TRUE(check(trust(authority, kNow), first, kNow + kDay).believed());  // stays good
  EXPECT_TRUE(says(authority.renew(id("b"), 0, kNow).error(), "was not issued here"));
  EXPECT_EQ(authority.revoke_id(id("a"), kNow + kDay).value(), 3u);
  EXPECT_TRUE(says(authority.renew(id("a"), 0, kNow).error(), "was revoked at"));
  EXPECT_TRUE(authority.issue(id("a"), kDay, kNow).ok());
  EXPECT_TRUE(authority.renew(id("a"), 0, kNow).ok());
}

TEST_F(AuthorityTest, Revokes) {
  std::string serial;
  {
    auto authority = make();
    const auto a = authority.issue(id("a"), kDay, kNow).value(), b = authority.issue(id("b"), kDay, kNow).value();
    serial = a.svid().serial();
    std::string spelled = "0x";
    for (const char c : serial) spelled += static_cast<char>(std::toupper(c));
    EXPECT_EQ(authority.revoke_serial(spelled, kNow + 5).value(), 1u);
    EXPECT_EQ(check(trust(authority, kNow), a, kNow).refusal, Refusal::kRevoked);
    EXPECT_TRUE(check(trust(authority, kNow), b, kNow).believed());
    EXPECT_EQ(authority.lists().value()[0].number(), "02");
    EXPECT_EQ(authority.revoke_serial(serial, kNow + 9).value(), 0u);  // again: a new list, the time of before
    EXPECT_EQ(authority.lists().value()[0].number(), "03");
    EXPECT_TRUE(says(authority.revoke_serial("1234", kNow).error(), "no certificate with serial 1234"));
    EXPECT_TRUE(says(authority.revoke_serial("xyz", kNow).error(), "hexadecimal"));
    EXPECT_TRUE(says(authority.revoke_id(id("c"), kNow).error(), "no certificate of"));
  }
  auto authority = open();
  ASSERT_EQ(authority.entries().size(), 2u);
  EXPECT_EQ(authority.entries()[0].serial, serial);
  EXPECT_EQ(authority.entries()[0].revoked, kNow + 5);
  EXPECT_EQ(authority.entries()[1].revoked, 0);
}

TEST_F(AuthorityTest, RevokingAnIdentityTakesWhatIsStillGood) {
  auto authority = make();
  authority.issue(id("a"), kHour, kNow).value();
  authority.issue(id("a"), 3 * kHour, kNow).value();
  authority.issue(id("a"), 3 * kHour, kNow).value();
  EXPECT_EQ(authority.revoke_id(id("a"), kNow + 2 * kHour).value(), 2u);
}

TEST_F(AuthorityTest, ForgetsLongExpired) {
  auto authority = make();
  authority.issue(id("a"), kDay, kNow).value();
  authority.issue(id("b"), kDay, kNow + 31 * kDay).value();
  EXPECT_EQ(authority.entries().size(), 2u);
  authority.issue(id("b"), kDay, kNow + 31 * kDay + 1).value();
  EXPECT_EQ(authority.entries().size(), 2u);
  EXPECT_EQ(authority.find(id("a")), nullptr);
}

TEST_F(AuthorityTest, RotatesWithOverlap) {
  auto authority = make(kNow, {.lifetime = 100 * kDay});
  const auto before = authority.issue(id("a"), 30 * kDay, kNow).value();
  const TrustBundle old_bundle = trust(authority, kNow);
  const std::string old_root = authority.root().serial();
  ASSERT_TRUE(authority.rotate({.lifetime = 200 * kDay}, kNow + kDay).ok());
  EXPECT_NE(authority.root().serial(), old_root);
  const auto after = authority.issue(id("b"), 30 * kDay, kNow + kDay).value();
  EXPECT_EQ(after.chain.size(), 2u);
  const TrustBundle both = trust(authority, kNow + kDay);
  EXPECT_EQ(both.roots().size(), 2u);
  EXPECT_EQ(load_certificates(path("ca/bundle.crt")).value().size(), 2u);
  // Every pair of a gateway that has the new files and one that has not.
  EXPECT_TRUE(check(both, before, kNow + 2 * kDay).believed());
  EXPECT_TRUE(check(both, after, kNow + 2 * kDay).believed());
  const auto result = verify(old_bundle, after.chain, {.now = kNow + 2 * kDay});
  EXPECT_TRUE(result.believed()) << result.reason;
  EXPECT_TRUE(check(old_bundle, before, kNow + 2 * kDay).believed());
  // Certificates of both roots can be revoked.
  ASSERT_TRUE(authority.revoke_id(id("a"), kNow + 2 * kDay).ok());
  ASSERT_TRUE(authority.revoke_id(id("b"), kNow + 2 * kDay).ok());
  const TrustBundle now = trust(authority, kNow + 2 * kDay);
  EXPECT_EQ(now.lists().size(), 2u);
  EXPECT_EQ(check(now, before, kNow + 2 * kDay).refusal, Refusal::kRevoked);
  EXPECT_EQ(check(now, after, kNow + 2 * kDay).refusal, Refusal::kRevoked);
}

TEST_F(AuthorityTest, OldRootGoesWhenItHasExpired) {
  {
    auto authority = make(kNow, {.lifetime = 10 * kDay});
    ASSERT_TRUE(authority.rotate({.lifetime = 100 * kDay}, kNow + 5 * kDay).ok());
  }
  auto authority = open();
  EXPECT_EQ(authority.bundle(kNow + 6 * kDay).size(), 2u);
  EXPECT_EQ(authority.bundle(kNow + 10 * kDay).size(), 1u);
  ASSERT_TRUE(authority.publish(kNow + 11 * kDay).ok());
  EXPECT_EQ(files(),
            (std::set<std::string>{"bundle.crt", "ca.crt", "ca.key", "chain.crt", "crl.pem", "index", "lock"}));
  EXPECT_EQ(authority.lists().value().size(), 1u);
  EXPECT_EQ(authority.issue(id("a"), kDay, kNow + 11 * kDay).value().chain.size(), 1u);  // the cross-certificate too
}

TEST_F(AuthorityTest, RotatesAgainAndAgainUpToTheBound) {
  auto authority = make();
  const TrustBundle first = trust(authority, kNow);
  for (size_t i = 1; i < kMaxRoots; ++i) ASSERT_TRUE(authority.rotate({}, kNow).ok());
  EXPECT_TRUE(says(authority.rotate({}, kNow).error(), "which is the most"));
  const auto issued = authority.issue(id("a"), kDay, kNow).value();
  EXPECT_EQ(issued.chain.size(), kMaxRoots);
  EXPECT_TRUE(check(trust(authority, kNow), issued, kNow).believed());
  const auto result = verify(first, issued.chain, {.now = kNow});
  EXPECT_TRUE(result.believed()) << result.reason;
}

TEST_F(AuthorityTest, RotatesAfterTheRootHasExpired) {
  auto authority = make(kNow, {.lifetime = 10 * kDay});
  ASSERT_TRUE(authority.rotate({}, kNow + 20 * kDay).ok());
  const auto issued = authority.issue(id("a"), kDay, kNow + 20 * kDay).value();
  EXPECT_EQ(issued.chain.size(), 1u);
  EXPECT_TRUE(check(trust(authority, kNow + 20 * kDay), issued, kNow + 20 * kDay).believed());
}

TEST_F(AuthorityTest, RunThatEndedBeforeTheCommitChangedNothing) {
  std::string root;
  { root = make().root().fingerprint(); }
  const std::string key = read("ca/ca.key"), certificate = read("ca/ca.crt");
  write("ca/next.key", "half a k", 0600);
  write("ca/next.crt", "half", 0600);
  write("ca/.tmp-0123456789abcdef", "half", 0600);
  EXPECT_EQ(open().root().fingerprint(), root);
  EXPECT_EQ(files().count("next.key") + files().count("next.crt") + files().count(".tmp-0123456789abcdef"), 0u);
  EXPECT_EQ(read("ca/ca.key") + read("ca/ca.crt"), key + certificate);
}

TEST_F(AuthorityTest, RunThatEndedAfterTheCommitIsFinished) {
  std::string old_certificate, fingerprint;
  {
    auto authority = make();
    old_certificate = read("ca/ca.crt");
    ASSERT_TRUE(authority.rotate({}, kNow).ok());
    fingerprint = authority.root().fingerprint();
  }
  // As it was between the first rename and the second.
  std::filesystem::rename(path("ca/ca.crt"), path("ca/next.crt"));
  std::filesystem::rename(path("ca/chain.crt"), path("ca/next-chain.crt"));
  write("ca/ca.crt", old_certificate);
  write("ca/chain.crt", "");
  auto authority = open();
  EXPECT_EQ(authority.root().fingerprint(), fingerprint);
  EXPECT_EQ(authority.issue(id("a"), kDay, kNow).value().chain.size(), 2u);
}

TEST_F(AuthorityTest, InitThatEndedEarlyCanBeRepeated) {
  mkdir(ca_.c_str(), 0700);
  write("ca/next.key", "half", 0600);
  write("ca/index", "penstock-ca 1 example.org 0\n", 0600);
  auto authority = make();
  EXPECT_TRUE(authority.issue(id("a"), kDay, kNow).ok());
}

TEST_F(AuthorityTest, OneRunAtATime) {
  const auto authority = make();
  EXPECT_TRUE(says(open_fault(), "/ca/lock: is held"));
}

TEST_F(AuthorityTest, DamagedStateIsNamed) {
  { make().issue(id("a"), kDay, kNow).value(); }
  const auto with = [this](const char* file, const std::string& text, unsigned mode, const char* part) {
    const std::string before = read(file);
    const unsigned old_mode = mode_of(file);
    write(file, text, mode);
    const std::string fault = open_fault();
    write(file, before, old_mode);
    EXPECT_TRUE(says(fault, part)) << file;
    EXPECT_TRUE(says(fault, file));
  };
  const std::string index = read("ca/index");
  with("ca/index", "", 0600, "is empty");
  with("ca/index", "other 1\n", 0600, "line 1");
  with("ca/index", index.substr(0, index.size() - 1), 0600, "line 2: is cut short");
  with("ca/index", index + "01 02 3 4\n", 0600, "line 3: is no entry");
  with("ca/index", index + "01 02 3 4 -5 spiffe://example.org/a\n", 0600, "line 3: is no entry");
  with("ca/index", index + "zz 02 3 4 0 spiffe://example.org/a\n", 0600, "line 3: is no entry");
  with("ca/ca.key", read("ca/ca.key"), 0640, "chmod 600");
  with("ca/ca.key", std::string(PrivateKey::generate(KeyKind::kP256).value().pem().view()), 0600, "is not the key of");
  with("ca/ca.crt", "nothing", 0644, "holds no PEM block");
  with("ca/ca.crt", forge({}).certificate.pem(), 0644, "is not the certificate of an authority");
  with("ca/chain.crt", "-----BEGIN CERTIFICATE-----\n", 0644, "cut short");
  EXPECT_EQ(open_fault(), "");
  chmod(ca_.c_str(), 0750);
  EXPECT_TRUE(says(open_fault(), "chmod 700"));
}

TEST_F(AuthorityTest, MistypedDirectoryIsNotMade) {
  EXPECT_TRUE(says(open_fault(), "penstock ca init"));
  EXPECT_FALSE(std::filesystem::exists(ca_));
}

}  // namespace
}  // namespace penstock::pki
