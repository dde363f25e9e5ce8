// The debug log of keys: its lines, its mode, and what it refuses to write into.
#include "engine/crypto/key_log.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <vector>

namespace penstock::crypto {
namespace {

class KeyLogTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/penstock-key-log-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    directory_ = name;
    path_ = directory_ + "/esp_sa";
  }
  void TearDown() override {
    unlink(path_.c_str());
    unlink((directory_ + "/link").c_str());
    rmdir(directory_.c_str());
  }
  std::string written() const {
    std::ifstream file(path_);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
  }
  static Key key_of(std::vector<uint8_t> bytes) {
    auto key = Key::take(bytes);
    return std::move(*key);
  }

  std::string directory_, path_;
};

TEST_F(KeyLogTest, LinesAsWiresharkReadsThem) {
  auto log = KeyLog::open(path_);
  ASSERT_TRUE(log.ok()) << log.error();
  struct stat status {};
  ASSERT_EQ(stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  SaSpec gcm;
  gcm.spi = 0x10001;
  gcm.key = key_of({0xab, 0x01});
  gcm.local = *base::IpAddress::parse("192.0.2.1");
  (*log)->write(gcm);
  SaSpec cbc;
  cbc.cipher = Cipher::kAesCbc256Sha256;
  cbc.spi = 0xfedcba98;
  cbc.key = key_of({0x00});
  cbc.integrity_key = key_of({0xff, 0x10});
  cbc.local = *base::IpAddress::parse("2001:db8::1");
  (*log)->write(cbc);
  SaSpec chacha;
  chacha.cipher = Cipher::kChaCha20Poly1305;
  chacha.spi = 7;
  chacha.key = key_of({0x11});
  chacha.local = gcm.local;
  (*log)->write(chacha);
  EXPECT_EQ(
      written(),
      "\"IPv4\",\"*\",\"*\",\"0x00010001\",\"AES-GCM with 16 octet ICV [RFC4106]\",\"0xab01\",\"NULL\",\"\"\n"
      "\"IPv6\",\"*\",\"*\",\"0xfedcba98\",\"AES-CBC [RFC3602]\",\"0x00\",\"HMAC-SHA-256-128 [RFC4868]\",\"0xff10\"\n"
      "# \"IPv4\",\"*\",\"*\",\"0x00000007\",\"ChaCha20 with Poly1305 [RFC7634]\",\"0x11\",\"NULL\",\"\"\n");
}

TEST_F(KeyLogTest, NeverIntoAFileThatIsThere) {
  std::ofstream(path_) << "mine";
  const auto log = KeyLog::open(path_);
  ASSERT_FALSE(log.ok());
  EXPECT_EQ(log.error(), path_ + ": File exists");
  EXPECT_EQ(written(), "mine");
  const std::string link = directory_ + "/link";
  ASSERT_EQ(symlink("/dev/null", link.c_str()), 0);
  EXPECT_FALSE(KeyLog::open(link).ok());
  EXPECT_FALSE(KeyLog::open(directory_ + "/no/such").ok());
}

}  // namespace
}  // namespace penstock::crypto
