// The limits of HTTP/1 syntax that the message model does not have, with their defaults.
#pragma once

#include <cstdint>

#include "l7/http/limits.h"
#include "l7/http/path.h"

namespace penstock::h1 {

constexpr uint32_t kMaxStatusLineBytes = 4096;      // nobody reads a longer reason: status_line_too_long
constexpr uint32_t kRequestLineFrame = 32 + 2 + 8;  // longest method, two spaces, "HTTP/1.1"
constexpr unsigned kMaxLeadingEmptyLines = 1;       // RFC 9112 2.2: old clients send one CR LF too many
constexpr unsigned kMaxConnectionOptions = 32;      // bad_connection; real ones have one or two
constexpr unsigned kMaxChunkSizeDigits = 16;        // 64 bits, leading zeros counted
constexpr uint32_t kMaxChunkExtensionBytes = 4096;  // per message, RFC 9112 7.1.1 asks for a limit
constexpr unsigned kMaxInterimResponses = 16;       // before a final response; a server that sends more is broken

struct Limits {
  http::HeadLimits head;
  http::PathPolicy path;
};

}  // namespace penstock::h1
