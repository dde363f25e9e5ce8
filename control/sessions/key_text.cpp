#include "control/sessions/key_text.h"

#include <algorithm>
#include <charconv>
#include <cstdio>

namespace penstock::sessions {
namespace {

constexpr size_t kHalf = 16;  // digits of a word

bool parse_half(std::string_view digits, uint64_t& word) {
  const auto [end, fault] = std::from_chars(digits.data(), digits.data() + digits.size(), word, 16);
  return fault == std::errc{} && end == digits.data() + digits.size();
}

std::string_view trimmed(std::string_view text) {
  constexpr const char* kBlanks = " \t\r";
  text.remove_prefix(std::min(text.find_first_not_of(kBlanks), text.size()));
  return text.substr(0, text.find_last_not_of(kBlanks) + 1);
}

}  // namespace

std::optional<config::SessionKey> parse_key(std::string_view digits) {
  config::SessionKey key;
  if (digits.size() != 2 * kHalf || digits[0] == '-' || digits[kHalf] == '-') return std::nullopt;
  if (!parse_half(digits.substr(0, kHalf), key.high) || !parse_half(digits.substr(kHalf), key.low)) return std::nullopt;
  return key;
}

std::string to_text(const config::SessionKey& key) {
  char text[2 * kHalf + 1];
  std::snprintf(text, sizeof text, "%016llx%016llx", static_cast<unsigned long long>(key.high),
                static_cast<unsigned long long>(key.low));
  return text;
}

base::Result<std::vector<config::SessionKey>> parse_key_file(std::string_view text) {
  std::vector<config::SessionKey> keys;
  for (size_t number = 1; !text.empty(); ++number) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    line = trimmed(line.substr(0, line.find('#')));
    if (line.empty()) continue;
    const std::string where = "line " + std::to_string(number) + ": ";
    const auto key = parse_key(line);
    if (!key) return base::Error{where + "want a key of 32 hexadecimal digits (openssl rand -hex 16)"};
    if (std::find(keys.begin(), keys.end(), *key) != keys.end()) return base::Error{where + "the key is there twice"};
    if (keys.size() == kMaxFileKeys) return base::Error{where + "more than " + std::to_string(kMaxFileKeys) + " keys"};
    keys.push_back(*key);
  }
  if (keys.empty()) return base::Error{"has no key (want 1 to " + std::to_string(kMaxFileKeys) + ")"};
  return keys;
}

}  // namespace penstock::sessions
