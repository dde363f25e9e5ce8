#include "l7/config/hostname.h"

#include "l7/config/limits.h"
#include "l7/http/chars.h"

namespace penstock::config {

namespace {

bool is_label_char(char c) { return (c >= 'a' && c <= 'z') || http::is(c, http::kDigit); }

bool is_label(std::string_view label) {
  if (label.empty() || !is_label_char(label.front()) || !is_label_char(label.back())) return false;
  for (const char c : label)
    if (!is_label_char(c) && c != '-') return false;
  return true;
}

bool all_digits(std::string_view label) { return !label.empty() && http::all(label, http::kDigit); }

}  // namespace

base::Result<void> check_hostname(std::string_view hostname, const std::string& what) {
  const auto error = [&](const std::string& why) { return base::Error{what + ": " + why}; };
  if (hostname.empty()) return error("empty; leave it out for every host");
  if (hostname.size() > kMaxHostnameBytes) return error("longer than 253 characters");
  std::string_view rest = is_wildcard(hostname) ? hostname.substr(2) : hostname;
  std::string_view label;
  for (bool more = true; more;) {
    const size_t dot = rest.find('.');
    label = rest.substr(0, dot);
    if (!is_label(label))
      return error("'" + std::string(hostname) +
                   "' is no hostname in lower case, with '*' at most as the whole first label");
    more = dot != std::string_view::npos;
    if (more) rest.remove_prefix(dot + 1);
  }
  if (all_digits(label)) return error("'" + std::string(hostname) + "' is an address, not a hostname");
  return {};
}

bool covers(std::string_view hostname, std::string_view host) {
  host = without_final_dot(host);
  if (hostname.empty()) return true;
  if (!is_wildcard(hostname)) return hostname == host;
  const std::string_view suffix = hostname.substr(1);  // with its dot
  return host.size() > suffix.size() && host.ends_with(suffix);
}

// Two wildcards meet in the longer one; a wildcard and a name where the wildcard covers the name.
bool intersect(std::string_view listener, std::string_view route) {
  if (listener.empty() || route.empty() || listener == route) return true;
  const bool listener_wild = is_wildcard(listener), route_wild = is_wildcard(route);
  if (listener_wild && route_wild)
    return listener.substr(1).ends_with(route.substr(1)) || route.substr(1).ends_with(listener.substr(1));
  if (listener_wild) return covers(listener, route);
  return route_wild && covers(route, listener);
}

}  // namespace penstock::config
