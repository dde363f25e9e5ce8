// Which hosts a listener or a route is for, as Gateway API writes it: "shop.example.com", "*.example.com" (one or more
// labels before the suffix, never none), or nothing, which is every host.
//
// A value; pure functions. Hosts of requests are given in lower case and without port (http::RequestHead::host()). One
// dot at the end of a request's host is passed over: "example.com." is the same name (RFC 3986 3.2.2).
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace penstock::config {

// In lower case, as Gateway API demands. `what` is the path of the field for errors.
base::Result<void> check_hostname(std::string_view hostname, const std::string& what);

constexpr bool is_wildcard(std::string_view hostname) { return hostname.starts_with("*."); }
constexpr std::string_view without_final_dot(std::string_view host) {
  if (host.size() > 1 && host.back() == '.') host.remove_suffix(1);
  return host;
}

// Whether a request for `host` is one for `hostname`.
bool covers(std::string_view hostname, std::string_view host);

// Whether some host is covered by both: what attaches a route to a listener.
bool intersect(std::string_view listener, std::string_view route);

}  // namespace penstock::config
