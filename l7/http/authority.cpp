#include "l7/http/authority.h"

#include <arpa/inet.h>

#include <array>

#include "l7/http/chars.h"

namespace penstock::http {

namespace {

bool is_ipv6(std::string_view text) {
  std::array<char, INET6_ADDRSTRLEN + 1> buffer{};  // inet_pton wants a terminated string
  if (text.size() >= buffer.size()) return false;
  text.copy(buffer.data(), text.size());
  in6_addr address;
  return inet_pton(AF_INET6, buffer.data(), &address) == 1;
}

// *DIGIT: an empty port is allowed and means none (RFC 3986 3.2.3); port 0 cannot be connected to.
bool parse_port(std::string_view text, uint16_t& out) {
  uint32_t port = 0;
  for (const char c : text) {
    if (!is(c, kDigit)) return false;
    port = port * 10 + static_cast<uint32_t>(c - '0');
    if (port > 65535) return false;
  }
  if (port == 0 && !text.empty()) return false;
  out = static_cast<uint16_t>(port);
  return true;
}

}  // namespace

Fault parse_authority(std::string_view text, Authority& out) {
  if (text.find('@') != std::string_view::npos) return Fault::user_info;
  out = {};
  size_t host_size = 0;
  if (!text.empty() && text.front() == '[') {
    const size_t close = text.find(']');
    if (close == std::string_view::npos || !is_ipv6(text.substr(1, close - 1))) return Fault::bad_authority;
    host_size = close + 1;
  } else {
    while (host_size < text.size() && is(text[host_size], kHost)) ++host_size;
  }
  out.host = text.substr(0, host_size);
  if (host_size > kMaxHostBytes) return Fault::bad_authority;
  const std::string_view rest = text.substr(host_size);
  if (rest.empty()) return Fault::kNone;
  if (host_size == 0 || rest.front() != ':' || !parse_port(rest.substr(1), out.port)) return Fault::bad_authority;
  return Fault::kNone;
}

}  // namespace penstock::http
