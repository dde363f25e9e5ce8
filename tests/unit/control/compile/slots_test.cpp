#include "control/compile/slots.h"

#include <gtest/gtest.h>

namespace penstock::compile {
namespace {

TEST(Slots, AreReusedOnlyWhenNobodyReadsThem) {
  Slots slots(2);
  EXPECT_EQ(slots.take(0), 0u);
  EXPECT_EQ(slots.take(0), 1u);
  EXPECT_EQ(slots.take(0), std::nullopt);
  slots.release(0, 7);
  EXPECT_EQ(slots.used(), 1u);
  EXPECT_EQ(slots.take(6), std::nullopt);
  EXPECT_EQ(slots.take(7), 0u);
  EXPECT_EQ(slots.take(7), std::nullopt);
}

TEST(Slots, RestWhileThereAreFreshOnes) {
  Slots slots(4, 2);
  EXPECT_EQ(slots.take(0), 0u);
  slots.release(0, 1);
  EXPECT_EQ(slots.take(9), 1u);
  slots.release(1, 2);
  EXPECT_EQ(slots.take(9), 2u);
  slots.release(2, 3);
  EXPECT_EQ(slots.take(9), 0u);  // three lie idle: the one that rested longest
  EXPECT_EQ(slots.take(9), 3u);
  EXPECT_EQ(slots.take(9), 1u);  // no fresh ones left
}

TEST(NamedSlots, KeepTheirNames) {
  NamedSlots slots(3);
  ASSERT_TRUE(slots.assign({"a", "b"}, 0, 0));
  const NamedSlots copy = slots;
  EXPECT_TRUE(copy.same_as(slots));
  ASSERT_TRUE(slots.assign({"b", "a"}, 0, 0));
  EXPECT_TRUE(copy.same_as(slots));
  ASSERT_TRUE(slots.assign({"c", "b"}, 1, 0));
  EXPECT_FALSE(copy.same_as(slots));
  EXPECT_EQ(slots.at("b"), copy.at("b"));
  EXPECT_EQ(slots.at("c"), 2u);
  EXPECT_EQ(slots.find("a"), std::nullopt);
  EXPECT_EQ(copy.find("a"), 0u);
  EXPECT_EQ(slots.bound(), 3u);
  EXPECT_FALSE(slots.assign({"b", "c", "d"}, 2, 0));  // the slot of "a" may still be read
  EXPECT_EQ(slots.at("c"), 2u);                       // and nothing has changed
  EXPECT_TRUE(slots.assign({"b", "c", "d"}, 2, 1));
  EXPECT_EQ(slots.at("d"), 0u);
}

}  // namespace
}  // namespace penstock::compile
