#include "l7/config/request_limit.h"

namespace penstock::config {

base::Result<void> check_path_pattern(const std::string& pattern, const std::string& what) {
  if (pattern.empty() || pattern.front() != '/') return base::Error{what + ": must begin with '/'"};
  if (pattern.size() > kMaxPathPatternBytes)
    return base::Error{what + ": longer than " + std::to_string(kMaxPathPatternBytes) + " bytes"};
  std::string literal;  // with a letter for what is none
  for (size_t at = 1; at <= pattern.size();) {
    const size_t slash = std::min(pattern.find('/', at), pattern.size());
    const std::string segment = pattern.substr(at, slash - at);
    const bool last = slash == pattern.size();
    if (segment == "**" && !last) return base::Error{what + ": '**' is only for the end"};
    const bool named = segment.size() > 2 && segment.front() == '{' && segment.back() == '}';
    const bool wild = named || segment == "*" || segment == "**";
    if (!wild && segment.find_first_of("{}*") != std::string::npos)
      return base::Error{what + ": '" + segment + "' is neither literal nor one of {name}, * and **"};
    literal += "/" + (wild ? std::string("x") : segment);
    at = slash + 1;
  }
  Match match;
  match.path = {PathKind::kExact, literal};
  return check(match, what);
}

}  // namespace penstock::config
