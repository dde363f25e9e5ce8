// Session keys as text: 32 hexadecimal digits, the high half first. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "l7/config/session.h"

namespace penstock::sessions {

constexpr size_t kMaxFileKeys = 4;

std::optional<config::SessionKey> parse_key(std::string_view digits);
std::string to_text(const config::SessionKey& key);

// A file of keys that gateways share: one a line, the first seals. Blank lines and what follows a '#' are nothing.
// Failure: the line and what is valid; no word of a key.
base::Result<std::vector<config::SessionKey>> parse_key_file(std::string_view text);

}  // namespace penstock::sessions
