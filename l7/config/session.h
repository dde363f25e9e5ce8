// Sessions that stay with an endpoint: Gateway API's sessionPersistence of a rule.
#pragma once

#include <cstdint>
#include <string>

namespace penstock::config {

constexpr size_t kMaxSessionNameBytes = 128;         // Gateway API
constexpr uint32_t kMaxSessionSeconds = 49 * 86400;  // as all durations of the API

struct SessionPersistence {
  enum class Type : uint8_t { kCookie, kHeader };
  Type type = Type::kCookie;
  std::string name;               // of the cookie, or of the header in lower case; a token of HTTP
  uint32_t absolute_seconds = 0;  // 0: no bound
  uint32_t idle_seconds = 0;      // 0: no bound
  bool permanent = false;         // cookieConfig.lifetimeType: the cookie outlives the browser, until absolute_seconds
  bool operator==(const SessionPersistence&) const = default;
};

// How a session's token is sealed. The same for all workers and generations of one process.
struct SessionKey {
  uint64_t low = 0, high = 0;
};

}  // namespace penstock::config
