// Keys of sessions: as text, exchanged in time, from a file that others write.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "control/sessions/key_text.h"
#include "control/sessions/keyring.h"

namespace penstock::sessions {
namespace {

using config::SessionKey;

const std::string kOne(32, '1'), kTwo(32, '2'), kThree(32, '3');
constexpr uint32_t kNow = 1'800'000'000;

SessionKey key(const std::string& text) { return *parse_key(text); }

TEST(KeyText, ComesBack) {
  EXPECT_EQ(key("0123456789abcdefFEDCBA9876543210"), (SessionKey{0xfedcba9876543210, 0x0123456789abcdef}));
  EXPECT_EQ(to_text(SessionKey{1, 2}), "00000000000000020000000000000001");
  for (int i = 0; i < 100; ++i) {
    const SessionKey random = random_key();
    EXPECT_EQ(parse_key(to_text(random)), random);
  }
  for (const std::string& bad : {std::string(), std::string(31, '1'), std::string(33, '1'), "0x" + std::string(30, '1'),
                                 "-" + std::string(31, '1'), std::string(16, '1') + "-" + std::string(15, '1'),
                                 std::string(16, '1') + "+" + std::string(15, '1'), std::string(32, 'g')})
    EXPECT_EQ(parse_key(bad), std::nullopt) << bad;
}

TEST(KeyText, OfAFile) {
  const auto keys = parse_key_file("# ours\n\n " + kTwo + " \r\n" + kOne + "# old\n#" + kThree + "\n");
  ASSERT_TRUE(keys.ok()) << keys.error();
  EXPECT_EQ(*keys, (std::vector{key(kTwo), key(kOne)}));
  EXPECT_TRUE(parse_key_file(kOne).ok());
  const auto error = [](const std::string& text) { return parse_key_file(text).error(); };
  EXPECT_EQ(error(""), "has no key (want 1 to 4)");
  EXPECT_EQ(error("# nothing\n"), "has no key (want 1 to 4)");
  EXPECT_EQ(error(kOne + "\n" + kTwo + "2\n"), "line 2: want a key of 32 hexadecimal digits (openssl rand -hex 16)");
  EXPECT_EQ(error(kOne + "\n\n" + kOne), "line 3: the key is there twice");
  std::string many;
  for (const char digit : {'1', '2', '3', '4', '5'}) many += std::string(32, digit) + "\n";
  EXPECT_EQ(error(many), "line 5: more than 4 keys");
}

TEST(OwnKeys, AKeyIsBelievedAsLongAsItMayHaveSealed) {
  const OwnKeys first{.since = kNow, .current = key(kOne), .previous = std::nullopt};
  EXPECT_FALSE(first.is_due(kNow));
  EXPECT_FALSE(first.is_due(kNow + kSealSeconds - 1));
  EXPECT_TRUE(first.is_due(kNow + kSealSeconds));
  EXPECT_FALSE(first.is_due(kNow - 1)) << "the clock went back";
  const OwnKeys next = first.next(kNow + kSealSeconds);
  EXPECT_EQ(next.since, kNow + kSealSeconds);
  EXPECT_NE(next.current, first.current);
  EXPECT_EQ(next.previous, first.current);
  EXPECT_EQ(first.next(kNow + 2 * kSealSeconds).previous, std::nullopt);
  for (const OwnKeys& each : {first, next}) EXPECT_EQ(*parse_own_keys(to_text(each)), each);
  for (const std::string& bad : {std::string(), std::string("5"), "5 " + kOne + " 3", "x " + kOne, " " + kOne,
                                 "5 " + kOne + " " + kTwo + " " + kThree, "99999999999 " + kOne})
    EXPECT_FALSE(parse_own_keys(bad).ok()) << bad;
}

class KeyringTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "penstock-sessions-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    directory = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(directory); }

  // As whoever replaces a file does it.
  std::string write(const std::string& text, mode_t mode = 0600) {
    const std::string path = directory + "/keys", fresh = path + ".new";
    std::ofstream(fresh) << text;
    chmod(fresh.c_str(), mode);
    std::filesystem::rename(fresh, path);
    return path;
  }
  // The next process.
  std::unique_ptr<Keyring> start(uint32_t now = kNow) {
    auto ring = std::make_unique<Keyring>([this](const std::string& text) -> base::Result<void> {
      if (full) return base::Error{"disk full"};
      kept = text;
      return {};
    });
    const auto opened = ring->open(kept, now);
    EXPECT_TRUE(opened.ok()) << opened.error();
    return ring;
  }
  static std::vector<SessionKey> keys_of(Keyring& ring, const std::string& path = "") {
    const auto keys = ring.keys_of(path);
    if (!keys) {
      ADD_FAILURE() << keys.error();
      return {};
    }
    return {keys->all().begin(), keys->all().end()};
  }

