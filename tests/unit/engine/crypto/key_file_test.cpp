// Key files: what is read, what is refused, and that no refusal tells a key.
#include "engine/crypto/key_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

namespace penstock::crypto {
namespace {

std::string error_of(std::string text) {
  const auto read = parse_key_file(text);
  EXPECT_EQ(text.find_first_not_of('\0'), std::string::npos);  // wiped
  return read.ok() ? "" : read.error();
}

TEST(KeyFile, LinesOfBothDirections) {
  std::string text =
      "# of site 2\n"
      "out 0x00010001 000102030405060708090a0b0c0d0e0f01020304\n"
      "\n"
      "\tin  4096  0xAABB  CCDD # with an integrity key\r\n"
      "out 65538 ff";
  const auto read = parse_key_file(text);
  ASSERT_TRUE(read.ok()) << read.error();
  ASSERT_EQ(read->outbound.size(), 2u);
  ASSERT_EQ(read->inbound.size(), 1u);
  EXPECT_EQ(read->outbound[0].spi, 0x10001u);
  EXPECT_EQ(read->outbound[0].key.size(), 20u);
  EXPECT_EQ(read->outbound[0].key.secret()[15], 0x0f);
  EXPECT_EQ(read->outbound[1].spi, 65538u);
  EXPECT_EQ(read->inbound[0].spi, 4096u);
  EXPECT_EQ(read->inbound[0].key.secret()[1], 0xbb);
  EXPECT_EQ(read->inbound[0].integrity_key.secret()[0], 0xcc);
}

TEST(KeyFile, NothingInIt) {
  EXPECT_EQ(error_of(""), "");
  EXPECT_EQ(error_of("\n\n# nothing\n"), "");
}

TEST(KeyFile, FaultsNameTheLineAndNeverTheKey) {
  EXPECT_EQ(error_of("both 1 aa"), "line 1: want \"in\" or \"out\" first");
  EXPECT_EQ(error_of("\nin x aa"), "line 2: the SPI is not a number of 32 bits");
  EXPECT_EQ(error_of("in 0x100000000 aa"), "line 1: the SPI is not a number of 32 bits");
  EXPECT_EQ(error_of("in -1 aa"), "line 1: the SPI is not a number of 32 bits");
  EXPECT_EQ(error_of("in 0x aa"), "line 1: the SPI is not a number of 32 bits");
  EXPECT_EQ(error_of("in"), "line 1: the SPI is not a number of 32 bits");
  EXPECT_EQ(error_of("in 300"), "line 1: a key is 1 to 64 bytes in hexadecimal");
  EXPECT_EQ(error_of("in 300 abc"), "line 1: a key is 1 to 64 bytes in hexadecimal");
  EXPECT_EQ(error_of("in 300 " + std::string(130, 'a')), "line 1: a key is 1 to 64 bytes in hexadecimal");
  EXPECT_EQ(error_of("in 300 5ec4e7zz"), "line 1: a key has a character that is not hexadecimal");
  EXPECT_EQ(error_of("in 300 aa bb cc"), "line 1: more words than direction, SPI and two keys");
  EXPECT_EQ(error_of("in 300 aabb\nout 300 AABB"),
            "line 2: the key is another line's: every association needs its own");
  std::string many;
  for (size_t i = 0; i <= kMaxKeyLines; ++i)
    many += "in " + std::to_string(300 + i) + " " + std::to_string(10 + i) + "\n";
  EXPECT_EQ(error_of(many), "line 65: more than 64 lines of one direction");
}

class KeyFileOnDisk : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/penstock-keys-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    directory = name;
    path = directory + "/keys";
  }
  void TearDown() override {
    unlink(path.c_str());
    rmdir(directory.c_str());
  }
  void write(const std::string& text, mode_t mode) {
    std::ofstream(path) << text;
    ASSERT_EQ(chmod(path.c_str(), mode), 0);
  }
  std::string error() const {
    const auto read = read_key_file(path);
    return read.ok() ? "" : read.error().substr(path.size());
  }
  std::string directory, path;
};

TEST_F(KeyFileOnDisk, OnlyItsOwnerMayUseIt) {
  write("in 300 aa\n", 0600);
  EXPECT_EQ(error(), "");
  for (const mode_t mode : {0640, 0604, 0660, 0610}) {
    write("in 300 aa\n", mode);
    EXPECT_EQ(error(), ": others than its owner may use it: chmod 600");
  }
}

TEST_F(KeyFileOnDisk, WhatIsNoFileOrTooLarge) {
  EXPECT_EQ(error(), ": No such file or directory");
  write(std::string(kMaxKeyFile + 1, '\n'), 0600);
  EXPECT_EQ(error(), ": is larger than 64 KiB");
  unlink(path.c_str());
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  EXPECT_EQ(error(), ": is not a regular file");
  unlink(path.c_str());
  EXPECT_EQ(read_key_file(directory).error(), directory + ": is not a regular file");
}

}  // namespace
}  // namespace penstock::crypto
