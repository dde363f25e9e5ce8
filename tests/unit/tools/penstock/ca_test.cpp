// penstock ca: the commands as somebody types them.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "base/time.h"
#include "control/pki/verify.h"
#include "tools/penstock/cli.h"

namespace penstock::cli {
namespace {

class CaTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "penstock-ca-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  // "@x" is a path in the test's directory.
  int run(std::vector<std::string> arguments, Output output = Output::kTable) {
    Shared shared;
    shared.output = output;
    CLI::App app;
    add_ca_commands(app, shared);
    for (std::string& each : arguments)
      if (each.starts_with("@")) each = path(each.substr(1));
    arguments.insert(arguments.begin(), "ca");
    std::reverse(arguments.begin(), arguments.end());
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    int status = kUsage;
    try {
      app.parse(arguments);
      status = shared.status;
    } catch (const CLI::ParseError& error) {
      std::cerr << error.what();
    }
    out_ = testing::internal::GetCapturedStdout();
    error_ = testing::internal::GetCapturedStderr();
    return status;
  }
  int issue(const std::string& name) {
    return run({"issue", "--dir", "@ca", "--id", "spiffe://example.org/gateway/" + name, "--out-dir", "@" + name});
  }
  std::string path(const std::string& name) const { return directory_ + "/" + name; }
  pki::Svid svid(const std::string& name) const {
    return pki::load_svid(path(name + "/svid.crt"), path(name + "/svid.key")).value();
  }
  pki::Verification check(const pki::Svid& peer, const std::string& bundle) const {
    const auto trust = pki::TrustBundle::make("example.org", pki::load_certificates(path(bundle)).value(),
                                              pki::load_crls(path("ca/crl.pem")).value(), bundle);
    return pki::verify(*trust, peer.chain, {.now = static_cast<pki::Seconds>(base::wall_now() / 1'000'000'000)});
  }
  bool has(const std::string& text, const std::string& part) const { return text.find(part) != std::string::npos; }

  std::string directory_, out_, error_;
};

TEST_F(CaTest, LifeOfTwoGateways) {
  ASSERT_EQ(run({"init", "--dir", "@ca", "--trust-domain", "example.org", "--days", "30"}), kOk) << error_;
  EXPECT_TRUE(has(out_, "root of example.org"));
  ASSERT_EQ(issue("a"), kOk) << error_;
  ASSERT_EQ(issue("b"), kOk) << error_;
  struct stat s = {};
  ASSERT_EQ(stat(path("a/svid.key").c_str(), &s), 0);
  EXPECT_EQ(s.st_mode & 0777, 0600u);
  const pki::Svid first = svid("a");
  EXPECT_TRUE(check(first, "b/bundle.crt").believed());
  EXPECT_TRUE(check(svid("b"), "a/bundle.crt").believed());

  const std::vector<std::string> renew = {"renew",     "--dir", "@ca", "--id", "spiffe://example.org/gateway/a",
                                          "--out-dir", "@a"};
  ASSERT_EQ(run(renew), kOk) << error_;
  EXPECT_NE(svid("a").leaf().serial(), first.leaf().serial());
  auto if_due = renew;
  if_due.emplace_back("--if-due");
  const std::string serial = svid("a").leaf().serial();
  ASSERT_EQ(run(if_due), kOk) << error_;
  EXPECT_EQ(svid("a").leaf().serial(), serial);

  ASSERT_EQ(run({"rotate", "--dir", "@ca", "--days", "60"}), kOk) << error_;
  ASSERT_EQ(run(renew), kOk) << error_;
  EXPECT_TRUE(check(svid("a"), "b/bundle.crt").believed());  // whose bundle has only the old root
  EXPECT_TRUE(check(svid("b"), "a/bundle.crt").believed());

  ASSERT_EQ(run({"revoke", "--dir", "@ca", "--serial", first.leaf().serial()}), kOk) << error_;
  EXPECT_EQ(check(first, "a/bundle.crt").refusal, pki::Refusal::kRevoked);
  ASSERT_EQ(run({"revoke", "--dir", "@ca", "--id", "spiffe://example.org/gateway/b"}), kOk) << error_;
  EXPECT_EQ(check(svid("b"), "a/bundle.crt").refusal, pki::Refusal::kRevoked);
  EXPECT_TRUE(check(svid("a"), "a/bundle.crt").believed());

  ASSERT_EQ(run({"list", "--dir", "@ca"}), kOk);
  EXPECT_TRUE(has(out_, "STATE") && has(out_, "revoked") && has(out_, "good") && has(out_, svid("a").leaf().serial()));
  ASSERT_EQ(run({"list", "--dir", "@ca"}, Output::kJson), kOk);
  EXPECT_TRUE(has(out_, "\"trustDomain\": \"example.org\""));
  ASSERT_EQ(run({"bundle", "--dir", "@ca"}), kOk);
  EXPECT_EQ(pki::parse_certificates(out_, "bundle").value().size(), 2u);
  ASSERT_EQ(run({"crl", "--dir", "@ca"}), kOk);
  EXPECT_EQ(pki::parse_crls(out_, "crl").value().size(), 2u);
  ASSERT_EQ(run({"crl", "--dir", "@ca"}, Output::kYaml), kOk);
  EXPECT_TRUE(has(out_, "nextUpdate:"));
}

TEST_F(CaTest, RefusesAndSaysWhy) {
  ASSERT_EQ(run({"init", "--dir", "@ca", "--trust-domain", "example.org"}), kOk) << error_;
  EXPECT_EQ(run({"init", "--dir", "@ca", "--trust-domain", "example.org"}), kRefused);
  EXPECT_TRUE(has(error_, "penstock: ") && has(error_, "is there already"));
  EXPECT_EQ(run({"issue", "--dir", "@no", "--id", "spiffe://example.org/a", "--out-dir", "@a"}), kRefused);
  EXPECT_FALSE(std::filesystem::exists(path("a")));
  EXPECT_EQ(run({"issue", "--dir", "@ca", "--id", "example.org/a", "--out-dir", "@a"}), kRefused);
  EXPECT_EQ(run({"issue", "--dir", "@ca", "--id", "spiffe://example.com/a", "--out-dir", "@a"}), kRefused);
  ASSERT_EQ(issue("a"), kOk) << error_;
  const std::string serial = svid("a").leaf().serial();
  EXPECT_EQ(issue("a"), kRefused);  // a key is not overwritten
  EXPECT_TRUE(has(error_, "penstock ca renew"));
  EXPECT_EQ(svid("a").leaf().serial(), serial);
  EXPECT_EQ(run({"renew", "--dir", "@ca", "--id", "spiffe://example.org/other", "--out-dir", "@o"}), kRefused);
  EXPECT_EQ(run({"revoke", "--dir", "@ca", "--serial", "12"}), kRefused);
}

TEST_F(CaTest, WrongCommandLines) {
  EXPECT_EQ(run({}), kUsage);
  EXPECT_EQ(run({"init", "--dir", "@ca"}), kUsage);
  EXPECT_EQ(run({"init", "--trust-domain", "example.org"}), kUsage);
  EXPECT_EQ(run({"init", "--dir", "@ca", "--trust-domain", "example.org", "--days", "0"}), kUsage);
  EXPECT_EQ(run({"init", "--dir", "@ca", "--trust-domain", "example.org", "--key", "rsa"}), kUsage);
  EXPECT_EQ(run({"revoke", "--dir", "@ca"}), kUsage);
  EXPECT_EQ(run({"revoke", "--dir", "@ca", "--serial", "1", "--id", "spiffe://example.org/a"}), kUsage);
  EXPECT_EQ(run({"issue", "--dir", "@ca", "--id", "spiffe://example.org/a", "--out-dir", "@a", "--hours", "nan"}),
            kUsage);
  EXPECT_FALSE(std::filesystem::exists(path("ca")));
}

}  // namespace
}  // namespace penstock::cli
