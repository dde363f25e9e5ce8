// How much of a message head is kept, in any version of HTTP. A listener may choose less, and more fields: that is what
// the memory of messages is made for.
#pragma once

#include <cstdint>

namespace penstock::http {

constexpr uint32_t kDefaultTargetBytes = 8192;             // RFC 9110 4.1 asks for at least 8000
constexpr uint32_t kDefaultFieldBytes = 60 * 1024;         // what Envoy takes, and therefore what people send
constexpr uint32_t kDefaultFieldCount = 100;               // as Envoy; a browser sends about 20
constexpr uint32_t kDefaultTrailerBytes = 8 * 1024;        // grpc-status, grpc-message, a digest
constexpr uint64_t kDefaultBodyBytes = uint64_t{1} << 40;  // stops an endless upload, not a large one
constexpr uint32_t kMaxMethodBytes = 32;                   // the longest registered one has 17: UPDATEREDIRECTREF
constexpr uint32_t kMaxFieldNameBytes = 256;               // keeps a field's record small; longer is bad_field_name
constexpr uint32_t kMaxFieldCount = 400;  // that a listener may choose; 16 bytes each, whatever it does

// What the gateway itself writes into a message: forwarding fields, request id, rewritten path and host, filters.
constexpr uint32_t kOwnFieldCount = 32;
constexpr uint32_t kOwnBytes = 8 * 1024;

struct HeadLimits {
  uint32_t target_bytes = kDefaultTargetBytes;    // target_too_long
  uint32_t field_bytes = kDefaultFieldBytes;      // fields_too_large; with separators and line ends
  uint32_t field_count = kDefaultFieldCount;      // too_many_fields
  uint32_t trailer_bytes = kDefaultTrailerBytes;  // fields_too_large
  uint64_t body_bytes = kDefaultBodyBytes;        // body_too_large

  bool operator==(const HeadLimits&) const = default;

  // Memory of one message: its target twice (as sent and normalised), fields, trailers, and what the gateway adds.
  uint32_t arena_bytes() const { return 2 * target_bytes + field_bytes + trailer_bytes + kOwnBytes; }
  uint32_t fields_kept() const { return field_count + kOwnFieldCount; }
};

}  // namespace penstock::http
