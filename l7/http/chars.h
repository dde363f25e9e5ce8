// What a byte may be part of: RFC 9110 5.6.2 (token), 5.5 (field value); RFC 3986 3.2.2, 3.3, 3.4 (host, path, query).
// One table, read by the plain code everywhere and by tests of the vector code.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace penstock::http {

enum CharClass : uint8_t {
  kToken = 1 << 0,       // tchar
  kFieldValue = 1 << 1,  // VCHAR, obs-text, SP, HTAB
  kPath = 1 << 2,        // pchar and "/" and, since browsers send them bare, "[" "]" "|" "^"; "%" included
  kQuery = 1 << 3,       // pchar, "/", "?" and what browsers leave bare in queries: [ ] | ^ { } ` \ '
  kHost = 1 << 4,        // reg-name without "%"
  kHexDigit = 1 << 5,
  kUnreserved = 1 << 6,  // RFC 3986 2.3
  kDigit = 1 << 7,
};

namespace detail {
constexpr bool contains(std::string_view set, char c) { return set.find(c) != std::string_view::npos; }

constexpr uint8_t classes_of(unsigned byte) {
  const char c = static_cast<char>(byte);
  const bool digit = c >= '0' && c <= '9';
  const bool alpha = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  const bool unreserved = alpha || digit || contains("-._~", c);
  const bool subset = contains("!$&'()*+,;=", c);  // sub-delims
  const bool pchar = unreserved || subset || contains(":@%", c);
  unsigned classes = 0;
  if (alpha || digit || contains("!#$%&'*+-.^_`|~", c)) classes |= kToken;
  if (byte == '\t' || (byte >= 0x20 && byte != 0x7f)) classes |= kFieldValue;
  if (pchar || contains("/[]|^", c)) classes |= kPath;
  if (pchar || contains("/?[]|^{}`\\", c)) classes |= kQuery;
  if (unreserved || subset) classes |= kHost;
  if (digit || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')) classes |= kHexDigit;
  if (unreserved) classes |= kUnreserved;
  if (digit) classes |= kDigit;
  return static_cast<uint8_t>(classes);
}

constexpr std::array<uint8_t, 256> make_classes() {
  std::array<uint8_t, 256> table{};
  for (unsigned byte = 0; byte < 256; ++byte) table[byte] = classes_of(byte);
  return table;
}
}  // namespace detail

inline constexpr std::array<uint8_t, 256> kCharClasses = detail::make_classes();

constexpr bool is(char c, CharClass what) { return kCharClasses[static_cast<uint8_t>(c)] & what; }
constexpr bool all(std::string_view text, CharClass what) {
  for (const char c : text)
    if (!is(c, what)) return false;
  return true;
}
constexpr bool is_token(std::string_view text) { return !text.empty() && all(text, kToken); }

constexpr char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; }
// `lowered` is already in lower case.
constexpr bool equals_lower(std::string_view text, std::string_view lowered) {
  if (text.size() != lowered.size()) return false;
  for (size_t i = 0; i < text.size(); ++i)
    if (lower(text[i]) != lowered[i]) return false;
  return true;
}
constexpr unsigned hex_value(char c) {  // of a kHexDigit
  return is(c, kDigit) ? static_cast<unsigned>(c - '0') : static_cast<unsigned>(lower(c) - 'a' + 10);
}

constexpr bool is_blank(char c) { return c == ' ' || c == '\t'; }  // OWS, RFC 9110 5.6.3
constexpr std::string_view trim(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

// Calls on_element(text) for each element of a comma-separated list (RFC 9110 5.6.1), trimmed, empty ones included.
// Not for lists whose elements may be quoted strings.
template <typename OnElement>
constexpr void for_each_element(std::string_view list, OnElement on_element) {
  for (;;) {
    const size_t comma = list.find(',');
    on_element(trim(list.substr(0, comma)));
    if (comma == std::string_view::npos) return;
    list.remove_prefix(comma + 1);
  }
}

}  // namespace penstock::http
