#include "l7/http/read_date.h"

#include <gtest/gtest.h>

#include <string>

namespace penstock::http {
namespace {

TEST(ReadDate, SecondsSince1970) {
  EXPECT_EQ(read_date("Thu, 01 Jan 1970 00:00:00 GMT"), 0u);
  EXPECT_EQ(read_date("Sun, 06 Nov 1994 08:49:37 GMT"), 784111777u);
  EXPECT_EQ(read_date("Thu, 29 Feb 2024 23:59:60 GMT"), 1709251200u);
  EXPECT_EQ(read_date("Fri, 31 Dec 9999 23:59:59 GMT"), 253402300799u);
}

TEST(ReadDate, NothingElse) {
  const std::string good = "Sun, 06 Nov 1994 08:49:37 GMT";
  for (size_t i = 0; i < good.size(); ++i) {
    EXPECT_FALSE(read_date(good.substr(0, i))) << i;
    for (const char c : {'\0', '-', '/', ':', 'x', '\xff'}) {
      std::string other = good;
      if (other[i] == c) continue;
      other[i] = c;
      EXPECT_FALSE(read_date(other)) << other;
    }
  }
  for (const char* each :
       {"Mon, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 24:49:37 GMT", "Sun, 06 Nov 1994 08:60:37 GMT",
        "Sun, 06 Nov 1994 08:49:61 GMT", "Wed, 31 Dec 1969 23:59:59 GMT", "Thu, 30 Feb 2023 00:00:00 GMT",
        "Sun, 06 Nov 1994 08:49:37 UTC", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"})
    EXPECT_FALSE(read_date(each)) << each;
}

}  // namespace
}  // namespace penstock::http
