// Status codes (RFC 9110 15): which classes there are, which responses have no content, and the usual reason phrases.
#pragma once

#include <cstdint>
#include <string_view>

namespace penstock::http {

constexpr uint16_t kContinue = 100;
constexpr uint16_t kSwitchingProtocols = 101;
constexpr uint16_t kEarlyHints = 103;
constexpr uint16_t kNoContent = 204;
constexpr uint16_t kNotModified = 304;

constexpr bool is_status(unsigned code) { return code >= 100 && code <= 599; }  // others are invalid, RFC 9110 15
constexpr bool is_interim(uint16_t status) { return status >= 100 && status < 200; }
constexpr bool is_success(uint16_t status) { return status >= 200 && status < 300; }
// Whatever the request was, RFC 9112 6.3 rule 1.
constexpr bool never_has_content(uint16_t status) {
  return is_interim(status) || status == kNoContent || status == kNotModified;
}

std::string_view reason_phrase(uint16_t status);  // of the IANA registry; "" when it has none

}  // namespace penstock::http
