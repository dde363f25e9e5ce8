// The keys of a gateway that shares them with none: one seals, and the one before it is still believed.
//
// A key seals for kSealSeconds, the longest time-out that a session may have, and is believed as long again: so no
// exchange ends a session before its time. A session without time-outs ends when its client stays away longer.
// A value. Times are seconds since 1970, from the caller.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "l7/config/session.h"

namespace penstock::sessions {

constexpr uint32_t kSealSeconds = config::kMaxSessionSeconds;

struct OwnKeys {
  uint32_t since = 0;  // when the current key was made
  config::SessionKey current;
  std::optional<config::SessionKey> previous;
  bool operator==(const OwnKeys&) const = default;

  bool is_due(uint32_t now) const { return now >= since && now - since >= kSealSeconds; }
  OwnKeys next(uint32_t now) const;  // with a new current key
};

config::SessionKey random_key();  // by the system
std::string to_text(const OwnKeys& keys);
base::Result<OwnKeys> parse_own_keys(std::string_view text);  // what to_text() wrote

}  // namespace penstock::sessions
