#include "control/loop/log.h"

#include <gtest/gtest.h>

namespace penstock::loop::log {
namespace {

constexpr base::Nanos kWall = 1'767'225'600'123'000'000;  // 2026-01-01T00:00:00.123Z

TEST(Log, KeyValue) {
  EXPECT_EQ(line(Format::kKeyValue, Level::kInfo, kWall, "link up", {{"interface", "wan"}, {"note", "a \"b\"\n"}}),
            "ts=2026-01-01T00:00:00.123Z level=info msg=\"link up\" interface=wan note=\"a \\\"b\\\"\\u000a\"");
  EXPECT_EQ(line(Format::kKeyValue, Level::kWarn, kWall, "x", {{"empty", ""}, {"eq", "a=b"}}, 7),
            "ts=2026-01-01T00:00:00.123Z level=warn msg=x empty=\"\" eq=\"a=b\" suppressed=7");
}

TEST(Log, Json) {
  EXPECT_EQ(line(Format::kJson, Level::kError, kWall, "link up", {{"interface", "wan"}, {"p", "\\"}}),
            R"({"ts":"2026-01-01T00:00:00.123Z","level":"error","msg":"link up","interface":"wan","p":"\\"})");
}

TEST(Log, AMessageIsLimitedByItself) {
  Limiter limiter;
  base::Nanos now = 5 * base::kNanosPerSecond;
  for (unsigned i = 0; i < kLinesPerSecond; ++i) EXPECT_TRUE(limiter.admit("a", now).pass);
  for (int i = 0; i < 37; ++i) EXPECT_FALSE(limiter.admit("a", now).pass);
  EXPECT_TRUE(limiter.admit("b", now).pass);
  now += base::kNanosPerSecond;
  const auto next = limiter.admit("a", now);
  EXPECT_TRUE(next.pass);
  EXPECT_EQ(next.suppressed, 37u);
  EXPECT_EQ(limiter.admit("a", now).suppressed, 0u);
}

TEST(Log, WordsOfTheCommandLine) {
  EXPECT_EQ(parse_level("warn").value(), Level::kWarn);
  EXPECT_FALSE(parse_level("loud").ok());
  EXPECT_EQ(parse_format("json").value(), Format::kJson);
  EXPECT_FALSE(parse_format("xml").ok());
}

}  // namespace
}  // namespace penstock::loop::log
