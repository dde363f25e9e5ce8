#include "l7/http/date.h"

#include <chrono>

namespace penstock::http {

namespace {

void put_two(unsigned number, char* at) {
  at[0] = static_cast<char>('0' + number / 10 % 10);
  at[1] = static_cast<char>('0' + number % 10);
}

}  // namespace

void DateText::write(uint32_t seconds) {
  constexpr std::string_view kDays = "SunMonTueWedThuFriSat", kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";
  constexpr uint32_t kSecondsOfDay = 86400;
  const std::chrono::sys_days day{std::chrono::days{seconds / kSecondsOfDay}};
  const std::chrono::year_month_day date{day};
  const unsigned year = static_cast<unsigned>(static_cast<int>(date.year()));
  kDays.copy(&text_[0], 3, std::chrono::weekday{day}.c_encoding() * 3);
  put_two(static_cast<unsigned>(date.day()), &text_[5]);
  kMonths.copy(&text_[8], 3, (static_cast<unsigned>(date.month()) - 1) * 3);
  put_two(year / 100, &text_[12]);
  put_two(year % 100, &text_[14]);
  put_two(seconds % kSecondsOfDay / 3600, &text_[17]);
  put_two(seconds % 3600 / 60, &text_[20]);
  put_two(seconds % 60, &text_[23]);
  seconds_ = seconds;
}

}  // namespace penstock::http
