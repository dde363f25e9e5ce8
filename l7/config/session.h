// Sessions that stay with an endpoint: Gateway API's sessionPersistence of a rule.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
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

constexpr size_t kMaxSessionKeys = 6;  // four of a file, two of the gateway's own: what a made-up token costs

// What a session's token is sealed with: 128 random bits.
struct SessionKey {
  uint64_t low = 0, high = 0;
  bool operator==(const SessionKey&) const = default;
};

// The first key seals; tokens of all are believed. `clock`: seconds since 1970, which the control thread writes and
// workers read, for Date fields too; the same for all generations. Null: always 0.
struct SessionKeys {
  std::array<SessionKey, kMaxSessionKeys> keys{};
  uint32_t count = 0;
  std::shared_ptr<const std::atomic<uint32_t>> clock;

  void add(const SessionKey& key) {
    if (count < kMaxSessionKeys) keys[count++] = key;
  }
  std::span<const SessionKey> all() const { return {keys.data(), count}; }
  uint32_t now() const { return clock == nullptr ? 0 : clock->load(std::memory_order_relaxed); }
  bool operator==(const SessionKeys&) const = default;
};

}  // namespace penstock::config
