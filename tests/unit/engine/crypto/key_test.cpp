#include "engine/crypto/key.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cstdio>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

namespace penstock::crypto {
namespace {

// The flags of the mapping that `at` lies in, as /proc/self/smaps prints them: "lo" locked, "dd" do not dump.
std::string mapping_flags(const void* at) {
  std::ifstream maps("/proc/self/smaps");
  std::string line;
  bool inside = false;
  while (std::getline(maps, line)) {
    unsigned long first = 0;
    unsigned long last = 0;
    if (std::sscanf(line.c_str(), "%lx-%lx ", &first, &last) == 2)
      inside = first <= reinterpret_cast<uintptr_t>(at) && reinterpret_cast<uintptr_t>(at) < last;
    if (inside && line.starts_with("VmFlags:")) return line + " ";
  }
  return "";
}

std::vector<uint8_t> secret_of(size_t length) {
  std::vector<uint8_t> secret(length);
  for (size_t i = 0; i < length; ++i) secret[i] = static_cast<uint8_t>(i * 7 + 1);
  return secret;
}

TEST(Key, TakingWipesTheOriginal) {
  auto secret = secret_of(32);
  auto key = Key::take(secret);
  ASSERT_TRUE(key.ok()) << key.error();
  EXPECT_EQ(secret, std::vector<uint8_t>(32, 0));
  const auto expected = secret_of(32);
  ASSERT_EQ(key->size(), 32u);
  EXPECT_EQ(std::memcmp(key->secret().data(), expected.data(), 32), 0);
}

TEST(Key, LivesInLockedMemoryThatIsNotDumped) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "AddressSanitizer turns mlock into nothing";
#endif
  auto key = Key::random(20);
  ASSERT_TRUE(key.ok()) << key.error();
  const std::string flags = mapping_flags(key->secret().data());
  EXPECT_NE(flags.find(" lo "), std::string::npos) << flags;
  EXPECT_NE(flags.find(" dd "), std::string::npos) << flags;
}

TEST(Key, RetiringWipesTheSlot) {
  auto secret = secret_of(64);
  auto key = Key::take(secret);
  ASSERT_TRUE(key.ok());
  const uint8_t* slot = key->secret().data();
  key->retire();
  EXPECT_TRUE(key->empty());
  for (size_t i = 0; i < 64; ++i) EXPECT_EQ(slot[i], 0) << i;
}

TEST(Key, MovesWithoutACopyAndWipesWhatItReplaces) {
  auto first = secret_of(16);
  auto second = secret_of(24);
  auto a = Key::take(first);
  auto b = Key::take(second);
  ASSERT_TRUE(a.ok() && b.ok());
  const uint8_t* old_slot = a->secret().data();
  const uint8_t* kept_slot = b->secret().data();
  *a = std::move(*b);
  EXPECT_EQ(a->secret().data(), kept_slot);
  EXPECT_EQ(a->size(), 24u);
  for (size_t i = 0; i < 16; ++i) EXPECT_EQ(old_slot[i], 0) << i;
}

TEST(Key, CloneIsEqualAndElsewhere) {
  auto key = Key::random(36);
  ASSERT_TRUE(key.ok());
  auto copy = key->clone();
  ASSERT_TRUE(copy.ok());
  EXPECT_TRUE(key->same_as(*copy));
  EXPECT_NE(key->secret().data(), copy->secret().data());
  auto other = Key::random(36);
  ASSERT_TRUE(other.ok());
  EXPECT_FALSE(key->same_as(*other));
}

TEST(Key, LengthsThatNoCipherHasAreRefused) {
  std::vector<uint8_t> none;
  EXPECT_FALSE(Key::take(none).ok());
  auto long_one = secret_of(kMaxKeyLength + 1);
  EXPECT_FALSE(Key::take(long_one).ok());
  EXPECT_EQ(long_one, std::vector<uint8_t>(kMaxKeyLength + 1, 0)) << "a refused secret is wiped too";
}

TEST(Key, ManyKeysShareFewPages) {
  std::vector<Key> keys;
  for (int i = 0; i < 1000; ++i) {
    auto key = Key::random(36);
    ASSERT_TRUE(key.ok()) << i << ": " << key.error();
    keys.push_back(std::move(*key));
  }
  for (size_t i = 1; i < keys.size(); ++i) ASSERT_FALSE(keys[i].same_as(keys[i - 1]));
}

}  // namespace
}  // namespace penstock::crypto
