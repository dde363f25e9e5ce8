#include "l7/http/read_date.h"

#include <chrono>

namespace penstock::http {

namespace {

// Decimal digits only; -1 else.
int number(std::string_view digits) {
  int value = 0;
  for (const char c : digits) {
    if (c < '0' || c > '9') return -1;
    value = value * 10 + (c - '0');
  }
  return value;
}

// The place of a name of three letters in a row of them; -1: none.
int place(std::string_view names, std::string_view name) {
  for (size_t at = 0; at < names.size(); at += 3)
    if (names.substr(at, 3) == name) return static_cast<int>(at / 3);
  return -1;
}

}  // namespace

std::optional<uint64_t> read_date(std::string_view text) {
  constexpr std::string_view kShape = "???, ?? ??? ???? ??:??:?? GMT";
  if (text.size() != kShape.size()) return std::nullopt;
  for (size_t i = 0; i < kShape.size(); ++i)
    if (kShape[i] != '?' && kShape[i] != text[i]) return std::nullopt;
  const int weekday = place("SunMonTueWedThuFriSat", text.substr(0, 3));
  const int month = place("JanFebMarAprMayJunJulAugSepOctNovDec", text.substr(8, 3));
  const int day = number(text.substr(5, 2)), year = number(text.substr(12, 4));
  const int hour = number(text.substr(17, 2)), minute = number(text.substr(20, 2)), second = number(text.substr(23, 2));
  if (weekday < 0 || month < 0 || day < 0 || year < 1970 || hour < 0 || hour > 23 || minute < 0 || minute > 59 ||
      second < 0 || second > 60)
    return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year{year}, std::chrono::month{static_cast<unsigned>(month + 1)},
                                         std::chrono::day{static_cast<unsigned>(day)}};
  if (!date.ok() || std::chrono::weekday{date}.c_encoding() != static_cast<unsigned>(weekday)) return std::nullopt;
  const auto days = static_cast<uint64_t>(std::chrono::sys_days{date}.time_since_epoch().count());
  return days * 86400 + static_cast<uint64_t>(hour * 3600 + minute * 60 + second);
}

}  // namespace penstock::http
