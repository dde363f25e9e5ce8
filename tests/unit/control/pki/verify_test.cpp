#include "control/pki/verify.h"

#include <set>

#include "unit/control/pki/forge.h"

namespace penstock::pki {
namespace {

std::vector<Certificate> certificates(std::initializer_list<const Identity*> identities) {
  std::vector<Certificate> out;
  for (const Identity* each : identities) out.push_back(each->certificate);
  return out;
}

class Verify : public ::testing::Test {
 protected:
  TrustBundle bundle(std::initializer_list<const Identity*> roots, std::vector<Crl> lists = {}) {
    return TrustBundle::make("example.org", certificates(roots), std::move(lists), "bundle").value();
  }
  Verification check(std::initializer_list<const Identity*> chain, Expectation expected = {.now = kNow}) {
    return verify(bundle({&root_}, lists_), certificates(chain), expected);
  }
  Forgery intermediate() {
    Forgery forgery = forged_root("intermediate");
    forgery.serial = 2;
    return forgery;
  }

  const Identity root_ = forge(forged_root());
  const Identity leaf_ = forge({}, &root_);
  std::vector<Crl> lists_;
};

TEST_F(Verify, GoodPeer) {
  const auto result = check({&leaf_});
  EXPECT_TRUE(result.believed()) << result.reason;
  EXPECT_EQ(result.id.text(), "spiffe://example.org/gateway/a");
  EXPECT_EQ(result.reason, "");
  EXPECT_EQ(result.stale_list, "");
  EXPECT_TRUE(check({&leaf_, &root_}).believed());
}

TEST_F(Verify, GoodPeerBehindAnIntermediate) {
  const Identity middle = forge(intermediate(), &root_);
  const Identity leaf = forge({}, &middle);
  EXPECT_TRUE(check({&leaf, &middle}).believed()) << check({&leaf, &middle}).reason;
  EXPECT_TRUE(check({&leaf, &root_, &middle}).believed());  // in any order
  EXPECT_EQ(check({&leaf}).refusal, Refusal::kUnknownAuthority);
}

TEST_F(Verify, Times) {
  auto result = check({&leaf_}, {.now = kNow + kDay + 1});
  EXPECT_EQ(result.refusal, Refusal::kExpired);
  EXPECT_TRUE(says(result.reason, "spiffe://example.org/gateway/a expired at 2027-01-16T08:00:00Z"));
  EXPECT_TRUE(check({&leaf_}, {.now = kNow + kDay - 1}).believed());
  result = check({&leaf_}, {.now = kNow - kHour - 1});
  EXPECT_EQ(result.refusal, Refusal::kNotYetValid);
  EXPECT_TRUE(check({&leaf_}, {.now = kNow - kHour}).believed());
  const Identity lasting = forge({.not_after = kNow + 1000 * kDay}, &root_);
  result = check({&lasting}, {.now = kNow + 101 * kDay});
  EXPECT_EQ(result.refusal, Refusal::kExpired);
  EXPECT_TRUE(says(result.reason, "CN=root"));
}

TEST_F(Verify, ForeignRoots) {
  const Identity other = forge(forged_root("other")), same_name = forge(forged_root("root"));
  const Identity leaf = forge({}, &other), twin = forge({}, &same_name);
  EXPECT_EQ(check({&leaf}).refusal, Refusal::kUnknownAuthority);
  EXPECT_EQ(check({&leaf, &other}).refusal, Refusal::kUnknownAuthority);
  EXPECT_TRUE(says(check({&leaf}).reason, "CN=other"));
  // Same name, another key; with the key's identifier and without.
  EXPECT_FALSE(check({&twin}).believed());
  EXPECT_FALSE(check({&twin, &same_name}).believed());
  const Identity silent = forge({.same_key_identifier = false}, &same_name);
  EXPECT_FALSE(check({&silent}).believed());
  // Claims the true root as its issuer, by name and key identifier, without its key.
  const Identity thief{root_.certificate, same_name.key};
  const Identity stolen = forge({}, &thief);
  EXPECT_EQ(check({&stolen}).refusal, Refusal::kBadSignature);
}

TEST_F(Verify, SelfSignedLeaf) {
  const Identity self = forge({});
  EXPECT_EQ(check({&self}).refusal, Refusal::kUnknownAuthority);
  EXPECT_TRUE(says(TrustBundle::make("example.org", {self.certificate}, {}, "bundle.crt").error(),
                   "bundle.crt: CN=forged is not an authority"));
}

TEST_F(Verify, AuthorityAsLeaf) {
  EXPECT_EQ(check({&root_}).refusal, Refusal::kNotSvid);
  Forgery forgery = intermediate();
  forgery.san = "URI:spiffe://example.org/gateway/a";
  const Identity middle = forge(forgery, &root_);
  EXPECT_EQ(check({&middle}).refusal, Refusal::kNotSvid);
}

TEST_F(Verify, LeafAsAuthority) {
  const Identity below = forge({.san = "URI:spiffe://example.org/gateway/b"}, &leaf_);
  const auto result = check({&below, &leaf_});
  EXPECT_EQ(result.refusal, Refusal::kNotAuthority) << result.reason;
}

TEST_F(Verify, PathLength) {
  Forgery forgery = intermediate();
  forgery.constraints = "critical,CA:TRUE,pathlen:0";
  const Identity middle = forge(forgery, &root_);
  forgery.subject = "lower";
  forgery.constraints = "critical,CA:TRUE";
  const Identity lower = forge(forgery, &middle);
  const Identity leaf = forge({}, &lower);
  const auto result = check({&leaf, &lower, &middle});
  EXPECT_EQ(result.refusal, Refusal::kNotAuthority) << result.reason;
}

TEST_F(Verify, NotAnSvid) {
  const Identity nameless = forge({.san = "DNS:example.org"}, &root_),
                 two = forge({.san = "URI:spiffe://example.org/a,URI:spiffe://example.org/b"}, &root_);
  EXPECT_EQ(check({&nameless}).refusal, Refusal::kNotSvid);
  EXPECT_EQ(check({&two}).refusal, Refusal::kNotSvid);
  EXPECT_TRUE(says(check({&two}).reason, "2 URIs"));
}

TEST_F(Verify, WhoItIs) {
  const Identity foreign = forge({.san = "URI:spiffe://example.com/gateway/a"}, &root_);
  EXPECT_EQ(check({&foreign}).refusal, Refusal::kWrongTrustDomain);
  const auto a = SpiffeId::parse("spiffe://example.org/gateway/a").value(),
             b = SpiffeId::parse("spiffe://example.org/gateway/b").value();
  EXPECT_TRUE(check({&leaf_}, {.now = kNow, .identity = a}).believed());
  const auto result = check({&leaf_}, {.now = kNow, .identity = b});
  EXPECT_EQ(result.refusal, Refusal::kWrongIdentity);
  EXPECT_TRUE(result.id.empty());
  EXPECT_TRUE(says(result.reason, "spiffe://example.org/gateway/a is not spiffe://example.org/gateway/b"));
}

TEST_F(Verify, NameConstraints) {
  Forgery forgery = intermediate();
  forgery.name_constraints = "critical,permitted;URI:example.org";
  const Identity ours = forge(forgery, &root_), leaf = forge({}, &ours);
  EXPECT_TRUE(check({&leaf, &ours}).believed()) << check({&leaf, &ours}).reason;
  forgery.name_constraints = "critical,permitted;URI:example.com";
  const Identity theirs = forge(forgery, &root_), outside = forge({}, &theirs);
  EXPECT_EQ(check({&outside, &theirs}).refusal, Refusal::kNameConstraints);
  forgery.name_constraints = "critical,excluded;URI:example.org";
  const Identity excluded = forge(forgery, &root_), inside = forge({}, &excluded);
  EXPECT_EQ(check({&inside, &excluded}).refusal, Refusal::kNameConstraints);
}

TEST_F(Verify, Revoked) {
  lists_ = {forge_list(root_, {5, 7}, kNow - kHour, kNow + kDay)};
  const auto result = check({&leaf_});
  EXPECT_EQ(result.refusal, Refusal::kRevoked);
  EXPECT_TRUE(says(result.reason, "serial 07"));
  const Identity other = forge({.serial = 8}, &root_);
  EXPECT_TRUE(check({&other}).believed());
  // The intermediate is looked up too.
  lists_ = {forge_list(root_, {2}, kNow - kHour, kNow + kDay)};
  const Identity middle = forge(intermediate(), &root_), below = forge({}, &middle);
  EXPECT_EQ(check({&below, &middle}).refusal, Refusal::kRevoked);
}

TEST_F(Verify, ListsThatDoNotCount) {
  const Identity twin = forge(forged_root());
  lists_ = {forge_list(root_, {7}, kNow - kHour, kNow + kDay, true), forge_list(twin, {7}, kNow - kHour, kNow + kDay)};
  EXPECT_TRUE(check({&leaf_}).believed());  // a list that the root did not sign revokes nothing ...
  EXPECT_EQ(check({&leaf_}, {.now = kNow, .require_list = true}).refusal, Refusal::kNoList);  // ... and is no list
  lists_.push_back(forge_list(root_, {}, kNow - kHour, kNow + kDay));
  EXPECT_TRUE(check({&leaf_}, {.now = kNow, .require_list = true}).believed());
}

TEST_F(Verify, StaleListIsTheCallersChoice) {
  lists_ = {forge_list(root_, {5}, kNow - kDay, kNow - kHour)};
  auto result = check({&leaf_});
  EXPECT_TRUE(result.believed());
  EXPECT_TRUE(says(result.stale_list, "CN=root"));
  result = check({&leaf_}, {.now = kNow, .refuse_stale_list = true});
  EXPECT_EQ(result.refusal, Refusal::kStaleList);
  // Revokes still, and a fresh one beside it is enough.
  lists_ = {forge_list(root_, {7}, kNow - kDay, kNow - kHour)};
  EXPECT_EQ(check({&leaf_}).refusal, Refusal::kRevoked);
  lists_ = {forge_list(root_, {5}, kNow - kDay, kNow - kHour), forge_list(root_, {5}, kNow, kNow + kDay)};
  result = check({&leaf_}, {.now = kNow, .refuse_stale_list = true});
  EXPECT_TRUE(result.believed());
  EXPECT_EQ(result.stale_list, "");
}

TEST_F(Verify, PartitionedListIsRefused) {
  CrlPtr crl(X509_CRL_dup(forge_list(root_, {7}, kNow, kNow + kDay).native()));
  ISSUING_DIST_POINT* partition = ISSUING_DIST_POINT_new();
  partition->onlyCA = 0xff;
  X509_CRL_add1_ext_i2d(crl.get(), NID_issuing_distribution_point, partition, 1, 0);
  ISSUING_DIST_POINT_free(partition);
  X509_CRL_sign(crl.get(), root_.key.native(), EVP_sha256());
  EXPECT_TRUE(says(Crl::from_crl(std::move(crl), "crl.pem").error(), "critical extension"));
}

TEST_F(Verify, ListsFromText) {
  const std::string pem = forge_list(root_, {7, 8}, kNow, kNow + kDay).pem();
  const auto lists = parse_crls(pem + pem, "crl.pem");
  ASSERT_TRUE(lists.ok()) << lists.error();
  EXPECT_EQ(lists->size(), 2u);
  EXPECT_EQ(lists->front().size(), 2u);
  EXPECT_EQ(lists->front().next_update(), kNow + kDay);
  EXPECT_TRUE(says(parse_crls(root_.certificate.pem(), "crl.pem").error(), "want only X509 CRL"));
  EXPECT_TRUE(says(parse_crls(pem.substr(0, 100), "crl.pem").error(), "cut short"));
}

TEST_F(Verify, SeveralRootsOfOneRotation) {
  const Identity next = forge(forged_root("next"));
  const Identity fresh = forge({}, &next);
  EXPECT_TRUE(verify(bundle({&root_, &next, &root_}), {fresh.certificate}, {.now = kNow}).believed());
  EXPECT_TRUE(verify(bundle({&root_, &next}), {leaf_.certificate}, {.now = kNow}).believed());
  EXPECT_FALSE(verify(bundle({&next}), {leaf_.certificate}, {.now = kNow}).believed());
  EXPECT_EQ(bundle({&root_, &root_}).roots().size(), 1u);
}

TEST_F(Verify, ChainsThatAreNone) {
  EXPECT_EQ(check({}).refusal, Refusal::kMalformed);
  std::vector<Certificate> many(kMaxChain + 1, leaf_.certificate);
  EXPECT_EQ(verify(bundle({&root_}), many, {.now = kNow}).refusal, Refusal::kMalformed);
  many.resize(kMaxChain, leaf_.certificate);
  EXPECT_TRUE(verify(bundle({&root_}), many, {.now = kNow}).believed());
}

TEST_F(Verify, WhatATlsPeerSent) {
  const Identity middle = forge(intermediate(), &root_), leaf = forge({}, &middle);
  const auto sent = [&](size_t others) {
    const StoreContextPtr context(X509_STORE_CTX_new());
    STACK_OF(X509)* untrusted = sk_X509_new_null();
    sk_X509_push(untrusted, leaf.certificate.native());  // as TLS has it
    for (size_t i = 0; i < others; ++i) sk_X509_push(untrusted, middle.certificate.native());
    X509_STORE_CTX_init(context.get(), nullptr, leaf.certificate.native(), untrusted);
    auto chain = peer_chain(context.get());
    sk_X509_free(untrusted);
    return chain;
  };
  const auto chain = sent(1);
  ASSERT_TRUE(chain.ok()) << chain.error();
  EXPECT_EQ(chain->size(), 2u);
  EXPECT_TRUE(verify(bundle({&root_}), *chain, {.now = kNow}).believed());
  EXPECT_TRUE(says(sent(kMaxChain).error(), "more than 8 certificates"));
  const StoreContextPtr empty(X509_STORE_CTX_new());
  EXPECT_TRUE(says(peer_chain(empty.get()).error(), "no certificate"));
}

TEST_F(Verify, ChangedBytes) {
  X509* raw = leaf_.certificate.native();
  unsigned char* der = nullptr;
  const int length = i2d_X509(raw, &der);
  std::vector<uint8_t> bytes(der, der + length);
  OPENSSL_free(der);
  const auto trust = bundle({&root_});
  for (size_t i = 0; i < bytes.size(); ++i) {
    auto changed = bytes;
    changed[i] ^= 1;
    const auto certificate = Certificate::from_der(changed, "c");
    if (certificate && certificate->fingerprint() != leaf_.certificate.fingerprint()) {
      EXPECT_FALSE(verify(trust, {*certificate}, {.now = kNow}).believed()) << i;
    }
  }
  EXPECT_EQ(ERR_peek_error(), 0u);  // nothing is left for the next connection
}

TEST_F(Verify, BundleFaults) {
  EXPECT_TRUE(says(TrustBundle::make("example.org", {}, {}, "bundle.crt").error(), "bundle.crt: holds no root"));
  EXPECT_TRUE(says(TrustBundle::make("Example", {root_.certificate}, {}, "b").error(), "capital"));
}

TEST_F(Verify, EveryRefusalHasAName) {
  std::set<std::string> names;
  for (int i = 0; i <= static_cast<int>(Refusal::kInternal); ++i) names.insert(to_string(static_cast<Refusal>(i)));
  EXPECT_EQ(names.size(), static_cast<size_t>(Refusal::kInternal) + 1);
  EXPECT_FALSE(names.contains("?"));
}

}  // namespace
}  // namespace penstock::pki
