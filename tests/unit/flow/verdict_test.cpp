#include "flow/verdict.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace penstock::flow {
namespace {

TEST(Verdict, EveryDropHasOneNameAndASentence) {
  std::set<std::string> names;
  for (size_t i = 0; i < kDropReasons; ++i) {
    const DropInfo& drop = info(static_cast<DropReason>(i));
    EXPECT_TRUE(names.insert(drop.name).second) << drop.name;
    EXPECT_GT(std::string(drop.sentence).size(), 5u) << drop.name;
    EXPECT_STRNE(to_string(drop.severity), "unknown");
    for (const char c : std::string(drop.name))
      EXPECT_TRUE((c >= 'a' && c <= 'z') || c == '_' || c == '4') << drop.name;
  }
  EXPECT_STREQ(info(DropReason::kNone).name, "none");
  EXPECT_STREQ(info(DropReason::no_route).name, "no_route");
  EXPECT_EQ(info(DropReason::limit_exceeded).severity, Severity::kExpected);
  EXPECT_STREQ(info(DropReason::kCount).name, "none");
}

TEST(Verdict, HasNames) {
  EXPECT_STREQ(to_string(Verdict::kContinue), "continue");
  EXPECT_STREQ(to_string(Verdict::kDrop), "drop");
}

}  // namespace
}  // namespace penstock::flow
