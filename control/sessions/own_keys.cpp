#include "control/sessions/own_keys.h"

#include <algorithm>
#include <charconv>
#include <random>

#include "control/sessions/key_text.h"

namespace penstock::sessions {
namespace {

std::string_view next_word(std::string_view& text) {
  const std::string_view word = text.substr(0, text.find(' '));
  text.remove_prefix(std::min(word.size() + 1, text.size()));
  return word;
}

}  // namespace

config::SessionKey random_key() {
  std::random_device random;  // the system's, as for all secrets of the loop
  const auto word = [&random] { return static_cast<uint64_t>(random()) << 32 | random(); };
  return {word(), word()};
}

// Twice the time without a look: what was current is as old as a previous key gets, and goes.
OwnKeys OwnKeys::next(uint32_t now) const {
  OwnKeys out{.since = now, .current = random_key(), .previous = std::nullopt};
  if (now < since || now - since < 2 * kSealSeconds) out.previous = current;
  return out;
}

std::string to_text(const OwnKeys& keys) {
  std::string text = std::to_string(keys.since) + " " + to_text(keys.current);
  if (keys.previous) text += " " + to_text(*keys.previous);
  return text;
}

base::Result<OwnKeys> parse_own_keys(std::string_view text) {
  OwnKeys out;
  const std::string_view since = next_word(text), current = next_word(text), previous = next_word(text);
  const auto [end, fault] = std::from_chars(since.data(), since.data() + since.size(), out.since);
  const auto first = parse_key(current), second = parse_key(previous);
  if (since.empty() || fault != std::errc{} || end != since.data() + since.size() || !first ||
      (!previous.empty() && !second) || !text.empty())
    return base::Error{"want a time and one or two keys"};
  out.current = *first;
  out.previous = second;
  return out;
}

}  // namespace penstock::sessions
