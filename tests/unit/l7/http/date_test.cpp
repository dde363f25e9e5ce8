#include "l7/http/date.h"

#include <gtest/gtest.h>

#include <ctime>
#include <random>
#include <string>

namespace penstock::http {
namespace {

TEST(Date, OfTheStandardAndOfTheEnds) {
  DateText text;
  EXPECT_EQ(text.of(784111777), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(text.of(0), "Thu, 01 Jan 1970 00:00:00 GMT");
  EXPECT_EQ(text.of(UINT32_MAX), "Sun, 07 Feb 2106 06:28:15 GMT");
  EXPECT_EQ(DateText().of(0), "Thu, 01 Jan 1970 00:00:00 GMT");
}

TEST(Date, AgreesWithTheLibrary) {
  std::mt19937 random(11);
  DateText text;
  for (int i = 0; i < 100'000; ++i) {
    const auto seconds = static_cast<uint32_t>(random());
    const auto time = static_cast<std::time_t>(seconds);
    std::tm parts{};
    gmtime_r(&time, &parts);
    char wanted[32];
    wanted[std::strftime(wanted, sizeof wanted, "%a, %d %b %Y %H:%M:%S GMT", &parts)] = 0;
    ASSERT_EQ(text.of(seconds), wanted);
    ASSERT_EQ(text.of(seconds), wanted);
  }
}

}  // namespace
}  // namespace penstock::http
