// What a rule does with its requests and responses besides sending them to a backend. Names and meanings are those of
// Gateway API v1 (HTTPRouteFilter) where it has them; Fault and DirectResponse follow Envoy.
//
// Immutable values; built and checked by control, read by workers. Field names are in lower case and none that codecs
// take out of the fields; values hold no control characters; paths begin with "/" or are empty.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "l7/config/session.h"
#include "l7/http/message.h"

namespace penstock::config {

// Changes are applied in the order set, add, remove (Gateway API does not say; this is Envoy Gateway's).
struct HeaderChange {
  enum class Kind : uint8_t { kSet, kAdd, kRemove };
  Kind kind = Kind::kSet;
  std::string name;
  std::string value;  // empty for kRemove
  bool operator==(const HeaderChange&) const = default;
};

struct PathModifier {
  enum class Kind : uint8_t { kNone, kFullPath, kPrefixMatch };
  Kind kind = Kind::kNone;
  std::string replacement;
  bool operator==(const PathModifier&) const = default;
};

struct Redirect {
  std::optional<http::Scheme> scheme;  // none: that the client used
  std::string hostname;                // empty: the request's
  PathModifier path;
  uint16_t port = 0;      // 0: the scheme's own when `scheme` is given, else that the client used
  uint16_t status = 302;  // 301, 302, 303, 307 or 308
  bool operator==(const Redirect&) const = default;
};

struct Rewrite {
  std::string hostname;  // empty: unchanged
  PathModifier path;
  bool operator==(const Rewrite&) const = default;
};

// A copy of the request whose answer nobody sees.
struct Mirror {
  uint32_t cluster = 0;
  uint32_t numerator = 1, denominator = 1;  // so many of so many requests
};

struct DirectResponse {
  uint16_t status = 200;
  std::string content_type{};  // empty: none
  std::string body{};
  uint32_t retry_after = 0;  // seconds, for the field Retry-After; 0: none
  bool operator==(const DirectResponse&) const = default;
};

// The Fetch standard's CORS protocol, answered by the gateway. "*" stands for every origin, method or field.
struct Cors {
  std::vector<std::string> origins;  // "https://shop.example", "https://*.example", "*"
  std::vector<std::string> methods;
  std::vector<std::string> request_headers;
  std::vector<std::string> expose_headers;
  bool credentials = false;
  uint32_t max_age_seconds = 5;
  bool operator==(const Cors&) const = default;
};

struct FaultHeader {  // a field with exactly this value
  std::string name;
  std::string value;
  bool operator==(const FaultHeader&) const = default;
};

// Of each million requests with these fields so many are delayed, so many of those that go on are reset or aborted, and
// the answers of so many others are slowed down.
struct Fault {
  std::vector<FaultHeader> headers;
  base::Nanos delay = 0;
  uint32_t delay_per_million = 0;
  uint32_t reset_per_million = 0;
  uint16_t abort_status = 0;  // 0: none
  uint32_t abort_per_million = 0;
  double throttle_bits = 0;  // per second, of each answer's content; 0: none
  uint32_t throttle_per_million = 0;
};

constexpr size_t kMaxMirrors = 16;  // of a rule, and of a backend

struct Filters {
  std::vector<HeaderChange> request, response;
  std::optional<Redirect> redirect;              // answers; nothing below is looked at
  std::shared_ptr<const DirectResponse> direct;  // null: none
  std::optional<Rewrite> rewrite;
  std::optional<Cors> cors;
  std::optional<Fault> fault;
  std::vector<Mirror> mirrors;
  std::optional<SessionPersistence> session;  // of a rule
};

}  // namespace penstock::config