  std::string directory, kept;
  bool full = false;
};

TEST_F(KeyringTest, TheSameAfterARestart) {
  auto ring = start();
  const auto keys = keys_of(*ring);
  ASSERT_EQ(keys.size(), 1u);
  EXPECT_EQ(ring->keys_of("")->now(), kNow);
  ring = start(kNow + 100);
  EXPECT_EQ(keys_of(*ring), keys);
  EXPECT_EQ(ring->sealing_since(), kNow);
  EXPECT_FALSE(ring->poll(kNow + 101));
  EXPECT_EQ(ring->keys_of("")->now(), kNow + 101);
  kept = "rubbish";
  EXPECT_EQ(Keyring([](const std::string&) { return base::Result<void>(); }).open(kept, kNow).error(),
            "the session keys cannot be read: want a time and one or two keys");
}

TEST_F(KeyringTest, AreExchangedInTimeAndKept) {
  auto ring = start();
  const SessionKey first = keys_of(*ring)[0];
  EXPECT_FALSE(ring->poll(kNow + kSealSeconds - 1));
  full = true;
  EXPECT_FALSE(ring->poll(kNow + kSealSeconds));
  EXPECT_EQ(ring->fault(), "a session key cannot be kept: disk full");
  EXPECT_EQ(keys_of(*ring), std::vector{first});
  full = false;
  EXPECT_TRUE(ring->poll(kNow + kSealSeconds + 1));
  EXPECT_EQ(ring->fault(), "");
  const auto keys = keys_of(*ring);
  ASSERT_EQ(keys.size(), 2u);
  EXPECT_EQ(keys[1], first);
  EXPECT_NE(keys[0], first);
  EXPECT_EQ(keys_of(*start(kNow + kSealSeconds + 2)), keys);
  // A gateway that was off while a key became due.
  const auto later = keys_of(*start(kNow + 2 * kSealSeconds + 2));
  ASSERT_EQ(later.size(), 2u);
  EXPECT_EQ(later[1], keys[0]);
}

TEST_F(KeyringTest, AFirstKeyThatCannotBeKeptServesAllTheSame) {
  full = true;
  auto ring = start();
  const auto keys = keys_of(*ring);
  ring->poll(kNow + 1);
  EXPECT_EQ(ring->fault(), "a session key cannot be kept: disk full");
  full = false;
  EXPECT_FALSE(ring->poll(kNow + 2));
  EXPECT_EQ(ring->fault(), "");
  EXPECT_EQ(keys_of(*start()), keys);
}

TEST_F(KeyringTest, AFileComesFirstAndTheOwnKeysAreBelieved) {
  auto ring = start();
  const SessionKey own = keys_of(*ring)[0];
  const std::string path = write(kTwo + "\n" + kOne + "\n");
  EXPECT_EQ(keys_of(*ring, path), (std::vector{key(kTwo), key(kOne), own}));
  EXPECT_EQ(ring->sealing_since(), kNow) << "nobody follows it yet";
  ring->follow(path);
  EXPECT_NE(ring->sealing_since(), kNow);
  EXPECT_FALSE(ring->poll(kNow + 1));
  write(kThree + "\n" + kTwo + "\n");
  EXPECT_TRUE(ring->poll(kNow + 2));
  EXPECT_FALSE(ring->poll(kNow + 3));
  EXPECT_EQ(keys_of(*ring, path), (std::vector{key(kThree), key(kTwo), own}));
  ring->follow("");
  EXPECT_EQ(keys_of(*ring), std::vector{own});
}

TEST_F(KeyringTest, WhatCannotBeUsedIsNotTaken) {
  auto ring = start();
  const std::string path = write(kOne);
  const auto good = keys_of(*ring, path);
  ring->follow(path);
  write("nothing");
  EXPECT_FALSE(ring->poll(kNow + 1));
  EXPECT_EQ(ring->fault(), path + ": line 1: want a key of 32 hexadecimal digits (openssl rand -hex 16)");
  write(kTwo, 0640);
  EXPECT_FALSE(ring->poll(kNow + 2));
  EXPECT_EQ(ring->fault(), path + ": holds a private key that others than its owner may read or write: chmod 600");
  std::filesystem::remove(path);
  EXPECT_FALSE(ring->poll(kNow + 3));
  EXPECT_NE(ring->fault().find("No such file"), std::string::npos) << ring->fault();
  EXPECT_EQ(keys_of(*ring, path), good);
  write(kOne + "\n");
  EXPECT_FALSE(ring->poll(kNow + 4)) << "it says the same";
  EXPECT_EQ(ring->fault(), "");
  // A configuration with a file of which nothing is good is refused, and the one before goes on.
  EXPECT_FALSE(ring->keys_of(directory + "/none").ok());
  EXPECT_FALSE(ring->keys_of(directory).ok());
  EXPECT_EQ(keys_of(*ring, path), good);
}

}  // namespace
}  // namespace penstock::sessions
