// The host and port a request is for: "example.com", "example.com:8080", "192.0.2.1", "[2001:db8::1]:443"
// (RFC 3986 3.2, RFC 9110 4.2 and 7.2). Where the text came from (Host, an absolute target, :authority) is a codec's
// knowledge.
//
// Memory: views of the text that was given. An empty host is allowed (RFC 9112 3.2 makes clients send one where the
// target has no authority), an empty host with a port is not. User information is refused. Percent-encoded hosts are
// refused: nobody sends them, and two readers would disagree whether they are decoded. IPv6 addresses need brackets and
// have no zone.
#pragma once

#include <cstdint>
#include <string_view>

#include "l7/http/fault.h"

namespace penstock::http {

constexpr uint32_t kMaxHostBytes = 255;  // RFC 1035 2.3.4

struct Authority {
  std::string_view host;  // as given; brackets included
  uint16_t port = 0;      // 0: none given
};

// Fault::kNone, bad_authority or user_info.
Fault parse_authority(std::string_view text, Authority& out);

}  // namespace penstock::http
